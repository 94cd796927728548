/**
 * What became of the requests of a job: sums, and the last results one by one.
 */
import type { Errno } from '../errno.js';
import type { Nanoseconds } from '../ports.js';
import type { Answer } from '../zcrypt/program/program.js';
import { Latencies, type Percentiles } from './latencies.js';

/** Results that are kept one by one. */
const KEPT = 8192;

/** One request that has ended. */
export interface LoadResult extends Answer {
  /** Counts the results of the job, from 1, in the order in which they came. */
  readonly seq: number;
}

export interface Tally {
  readonly ok: number;
  /** Answered, but not with what a working adapter answers. */
  readonly wrong: number;
  /** Ended with an errno. */
  readonly failed: number;
  /** Tries after the first one, of all requests. */
  readonly retries: number;
  /** Good and wrong answers by the queue that gave them. */
  readonly byQueue: Readonly<Record<string, number>>;
  readonly byErrno: Readonly<Partial<Record<Errno, number>>>;
  /** Of the answers. */
  readonly latency: Percentiles | undefined;
}

export class Results {
  readonly #latencies = new Latencies();
  readonly #byQueue = new Map<string, number>();
  readonly #byErrno = new Map<Errno, number>();
  readonly #last: LoadResult[] = [];
  #seq = 0;
  #ok = 0;
  #wrong = 0;
  #retries = 0;

  get count(): number {
    return this.#seq;
  }

  add(answer: Answer): LoadResult {
    const seq = ++this.#seq;
    const result = { ...answer, seq };
    this.#last[(seq - 1) % KEPT] = result;
    this.#count(answer);
    return result;
  }

  #count({ result, apqn, retries, latency }: Answer): void {
    this.#retries += retries;
    if (result === 'ok') this.#ok++;
    else if (result === 'wrong') this.#wrong++;
    else {
      this.#byErrno.set(result, (this.#byErrno.get(result) ?? 0) + 1);
      return;
    }
    this.#latencies.add(latency);
    if (apqn !== undefined) this.#byQueue.set(apqn, (this.#byQueue.get(apqn) ?? 0) + 1);
  }

  tally(): Tally {
    return {
      ok: this.#ok,
      wrong: this.#wrong,
      failed: this.#seq - this.#ok - this.#wrong,
      retries: this.#retries,
      byQueue: Object.fromEntries([...this.#byQueue].sort(([a], [b]) => (a < b ? -1 : 1))),
      byErrno: Object.fromEntries(this.#byErrno),
      latency: this.#latencies.percentiles(),
    };
  }

  /** Those behind the one with this number, oldest first; those that are not kept any more are left out. */
  since(seq: number, limit = KEPT): LoadResult[] {
    const first = Math.max(seq, this.#seq - KEPT);
    const found: LoadResult[] = [];
    for (let at = first; at < Math.min(this.#seq, first + limit); at++) found.push(this.#last[at % KEPT] as LoadResult);
    return found;
  }
}

/** Rate by machine time; undefined while none has passed. */
export const perSecond = (count: number, elapsed: Nanoseconds): number | undefined =>
  elapsed > 0 ? (count * 1e9) / elapsed : undefined;
