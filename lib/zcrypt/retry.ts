/**
 * How often a request is tried.
 *
 * Mirrors the loops of the ioctl functions in zcrypt_api.c and struct
 * zcrypt_track. spec/zcrypt.md 4.
 */
import { type Errno, isKernelError, KernelError } from '../errno.js';
import type { Qid } from '../hardware/instructions.js';

const TRACK_AGAIN_MAX = 10;

/** What is remembered between the tries of one request, and what became of them. */
export class Track {
  /** Tries that ended with EAGAIN. */
  againCounter = 0;
  /** Queue of the last try; 0: none, or one that is not remembered. */
  lastQid: Qid = 0;
  lastRc: Errno | undefined;
  /** Tries so far, also those that found no queue. Not the kernel's: for whoever looks on. */
  tries = 0;
  /** Name of the last queue that it was given to; unlike `lastQid` always remembered. Not the kernel's. */
  queue: string | undefined;

  constructor(readonly requestId: number) {}

  /** Tries after the first one. */
  get retries(): number {
    return Math.max(0, this.tries - 1);
  }
}

/** Until the result is not EAGAIN. @throws EIO after ten tries */
async function tries<T>(track: Track, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    track.tries++;
    try {
      const result = await attempt();
      track.lastRc = undefined;
      return result;
    } catch (e) {
      if (!isKernelError(e)) throw e;
      track.lastRc = e.errno;
      if (e.errno !== 'EAGAIN') throw e;
      if (++track.againCounter >= TRACK_AGAIN_MAX) throw new KernelError('EIO', 'EAGAIN ten times');
    }
  }
}

/**
 * All the tries of one request.
 * @param rescan called when no queue was found; true: try again
 */
export async function withRetry<T>(
  track: Track,
  attempt: () => Promise<T>,
  rescan: () => Promise<boolean>,
): Promise<T> {
  try {
    return await tries(track, attempt);
  } catch (e) {
    if (!isKernelError(e, 'ENODEV') || !(await rescan())) throw e;
  }
  return tries(track, attempt);
}
