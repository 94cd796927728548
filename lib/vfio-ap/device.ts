/**
 * VFIO devices: registration, open files, and removal that waits for them.
 *
 * Mirrors drivers/vfio/vfio_main.c. What a device does is its driver's matter
 * (VfioDeviceOps). spec/vfio-ap.md 2, 10.1.
 */
import { Device } from '../driver-core/device.js';
import { KernelError } from '../errno.js';
import type { Vm } from '../kvm/vm.js';
import { SEC } from '../ports.js';
import { Mutex } from '../sync/mutex.js';
import type { Task } from '../sync/task.js';
import type { FileTable } from './eventfd.js';
import { VfioGroup } from './group.js';
import type { UserStruct } from './user.js';
import type { Vfio } from './vfio.js';

/** struct vfio_device_ops. */
export interface VfioDeviceOps {
  /** First open; `kvm` is the VM that the group was told of. @throws its errno */
  openDevice(task: Task, kvm: Vm | undefined): Promise<void>;
  /** Last close. */
  closeDevice(task: Task): Promise<void>;
  ioctl(task: Task, command: number, argument: UserStruct | undefined, files: FileTable): Promise<void>;
  /** The device is wanted back; `count` says for the how many-th time. */
  request?(task: Task, count: number): Promise<void>;
  dmaUnmap(task: Task, iova: number, length: number): Promise<void>;
}

/** _IO(';', 100 + n). */
export const VFIO_IOCTL = {
  GET_INFO: 0x3b6b,
  GET_REGION_INFO: 0x3b6c,
  GET_IRQ_INFO: 0x3b6d,
  SET_IRQS: 0x3b6e,
  RESET: 0x3b6f,
  PCI_HOT_RESET: 0x3b71,
  FEATURE: 0x3b75,
} as const;

/** How long a removal waits before it asks again. */
const REQUEST_PERIOD = 10 * SEC;

export class VfioDevice {
  readonly vfio: Vfio;
  /** The device that is passed through. */
  readonly parent: Device;
  readonly ops: VfioDeviceOps;
  readonly #index: number;
  readonly #classDevice: Device;
  readonly #group: VfioGroup;
  readonly #lock: Mutex;
  openCount = 0;
  /** Pages that the driver has pinned, by page address: how often. */
  readonly pins = new Map<number, number>();
  #kvm: Vm | undefined;
  /** One for the registration, one for each open file. */
  #registrations = 0;
  #released: (() => void) | undefined;

