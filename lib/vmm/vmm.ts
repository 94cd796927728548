/**
 * One running guest: the process that owns a VM and passes an mdev through.
 *
 * Does what the program `vfioguest` of the recordings does (traces/README.md),
 * as QEMU would: VM, group, container, device; two eventfds; and it gives the
 * device back when asked, if told so. One thread: commands and events one
 * after the other. A VM that is to run a kernel is switched on when all that
 * has been done.
 */
import { type Errno, isKernelError, KernelError } from '../errno.js';
import { Guest, type GuestHost, type GuestOptions } from '../guest/guest.js';
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
  /**
   * `nokvm`: no VM at all. `noadd`: a VM that the group is not told of.
   * `noapie`: no AP interpretation. `nocrycb`: no crypto control block.
   */
  readonly variant?: 'nokvm' | 'noadd' | 'noapie' | 'nocrycb';
  /** The kernel that the VM boots; undefined: its virtual CPUs never run. */
  readonly guest?: VmmGuestOptions;
}

export interface VmmGuestOptions extends GuestOptions {
  /** What it is called; the UUID of its mdev unless given. */
  readonly name?: string;
  /** Virtual CPUs (default 1). */
  readonly vcpus?: number;
  /** Adapter interruption virtualisation (default true). */
  readonly aiv?: boolean;
  /** The monitor passes on that the AP configuration changed (default: where the host tells it). */
  readonly notify?: boolean;
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
  readonly #host: GuestHost;
  readonly #kernel: Kernel;
  readonly uuid: string;
  /** The process. */
  readonly task: Task;
  readonly #options: VmmOptions;
  #vm: Vm | undefined;
  /** The virtual machine with its kernel. */
  guest: Guest | undefined;
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

  constructor(host: GuestHost, uuid: string, options: VmmOptions = {}) {
    this.#host = host;
    this.#kernel = host.kernel;
    this.uuid = uuid;
    this.#options = options;
    this.task = this.#kernel.core.newTask('vfioguest');
    this.#request.onSignal(() => {
      if (this.autoclose) void this.run(() => this.closeDevice());
    });
    this.#config.onSignal(() => {
      if (this.guest) void this.run(() => this.guest?.configChanged());
    });
  }

  /** What it is called among the guests. */
  get name(): string {
    return this.#options.guest?.name ?? this.uuid;
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
      if (variant !== 'nokvm') await this.#createVm(variant);
      await this.openGroup();
      await this.openDevice();
      if (this.#options.guest) await this.#powerOn(this.#options.guest);
    } catch (e) {
      await this.exit();
      throw e;
    }
  }

  async #createVm(variant: VmmOptions['variant']): Promise<void> {
    const { kvm } = this.#kernel.vfio;
    this.#vm = await call('open /dev/kvm', () => {
      if (!kvm) throw new KernelError('ENOENT');
      return kvm.createVm(this.task, { apie: variant !== 'noapie', crycb: variant !== 'nocrycb' });
    });
  }

  /** Virtual CPUs, the interrupt that tells of changes, and off it goes. */
  async #powerOn({ name, vcpus = 1, aiv = true, notify = true, ...options }: VmmGuestOptions): Promise<void> {
    const vm = this.#vm;
    if (!vm) return;
    for (let i = 0; i < vcpus; i++) vm.createVcpu(aiv);
    if (notify) await this.#askForConfigChanges();
    this.guest = new Guest(this.#host, name ?? this.uuid, vm, options);
    this.guest.powerOn();
  }

  /** As a VMM that knows of that interrupt: with a host that has it not the guest is not told. */
  async #askForConfigChanges(): Promise<void> {
    try {
      await this.setIrq('CONFIG_CHANGE', true);
    } catch (e) {
      if (!(e instanceof CallFailed)) throw e;
    }
  }

  /** VFIO_DEVICE_RESET; a virtual machine that runs is reset with it, and boots anew. @throws CallFailed */
  async reset(): Promise<void> {
    const on = this.guest?.on || this.guest?.state === 'crashed';
    await this.guest?.powerOff();
    try {
      await this.ioctl('VFIO_DEVICE_RESET', VFIO_IOCTL.RESET);
    } finally {
      if (on) this.guest?.powerOn();
    }
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

  /** Guest memory that devices may reach. @throws EBADF no container; EINVAL, EEXIST */
  mapMemory(address: number, size: number): void {
    if (!this.container) throw new KernelError('EBADF');
    this.container.mapDma(address, size);
  }

  /** Takes guest memory from devices: what they hold in it they give up. @throws EBADF, EINVAL */
  async unmapMemory(address: number, size: number): Promise<void> {
    if (!this.container) throw new KernelError('EBADF');
    await this.container.unmapDma(this.task, address, size);
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
    await this.guest?.powerOff();
    this.guest = undefined;
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
