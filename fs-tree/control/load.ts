/**
 * `load`: programs that use the zcrypt device nodes.
 *
 * A device node in a mount cannot be opened through it, so programs that have
 * one open live here. Three vocabularies, one after the other more like what a
 * user types:
 *   open, request, result, .. the calls of one program, step by step (load-programs.ts)
 *   run, stop, status, ..     jobs: traffic of many requests (load-jobs.ts)
 *   cryptoload, zcdev         whole programs of the recordings (load-tools.ts)
 * Programs and jobs are numbered together. Read: all of them.
 */
import { KernelError } from '../../lib/errno.js';
import type { Task } from '../../lib/sync/task.js';
import type { World } from '../../lib/world.js';
import { JOB_VERBS, LoadJobs } from './load-jobs.js';
import { LoadPrograms, PROGRAM_VERBS } from './load-programs.js';
import { cryptoload, zcdev } from './load-tools.js';
import { type Outcome, printed } from './verbs.js';

const VERBS = [...JOB_VERBS, ...PROGRAM_VERBS, 'cryptoload', 'zcdev'];

export class Load {
  readonly #world: World;
  readonly #programs: LoadPrograms;
  readonly #jobs: LoadJobs;
  #lastId = 0;

  constructor(world: World) {
    this.#world = world;
    const nextId = (): number => ++this.#lastId;
    this.#programs = new LoadPrograms(world, nextId);
    this.#jobs = new LoadJobs(world, nextId);
  }

  describe(): string {
    return this.#programs.describe() + this.#jobs.describe();
  }

  run = async (line: string, task: Task): Promise<Outcome> => {
    const [verb = '', ...words] = line.trim().split(/\s+/);
    if (verb === 'cryptoload') return cryptoload(this.#world.kernel, words, task);
    if (verb === 'zcdev') return zcdev(this.#world.kernel, words, task);
    if (verb === 'status' && words.length === 0) return { ...printed(this.describe()), data: this.#jobs.all() };
    if (JOB_VERBS.includes(verb)) return this.#jobs.run(verb, its(words, this.#programs, 'program'), task);
    // A major number is none of ours.
    if (verb === 'open') return this.#programs.run(verb, words);
    if (PROGRAM_VERBS.includes(verb)) return this.#programs.run(verb, its(words, this.#jobs, 'job'));
    throw new KernelError('EINVAL', `load: "${verb}" is not one of ${VERBS.join(', ')}`);
  };
}

/** Words behind a verb of the one kind. @throws EINVAL their number is one of the other kind */
function its(words: string[], others: { has(id: number): boolean }, what: string): string[] {
  if (words[0] !== undefined && others.has(Number(words[0])))
    throw new KernelError('EINVAL', `load: ${words[0]} is a ${what}: see the file help for its verbs`);
  return words;
}
