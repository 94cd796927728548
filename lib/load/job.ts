/**
 * Traffic: a set of user programs with an open node that send requests.
 *
 * Either as fast as they are answered (`concurrency`), or so many in each
 * second of machine time whatever becomes of them (`rate`). Every program has
 * its own task and its own open file. What a program does between two calls
 * takes no machine time, but for a little pause after a call that took none or
 * failed: else a loop of refusals would not let time go on.
 */
import type { SimClock } from '../clock.js';
import { KernelError } from '../errno.js';
import type { Kernel } from '../kernel.js';
import { type Nanoseconds, type Timer, type TimerOptions, USEC } from '../ports.js';
import type { Program } from '../zcrypt/program/program.js';
import { type RequestWords, workMaker } from '../zcrypt/program/request.js';
import type { ReplyOf, RequestKind, Work } from '../zcrypt/program/work.js';
import { type LoadResult, Results, type Tally } from './tally.js';

/** Between two calls of a program of which the first failed. */
const PAUSE: Nanoseconds = 100 * USEC;
/** After so many requests whoever else waits in this process has a turn. */
const TURN = 64;
const MOST_PROGRAMS = 1024;
/** Programs for a rate, unless `concurrency` says how many. */
const PROGRAMS_FOR_RATE = 64;

export interface LoadOptions extends RequestWords {
  /** Requests a second of machine time. */
  readonly rate?: number | undefined;
  /** Programs; 1 unless given. With a rate: how many requests may be unanswered at a time. */
  readonly concurrency?: number | undefined;
  /** Ends after so many requests. */
  readonly count?: number | undefined;
  /** Ends after so much machine time. */
  readonly duration?: Nanoseconds | undefined;
  /** Device node, its path below /dev; `z90crypt` unless given. */
  readonly node?: string | undefined;
  /** Name of the programs in the trace and in the kernel's log. */
  readonly comm?: string | undefined;
  /** Told of each request that has ended. */
  readonly onResult?: (result: LoadResult) => void;
}

/** `ending`: no more requests, the last ones are not answered yet. */
export type LoadState = 'running' | 'ending' | 'ended';

export interface LoadSummary extends Tally {
  readonly state: LoadState;
  readonly started: number;
  readonly inFlight: number;
  /** Requests that a rate wanted earlier, when all programs were waiting for answers. */
  readonly late: number;
  /** Machine time from the start to now, or to the end. */
  readonly elapsed: Nanoseconds;
}

/** A program and the memory of its request. */
interface Worker {
  readonly program: Program;
  readonly work: Work<ReplyOf<RequestKind>>;
}

/** What a job needs of the world. */
export interface LoadWorld {
  readonly kernel: Kernel;
  readonly clock: SimClock;
}

export class LoadJob {
  readonly options: LoadOptions;
  /** When the last request has ended and the nodes are closed. */
  readonly done: Promise<LoadSummary>;
  readonly #clock: SimClock;
  readonly #workers: readonly Worker[];
  readonly #idle: Worker[];
  readonly #results = new Results();
  readonly #pauses = new Map<Timer, () => void>();
  readonly #begin: Nanoseconds;
  #end: Nanoseconds | undefined;
  #started = 0;
  #late = 0;
  /** A request was due, and there was no program for it. */
  #allBusy = false;
  #stopped = false;
  #pacer: Timer | undefined;
  #deadline: Timer | undefined;
  #isDone: (summary: LoadSummary) => void = () => undefined;

  private constructor(clock: SimClock, options: LoadOptions, workers: readonly Worker[]) {
    this.#clock = clock;
    this.options = options;
    this.#workers = workers;
    this.#idle = [...workers];
    this.#begin = clock.now();
    this.done = new Promise((resolve) => {
      this.#isDone = resolve;
    });
  }

  /**
   * Opens the nodes, then lets the programs go.
   * @throws EINVAL the options make no sense; ENOENT there is no such node; ENXIO; EINTR
   */
  static async start({ kernel, clock }: LoadWorld, options: LoadOptions): Promise<LoadJob> {
    const programs = checkOptions(options);
    const makeWork = workMaker(kernel.core.ports.crypto, options);
    const workers: Worker[] = [];
    try {
      for (let n = 0; n < programs; n++) {
        const program = await kernel.zcrypt.start(options.comm ?? 'load', options.node);
        workers.push({ program, work: makeWork() });
      }
    } catch (e) {
      for (const { program } of workers) program.close();
      throw e;
    }
    const job = new LoadJob(clock, options, workers);
    if (options.duration !== undefined)
      job.#deadline = clock.after(options.duration, () => job.#pump(), job.#timerOptions);
    job.#pump();
    return job;
  }

