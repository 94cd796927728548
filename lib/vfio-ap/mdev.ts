/**
 * Mediated devices: the bus, parents, their types, and the devices made by a write.
 *
 * Mirrors drivers/vfio/mdev (mdev_core.c, mdev_sysfs.c, mdev_driver.c).
 * spec/attributes.md H, spec/vfio-ap.md 2, spec/sysfs-tree.md 3.
 */
import { Bus } from '../driver-core/bus.js';
import type { DriverCore } from '../driver-core/core.js';
import { deviceDriverAttach } from '../driver-core/dd.js';
import { Device } from '../driver-core/device.js';
import { Driver, type DriverOps } from '../driver-core/driver.js';
import { Kobject } from '../driver-core/kobject.js';
import { isKernelError, KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import { WaitQueue } from '../sync/wait.js';
import { kstrtoul } from '../text/kstrto.js';

/** struct mdev_driver. */
export interface MdevDriverOps extends DriverOps {
  /** `device_api` of its types. */
  readonly deviceApi: string;
  readonly maxInstances: number;
}

export class MdevDriver extends Driver {
  override readonly ops: MdevDriverOps;

  constructor(bus: Bus, ops: MdevDriverOps) {
    super(bus, ops);
    this.ops = ops;
  }
}

/** The module mdev while it is loaded. */
export class MdevCore {
  readonly core: DriverCore;
  readonly bus: Bus;
  /** Every mdev of the system by UUID, from the write to `create` until the last reference is gone. */
  readonly list = new Map<string, MdevDevice>();
  /** /sys/class/mdev_bus: a directory with links, made for the first parent. */
  #compatClass: Kobject | undefined;

  constructor(core: DriverCore) {
    this.core = core;
    // No driver matches by itself: only the core binds, explicitly.
    this.bus = new Bus(core, { name: 'mdev', match: () => false });
  }

  init(): void {
    this.bus.register();
  }

  async exit(task: Task): Promise<void> {
    await this.#compatClass?.removeDir(task);
    await this.bus.unregister(task);
  }

  async registerDriver(task: Task, ops: MdevDriverOps): Promise<MdevDriver> {
    const driver = new MdevDriver(this.bus, ops);
    await this.bus.addDriver(task, driver);
    return driver;
  }

  async unregisterDriver(task: Task, driver: MdevDriver): Promise<void> {
    await this.bus.removeDriver(task, driver);
  }

  /** `mdev_register_parent`. */
  registerParent(device: Device, driver: MdevDriver, typeName: string, prettyName: string): MdevParent {
    const parent = new MdevParent(this, device, driver, typeName, prettyName);
    if (!this.#compatClass) {
      this.#compatClass = new Kobject(this.core.tree, 'mdev_bus', this.core.classDir);
      this.#compatClass.addDir();
    }
    parent.show();
    this.#compatClass.addLink(device.name, device);
    this.core.log.print('info', `${device.logPrefix}MDEV: Registered`);
    device.sendUevent('change', ['MDEV_STATE=registered']);
    return parent;
  }

  /** `mdev_unregister_parent`: its devices go first. */
  async unregisterParent(task: Task, parent: MdevParent): Promise<void> {
    const { device } = parent;
    this.core.log.print('info', `${device.logPrefix}MDEV: Unregistering`);
    await parent.closeForUnregister();
    this.#compatClass?.removeLink(device.name);
    for (const child of [...device.children.values()]) if (child instanceof MdevDevice) await child.removeCommon(task);
    await parent.hide(task);
    device.sendUevent('change', ['MDEV_STATE=unregistered']);
  }
}

/** struct mdev_parent: a device that can be divided. */
export class MdevParent {
  readonly mdev: MdevCore;
  readonly device: Device;
  readonly driver: MdevDriver;
  readonly type: MdevType;
  availableInstances: number;
  readonly #typesDir: Kobject;
  /** Readers and writer of `unreg_sem`. */
  #users = 0;
  #unregistering = false;
  readonly #quiet = new WaitQueue();

  constructor(mdev: MdevCore, device: Device, driver: MdevDriver, typeName: string, prettyName: string) {
    this.mdev = mdev;
    this.device = device;
    this.driver = driver;
    this.availableInstances = driver.ops.maxInstances;
    this.#typesDir = new Kobject(mdev.core.tree, 'mdev_supported_types', device);
    const name = `${device.driver?.name ?? device.bus?.name ?? ''}-${typeName}`;
    this.type = new MdevType(this, this.#typesDir, name, prettyName);
  }

  /** `down_read_trylock(&parent->unreg_sem)`. */
  tryUse(): boolean {
    if (this.#unregistering) return false;
    this.#users++;
    return true;
  }

  unuse(): void {
    this.#users--;
    this.#quiet.wakeAll();
  }

  /** `down_write(&parent->unreg_sem)`. */
  async closeForUnregister(): Promise<void> {
    this.#unregistering = true;
    await this.#quiet.until(() => this.#users === 0);
  }

  show(): void {
    this.#typesDir.addDir();
    this.type.show();
  }

  async hide(task: Task): Promise<void> {
    await this.type.hide(task);
    await this.#typesDir.removeDir(task);
  }
}

/** mdev_supported_types/TYPE: file group 'mdev_type'. */
export class MdevType extends Kobject {
  readonly parentDevice: MdevParent;
  readonly prettyName: string;
  readonly devicesDir: Kobject;

  constructor(parentDevice: MdevParent, dir: Kobject, name: string, prettyName: string) {
    super(dir.tree, name, dir);
    this.parentDevice = parentDevice;
    this.prettyName = prettyName;
    this.devicesDir = new Kobject(dir.tree, 'devices', this);
  }

  /** The file `name`. */
  get nameText(): string {
    return `${this.prettyName}\n`;
  }

  /** The file `device_api`. */
  get deviceApiText(): string {
    return `${this.parentDevice.driver.ops.deviceApi}\n`;
  }

  /** The file `available_instances`. */
  get availableInstancesText(): string {
    return `${this.parentDevice.availableInstances}\n`;
  }

  /**
   * `create` written (`create_store`, `mdev_device_create`).
   * @throws EINVAL length or UUID; EEXIST; EUSERS none left; ENODEV the parent is going; what the probe returns
   */
  async createStore(task: Task, written: string): Promise<void> {
    if (written.length < UUID_LENGTH || written.length > UUID_LENGTH + 1) throw new KernelError('EINVAL');
    const text = written.slice(0, UUID_LENGTH);
    if (!UUID.test(text)) throw new KernelError('EINVAL');
    const uuid = text.toLowerCase();
    const { mdev } = this.parentDevice;
    if (mdev.list.has(uuid)) throw new KernelError('EEXIST');
    if (this.parentDevice.availableInstances === 0) throw new KernelError('EUSERS');
    this.parentDevice.availableInstances--;
    const device = new MdevDevice(this, uuid);
    mdev.list.set(uuid, device);
    if (!this.parentDevice.tryUse()) {
      device.release();
      throw new KernelError('ENODEV');
    }
    try {
      await device.create(task);
    } finally {
      this.parentDevice.unuse();
    }
  }

  show(): void {
    this.addDir();
    this.addGroup('mdev_type');
    this.devicesDir.addDir();
  }

  async hide(task: Task): Promise<void> {
    await this.devicesDir.removeDir(task);
    await this.removeGroup(task, 'mdev_type');
    await this.removeDir(task);
  }
}

const UUID_LENGTH = 36;
const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

/** struct mdev_device. File group 'mdev_remove': the file `remove`, which removes itself. */
export class MdevDevice extends Device {
  readonly mdevType: MdevType;
  /** Creation is finished and removal has not begun. */
  active = false;
  #removeFileGone = false;

  constructor(mdevType: MdevType, uuid: string) {
    const { device, mdev } = mdevType.parentDevice;
    super(mdev.core, { name: uuid, parent: device, bus: mdev.bus, groups: ['mdev_remove'] });
    this.mdevType = mdevType;
  }

  get uuid(): string {
    return this.name;
  }

  /** @internal */
  async create(task: Task): Promise<void> {
    try {
      await this.add(task);
    } catch (e) {
      this.release();
      throw e;
    }
    try {
      await deviceDriverAttach(task, this.mdevType.parentDevice.driver, this);
    } catch (e) {
      await this.del(task);
      this.release();
      throw e;
    }
    this.addLink('mdev_type', this.mdevType);
    this.mdevType.devicesDir.addLink(this.name, this);
    this.active = true;
  }

  /**
   * `remove` written: 0 is no effect, anything else removes the device. Blocks while a VM uses it.
   * @throws EINVAL no number; EAGAIN creation is not finished; ENODEV it is gone, or the parent is going
   */
  async removeStore(task: Task, written: string): Promise<void> {
    if (!isNonZero(written)) return;
    // device_remove_file_self: who comes second has lost the race, which is no error.
    if (this.#removeFileGone) return;
    this.#removeFileGone = true;
    await this.removeGroup(task, 'mdev_remove');
    const { parentDevice } = this.mdevType;
    if (parentDevice.mdev.list.get(this.uuid) !== this) throw new KernelError('ENODEV');
    if (!this.active) throw new KernelError('EAGAIN');
    this.active = false;
    if (!parentDevice.tryUse()) throw new KernelError('ENODEV');
    try {
      await this.removeCommon(task);
    } finally {
      parentDevice.unuse();
    }
  }

  /** `mdev_device_remove_common`. @internal */
  async removeCommon(task: Task): Promise<void> {
    this.active = false;
    this.removeLink('mdev_type');
    this.mdevType.devicesDir.removeLink(this.name);
    await this.del(task);
    this.release();
  }

  /** `mdev_device_release`: the instance is given back. @internal */
  release(): void {
    const { parentDevice } = this.mdevType;
    parentDevice.mdev.list.delete(this.uuid);
    parentDevice.availableInstances++;
  }
}

/** Every failure of the parser, overflow too, is EINVAL here. */
function isNonZero(written: string): boolean {
  try {
    return kstrtoul(written) !== 0n;
  } catch (e) {
    if (isKernelError(e)) throw new KernelError('EINVAL');
    throw e;
  }
}
