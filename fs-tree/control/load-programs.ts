/**
 * Programs with an open node, step by step:
 *   open MAJOR MINOR|NODE [COMM]   its number is the reply
 *   request N me|crt BITS     RSA work, checked; the reply is as for result
 *   request N cca|ep11 [CARD DOM [FUNCID]]   a query to a coprocessor (number or `any`)
 *   start N,N,.. WORK         the same for several programs at once, without waiting
 *   result N                  `ok`, `wrong`, `pending`, or the errno's name
 *   reply N                   what the last answer said
 *   signal N                  a signal for it: a request that waits ends with EINTR
 *   stat N NAME               the zcrypt statistics
 *   call N read|write|seek|mmap   what is refused, by its errno
 *   errors N                  a list of wrong calls
 *   close N
 */
import { type Errno, KernelError } from '../../lib/errno.js';
import type { World } from '../../lib/world.js';
import { ZcryptFile } from '../../lib/zcrypt/file.js';
import { Program, type RequestResult } from '../../lib/zcrypt/program/program.js';
import { type OneOff, oneOff } from './load-words.js';
import { type Outcome, printed } from './verbs.js';
import { statisticText, wrongCalls } from './zcrypt-calls.js';

/** How often a request is looked at before the answer is `pending`. */
const ROUNDS = 2000;

export const PROGRAM_VERBS: readonly string[] = [
  'open',
  'request',
  'start',
  'result',
  'reply',
  'signal',
  'stat',
  'call',
  'errors',
  'close',
];

type State = RequestResult | 'pending' | 'none';

interface Entry {
  readonly id: number;
  readonly program: Program;
  state: State;
  work: OneOff | undefined;
}

export class LoadPrograms {
  readonly #world: World;
  readonly #nextId: () => number;
  readonly #programs = new Map<number, Entry>();

  constructor(world: World, nextId: () => number) {
    this.#world = world;
    this.#nextId = nextId;
  }

  has(id: number): boolean {
    return this.#programs.has(id);
  }

  describe(): string {
    return [...this.#programs.values()].map(({ id, program, state }) => `${id} ${program.comm} ${state}\n`).join('');
  }

  async run(verb: string, words: readonly string[]): Promise<Outcome> {
    const [number, ...rest] = words;
    if (verb === 'open') return printed(`${await this.#open(words)}\n`);
    if (verb === 'start') {
      for (const id of (number ?? '').split(',')) this.#request(this.#entry(id), rest);
      return printed('');
    }
    const entry = this.#entry(number);
    const { program } = entry;
    switch (verb) {
      case 'request':
        this.#request(entry, rest);
        return printed(`${await this.#result(entry)}\n`);
      case 'signal':
        program.signal();
        return printed(`${await this.#result(entry)}\n`);
      case 'result':
        return printed(`${await this.#result(entry)}\n`);
      case 'reply':
        return printed(entry.state === 'ok' || entry.state === 'wrong' ? (entry.work?.said() ?? '') : '');
      case 'stat':
        return printed(statisticText(program.file, rest[0] ?? ''));
      case 'call':
        return printed(`${refusal(rest[0] ?? '')}\n`);
      case 'errors':
        return printed(await wrongCalls(program.file, program.task));
      default:
        return this.#close(entry);
    }
  }

  /** @throws EINVAL */
  #entry(number: string | undefined): Entry {
    const entry = this.#programs.get(Number(number));
    if (!entry) throw new KernelError('EINVAL', `load: there is no program ${number ?? ''}`);
    return entry;
  }

  /** By number, or by the node's name. @throws ENXIO, ENOENT; EINTR */
  async #open([first = '', ...more]: readonly string[]): Promise<number> {
    const { kernel } = this.#world;
    const byNumber = /^\d+$/.test(first);
    const node = byNumber ? { major: Number(first), minor: Number(more.shift()) } : kernel.zcrypt.node(first);
    const task = kernel.core.newTask(more[0] ?? 'cryptoload');
    const file = await kernel.zcrypt.open(task, node);
    const program = new Program(kernel.core, task, file);
    const id = this.#nextId();
    this.#programs.set(id, { id, program, state: 'none', work: undefined });
    return id;
  }

  /** @throws EBUSY, EINVAL */
  #request(entry: Entry, words: readonly string[]): void {
    if (entry.state === 'pending') throw new KernelError('EBUSY', `load: ${entry.id} waits for a request`);
    const work = oneOff(this.#world.kernel.core.ports.crypto, words);
    entry.work = work;
    entry.state = 'pending';
    void entry.program.send(work.work).then(({ result }) => {
      entry.state = result;
    });
  }

  async #close(entry: Entry): Promise<Outcome> {
    entry.program.signal();
    await this.#result(entry);
    entry.program.close();
    this.#programs.delete(entry.id);
    return printed('');
  }

  /** Gives the machine the time that it takes by itself; a request that waits for more is pending. */
  async #result(entry: Entry): Promise<State> {
    const { clock } = this.#world;
    await clock.idle();
    for (let round = 0; entry.state === 'pending' && round < ROUNDS; round++) {
      if (clock.mode === 'real' || !clock.pendingTimers().some((timer) => !timer.background)) break;
      await clock.idle();
    }
    return entry.state;
  }
}

function refusal(name: string): Errno {
  const { refused } = ZcryptFile;
  if (!(name in refused)) throw new KernelError('EINVAL', `load: ${name}: expected ${Object.keys(refused).join(', ')}`);
  return refused[name as keyof typeof refused];
}
