/**
 * A VM opens and closes the device, and is asked to give it back.
 *
 * Mirrors `vfio_ap_mdev_open_device`, `vfio_ap_mdev_set_kvm`,
 * `vfio_ap_mdev_unset_kvm`, `vfio_ap_mdev_request`, `vfio_ap_mdev_dma_unmap`.
 * spec/vfio-ap.md 10.
 */
import { KernelError } from '../errno.js';
import type { PqapHook } from '../kvm/pqap.js';
import type { Vm } from '../kvm/vm.js';
import type { Task } from '../sync/task.js';
import type { VfioDeviceOps } from './device.js';
import type { FileTable } from './eventfd.js';
import { signalGuestApCfgChanged, updateGuestApcb } from './guest.js';
import { matrixMdevIoctl } from './ioctl.js';
import { interceptPqap, irqDisable } from './irq.js';
import { getUpdateLocksForKvm, holding } from './locks.js';
import type { MatrixMdev } from './matrix.js';
import { resetQueues } from './reset.js';
import type { UserStruct } from './user.js';

export class MatrixMdevOps implements VfioDeviceOps {
  readonly #mdev: MatrixMdev;
  /** The mdev's own hook: another function for each mdev, so that a VM shows whose it runs. */
  readonly #hook: PqapHook;
  /** Absent in 6.1. */
  readonly request?: (task: Task, count: number) => Promise<void>;

  constructor(mdev: MatrixMdev) {
    this.#mdev = mdev;
    this.#hook = (task, vcpu, registers) => interceptPqap(task, mdev, vcpu, registers);
    if (mdev.va.profile.vfioIrqs > 0) this.request = (task, count) => this.#request(task, count);
  }

  /** @throws EINVAL no VM; EPERM the VM has another AP device */
  async openDevice(task: Task, kvm: Vm | undefined): Promise<void> {
    if (!kvm) throw new KernelError('EINVAL');
    if (!kvm.hasCrycb) return;
    if (this.#mdev.va.profile.secondDeviceCheckedFirst) await this.#setKvm(task, kvm);
    else await this.#setKvmHookFirst(task, kvm);
  }

  /** `vfio_ap_mdev_set_kvm`. */
  async #setKvm(task: Task, kvm: Vm): Promise<void> {
    await this.#withHookLocked(task, kvm, () => {
      if (kvm.pqapHook) throw new KernelError('EPERM');
      kvm.pqapHook = this.#hook;
      this.#attach(task, kvm);
    });
  }

  /** The same in 6.12: the hook is overwritten before anything is checked. */
  async #setKvmHookFirst(task: Task, kvm: Vm): Promise<void> {
    await this.#setHookAlone(task, kvm, this.#hook);
    const { va } = this.#mdev;
    await holding(await getUpdateLocksForKvm(task, va, kvm), () => {
      if (va.mdevs.some((m) => m !== this.#mdev && m.kvm === kvm)) throw new KernelError('EPERM');
      this.#attach(task, kvm);
    });
  }

  #attach(task: Task, kvm: Vm): void {
    this.#mdev.kvm = kvm.get();
    updateGuestApcb(task, this.#mdev);
  }

  /** `vfio_ap_mdev_unset_kvm`. */
  async closeDevice(task: Task): Promise<void> {
    const { kvm, va } = this.#mdev;
    if (!kvm?.hasCrycb) return;
    const detach = async (): Promise<void> => {
      kvm.clearMasks(task);
      await resetQueues(this.#mdev);
      this.#mdev.kvm = undefined;
    };
    if (va.profile.secondDeviceCheckedFirst) {
      await this.#withHookLocked(task, kvm, async () => {
        kvm.pqapHook = undefined;
        await detach();
      });
    } else {
      await this.#setHookAlone(task, kvm, undefined);
      await holding(await getUpdateLocksForKvm(task, va, kvm), detach);
    }
    kvm.put();
  }

  /** guests lock, kvm lock, hook semaphore for writing, mdevs lock. */
  async #withHookLocked(task: Task, kvm: Vm, section: () => void | Promise<void>): Promise<void> {
    const { va } = this.#mdev;
    await va.guestsLock.with(task, () =>
      kvm.lock.with(task, async () => {
        await kvm.hookSemaphore.downWrite(task);
        try {
          await va.mdevsLock.with(task, section);
        } finally {
          kvm.hookSemaphore.upWrite(task);
        }
      }),
    );
  }

  async #setHookAlone(task: Task, kvm: Vm, hook: PqapHook | undefined): Promise<void> {
    await kvm.hookSemaphore.downWrite(task);
    kvm.pqapHook = hook;
    kvm.hookSemaphore.upWrite(task);
  }

  async ioctl(task: Task, command: number, argument: UserStruct | undefined, files: FileTable): Promise<void> {
    await this.#mdev.va.mdevsLock.with(task, () => matrixMdevIoctl(this.#mdev, command, argument, files));
  }

  /** `vfio_ap_mdev_request`: the mdev is being removed while a VM has it. */
  async #request(task: Task, count: number): Promise<void> {
    const mdev = this.#mdev;
    const ask = (): void => {
      if (mdev.kvm && mdev.va.profile.requestClearsMasks) {
        mdev.kvm.clearMasks(task);
        signalGuestApCfgChanged(mdev);
      }
      if (mdev.reqTrigger) {
        if (count % 10 === 0) mdev.va.printRequest(`${mdev.mdev.logPrefix}Relaying device request to user (#${count})`);
        mdev.reqTrigger.signal();
      } else if (count === 0) mdev.print('notice', 'No device request registered, blocked until released by user');
    };
    if (mdev.va.profile.requestTakesLocks) await mdev.updating(task, ask);
    else ask();
  }

  /** The guest's memory at these addresses goes away. */
  async dmaUnmap(task: Task, iova: number, length: number): Promise<void> {
    const mdev = this.#mdev;
    const { va } = mdev;
    await va.mdevsLock.with(task, async () => {
      if (!va.profile.dmaUnmapDisablesIrq) mdev.unpin(iova);
      else
        for (const q of mdev.queuesInTableOrder())
          if (q.savedIova !== undefined && q.savedIova >= iova && q.savedIova < iova + length) await irqDisable(q);
    });
  }
}
