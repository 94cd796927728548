/**
 * What a message family can do with a queue.
 *
 * Mirrors struct zcrypt_ops (zcrypt_api.h). Every function sends one request to
 * the chosen queue, waits for the reply and evaluates it; errors are thrown,
 * EAGAIN means "try another one".
 */
import type { Task } from '../sync/task.js';
import type { CcaMessage } from './cprb.js';
import type { Ep11Message } from './ep11-cprb.js';
import type { ZcryptQueue } from './queue.js';
import type { Ep11Urb, IcaRsaModexpo, IcaRsaModexpoCrt, IcaXcRb } from './user.js';

/** Which request it is: the caller's task and the number in the trace. */
export interface Sender {
  readonly task: Task;
  /** The same for all tries of one request. */
  readonly requestId: number;
}

export interface ZcryptOps {
  readonly name: 'msgtype50' | 'msgtype6' | 'msgtype6-ep11';
  rsaModexpo?(sender: Sender, zq: ZcryptQueue, mex: IcaRsaModexpo): Promise<void>;
  rsaModexpoCrt?(sender: Sender, zq: ZcryptQueue, crt: IcaRsaModexpoCrt): Promise<void>;
  sendCprb?(sender: Sender, zq: ZcryptQueue, xcrb: IcaXcRb, message: CcaMessage): Promise<void>;
  sendEp11Cprb?(sender: Sender, zq: ZcryptQueue, urb: Ep11Urb, message: Ep11Message): Promise<void>;
  /** One block of random bytes. */
  rng?(sender: Sender, zq: ZcryptQueue): Promise<Uint8Array>;
}
