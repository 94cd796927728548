/**
 * VFIO groups: /dev/vfio/N, the way to a device.
 *
 * Mirrors drivers/vfio/group.c for emulated IOMMUs: one group for each device.
 * spec/vfio-ap.md 10.1, spec/sysfs-tree.md 5.
 */
import { Device } from '../driver-core/device.js';
import { KernelError } from '../errno.js';
import type { Vm } from '../kvm/vm.js';
import { Mutex } from '../sync/mutex.js';
import type { Task } from '../sync/task.js';
import type { VfioContainer } from './container.js';
import type { VfioDevice, VfioDeviceFile } from './device.js';
import type { IommuGroup } from './iommu.js';
import { copyFromUser, field, type UserStruct } from './user.js';
import type { Vfio } from './vfio.js';

/** First of the numbers that the kernel gave the character device, as recorded. */
const VFIO_MAJOR = 246;

const FLAG_VIABLE = 1;
const FLAG_CONTAINER_SET = 2;
const STATUS_SIZE = 8;

export class VfioGroup {
  readonly vfio: Vfio;
  readonly minor: number;
  /** The character device. */
  readonly device: Device;
  /** Undefined once the device is gone. */
  iommuGroup: IommuGroup | undefined;
  /** The device, as long as it can be opened. */
  member: VfioDevice | undefined;
  readonly openDevices = new Set<VfioDevice>();
  readonly lock: Mutex;
  container: VfioContainer | undefined;
  containerUsers = 0;
  openedFile: VfioGroupFile | undefined;
  /** The VM that the KVM device was told of. */
  kvm: Vm | undefined;

  constructor(vfio: Vfio, iommuGroup: IommuGroup) {
    this.vfio = vfio;
    this.minor = vfio.minors.alloc();
    this.iommuGroup = iommuGroup;
    this.lock = new Mutex(vfio.core.lockdep, 'vfio_group->group_lock');
    const { groupClass } = vfio;
    this.device = new Device(vfio.core, {
      name: `${iommuGroup.id}`,
      parent: groupClass.glueDir(),
      cls: groupClass,
      number: { major: VFIO_MAJOR, minor: this.minor, node: `vfio/${iommuGroup.id}` },
    });
  }

  /** Opens /dev/vfio/N. @throws ENODEV the device is gone; EBUSY it is open */
  async open(task: Task): Promise<VfioGroupFile> {
    return this.lock.with(task, () => {
      if (!this.iommuGroup) throw new KernelError('ENODEV');
      if (this.openedFile) throw new KernelError('EBUSY');
      if (!this.vfio.module.tryGet()) throw new KernelError('ENODEV');
      this.openedFile = new VfioGroupFile(this);
      return this.openedFile;
    });
  }

  /** `vfio_device_remove_group`: character device, then the IOMMU group. */
  async remove(task: Task, device: VfioDevice): Promise<void> {
    const { iommuGroup } = this;
    iommuGroup?.removeDevice(device.parent);
    await this.device.del(task);
    await this.lock.with(task, () => {
      if (this.container) this.detachContainer();
      this.iommuGroup = undefined;
    });
    await iommuGroup?.release(task);
    if (!this.openedFile) this.vfio.minors.free(this.minor);
  }

  detachContainer(): void {
    this.container?.detach(this);
    this.container = undefined;
    this.containerUsers = 0;
  }
}

/** An open file of /dev/vfio/N. */
export class VfioGroupFile {
  /** The descriptor, each open device and the KVM device hold it. */
  #references = 1;

  constructor(readonly group: VfioGroup) {}

  /** VFIO_GROUP_GET_STATUS. @throws EFAULT; EINVAL argsz below 8; ENODEV the device is gone */
  async getStatus(task: Task, argument: UserStruct | undefined): Promise<void> {
    const status = copyFromUser(argument);
    if (field(status, 'argsz') < STATUS_SIZE) throw new KernelError('EINVAL');
    const { group } = this;
    await group.lock.with(task, () => {
      if (!group.iommuGroup) throw new KernelError('ENODEV');
      status.flags = group.container ? FLAG_VIABLE | FLAG_CONTAINER_SET : FLAG_VIABLE;
    });
  }

  /**
   * VFIO_GROUP_SET_CONTAINER; `file` is what the descriptor stands for.
   * @throws EINVAL has one; ENODEV the device is gone; EBADF no such descriptor; EBADFD (6.1: EINVAL) some other file
   */
  async setContainer(task: Task, file: object | undefined): Promise<void> {
    const { group } = this;
    await group.lock.with(task, () => {
      if (group.container) throw new KernelError('EINVAL');
      if (!group.iommuGroup) throw new KernelError('ENODEV');
      if (file === undefined) throw new KernelError('EBADF');
      if (!group.vfio.isContainer(file)) throw new KernelError(group.vfio.profile.wrongContainerErrno);
      file.attach(group);
      group.container = file;
      group.containerUsers = 1;
    });
  }

  /** VFIO_GROUP_UNSET_CONTAINER. @throws EINVAL has none; EBUSY the device is open */
  async unsetContainer(task: Task): Promise<void> {
    const { group } = this;
    await group.lock.with(task, () => {
      if (!group.container) throw new KernelError('EINVAL');
      if (group.containerUsers !== 1) throw new KernelError('EBUSY');
      group.detachContainer();
    });
  }

  /**
   * VFIO_GROUP_GET_DEVICE_FD by the device's name.
   * @throws EFAULT; ENODEV other name or going; EINVAL no container, no SET_IOMMU; what the driver's open returns
   */
  async getDeviceFd(task: Task, name: string | undefined): Promise<VfioDeviceFile> {
    const wanted = copyFromUser(name);
    const device = this.group.member;
    if (!device || device.parent.name !== wanted) throw new KernelError('ENODEV');
    return device.open(task);
  }

  /** Any other ioctl. @throws ENOTTY */
  ioctl(): never {
    throw new KernelError('ENOTTY');
  }

  /** KVM_DEV_VFIO_FILE_ADD (before 6.2 GROUP_ADD): the VM of devices opened from now on. */
  setKvm(kvm: Vm | undefined): void {
    if (kvm && !this.group.kvm) this.get();
    if (!kvm && this.group.kvm) this.#put();
    this.group.kvm = kvm;
  }

  /** Closes the descriptor. */
  close(): void {
    this.#put();
  }

  /** @internal */
  get(): void {
    this.#references++;
  }

  /** @internal */
  put(): void {
    this.#put();
  }

  #put(): void {
    if (--this.#references > 0) return;
    const { group } = this;
    if (group.container) group.detachContainer();
    group.openedFile = undefined;
    if (!group.iommuGroup) group.vfio.minors.free(group.minor);
    group.vfio.module.put();
  }
}
