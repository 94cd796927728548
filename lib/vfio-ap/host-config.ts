/**
 * The host's AP configuration changes: adapters and domains come and go.
 *
 * Mirrors `vfio_ap_on_cfg_changed`, `vfio_ap_on_scan_complete` and what they
 * call. Called by the bus at the start and at the end of a scan.
 * spec/vfio-ap.md 7.
 */
import { type ApConfigInfo, mkQid, RC } from '../hardware/instructions.js';
import type { Task } from '../sync/task.js';
import { Mask } from '../text/bitmap.js';
import { type ApMasks, hostConfigOf } from './ap-matrix.js';
import type { VfioAp } from './driver.js';
import { filterControlDomains, filterMatrix } from './filter.js';
import { updateGuestApcb } from './guest.js';
import type { MatrixMdev } from './matrix.js';
import { resetQueuesForApids } from './reset.js';

const KINDS = ['apm', 'aqm', 'adm'] as const;

/** Oldest type that vfio_ap takes: CEX4. */
const SMALLEST_TYPE = 10;

const isEmpty = (masks: ApMasks): boolean => KINDS.every((kind) => masks[kind].isEmpty);

/** What `a` has and `b` has not. */
const less = (a: ApMasks, b: ApMasks): ApMasks => ({
  apm: a.apm.andNot(b.apm),
  aqm: a.aqm.andNot(b.aqm),
  adm: a.adm.andNot(b.adm),
});

/** Start of a scan that found the QCI block changed. */
export async function onConfigChanged(task: Task, va: VfioAp, now: ApConfigInfo, before: ApConfigInfo): Promise<void> {
  await va.guestsLock.with(task, async () => {
    const after = hostConfigOf(now);
    const old = hostConfigOf(before);
    const removed = less(old, after);
    if (!isEmpty(removed)) await configRemoved(task, va, removed);
    const added = less(after, old);
    if (!isEmpty(added) && va.mdevs.length > 0) await configAdded(task, va, added);
    va.info = after;
  });
}

/** `vfio_ap_mdev_cfg_remove`: nothing is unlinked or reset, and the matrix stays. */
async function configRemoved(task: Task, va: VfioAp, removed: ApMasks): Promise<void> {
  for (const mdev of va.mdevs) {
    const gone: ApMasks = {
      apm: removed.apm.and(mdev.matrix.apm),
      aqm: removed.aqm.and(mdev.matrix.aqm),
      // 6.12 takes the control domains that are *not* assigned: those assigned stay in the guest.
      adm: va.profile.hostRemovalClearsAdm ? removed.adm.and(mdev.matrix.adm) : removed.adm.andNot(mdev.matrix.adm),
    };
    if (isEmpty(gone)) continue;
    await withGuest(task, mdev, () => {
      if (takeFromGuest(mdev, gone)) updateGuestApcb(task, mdev);
    });
  }
}

/** Clears bits of the guest configuration. @returns whether the guest gets an update */
function takeFromGuest(mdev: MatrixMdev, gone: ApMasks): boolean {
  const { shadowApcb, va } = mdev;
  let update = false;
  for (const kind of KINDS) {
    if (gone[kind].isEmpty) continue;
    const before = shadowApcb[kind];
    shadowApcb[kind] = before.andNot(gone[kind]);
    // 6.12 asks whether anything is left, not whether anything changed.
    if (va.profile.hostRemovalUpdate === 'if-changed') update ||= !before.equals(shadowApcb[kind]);
    else update ||= !shadowApcb[kind].isEmpty;
  }
  return update;
}

/** `vfio_ap_mdev_cfg_add`: remembers what came, for the end of the scan. */
async function configAdded(task: Task, va: VfioAp, added: ApMasks): Promise<void> {
  dropUnsupportedAdapters(va, added);
  for (const mdev of va.mdevs) {
    const remember = (): void => {
      mdev.apmAdd = mdev.matrix.apm.and(added.apm);
      mdev.aqmAdd = mdev.matrix.aqm.and(added.aqm);
      mdev.admAdd = mdev.matrix.adm.and(added.adm);
    };
    if (va.profile.listUnderGuestsLock) await va.mdevsLock.with(task, remember);
    else remember();
  }
}

/** Codes with which TAPQ gives the type of an adapter. */
const KNOWN: readonly number[] = [RC.NORMAL, RC.RESET_IN_PROGRESS, RC.DECONFIGURED, RC.CHECKSTOPPED, RC.BUSY];

/** `vfio_ap_filter_apid_by_qtype`. */
function dropUnsupportedAdapters(va: VfioAp, added: ApMasks): void {
  const apm = added.apm.copy();
  for (const apid of added.apm.bits())
    for (const apqi of added.aqm.bits()) {
      const { status, info } = va.hw.tapq(mkQid(apid, apqi));
      if (!KNOWN.includes(status.responseCode) || info.at < SMALLEST_TYPE) apm.clear(apid);
    }
  added.apm = apm;
}

/** End of such a scan: all new queues have been probed; each guest gets them with one update. */
export async function onScanComplete(task: Task, va: VfioAp): Promise<void> {
  await va.guestsLock.with(task, async () => {
    for (const mdev of va.mdevs) {
      if (mdev.apmAdd.isEmpty && mdev.aqmAdd.isEmpty && mdev.admAdd.isEmpty) continue;
      await withGuest(task, mdev, () => hotPlug(task, mdev));
      mdev.apmAdd = Mask.zeros();
      mdev.aqmAdd = Mask.zeros();
      mdev.admAdd = Mask.zeros();
    }
  });
}

/** `vfio_ap_mdev_hot_plug_cfg`. */
async function hotPlug(task: Task, mdev: MatrixMdev): Promise<void> {
  const { matrix } = mdev;
  const filtered = Mask.zeros();
  let changed = false;
  if (matrix.apm.intersects(mdev.apmAdd) || matrix.aqm.intersects(mdev.aqmAdd)) changed = filterMatrix(mdev, filtered);
  if (matrix.adm.intersects(mdev.admAdd) && filterControlDomains(mdev)) changed = true;
  if (changed) updateGuestApcb(task, mdev);
  await resetQueuesForApids(mdev, filtered);
}

/** The kvm lock, if there is a VM, and the mdevs lock; the guests lock is held. */
async function withGuest(task: Task, mdev: MatrixMdev, section: () => void | Promise<void>): Promise<void> {
  const inner = (): Promise<void> => mdev.va.mdevsLock.with(task, section);
  await (mdev.kvm ? mdev.kvm.lock.with(task, inner) : inner());
}
