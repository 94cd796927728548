/**
 * Status words of AP instructions.
 *
 * Mirrors struct ap_queue_status (arch/s390/include/asm/ap.h). A word never
 * changes, and every instruction brings one: each is made once.
 */
import type { ApQueueStatus } from './instructions.js';

/** Flags beside the response code. */
export const STATUS = { EMPTY: 1, REPLIES: 2, FULL: 4, ASYNC: 8, IRQ: 16 } as const;
const FLAGS = 32;

const words: (ApQueueStatus | undefined)[] = [];

/** @param flags of STATUS */
export function statusWord(responseCode: number, flags = 0): ApQueueStatus {
  const at = responseCode * FLAGS + flags;
  let word = words[at];
  if (!word) {
    word = {
      queueEmpty: (flags & STATUS.EMPTY) !== 0,
      repliesWaiting: (flags & STATUS.REPLIES) !== 0,
      queueFull: (flags & STATUS.FULL) !== 0,
      async: (flags & STATUS.ASYNC) !== 0,
      irqEnabled: (flags & STATUS.IRQ) !== 0,
      responseCode,
    };
    words[at] = word;
  }
  return word;
}
