/**
 * Requests as the AP bus moves them.
 *
 * Mirrors struct ap_message (ap_bus.h): the bus knows an id, the bytes and a
 * receiver, nothing of what the message asks for.
 */
import type { Errno } from '../errno.js';
import type { ApQueue } from './queue.js';

export interface ApReply {
  readonly psmid: bigint;
  readonly bytes: Uint8Array;
}

export interface ApMessage {
  /** Id by which reply and request find each other: (thread id << 32) + running number. */
  readonly psmid: bigint;
  readonly bytes: Uint8Array;
  /** NQAP special bit. */
  readonly special: boolean;
  /** Number of the request in the trace; a retry keeps it. */
  readonly requestId: number;
  /** Set by the bus before receive() when there is no reply. */
  rc: Errno | undefined;
  /**
   * `ap_msg->receive`: called once a queuing, under the queue lock, with the
   * reply, or without one when `rc` is set (flush: EAGAIN, refused: EINVAL).
   */
  receive(queue: ApQueue, message: ApMessage, reply: ApReply | undefined): void;
}