  private constructor(vfio: Vfio, parent: Device, ops: VfioDeviceOps) {
    this.vfio = vfio;
    this.parent = parent;
    this.ops = ops;
    this.#lock = new Mutex(vfio.core.lockdep, 'vfio_device_set->lock');
    this.#index = vfio.indexes.alloc();
    const iommuGroup = vfio.iommuGroups.alloc('vfio-noiommu');
    iommuGroup.addDevice(parent);
    this.#group = new VfioGroup(vfio, iommuGroup);
    const { deviceClass } = vfio;
    this.#classDevice = new Device(vfio.core, {
      name: `vfio${this.#index}`,
      parent: deviceClass.glueDir(parent),
      cls: deviceClass,
      linkToParent: parent,
    });
  }

  /** `vfio_register_emulated_iommu_dev`. */
  static async register(task: Task, vfio: Vfio, parent: Device, ops: VfioDeviceOps): Promise<VfioDevice> {
    const device = new VfioDevice(vfio, parent, ops);
    vfio.groups.set(device.#group.device.name, device.#group);
    await device.#group.device.add(task);
    await device.#classDevice.add(task);
    device.#registrations = 1;
    device.#group.member = device;
    return device;
  }

  get group(): VfioGroup {
    return this.#group;
  }

  /** `vfio_unregister_group_dev`: waits until nobody has it open, asking for it every 10 s. */
  async unregister(task: Task): Promise<void> {
    const { vfioDevLeavesAtOnce } = this.vfio.profile;
    if (vfioDevLeavesAtOnce) await this.#hide(task);
    this.#putRegistration();
    let interrupted = false;
    for (let count = 0; this.#registrations > 0; count++) {
      await this.ops.request?.(task, count);
      if ((await this.#waitReleased(interrupted ? undefined : task)) !== 'signal') continue;
      interrupted = true;
      this.vfio.core.log.print(
        'warning',
        `${this.parent.logPrefix}Device is currently in use, task "${task.comm}" (${task.pid}) blocked until device is released`,
      );
    }
    if (!vfioDevLeavesAtOnce) await this.#hide(task);
    await this.#group.remove(task, this);
    this.vfio.groups.delete(this.#group.device.name);
    this.vfio.indexes.free(this.#index);
  }

  /** No new opens; vfio-dev/ vanishes. */
  async #hide(task: Task): Promise<void> {
    this.#group.member = undefined;
    await this.#classDevice.del(task);
  }

  #putRegistration(): void {
    if (--this.#registrations === 0) this.#released?.();
  }

  /** Until the last user is gone, 10 s are over, or a signal comes (if a task is given). */
  async #waitReleased(interruptible: Task | undefined): Promise<'released' | 'timeout' | 'signal'> {
    if (this.#registrations === 0) return 'released';
    const signal = interruptible?.signal;
    if (signal?.aborted) return 'signal';
    return new Promise((resolve) => {
      const end = (how: 'released' | 'timeout' | 'signal'): void => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#released = undefined;
        resolve(how);
      };
      const onAbort = (): void => end('signal');
      const timer = this.vfio.core.ports.clock.after(REQUEST_PERIOD, () => end('timeout'), {
        background: true,
        name: `vfio request ${this.parent.name}`,
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#released = () => end('released');
    });
  }

  /** `vfio_device_open_file` and `vfio_df_group_open`: only the first open reaches the driver. @internal */
  async open(task: Task): Promise<VfioDeviceFile> {
    if (this.#registrations === 0) throw new KernelError('ENODEV');
    this.#registrations++;
    try {
      await this.#group.lock.with(task, async () => {
        if (!this.#group.container) throw new KernelError('EINVAL');
        await this.#lock.with(task, async () => {
          if (this.openCount === 0) await this.#firstOpen(task);
          this.openCount++;
        });
      });
      return new VfioDeviceFile(this);
    } catch (e) {
      this.#putRegistration();
      throw e;
    }
  }

  /** `vfio_df_device_first_open`; takes back what it did when the driver refuses. */
  async #firstOpen(task: Task): Promise<void> {
    const group = this.#group;
    const owner = this.parent.driver?.module;
    if (owner && !owner.tryGet()) throw new KernelError('ENODEV');
    try {
      if (!group.container?.hasDriver) throw new KernelError('EINVAL');
      group.containerUsers++;
      group.openedFile?.get();
      this.#kvm = group.kvm?.get();
      try {
        await this.ops.openDevice(task, this.#kvm);
        group.openDevices.add(this);
      } catch (e) {
        this.#unuse();
        throw e;
      }
    } catch (e) {
      owner?.put();
      throw e;
    }
  }

  /** @internal */
  async close(task: Task): Promise<void> {
    const owner = this.parent.driver?.module;
    await this.#group.lock.with(task, () =>
      this.#lock.with(task, async () => {
        if (--this.openCount > 0) return;
        await this.ops.closeDevice(task);
        this.#group.openDevices.delete(this);
        this.#unuse();
        owner?.put();
      }),
    );
    this.#putRegistration();
  }

  #unuse(): void {
    this.#group.containerUsers--;
    this.#group.openedFile?.put();
    this.#kvm?.put();
    this.#kvm = undefined;
  }

  /** `vfio_pin_pages` of one page. @returns whether it is pinned now */
  pin(iova: number): boolean {
    if (!this.#group.container?.isMapped(iova)) return false;
    this.pins.set(iova, (this.pins.get(iova) ?? 0) + 1);
    return true;
  }

  /** `vfio_unpin_pages` of one page. */
  unpin(iova: number): void {
    const left = (this.pins.get(iova) ?? 0) - 1;
    if (left > 0) this.pins.set(iova, left);
    else this.pins.delete(iova);
  }
}

/** An open device file. */
export class VfioDeviceFile {
  #open = true;

  /** @internal */
  constructor(readonly device: VfioDevice) {
    device.vfio.module.tryGet();
  }

  /** @throws EBADF after close; the driver's errno */
  async ioctl(task: Task, command: number, argument?: UserStruct, files: FileTable = NO_FILES): Promise<void> {
    if (!this.#open) throw new KernelError('EBADF');
    if (command === VFIO_IOCTL.FEATURE) throw new KernelError('ENOTTY');
    if (command === VFIO_IOCTL.GET_REGION_INFO) throw new KernelError(this.device.vfio.profile.regionInfoErrno);
    await this.device.ops.ioctl(task, command, argument, files);
  }

  /** read(2), write(2), mmap(2): this device has no regions. @throws EINVAL */
  access(): never {
    throw new KernelError(this.#open ? 'EINVAL' : 'EBADF');
  }

  async close(task: Task): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.device.close(task);
    this.device.vfio.module.put();
  }
}

const NO_FILES: FileTable = new Map();
