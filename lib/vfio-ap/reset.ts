/**
 * Resets of queues, and waiting for them.
 *
 * Mirrors `vfio_ap_mdev_reset_queue`, `apq_reset_check` and the loops over
 * several queues. Since 6.12 each queue has a work item that polls until the
 * reset is done, without an upper limit; 6.1 resets one queue after the other,
 * with a few tries. Runs with the caller's locks held; the work takes none.
 * spec/vfio-ap.md 8 and 13.
 */

import type { Errno } from '../errno.js';
import { type ApQueueStatus, mkQid, RC } from '../hardware/instructions.js';
import type { Mask } from '../text/bitmap.js';
import { freeAqicResources } from './irq.js';
import type { MatrixMdev } from './matrix.js';
import { RESET_INTERVAL_MS, type VfioApQueue } from './queue.js';
import { warn } from './warn.js';

/** ZAPQ; what it takes to finish goes on in the queue's work. In 6.1 returns when all is over, with its errno. */
export async function resetQueue(q: VfioApQueue): Promise<Errno | undefined> {
  if (!q.va.profile.resetByWork) return resetSynchronously(q);
  const rc = zapq(q);
  switch (rc) {
    case RC.NORMAL:
    case RC.RESET_IN_PROGRESS:
    case RC.BUSY:
    case RC.STATE_CHANGE_IN_PROGRESS:
      q.resetWork = apqResetCheck(q);
      return undefined;
    case RC.DECONFIGURED:
    case RC.CHECKSTOPPED:
      freeAqicResources(q);
      return undefined;
    default:
      if (rc === RC.Q_NOT_AVAIL && q.va.profile.resetHandlesRc01) freeAqicResources(q);
      else warnOfZapq(q, rc);
      return undefined;
  }
}

/** `flush_work`. */
export async function flushReset(q: VfioApQueue): Promise<void> {
  await q.resetWork;
  q.resetWork = undefined;
}

/** All queues in the table of an mdev. @returns the errno that only the RESET ioctl looks at */
export function resetQueues(mdev: MatrixMdev): Promise<Errno | undefined> {
  return resetList(mdev.queuesInTableOrder());
}

/** `reset_queues_for_apids`: the linked queues of these adapters in the guest's domains. */
export async function resetQueuesForApids(mdev: MatrixMdev, apids: Mask): Promise<void> {
  if (!mdev.va.profile.resetsFilteredAdapters || apids.isEmpty) return;
  const list: VfioApQueue[] = [];
  for (const apid of apids.bits())
    for (const apqi of mdev.shadowApcb.aqm.bits()) {
      const q = mdev.queue(mkQid(apid, apqi));
      if (q) list.push(q);
    }
  await resetList(list);
}

/** `vfio_ap_mdev_reset_qlist`: first ZAPQ on all, then wait for all. */
export async function resetList(list: readonly VfioApQueue[]): Promise<Errno | undefined> {
  let result: Errno | undefined;
  for (const q of list) result = (await resetQueue(q)) ?? result;
  for (const q of list) {
    await flushReset(q);
    if (q.va.profile.resetByWork && q.resetStatus.responseCode !== RC.NORMAL) result = 'EIO';
  }
  return result;
}

function zapq(q: VfioApQueue): number {
  q.resetStatus = q.va.hw.zapq(q.apqn, false);
  return q.resetStatus.responseCode;
}

const warnOfZapq = (q: VfioApQueue, rc: number): void =>
  warn(q.va, `PQAP/ZAPQ for ${q.name} failed with invalid rc=${rc}`);

/** What a poll says of a reset. */
type Progress = 'done' | 'busy' | 'again' | 'gone' | 'broken';

/** `apq_status_check`. */
function statusCheck(q: VfioApQueue, status: ApQueueStatus): Progress {
  switch (status.responseCode) {
    case RC.NORMAL:
    case RC.DECONFIGURED:
    case RC.CHECKSTOPPED:
      return 'done';
    case RC.RESET_IN_PROGRESS:
    case RC.BUSY:
      return 'busy';
    case RC.ASSOC_SECRET_NOT_UNIQUE:
    case RC.ASSOC_FAILED:
      return 'again';
    default:
      if (status.responseCode === RC.Q_NOT_AVAIL && q.va.profile.resetHandlesRc01) return 'gone';
      warn(q.va, `failed to verify reset of queue ${q.name}: TAPQ rc=${status.responseCode}`);
      return 'broken';
  }
}

/** ZAPQ did not start a reset of its own: it must be repeated once the queue is free. */
const UNFINISHED: readonly number[] = [RC.RESET_IN_PROGRESS, RC.BUSY, RC.STATE_CHANGE_IN_PROGRESS];

/** `apq_reset_check`: the work item. */
async function apqResetCheck(q: VfioApQueue): Promise<void> {
  for (let elapsed = RESET_INTERVAL_MS; ; elapsed += RESET_INTERVAL_MS) {
    await q.pause();
    const { status } = q.va.hw.tapq(q.apqn);
    const progress = statusCheck(q, status);
    if (progress === 'broken') return;
    if (progress === 'busy') printWaiting(q, elapsed, status);
    else if (progress === 'again' || (progress === 'done' && UNFINISHED.includes(q.resetStatus.responseCode))) zapq(q);
    else {
      if (q.savedIsc !== undefined || progress === 'gone') freeAqicResources(q);
      return;
    }
  }
}

/** The text has no newline: it can be read when the next message comes. */
function printWaiting(q: VfioApQueue, elapsed: number, status: ApQueueStatus): void {
  const { print, suppressed } = q.va.waitingLines.pass();
  if (suppressed > 0) q.va.core.log.print('warning', `apq_reset_check: ${suppressed} callbacks suppressed`);
  if (!print) return;
  const numbers = `${status.responseCode}, ${Number(status.queueEmpty)}, ${Number(status.irqEnabled)}`;
  q.va.core.log.printWithoutNewline('notice', `Waited ${elapsed}ms for reset of queue ${q.name} (${numbers})`);
}

/** 6.1: ZAPQ, on rc 02 once more, then at most two looks whether it took effect. */
async function resetSynchronously(q: VfioApQueue): Promise<Errno | undefined> {
  let rc = zapq(q);
  if (rc === RC.RESET_IN_PROGRESS) {
    await q.pause();
    rc = zapq(q);
  }
  let result: Errno | undefined;
  switch (rc) {
    case RC.NORMAL:
      break;
    case RC.RESET_IN_PROGRESS:
      result = 'EBUSY';
      break;
    case RC.Q_NOT_AVAIL:
    case RC.DECONFIGURED:
    case RC.CHECKSTOPPED:
      freeAqicResources(q);
      return 'EBUSY';
    default:
      warnOfZapq(q, rc);
      return 'EIO';
  }
  let status = q.resetStatus;
  for (let tries = 2; tries > 0 && (!status.queueEmpty || status.irqEnabled); tries--) {
    await q.pause();
    status = q.va.hw.tapq(q.apqn).status;
  }
  freeAqicResources(q);
  return result;
}
