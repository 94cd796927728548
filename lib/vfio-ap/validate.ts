/**
 * May these APQNs be in a matrix?
 *
 * Mirrors `vfio_ap_mdev_validate_masks`, `vfio_ap_mdev_verify_no_sharing` and
 * `vfio_ap_mdev_resource_in_use`. Whether an adapter, domain or queue exists is
 * not asked. spec/vfio-ap.md 3 and 7.4.
 */
import { KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import type { Mask } from '../text/bitmap.js';
import { apqnName } from './ap-matrix.js';
import type { VfioAp } from './driver.js';
import type { MatrixMdev } from './matrix.js';

/**
 * Checks the whole matrix of an mdev; the mask mutex is held.
 * @throws EADDRNOTAVAIL an APQN belongs to the host's drivers; EADDRINUSE to another mdev
 */
export function validateMasks(task: Task, mdev: MatrixMdev): void {
  const { va, matrix } = mdev;
  if (va.ap.matrixOwnedByDefaultDriver(task, matrix.apm, matrix.aqm)) throw new KernelError('EADDRNOTAVAIL');
  const shared = sharing(va, matrix.apm, matrix.aqm, mdev);
  if (!shared) return;
  for (const name of shared.names)
    mdev.print('warning', `Userspace may not assign queue ${name} to mdev: already assigned to ${shared.mdev.uuid}`);
  throw new KernelError('EADDRINUSE');
}

/** The bus wants new bits for the host: does some mdev have one of these APQNs? */
export async function resourceInUse(task: Task, va: VfioAp, apm: Mask, aqm: Mask): Promise<boolean> {
  return va.guestsLock.with(task, () =>
    va.mdevsLock.with(task, () => {
      const shared = sharing(va, apm, aqm, undefined);
      for (const name of shared?.names ?? [])
        shared?.mdev.print('warning', `Can not reserve queue ${name} for host driver: in use by mdev`);
      return shared !== undefined;
    }),
  );
}

/** The first mdev (newest first) that has one of the APQNs, and which of them it has. */
function sharing(
  va: VfioAp,
  apm: Mask,
  aqm: Mask,
  assignee: MatrixMdev | undefined,
): { mdev: MatrixMdev; names: string[] } | undefined {
  for (const mdev of va.mdevs) {
    if (mdev === assignee) continue;
    const apids = [...apm.and(mdev.matrix.apm).bits()];
    const apqis = [...aqm.and(mdev.matrix.aqm).bits()];
    if (apids.length === 0 || apqis.length === 0) continue;
    return { mdev, names: apids.flatMap((apid) => apqis.map((apqi) => apqnName(apid, apqi))) };
  }
  return undefined;
}
