/**
 * Devices: what buses find, classes group and drivers serve.
 *
 * Mirrors drivers/base/core.c (`device_add`, `device_del`, `dev_uevent`); the
 * order of steps is spec/sysfs-tree.md 9. Left out: power management, firmware
 * nodes, device links, none of which exist for these devices.
 */
import { KernelError } from '../errno.js';
import { Mutex } from '../sync/mutex.js';
import type { Task } from '../sync/task.js';
import type { Bus } from './bus.js';
import type { Class } from './class.js';
import type { DriverCore } from './core.js';
import { busProbeDevice, releaseDriver } from './dd.js';
import type { Driver } from './driver.js';
import { Kobject } from './kobject.js';
import { parseSyntheticUevent, type UeventAction, type UeventSource } from './uevent.js';

/** struct device_type: the kind of a device inside its subsystem. */
export interface DeviceType {
  /** DEVTYPE in events; undefined: none. */
  readonly name?: string;
  /** File groups of the type. */
  readonly groups?: readonly string[];
}

export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
  /** Path below /dev; also DEVNAME. */
  readonly node: string;
  /** Permission bits of the node; shown as DEVMODE only when the class sets one. */
  readonly mode?: number;
}

export interface DeviceOptions {
  readonly name: string;
  readonly parent: Kobject;
  readonly bus?: Bus;
  readonly cls?: Class;
  readonly type?: DeviceType;
  /** File groups of this device. */
  readonly groups?: readonly string[];
  readonly number?: DeviceNumber;
  /** The `device` link of class devices. */
  readonly linkToParent?: Kobject;
}

const NO_GROUPS: readonly string[] = [];

export class Device extends Kobject {
  readonly core: DriverCore;
  /** Also settable after registration: root device `ap` gets its bus late. */
  bus: Bus | undefined;
  readonly cls: Class | undefined;
  readonly type: DeviceType | undefined;
  readonly ownGroups: readonly string[];
  readonly number: DeviceNumber | undefined;
  readonly linkToParent: Kobject | undefined;
  /** `dev->driver`: set while probing, bound and being released. */
  driver: Driver | undefined;
  driverData: unknown;
  /** `device_lock`. */
  readonly mutex: Mutex;
  /** device_del has begun. */
  dead = false;

  constructor(core: DriverCore, options: DeviceOptions) {
    super(core.tree, options.name, options.parent);
    this.core = core;
    this.bus = options.bus;
    this.cls = options.cls;
    this.type = options.type;
    this.ownGroups = options.groups ?? NO_GROUPS;
    this.number = options.number;
    this.linkToParent = options.linkToParent;
    this.mutex = new Mutex(core.lockdep, `device_lock(${options.bus?.name ?? options.cls?.name ?? 'root'})`);
  }

  /** `dev_driver_string` and the device's name: how its log lines begin. */
  get logPrefix(): string {
    return `${this.driver?.name ?? this.bus?.name ?? this.cls?.name ?? ''} ${this.name}: `;
  }

  /** `device_add`. @throws EEXIST; what had been made is taken back, with a `remove` event */
  async add(task: Task): Promise<void> {
    this.addDir();
    try {
      this.addGroup('device');
      this.cls?.addDevice(this);
      for (const group of this.type?.groups ?? NO_GROUPS) this.addGroup(group);
      for (const group of this.ownGroups) this.addGroup(group);
      if (this.bus) {
        this.bus.devicesDir.addLink(this.name, this);
        this.addLink('subsystem', this.bus);
      }
      if (this.number) this.#addNode(this.number);
    } catch (e) {
      this.sendUevent('remove');
      this.cls?.removeDevice(this);
      if (this.bus?.devicesDir.links.get(this.name)?.target === this) this.bus.devicesDir.removeLink(this.name);
      await this.removeDir(task);
      this.cls?.dropGlueDir(this);
      throw e;
    }
    this.bus?.list(this);
    this.sendUevent('add');
    if (this.bus?.autoprobe) await busProbeDevice(task, this);
  }

  /** `device_del`. */
  async del(task: Task): Promise<void> {
    const wait = this.mutex.lock(task);
    if (wait) await wait;
    this.dead = true;
    this.mutex.unlock(task);
    if (this.number) await this.#removeNode(task, this.number);
    if (this.cls) {
      this.cls.removeDevice(this);
      this.removeLink('subsystem');
      this.removeLink('device');
    }
    await this.removeGroup(task, 'device');
    for (const group of [...(this.type?.groups ?? []), ...this.ownGroups]) await this.removeGroup(task, group);
    if (this.bus) {
      this.removeLink('subsystem');
      if (this.bus.devicesDir.links.get(this.name)?.target === this) this.bus.devicesDir.removeLink(this.name);
      await this.bus.removeDevice(task, this);
    }
    this.sendUevent('remove');
    await this.removeDir(task);
    this.cls?.dropGlueDir(this);
  }

  /** `kobject_uevent_env` for this device; nothing while it has neither bus nor class. */
  sendUevent(action: UeventAction, senderKeys: readonly string[] = []): void {
    this.core.uevents.send(this, action, this.#ueventSource(), senderKeys);
  }

  /** The `uevent` file read (`uevent_show`). */
  ueventText(): string {
    const source = this.#ueventSource();
    if (!source) return '';
    return source
      .keys('change')
      .map((k) => `${k}\n`)
      .join('');
  }

  /** The `uevent` file written (`uevent_store`). @throws EINVAL */
  ueventStore(written: string): void {
    try {
      const { action, keys } = parseSyntheticUevent(written);
      this.sendUevent(action, keys);
    } catch (e) {
      if (e instanceof KernelError) {
        const why = e.message.slice(e.message.indexOf(':') + 2);
        this.core.log.print('warning', `synth uevent: ${this.devpath}: ${why}`);
        this.core.log.print('err', `${this.logPrefix}uevent: failed to send synthetic uevent: -22`);
      }
      throw e;
    }
  }

  /** Detaches its driver, if it has one (`device_release_driver`). */
  async releaseDriver(task: Task): Promise<void> {
    await releaseDriver(task, this, undefined);
  }

  #ueventSource(): UeventSource | undefined {
    const subsystem = this.bus?.name ?? this.cls?.name;
    if (subsystem === undefined) return undefined;
    return {
      subsystem,
      keys: (action) => {
        const keys: string[] = [];
        if (this.number) {
          keys.push(`MAJOR=${this.number.major}`, `MINOR=${this.number.minor}`, `DEVNAME=${this.number.node}`);
          if (this.number.mode !== undefined) keys.push(`DEVMODE=0${this.number.mode.toString(8)}`);
        }
        if (this.type?.name) keys.push(`DEVTYPE=${this.type.name}`);
        if (this.driver) keys.push(`DRIVER=${this.driver.name}`);
        this.bus?.uevent(this, keys);
        return action === 'unbind' ? keys.filter((k) => !k.startsWith('MODALIAS=')) : keys;
      },
    };
  }

  #addNode(number: DeviceNumber): void {
    this.addGroup('device_dev');
    this.core.charDir.addLink(`${number.major}:${number.minor}`, this);
    this.core.devtmpfs.create(number.node, {
      major: number.major,
      minor: number.minor,
      mode: number.mode ?? 0o600,
    });
  }

  async #removeNode(task: Task, number: DeviceNumber): Promise<void> {
    this.core.devtmpfs.remove(number.node, number.major, number.minor);
    this.core.charDir.removeLink(`${number.major}:${number.minor}`);
    await this.removeGroup(task, 'device_dev');
  }
}
