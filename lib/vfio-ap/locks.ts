/**
 * The locks of vfio_ap and the order in which they are taken.
 *
 *   AP mask mutex (ap_attr_mutex)
 *     guests lock         use of VM pointers, the list of mdevs
 *       kvm->lock         of the VM concerned; skipped where there is none
 *         hook semaphore  of that VM; only when the hook changes
 *           mdevs lock    contents of mdevs and queue objects
 *
 * Mirrors the get_update_locks_* helpers of vfio_ap_ops.c. Each returns what
 * releases them, in reverse order. Resets run with these locks held.
 * spec/vfio-ap.md 12.
 */
import { qidCard, qidQueue } from '../hardware/instructions.js';
import type { Vm } from '../kvm/vm.js';
import type { Mutex } from '../sync/mutex.js';
import type { Task } from '../sync/task.js';
import type { VfioAp } from './driver.js';
import type { MatrixMdev } from './matrix.js';
import type { VfioApQueue } from './queue.js';

export type Release = () => void;

async function lockAll(task: Task, locks: readonly (Mutex | undefined)[]): Promise<Release> {
  const taken: Mutex[] = [];
  for (const lock of locks) {
    if (!lock) continue;
    const wait = lock.lock(task);
    if (wait) await wait;
    taken.push(lock);
  }
  return () => {
    for (const lock of taken.reverse()) lock.unlock(task);
  };
}

/** `get_update_locks_for_kvm`. */
export function getUpdateLocksForKvm(task: Task, va: VfioAp, kvm: Vm | undefined): Promise<Release> {
  return lockAll(task, [va.guestsLock, kvm?.lock, va.mdevsLock]);
}

/** `get_update_locks_for_mdev`: which VM it has is known under the guests lock only. */
export async function getUpdateLocksForMdev(task: Task, va: VfioAp, mdev: MatrixMdev): Promise<Release> {
  const guests = await lockAll(task, [va.guestsLock]);
  const rest = await lockAll(task, [mdev.kvm?.lock, va.mdevsLock]);
  return () => {
    rest();
    guests();
  };
}

/** The same below the AP mask mutex: for whatever asks who owns an APQN. */
export async function getAssignLocks(task: Task, va: VfioAp, mdev: MatrixMdev): Promise<Release> {
  const masks = await lockAll(task, [va.ap.attrMutex]);
  const rest = await getUpdateLocksForMdev(task, va, mdev);
  return () => {
    rest();
    masks();
  };
}

/** `get_update_locks_by_apqn`: the first mdev whose matrix has the APQN, newest first, with its VM. */
export async function getUpdateLocksByApqn(
  task: Task,
  va: VfioAp,
  apqn: number,
): Promise<{ mdev: MatrixMdev | undefined; release: Release }> {
  const guests = await lockAll(task, [va.guestsLock]);
  const mdev = va.mdevs.find((m) => m.matrix.has(qidCard(apqn), qidQueue(apqn)));
  const rest = await lockAll(task, [mdev?.kvm?.lock, va.mdevsLock]);
  return {
    mdev,
    release: () => {
      rest();
      guests();
    },
  };
}

/** `get_update_locks_for_queue`: by the queue's owner. */
export async function getUpdateLocksForQueue(task: Task, va: VfioAp, q: VfioApQueue): Promise<Release> {
  const guests = await lockAll(task, [va.guestsLock]);
  const rest = await lockAll(task, [q.owner?.kvm?.lock, va.mdevsLock]);
  return () => {
    rest();
    guests();
  };
}

/** Runs a section under the locks that `release` gives back. */
export async function holding<T>(release: Release, section: () => T | Promise<T>): Promise<T> {
  try {
    return await section();
  } finally {
    release();
  }
}
