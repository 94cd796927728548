/**
 * Handing the guest configuration to the guest.
 *
 * Mirrors `vfio_ap_mdev_update_guest_apcb` and `signal_guest_ap_cfg_changed`.
 * spec/vfio-ap.md 5.3.
 */
import type { Task } from '../sync/task.js';
import type { MatrixMdev } from './matrix.js';

/** Copies the masks to the VM, if there is one, and tells it. */
export function updateGuestApcb(task: Task, mdev: MatrixMdev): void {
  if (!mdev.kvm) return;
  mdev.kvm.setMasks(task, mdev.shadowApcb);
  signalGuestApCfgChanged(mdev);
}

/** Kernels without that interrupt never have an eventfd for it. */
export function signalGuestApCfgChanged(mdev: MatrixMdev): void {
  mdev.cfgChgTrigger?.signal();
}
