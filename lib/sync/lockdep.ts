/**
 * The lock-order checker.
 *
 * Mirrors the idea of kernel/locking/lockdep.c: locks of one kind form a class,
 * each acquisition while others are held teaches an edge "held before taken",
 * and an edge that closes a circle is reported at its first occurrence, long
 * before two tasks really block each other. Classes belong to one kernel.
 */
import type { Task } from './task.js';

export interface LockClass {
  readonly name: string;
  /** Classes that were taken while this one was held. */
  readonly after: Set<LockClass>;
}

export interface LockOrderViolation {
  readonly kind: 'same-class' | 'reverse' | 'not-held';
  readonly text: string;
}

export class Lockdep {
  readonly #classes = new Map<string, LockClass>();
  readonly violations: LockOrderViolation[] = [];
  /** Called at each new violation, so that the log and tests learn of it at once. */
  onViolation: ((v: LockOrderViolation) => void) | undefined;

  /** The class of that name; made when first asked for. */
  classOf(name: string): LockClass {
    let cls = this.#classes.get(name);
    if (!cls) {
      cls = { name, after: new Set() };
      this.#classes.set(name, cls);
    }
    return cls;
  }

  /** Before waiting for a lock: checks and learns the order. */
  acquiring(task: Task, cls: LockClass): void {
    for (const { cls: heldCls } of task.held) {
      if (heldCls === cls) {
        this.#report('same-class', `${task.comm}[${task.pid}] takes ${cls.name} while it holds one`);
        continue;
      }
      if (heldCls.after.has(cls)) continue;
      const path = this.#path(cls, heldCls);
      if (path) {
        this.#report(
          'reverse',
          `${task.comm}[${task.pid}] takes ${cls.name} under ${heldCls.name}, but earlier: ${path.map((c) => c.name).join(' -> ')}`,
        );
        continue;
      }
      heldCls.after.add(cls);
    }
  }

  acquired(task: Task, cls: LockClass, lock: object): void {
    task.held.push({ cls, lock });
  }

  released(task: Task, cls: LockClass, lock: object): void {
    const at = task.held.findLastIndex((h) => h.lock === lock);
    if (at < 0) {
      this.#report('not-held', `${task.comm}[${task.pid}] releases ${cls.name}, which it does not hold`);
      return;
    }
    task.held.splice(at, 1);
  }

  notHeld(task: Task, cls: LockClass): void {
    this.#report('not-held', `${task.comm}[${task.pid}] needs ${cls.name}, which it does not hold`);
  }

  /** The order learnt so far, one `outer -> inner` a line, sorted. */
  describe(): string {
    const lines: string[] = [];
    for (const cls of this.#classes.values()) for (const inner of cls.after) lines.push(`${cls.name} -> ${inner.name}`);
    lines.sort();
    for (const v of this.violations) lines.push(`VIOLATION ${v.kind}: ${v.text}`);
    return lines.map((l) => `${l}\n`).join('');
  }

  #path(from: LockClass, to: LockClass): LockClass[] | undefined {
    const seen = new Set<LockClass>([from]);
    const walk = (at: LockClass): LockClass[] | undefined => {
      if (at === to) return [at];
      for (const next of at.after) {
        if (seen.has(next)) continue;
        seen.add(next);
        const rest = walk(next);
        if (rest) return [at, ...rest];
      }
      return undefined;
    };
    return walk(from);
  }

  #report(kind: LockOrderViolation['kind'], text: string): void {
    const v: LockOrderViolation = { kind, text };
    this.violations.push(v);
    this.onViolation?.(v);
  }
}
