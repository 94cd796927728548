/**
 * One running guest: the process that owns a VM and passes an mdev through.
 *
 * Does what the program `vfioguest` of the recordings does (traces/README.md),
 * as QEMU would: VM, group, container, device; two eventfds; and it gives the
 * device back when asked, if told so. One thread: commands and events one
 * after the other.
 */
import { type Errno, isKernelError, KernelError } from '../errno.js';
import type { Kernel } from '../kernel.js';
import type { Vm } from '../kvm/vm.js';
import type { Task } from '../sync/task.js';
import type { VfioContainer } from '../vfio-ap/container.js';
import { VFIO_IOCTL, type VfioDeviceFile } from '../vfio-ap/device.js';
import { Eventfd } from '../vfio-ap/eventfd.js';
import type { VfioGroupFile } from '../vfio-ap/group.js';
import { IRQ_INDEX, IRQ_SET } from '../vfio-ap/ioctl.js';
import type { UserStruct } from '../vfio-ap/user.js';

/** VFIO_TYPE1v2_IOMMU. */
const TYPE1V2 = 3;
/** Descriptors of the process that calls name. */
const FD = { REQUEST: 20, CONFIG: 21 } as const;

export interface VmmOptions {
  /** `nokvm`: no VM at all. `noadd`: a VM that the group is not told of. `noapie`: no AP interpretation. */
  readonly variant?: 'nokvm' | 'noadd' | 'noapie';
}

/** A call of the process that failed: which one, and how. */
export class CallFailed extends Error {
  constructor(
    readonly call: string,
    readonly errno: Errno,
  ) {
    super(`${call}: ${errno}`);
    this.name = 'CallFailed';
  }
}

/** Runs a call; its errno comes back with the call's name. */
export async function call<T>(name: string, body: () => T | Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (e) {
    if (isKernelError(e)) throw new CallFailed(name, e.errno);
    throw e;
  }
}

/** Another mdev that the same VM has (`attach`). */
interface Attached {
  readonly group: VfioGroupFile;
  readonly device: VfioDeviceFile;
}

export class Vmm {
  readonly #kernel: Kernel;
  readonly uuid: string;
  /** The process. */
  readonly task: Task;
  readonly #options: VmmOptions;
  #vm: Vm | undefined;
  container: VfioContainer | undefined;
  group: VfioGroupFile | undefined;
  device: VfioDeviceFile | undefined;
  readonly #attached: Attached[] = [];
  readonly #request = new Eventfd();
  readonly #config = new Eventfd();
  readonly files = new Map<number, object>([
    [FD.REQUEST, this.#request],
    [FD.CONFIG, this.#config],
  ]);
  /** Closes the device when it is asked for it. */
  autoclose = false;
  #turn: Promise<unknown> = Promise.resolve();
  exited = false;

  constructor(kernel: Kernel, uuid: string, options: VmmOptions = {}) {
    this.#kernel = kernel;
    this.uuid = uuid;
    this.#options = options;
    this.task = kernel.core.newTask('vfioguest');
    this.#request.onSignal(() => {
      if (this.autoclose) void this.run(() => this.closeDevice());
    });
  }

  get vm(): Vm | undefined {
    return this.#vm;
  }

