/**
 * Who runs: a task of the simulated kernel.
 *
 * Mirrors what the model needs of struct task_struct: a pid and a name for log
 * lines, pending signals for interruptible waits, and the locks it holds (for
 * the order checker). Every entry from outside (a store, a guest instruction,
 * a timer's work) runs in a task, and each function that may wait takes it.
 */
import type { LockClass } from './lockdep.js';

/** A lock as the order checker sees it while it is held. */
export interface HeldLock {
  readonly cls: LockClass;
  readonly lock: object;
}

/** Something that one waits for, and the task that can give it. */
export interface Awaited {
  readonly owner: Task | undefined;
}

/** Something a task can be inside of. */
export interface Inside {
  /** A task inside has begun to wait for another one. */
  userWaits(): void;
}

/** Takes out who came in last as `who`: nearly always the last one of all, as every read of a file does. */
export function takeOut<T>(inside: T[], who: T): void {
  if (inside.at(-1) === who) inside.pop();
  else {
    const at = inside.lastIndexOf(who);
    if (at >= 0) inside.splice(at, 1);
  }
}

export interface TaskOptions {
  readonly pid: number;
  readonly comm: string;
  /** Aborted when a signal is pending for the caller. */
  readonly signal?: AbortSignal | undefined;
}

export class Task {
  readonly pid: number;
  readonly #options: TaskOptions;
  /** Innermost last. */
  readonly held: HeldLock[] = [];
  /** What it waits for now, and who could end that; set by `waiting`. */
  #waitingFor: Awaited | undefined;
  #inside: Inside[] | undefined;

  constructor(options: TaskOptions) {
    this.pid = options.pid;
    this.#options = options;
  }

  // Asked for only when needed: what knows a caller may have to find them out.

  get comm(): string {
    return this.#options.comm;
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  /** `signal_pending(current)`. */
  get signalPending(): boolean {
    return this.signal?.aborted ?? false;
  }

  /** Notes what this task is inside of: that learns of it when the task begins to wait. */
  enter(where: Inside): void {
    this.#inside ??= [];
    this.#inside.push(where);
  }

  leave(where: Inside): void {
    if (this.#inside) takeOut(this.#inside, where);
  }

  /** Waits, and says meanwhile for whom. */
  async waiting<T>(what: Awaited, until: Promise<T>): Promise<T> {
    const before = this.#waitingFor;
    this.#waitingFor = what;
    for (const where of this.#inside ?? []) where.userWaits();
    try {
      return await until;
    } finally {
      this.#waitingFor = before;
    }
  }

  /** True if `other` must go on before this task can: directly, or by way of others. */
  waitsFor(other: Task): boolean {
    const seen = new Set<Task>();
    for (let task = this.#waitingFor?.owner; task && !seen.has(task); task = task.#waitingFor?.owner) {
      if (task === other) return true;
      seen.add(task);
    }
    return false;
  }

  holds(lock: object): boolean {
    return this.held.some((h) => h.lock === lock);
  }
}
