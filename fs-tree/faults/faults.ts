/**
 * Fault rules at work: the list, its counters, and what a call meets.
 *
 * Ops asks only while there are rules. Which files a pattern meets by way of
 * links is worked out anew after each change of the tree, at the next call.
 */
import { callsHit, type FaultDescription, type FaultOp, faultProblem, valueText } from '../../lib/description/fault.js';
import { DescriptionError, type Problem } from '../../lib/description/problem.js';
import { KernelError } from '../../lib/errno.js';
import type { Clock, Trace } from '../../lib/ports.js';
import { sleepInterruptible } from '../../lib/sync/wait.js';
import type { ChangeSource } from '../kernfs/changes.js';
import type { DirNode, FileNode, Intercept, IoContext, Show, Store } from '../kernfs/node.js';
import { globProblem, PathGlob } from './glob.js';

/** A rule with what became of it. */
export interface Fault extends FaultDescription {
  readonly id: number;
  /** Calls that its pattern met so far. */
  readonly matched: number;
  /** Those that were hit. */
  readonly hits: number;
  /** It will hit no more. */
  readonly over: boolean;
}

class Rule {
  matched = 0;
  hits = 0;
  directories: Set<string> | undefined;

  constructor(
    readonly id: number,
    readonly what: FaultDescription,
    readonly glob: PathGlob,
  ) {}

  get over(): boolean {
    return this.hits >= callsHit(this.what);
  }

  /** Counts a call that the pattern meets; true: it is hit. */
  counts(): boolean {
    this.matched++;
    if (this.matched < (this.what.nth ?? 1) || this.over) return false;
    this.hits++;
    return true;
  }
}

export interface FaultPorts {
  readonly clock: Clock;
  readonly trace: Trace;
}

export class Faults implements Intercept {
  readonly #ports: FaultPorts;
  readonly #rules = new Map<number, Rule>();
  #lastId = 0;
  #root: DirNode | undefined;
  /** Somebody tells when the tree changes: what was worked out may be kept. */
  #told = false;

  constructor(ports: FaultPorts) {
    this.#ports = ports;
  }

  /** The tree whose files are meant. @param changes tells when it changes */
  attach(root: DirNode, changes?: ChangeSource): void {
    this.#root = root;
    this.#told = changes !== undefined;
    changes?.onChange(() => {
      for (const rule of this.#rules.values()) rule.directories = undefined;
    });
  }

  get active(): boolean {
    return this.#rules.size > 0;
  }

  /** @returns its id @throws EINVAL with what is wrong */
  add(what: FaultDescription): number {
    const problem = faultProblem(what) ?? globProblem(what.path);
    if (problem !== undefined) throw new KernelError('EINVAL', `faults: ${problem}`);
    const rule = new Rule(++this.#lastId, what, new PathGlob(what.path));
    this.#rules.set(rule.id, rule);
    return rule.id;
  }

  /** @throws ENOENT there is no such rule */
  remove(id: number): void {
    if (!this.#rules.delete(id)) throw new KernelError('ENOENT', `faults: there is no fault ${id}`);
  }

  removeAll(): void {
    this.#rules.clear();
  }

  list(): Fault[] {
    return [...this.#rules.values()].map(({ id, what, matched, hits, over }) => ({ ...what, id, matched, hits, over }));
  }

  /** @throws what a rule says */
  open(node: FileNode): void {
    for (const { what } of this.#hit('open', node)) if (what.errno !== undefined) throw new KernelError(what.errno);
  }

  async show(node: FileNode, ctx: IoContext, show: Show): Promise<string> {
    const value = await this.#meet('read', node, ctx);
    return value === undefined ? show(ctx) : value;
  }

  async store(node: FileNode, text: string, ctx: IoContext, store: Store): Promise<number | undefined> {
    const value = await this.#meet('write', node, ctx);
    if (value === undefined) return (await store(text, ctx)) ?? undefined;
    await store(value, ctx);
    return text.length;
  }

  /** Waits and fails as the rules say. @returns the value that takes the place of the real one */
  async #meet(op: FaultOp, node: FileNode, { task }: IoContext): Promise<string | undefined> {
    let value: string | undefined;
    for (const { what } of this.#hit(op, node)) {
      if (what.delay !== undefined) await sleepInterruptible(this.#ports.clock, task, what.delay, 'fault-delay');
      if (what.errno !== undefined) throw new KernelError(what.errno);
      if (what.value !== undefined) value ??= valueText(what.value);
    }
    return value;
  }

  /** The rules whose turn it is; all that the file meets count the call. */
  #hit(op: FaultOp, { path }: FileNode): Rule[] {
    if (path === undefined) return [];
    const hit = [...this.#rules.values()].filter(
      (rule) => rule.what.op === op && rule.glob.matches(path, this.#directories(rule)) && rule.counts(),
    );
    const { trace } = this.#ports;
    if (trace.enabled)
      for (const { id } of hit) trace.emit({ kind: 'fault', text: `fault ${id} hits ${op} of ${path}` });
    return hit;
  }

  #directories(rule: Rule): ReadonlySet<string> {
    if (rule.directories) return rule.directories;
    const found = this.#root ? rule.glob.directories(this.#root) : new Set<string>();
    if (this.#told) rule.directories = found;
    return found;
  }
}

/** The rules of a description. @throws DescriptionError those that make no sense */
export function describedFaults(ports: FaultPorts, rules: readonly FaultDescription[] = []): Faults {
  const problems = patternProblems(rules);
  if (problems.length > 0) throw new DescriptionError(problems);
  const faults = new Faults(ports);
  for (const rule of rules) faults.add(rule);
  return faults;
}

/** What is wrong with the patterns of rules; the model, which knows no files, checks the rest (checkDescription). */
export function patternProblems(rules: readonly FaultDescription[] = []): Problem[] {
  return rules.flatMap(({ path }, i) => {
    const text = globProblem(path);
    return text === undefined ? [] : [{ severity: 'error' as const, path: ['faults', i, 'path'], text }];
  });
}
