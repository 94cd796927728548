/**
 * Traffic by jobs:
 *   run KIND [rate=N] [concurrency=N] [count=N] [duration=10s] [node=zcrypt_1]
 *       [adapter=03] [domain=001b] [funcid=T2] [guest=NAME] [as NAME]    its number is the reply
 *   status [N]        how far it is, and the summary
 *   each N [since=SEQ]   request by request, at most 2000 lines a time
 *   stop N            no more requests; those in flight are waited for
 *   kill N            a signal to its programs: requests in flight end with EINTR
 *   wait N            returns when it has ended (writers of this file wait meanwhile)
 * `run` returns when the nodes are open. Behind the word json the reply has
 * the same as `data`. The last jobs that have ended are kept. A guest that is
 * switched off takes its programs with it: their requests end with EINTR.
 */
import { KernelError } from '../../lib/errno.js';
import type { Guest } from '../../lib/guest/guest.js';
import type { Kernel } from '../../lib/kernel.js';
import { LoadJob, type LoadSummary } from '../../lib/load/job.js';
import { type LoadResult, perSecond } from '../../lib/load/tally.js';
import type { Task } from '../../lib/sync/task.js';
import type { World } from '../../lib/world.js';
import { jobOptions } from './load-words.js';
import { type Outcome, printed } from './verbs.js';

export const JOB_VERBS: readonly string[] = ['run', 'status', 'each', 'stop', 'kill', 'wait'];

/** Ended jobs that are still listed. */
const KEPT = 16;
/** Results in one reply. */
const EACH = 2000;

/** A job as its `data`. */
export interface JobView {
  readonly job: number;
  readonly name: string;
  readonly kind: string;
  readonly node: string;
  /** Whose kernel is asked; null: the host's. */
  readonly guest: string | null;
  /** Mode of the machine's clock. */
  readonly clock: string;
  readonly state: LoadSummary['state'];
  /** Requests that it is to make, if that is known. */
  readonly count: number | null;
  readonly started: number;
  readonly inFlight: number;
  readonly ok: number;
  readonly wrong: number;
  readonly failed: number;
  readonly retries: number;
  readonly late: number;
  /** Machine time. */
  readonly seconds: number;
  readonly perSecond: number | null;
  readonly byQueue: Readonly<Record<string, number>>;
  readonly byErrno: Readonly<Record<string, number>>;
  /** Microseconds of machine time. */
  readonly latencyUs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number } | null;
}

/** One result as its `data`. */
export interface ResultView {
  readonly seq: number;
  /** Number of the request in the trace. */
  readonly request: number;
  readonly result: string;
  readonly apqn: string | null;
  readonly retries: number;
  readonly latencyUs: number;
  /** Machine time in seconds. */
  readonly time: number;
}

interface Entry {
  readonly job: LoadJob;
  readonly guest: string | undefined;
}

export class LoadJobs {
  readonly #world: World;
  readonly #nextId: () => number;
  readonly #jobs = new Map<number, Entry>();

  constructor(world: World, nextId: () => number) {
    this.#world = world;
    this.#nextId = nextId;
  }

  has(id: number): boolean {
    return this.#jobs.has(id);
  }

  describe(): string {
    return this.all().map(statusLine).join('');
  }