  /** Runs something as this process, after what it is doing now. */
  run<T>(body: () => T | Promise<T>): Promise<T> {
    const result = this.#turn.then(body);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Creates the VM and opens everything. @throws CallFailed, with all closed again */
  async start(): Promise<void> {
    const { variant } = this.#options;
    try {
      if (variant !== 'nokvm') await this.#createVm(variant !== 'noapie');
      await this.openGroup();
      await this.openDevice();
    } catch (e) {
      await this.exit();
      throw e;
    }
  }

  async #createVm(apie: boolean): Promise<void> {
    const { kvm } = this.#kernel.vfio;
    this.#vm = await call('open /dev/kvm', () => {
      if (!kvm) throw new KernelError('ENOENT');
      return kvm.createVm(this.task, { apie });
    });
  }

  /** Group and container, IOMMU type, guest memory, and the VM's VFIO device. */
  async openGroup(): Promise<void> {
    if (this.group) return;
    const group = await this.#openGroupOf(this.uuid);
    this.group = group;
    const container = await openContainer(this.#kernel);
    this.container = container;
    await call('VFIO_GROUP_SET_CONTAINER', () => group.setContainer(this.task, container));
    await call('VFIO_SET_IOMMU', () => container.setIommu(TYPE1V2));
    if (!this.#vm) return;
    container.mapDma(0, this.#vm.memory);
    if (this.#options.variant !== 'noadd') group.setKvm(this.#vm);
  }

  async #openGroupOf(uuid: string): Promise<VfioGroupFile> {
    return openGroupOf(this.#kernel, this.task, uuid);
  }

  /** GET_DEVICE_FD; opens the group too if it was closed. */
  async openDevice(): Promise<void> {
    if (this.device) return;
    await this.openGroup();
    this.device = await this.#getDeviceFd();
  }

  #getDeviceFd(): Promise<VfioDeviceFile> {
    return call('VFIO_GROUP_GET_DEVICE_FD', () => {
      if (!this.group) throw new KernelError('EBADF');
      return this.group.getDeviceFd(this.task, this.uuid);
    });
  }

  /** A second descriptor of the device, closed at once. */
  async openTwice(): Promise<void> {
    const second = await this.#getDeviceFd();
    await second.close(this.task);
  }

  async closeDevice(): Promise<void> {
    const { device } = this;
    this.device = undefined;
    await device?.close(this.task);
  }

  /** Device, container and group. */
  async closeGroup(): Promise<void> {
    await this.closeDevice();
    const { group, container } = this;
    this.group = undefined;
    this.container = undefined;
    group?.setKvm(undefined);
    group?.close();
    container?.close();
  }

  /** Takes a second mdev into the same VM. @throws CallFailed EPERM */
  async attach(uuid: string): Promise<void> {
    const group = await this.#openGroupOf(uuid);
    try {
      await call('VFIO_GROUP_SET_CONTAINER', () => group.setContainer(this.task, this.container));
      group.setKvm(this.#vm);
      const device = await call('VFIO_GROUP_GET_DEVICE_FD', () => group.getDeviceFd(this.task, uuid));
      this.#attached.push({ group, device });
    } catch (e) {
      group.setKvm(undefined);
      group.close();
      throw e;
    }
  }

  /** An ioctl of the device. @throws CallFailed */
  async ioctl(name: string, command: number, argument?: UserStruct): Promise<void> {
    await call(name, () => {
      if (!this.device) throw new KernelError('EBADF');
      return this.device.ioctl(this.task, command, argument, this.files);
    });
  }

  /** Sets (or takes away) the eventfd of an interrupt. */
  async setIrq(index: 'REQUEST' | 'CONFIG_CHANGE', on: boolean): Promise<void> {
    const fd = index === 'REQUEST' ? FD.REQUEST : FD.CONFIG;
    await this.ioctl('VFIO_DEVICE_SET_IRQS', VFIO_IOCTL.SET_IRQS, {
      argsz: 24,
      flags: IRQ_SET.DATA_EVENTFD | IRQ_SET.ACTION_TRIGGER,
      index: IRQ_INDEX[index],
      start: 0,
      count: 1,
      fd: on ? fd : -1,
    });
  }

  /** How often the interrupts fired since the last call. */
  takeEvents(): { req: number; cfg: number } {
    return { req: this.#request.read(), cfg: this.#config.read() };
  }

  /** The same without clearing. */
  eventsText(): string {
    return `req ${this.#request.count} cfg ${this.#config.count}\n`;
  }

  /** Ends the process: everything is closed, the VM last. */
  async exit(): Promise<void> {
    if (this.exited) return;
    this.exited = true;
    for (const { group, device } of this.#attached.splice(0)) {
      await device.close(this.task);
      group.setKvm(undefined);
      group.close();
    }
    await this.closeGroup();
    await letWaitersRun();
    this.#vm?.put();
    this.#vm = undefined;
  }
}

/** Opens /dev/vfio/N of an mdev, whose number its link iommu_group says. @throws CallFailed */
export async function openGroupOf(kernel: Kernel, task: Task, uuid: string): Promise<VfioGroupFile> {
  const name = await call('readlink iommu_group', () => {
    const link = kernel.vfio.mdev?.list.get(uuid)?.links.get('iommu_group');
    if (!link) throw new KernelError('ENOENT');
    return link.target.name;
  });
  return call(`open /dev/vfio/${name}`, () => {
    const group = kernel.vfio.vfio?.groups.get(name);
    if (!group) throw new KernelError('ENOENT');
    return group.open(task);
  });
}

/** Opens /dev/vfio/vfio. @throws CallFailed */
export function openContainer(kernel: Kernel): Promise<VfioContainer> {
  return call('open /dev/vfio/vfio', () => {
    const { vfio } = kernel.vfio;
    if (!vfio) throw new KernelError('ENOENT');
    return vfio.openContainer();
  });
}

/** A removal that waited for the device goes on before the VM ends: as recorded, its group goes first. */
async function letWaitersRun(): Promise<void> {
  for (let i = 0; i < 64; i++) await undefined;
}
