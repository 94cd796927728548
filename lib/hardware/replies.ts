/**
 * Replies that wait in a queue, and how they leave it.
 *
 * Mirrors the end of DQAP (arch/s390/include/asm/ap.h `ap_dqap`). Replies leave
 * in the order in which they came. One that is longer than the buffer leaves in
 * parts: each fills the buffer, GR2 says how much is left, and an instruction
 * with what GR0 then held goes on behind it. Without that it begins anew.
 */
import { EMPTY } from './bytes.js';

export interface Reply {
  readonly psmid: bigint;
  readonly message: Uint8Array;
}

/** What one DQAP brings of the first reply. */
export interface ReplyPart {
  readonly psmid: bigint;
  readonly bytes: Uint8Array;
  /** Bytes that did not fit (GR2). */
  readonly residual: number;
}

export class Replies {
  #list: Reply[] = [];
  /** So much of the first one has been fetched already. */
  #fetched = 0;

  get length(): number {
    return this.#list.length;
  }

  push(reply: Reply): void {
    this.#list.push(reply);
  }

  clear(): void {
    this.#list = [];
    this.#fetched = 0;
  }

  /** A resumption is asked for although no reply has been begun (response code 13). */
  cannotResume(resume: boolean): boolean {
    return resume && this.#fetched === 0;
  }

  /** undefined: there is no reply. @param room bytes of the buffer */
  take(room: number, resume: boolean): ReplyPart | undefined {
    const first = this.#list[0];
    if (!first) return undefined;
    const { psmid, message } = first;
    const from = resume ? this.#fetched : 0;
    const residual = Math.max(0, message.length - from - room);
    if (residual > 0) {
      this.#fetched = from + room;
      return { psmid, bytes: message.subarray(from, from + room), residual };
    }
    this.#list.shift();
    this.#fetched = 0;
    return { psmid, bytes: from === 0 ? message : message.subarray(from), residual };
  }
}

export const NO_REPLY: ReplyPart = { psmid: 0n, bytes: EMPTY, residual: 0 };
