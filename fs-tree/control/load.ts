/**
 * `load`: programs that use the zcrypt device nodes.
 *
 * A device node in a mount cannot be opened through it, so a program that
 * stands for one with an open node says here what it would call:
 *   open MAJOR MINOR [COMM]   its number is the reply
 *   request N me|crt BITS     RSA work, checked; the reply is as for result
 *   start N,N,.. me|crt BITS  the same for several programs at once, without waiting
 *   result N                  `ok`, `wrong`, `pending`, or the errno's name
 *   signal N                  a signal for it: a request that waits ends with EINTR
 *   stat N NAME               the zcrypt statistics
 *   call N read|write|seek|mmap   what is refused, by its errno
 *   errors N                  a list of wrong calls
 *   close N
 * Read: the programs and what their requests came to.
 */
import { type Errno, isKernelError, KernelError } from '../../lib/errno.js';
import type { Kernel } from '../../lib/kernel.js';
import { Task } from '../../lib/sync/task.js';
import type { World } from '../../lib/world.js';
import { ZcryptFile } from '../../lib/zcrypt/file.js';
import { crtJob, modexpoJob } from './rsa-job.js';
import { type Outcome, printed } from './verbs.js';
import { statisticText, wrongCalls } from './zcrypt-calls.js';

/** How often a request is looked at before the answer is `pending`. */
const ROUNDS = 2000;

/** What a request came to. */
type State = 'ok' | 'wrong' | 'pending' | Errno;

class Program {
  state: State | 'none' = 'none';
  #signal = new AbortController();

  constructor(
    readonly kernel: Kernel,
    readonly id: number,
    readonly task: Task,
    readonly file: ZcryptFile,
  ) {}

  request(kind: string | undefined, bits: number): void {
    if (this.state === 'pending') throw new KernelError('EBUSY', `load: ${this.id} waits for a request`);
    if (!(bits >= 8 && bits <= 4096 && bits % 16 === 0)) throw new KernelError('EINVAL', `load: ${bits} bits`);
    const { crypto } = this.kernel.core.ports;
    this.#signal = new AbortController();
    const task = new Task({ pid: this.task.pid, comm: this.task.comm, signal: this.#signal.signal });
    if (kind === 'me') {
      const job = modexpoJob(crypto, bits);
      this.#run(() => this.file.modexpo(task, job.request), job.right);
    } else if (kind === 'crt') {
      const job = crtJob(crypto, bits);
      this.#run(() => this.file.modexpoCrt(task, job.request), job.right);
    } else throw new KernelError('EINVAL', 'load: expected me or crt');
  }

  signal(): void {
    this.#signal.abort();
  }

  #run(call: () => Promise<void>, right: () => boolean): void {
    this.state = 'pending';
    call().then(
      () => {
        this.state = right() ? 'ok' : 'wrong';
      },
      (e: unknown) => {
        this.state = isKernelError(e) ? e.errno : 'EIO';
        if (!isKernelError(e)) this.kernel.core.onBug(this.task, e);
      },
    );
  }
}

export class Load {
  readonly #world: World;
  readonly #programs = new Map<number, Program>();
  #lastId = 0;

  constructor(world: World) {
    this.#world = world;
  }

  describe(): string {
    return [...this.#programs.values()].map(({ id, task, state }) => `${id} ${task.comm} ${state}\n`).join('');
  }

  run = async (line: string): Promise<Outcome> => {
    const [verb, number, ...words] = line.trim().split(/\s+/);
    if (verb === 'open') return printed(`${await this.#open(Number(number), Number(words[0]), words[1])}\n`);
    if (verb === 'start') {
      for (const id of (number ?? '').split(',')) this.#programs.get(Number(id))?.request(words[0], Number(words[1]));
      return printed('');
    }
    const program = this.#programs.get(Number(number));
    if (!program) throw new KernelError('EINVAL', `load: "${line}": there is no program ${number ?? ''}`);
    if (verb === 'request') program.request(words[0], Number(words[1]));
    if (verb === 'signal') program.signal();
    if (verb === 'request' || verb === 'result' || verb === 'signal')
      return printed(`${await this.#result(program)}\n`);
    if (verb === 'stat') return printed(statisticText(program.file, words[0] ?? ''));
    if (verb === 'call') return printed(`${refusal(words[0] ?? '')}\n`);
    if (verb === 'errors') return printed(await wrongCalls(program.file, program.task));
    if (verb === 'close') {
      program.signal();
      await this.#result(program);
      program.file.close();
      this.#programs.delete(program.id);
      return printed('');
    }
    throw new KernelError(
      'EINVAL',
      `load: "${line}": expected open, request, result, signal, stat, call, errors or close`,
    );
  };

  async #open(major: number, minor: number, comm = 'cryptoload'): Promise<number> {
    const { kernel } = this.#world;
    const task = kernel.core.newTask(comm);
    const file = await kernel.zcrypt.open(task, { major, minor });
    const id = ++this.#lastId;
    this.#programs.set(id, new Program(kernel, id, task, file));
    return id;
  }

  /** Gives the machine the time that it takes by itself; a request that waits for more is pending. */
  async #result(program: Program): Promise<State | 'none'> {
    const { clock } = this.#world;
    await clock.idle();
    for (let round = 0; program.state === 'pending' && round < ROUNDS; round++) {
      if (clock.mode === 'real' || !clock.pendingTimers().some((timer) => !timer.background)) break;
      await clock.idle();
    }
    return program.state;
  }
}

function refusal(name: string): Errno {
  const { refused } = ZcryptFile;
  if (!(name in refused)) throw new KernelError('EINVAL', `load: ${name}: expected ${Object.keys(refused).join(', ')}`);
  return refused[name as keyof typeof refused];
}