  all(): JobView[] {
    return [...this.#jobs].map(([id, entry]) => this.#view(id, entry));
  }

  async run(verb: string, words: readonly string[], task: Task): Promise<Outcome> {
    if (verb === 'run') return this.#start(words);
    const id = Number(words[0]);
    const entry = this.#jobs.get(id);
    if (!entry) throw new KernelError('EINVAL', `load: there is no job ${words[0] ?? ''}`);
    const { job } = entry;
    switch (verb) {
      case 'each':
        return this.#each(job, words[1]);
      case 'stop':
        job.stop();
        return printed('');
      case 'kill':
        job.kill();
        return printed('');
      case 'wait':
        await ended(job, task);
        break;
      default:
    }
    const view = this.#view(id, entry);
    return { ...printed(summaryText(view)), data: view };
  }

  async #start(words: readonly string[]): Promise<Outcome> {
    const { options, guest } = jobOptions(words);
    const { clock } = this.#world;
    const { kernel, vm } = this.#kernelOf(guest);
    const job = await LoadJob.start({ kernel, clock }, options);
    const forget = vm?.onPowerOff(() => job.kill());
    void job.done.then(forget);
    const id = this.#nextId();
    this.#jobs.set(id, { job, guest });
    const old = [...this.#jobs].filter(([, { job }]) => job.state === 'ended').map(([id]) => id);
    for (const id of old.slice(0, -KEPT)) this.#jobs.delete(id);
    return { ...printed(`${id}\n`), data: { job: id } };
  }

  /** @throws ENOENT there is no such guest, or no kernel runs in it */
  #kernelOf(name: string | undefined): { readonly kernel: Kernel; readonly vm?: Guest } {
    if (name === undefined) return { kernel: this.#world.kernel };
    const vm = this.#world.vmms.byName(name)?.guest;
    if (vm?.kernel) return { kernel: vm.kernel, vm };
    const running = [...this.#world.vmms.guests.values()].filter(({ guest }) => guest?.kernel);
    const known = running.map(({ name }) => name).join(', ') || 'none runs a kernel';
    throw new KernelError('ENOENT', `load: there is no guest ${name} with a kernel (known: ${known})`);
  }

  #each(job: LoadJob, since = 'since=0'): Outcome {
    const [, seq] = /^since=(\d+)$/.exec(since) ?? [];
    if (seq === undefined) throw new KernelError('EINVAL', `load: "${since}": expected since=SEQ`);
    const results = job.resultsSince(Number(seq), EACH).map(resultView);
    return { ...printed(results.map(resultLine).join('')), data: results };
  }

  #view(id: number, { job, guest }: Entry): JobView {
    const { kind, comm = 'load', node = 'z90crypt', count } = job.options;
    const summary = job.summary();
    const { ok, wrong, failed, elapsed, latency, byQueue, byErrno } = summary;
    const us = (ns: number): number => ns / 1000;
    return {
      job: id,
      name: comm,
      kind,
      node: node.replace(/^\/dev\//, ''),
      guest: guest ?? null,
      clock: this.#world.clock.mode,
      state: summary.state,
      count: count ?? null,
      started: summary.started,
      inFlight: summary.inFlight,
      ok,
      wrong,
      failed,
      retries: summary.retries,
      late: summary.late,
      seconds: elapsed / 1e9,
      perSecond: perSecond(ok + wrong + failed, elapsed) ?? null,
      byQueue,
      byErrno,
      latencyUs: latency
        ? { p50: us(latency.p50), p90: us(latency.p90), p99: us(latency.p99), max: us(latency.max) }
        : null,
    };
  }
}

/** @throws EINTR a signal for the one who waits */
function ended(job: LoadJob, task: Task): Promise<unknown> {
  const { signal } = task;
  if (!signal) return job.done;
  return Promise.race([
    job.done,
    new Promise((_resolve, reject) => {
      const interrupt = (): void => reject(new KernelError('EINTR'));
      signal.addEventListener('abort', interrupt, { once: true });
      void job.done.then(() => signal.removeEventListener('abort', interrupt));
    }),
  ]);
}

function statusLine(view: JobView): string {
  const { job, name, kind, guest, state, started, count, ok, wrong, failed, retries, inFlight } = view;
  const sums = `ok ${ok} wrong ${wrong} failed ${failed} retries ${retries} in flight ${inFlight}`;
  return `${job} ${name} ${kind}${guest === null ? '' : ` in ${guest}`} ${state}: ${started}${count === null ? '' : ` of ${count}`}, ${sums}\n`;
}

function summaryText(view: JobView): string {
  const { late, seconds, byQueue, byErrno, latencyUs } = view;
  const counts = (what: string, by: Readonly<Record<string, number>>): string[] =>
    Object.entries(by).map(([key, count]) => `${what} ${key} ${count}`);
  const lines = [
    `time ${seconds.toFixed(6)} s${late > 0 ? `, late ${late}` : ''}`,
    ...counts('queue', byQueue),
    ...counts('errno', byErrno),
    ...(latencyUs
      ? [`latency us p50 ${latencyUs.p50} p90 ${latencyUs.p90} p99 ${latencyUs.p99} max ${latencyUs.max}`]
      : []),
  ];
  return `${statusLine(view)}${lines.map((line) => `  ${line}\n`).join('')}`;
}

const resultView = ({ seq, request, result, apqn, retries, latency, time }: LoadResult): ResultView => ({
  seq,
  request,
  result,
  apqn: apqn ?? null,
  retries,
  latencyUs: latency / 1000,
  time: time / 1e9,
});

const resultLine = ({ seq, request, result, apqn, retries, latencyUs }: ResultView): string =>
  `${seq} request ${request} ${result} ${apqn ?? '-'} retries ${retries} ${latencyUs} us\n`;
