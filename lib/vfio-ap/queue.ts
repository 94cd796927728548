/**
 * Queues bound to vfio_ap: probe, removal, and the file `status`.
 *
 * Mirrors struct vfio_ap_queue, `vfio_ap_mdev_probe_queue`,
 * `vfio_ap_mdev_remove_queue` and `status_show`. spec/vfio-ap.md 6 and 9.
 */
import type { ApQueue } from '../ap/queue.js';
import type { ApQueueStatus } from '../hardware/instructions.js';
import { NO_STATUS } from '../kvm/pqap.js';
import { MSEC } from '../ports.js';
import type { Task } from '../sync/task.js';
import { sleep } from '../sync/wait.js';
import { Mask } from '../text/bitmap.js';
import { apqnName } from './ap-matrix.js';
import type { VfioAp } from './driver.js';
import { filterMatrix } from './filter.js';
import { updateGuestApcb } from './guest.js';
import { freeAqicResources } from './irq.js';
import { getUpdateLocksByApqn, getUpdateLocksForQueue } from './locks.js';
import type { MatrixMdev } from './matrix.js';
import { flushReset, resetQueue, resetQueuesForApids } from './reset.js';

/** AP_RESET_INTERVAL: how long everything that polls a queue sleeps. */
export const RESET_INTERVAL_MS = 20;

/** File group of a bound queue device: `status`. */
const STATUS_GROUP = 'vfio_ap_queue';

export class VfioApQueue {
  readonly va: VfioAp;
  readonly apqn: number;
  readonly apid: number;
  readonly apqi: number;
  /** mdev in whose table it is, or was last (`matrix_mdev`). */
  owner: MatrixMdev | undefined;
  /** Sub class registered for it in the guest's area. */
  savedIsc: number | undefined;
  /** Guest address of its indicator, whose page is pinned. */
  savedIova: number | undefined;
  /** Status of the last ZAPQ. */
  resetStatus: ApQueueStatus = NO_STATUS;
  /** The work item that watches a reset, while one is watched. */
  resetWork: Promise<void> | undefined;

  constructor(va: VfioAp, aq: ApQueue) {
    this.va = va;
    this.apqn = aq.qid;
    this.apid = aq.card.apid;
    this.apqi = aq.apqi;
  }

  get name(): string {
    return apqnName(this.apid, this.apqi);
  }

  /** `msleep` between two looks at it. */
  pause(): Promise<void> {
    return sleep(this.va.core.ports.clock, RESET_INTERVAL_MS * MSEC, `vfio_ap ${this.name}`);
  }

  /** May a guest have it? */
  get passable(): boolean {
    return this.va.profile.passableResetCodes.includes(this.resetStatus.responseCode);
  }
}

/** The queue object of a bound device, if its probe has got that far. */
export const queueObjectOf = (aq: ApQueue): VfioApQueue | undefined =>
  aq.driverData instanceof VfioApQueue ? aq.driverData : undefined;

/** `vfio_ap_mdev_probe_queue`. No reset is made; the device is not initialised. */
export async function probeQueue(task: Task, va: VfioAp, aq: ApQueue): Promise<void> {
  if (!va.profile.listUnderGuestsLock) aq.addGroup(STATUS_GROUP);
  const { mdev, release } = await getUpdateLocksByApqn(task, va, aq.qid);
  try {
    aq.addGroup(STATUS_GROUP);
    const q = new VfioApQueue(va, aq);
    if (mdev) {
      mdev.link(q);
      // While adapters or domains are being added the end of the scan filters once for all of them.
      if (mdev.apmAdd.isEmpty && mdev.aqmAdd.isEmpty) {
        const filtered = Mask.zeros();
        if (filterMatrix(mdev, filtered)) {
          updateGuestApcb(task, mdev);
          await resetQueuesForApids(mdev, filtered);
        }
      }
    }
    aq.driverData = q;
  } finally {
    release();
  }
}

/** `vfio_ap_mdev_remove_queue`. */
export async function removeQueue(task: Task, va: VfioAp, aq: ApQueue): Promise<void> {
  await aq.removeGroup(task, STATUS_GROUP);
  const q = queueObjectOf(aq);
  if (!q) return;
  const release = await getUpdateLocksForQueue(task, va, q);
  try {
    const mdev = q.owner;
    const plugged = mdev?.shadowApcb.has(q.apid, q.apqi) ?? false;
    if (mdev && plugged) {
      // A single queue cannot be unplugged: the whole adapter goes.
      mdev.shadowApcb.apm.clear(q.apid);
      updateGuestApcb(task, mdev);
    }
    if (!va.profile.removeResetsAdapter) {
      await resetQueue(q);
      await flushReset(q);
    } else if (mdev && plugged) await resetQueuesForApids(mdev, Mask.of(q.apid));
    else if (va.info.apm.has(q.apid) && va.info.aqm.has(q.apqi)) {
      await resetQueue(q);
      await flushReset(q);
    } else if (va.profile.removeFreesNonHostQueue) freeAqicResources(q);
    mdev?.unlink(q);
    q.owner = undefined;
    aq.driverData = undefined;
  } finally {
    release();
  }
}

/** The file `status`: computed from the matrix masks, not from the links. */
export async function statusText(task: Task, va: VfioAp, aq: ApQueue): Promise<string> {
  const show = (): string => {
    const q = queueObjectOf(aq);
    const mdev = q && va.mdevs.find((m) => m.matrix.has(q.apid, q.apqi));
    if (!mdev) return 'unassigned\n';
    return mdev.kvm && mdev.shadowApcb.has(q.apid, q.apqi) ? 'in use\n' : 'assigned\n';
  };
  const withMdevs = (): Promise<string> => va.mdevsLock.with(task, show);
  return va.profile.statusTakesGuestsLock ? va.guestsLock.with(task, withMdevs) : withMdevs();
}