  get state(): LoadState {
    if (this.#end !== undefined) return 'ended';
    return this.#over ? 'ending' : 'running';
  }

  /** No more requests; those in flight are waited for. */
  stop(): void {
    this.#stopped = true;
    for (const resume of [...this.#pauses.values()]) resume();
    this.#pump();
  }

  /** As a signal to every program: requests in flight end with EINTR. */
  kill(): void {
    this.stop();
    for (const { program } of this.#workers) if (program.busy) program.signal();
  }

  summary(): LoadSummary {
    return {
      ...this.#results.tally(),
      state: this.state,
      started: this.#started,
      inFlight: this.#started - this.#results.count,
      late: this.#late,
      elapsed: (this.#end ?? this.#clock.now()) - this.#begin,
    };
  }

  /** Results behind the one with this number; only the last 8192 are kept. */
  resultsSince(seq: number, limit?: number): LoadResult[] {
    return this.#results.since(seq, limit);
  }

  get #over(): boolean {
    const { count, duration } = this.options;
    return (
      this.#stopped ||
      (count !== undefined && this.#started >= count) ||
      (duration !== undefined && this.#clock.now() - this.#begin >= duration)
    );
  }

  /** Nobody waits for the end of a job that has none: it is no reason for an `auto` clock to jump. */
  get #timerOptions(): TimerOptions {
    const { count, duration } = this.options;
    return { name: 'load', background: count === undefined && duration === undefined };
  }

  /** When the next request is to start. */
  get #due(): Nanoseconds {
    const { rate } = this.options;
    return rate === undefined ? this.#begin : this.#begin + Math.round((this.#started * 1e9) / rate);
  }

  /** Starts what is due, as far as there are programs; ends the job with its last request. */
  #pump(): void {
    const now = this.#clock.now();
    while (!this.#over && this.#due <= now) {
      const worker = this.#idle.shift();
      if (!worker) {
        this.#allBusy = true;
        return;
      }
      if (this.#allBusy && this.options.rate !== undefined) this.#late++;
      this.#started++;
      void this.#run(worker);
    }
    this.#allBusy = false;
    this.#pacer?.cancel();
    this.#pacer = undefined;
    if (!this.#over) this.#pacer = this.#clock.after(this.#due - now, () => this.#pump(), this.#timerOptions);
    else if (this.#idle.length === this.#workers.length) this.#finish();
  }

  async #run(worker: Worker): Promise<void> {
    const answer = await worker.program.send(worker.work);
    const result = this.#results.add(answer);
    this.options.onResult?.(result);
    if (answer.result !== 'ok' || answer.latency === 0) await this.#pause();
    else if (this.#results.count % TURN === 0) await this.#clock.idle();
    this.#idle.push(worker);
    this.#pump();
  }

  #pause(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const resume = (): void => {
        timer.cancel();
        this.#pauses.delete(timer);
        resolve();
      };
      const timer = this.#clock.after(PAUSE, resume, this.#timerOptions);
      this.#pauses.set(timer, resume);
    });
  }

  #finish(): void {
    if (this.#end !== undefined) return;
    this.#end = this.#clock.now();
    this.#deadline?.cancel();
    for (const { program } of this.#workers) program.close();
    this.#isDone(this.summary());
  }
}

/** @returns how many programs. @throws EINVAL */
function checkOptions({ rate, concurrency, count, duration }: LoadOptions): number {
  const positive = (what: string, value: number | undefined, most = Number.MAX_SAFE_INTEGER): void => {
    if (value !== undefined && !(value > 0 && value <= most))
      throw new KernelError('EINVAL', `${what} ${value} is not more than 0 and at most ${most}`);
  };
  const whole = (what: string, value: number | undefined, most?: number): void => {
    positive(what, value, most);
    if (value !== undefined && !Number.isInteger(value))
      throw new KernelError('EINVAL', `${what} ${value} is no whole number`);
  };
  positive('rate', rate, 1_000_000);
  whole('concurrency', concurrency, MOST_PROGRAMS);
  whole('count', count);
  positive('duration', duration);
  if (concurrency !== undefined) return concurrency;
  return rate === undefined ? 1 : Math.min(Math.ceil(rate), PROGRAMS_FOR_RATE);
}
