/**
 * One request, for callers of the library.
 */
import { KernelError } from '../../errno.js';
import type { CryptoPort, Nanoseconds } from '../../ports.js';
import type { Program } from './program.js';
import { type RequestWords, workMaker } from './request.js';
import type { ReplyOf, RequestKind } from './work.js';

export interface SendRequest<K extends RequestKind = RequestKind> extends RequestWords<K> {
  /** Device node, its path below /dev; `z90crypt` unless given. */
  readonly node?: string;
  /** Ends the wait: EINTR, as a signal to the program would. */
  readonly signal?: AbortSignal;
}

/** A request that was answered. */
export interface Sent<K extends RequestKind = RequestKind> {
  /** Number of the request in the trace. */
  readonly request: number;
  /** Queue that answered, as in sysfs: `03.0006`. */
  readonly apqn: string;
  /** Tries after the first one. */
  readonly retries: number;
  /** From the system call to its return: machine time in nanoseconds. */
  readonly latency: Nanoseconds;
  /** False: the answer is not what a working adapter gives (wrong result, service code). */
  readonly right: boolean;
  readonly reply: ReplyOf<K>;
}

/** @throws KernelError */
export async function sendOne<K extends RequestKind>(
  crypto: CryptoPort,
  start: (node?: string) => Promise<Program>,
  request: SendRequest<K>,
): Promise<Sent<K>> {
  const work = workMaker(crypto, request)();
  const program = await start(request.node);
  const interrupt = (): void => program.signal();
  request.signal?.addEventListener('abort', interrupt, { once: true });
  try {
    if (request.signal?.aborted) throw new KernelError('EINTR');
    const { result, request: number, apqn = 'none', retries, latency } = await program.send(work);
    if (result !== 'ok' && result !== 'wrong')
      throw new KernelError(result, `request ${number} after ${retries} retries, last queue ${apqn}`);
    return { request: number, apqn, retries, latency, right: result === 'ok', reply: work.reply() };
  } finally {
    request.signal?.removeEventListener('abort', interrupt);
    program.close();
  }
}
