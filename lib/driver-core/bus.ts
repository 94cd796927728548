/**
 * Buses: a list of devices, a list of drivers, and who fits whom.
 *
 * Mirrors drivers/base/bus.c. spec/attributes.md C, spec/sysfs-tree.md 1 and 9.
 */
import { KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import type { DriverCore } from './core.js';
import { busProbeDevice, driverAttach, driverDetach, releaseDriver } from './dd.js';
import type { Device } from './device.js';
import type { Driver } from './driver.js';
import { Kobject } from './kobject.js';
import { plainSource } from './uevent.js';

/** struct bus_type: what a subsystem decides about its devices. */
export interface BusOps {
  readonly name: string;
  /** Attribute group of the bus directory itself, beside the core's. */
  readonly groups?: readonly string[];
  match(dev: Device, drv: Driver): boolean;
  /** A device has come on the list of devices, or has left it: for a bus that finds its devices by other means too. */
  listed?(dev: Device, on: boolean): void;
  /** A device has got a driver where it had none, or lost it. */
  driven?(dev: Device): void;
  /** Appends the bus's event keys. */
  uevent?(dev: Device, keys: string[]): void;
  /** Replaces the driver's own probe. @throws what the probe returns; ENODEV and ENXIO mean "not mine" */
  probe?(task: Task, dev: Device, drv: Driver): Promise<void>;
  remove?(task: Task, dev: Device, drv: Driver): Promise<void>;
}

export class Bus extends Kobject {
  readonly core: DriverCore;
  readonly ops: BusOps;
  /** Devices by name, in order of creation (klist_devices). */
  readonly devices = new Map<string, Device>();
  /** Drivers by name, in order of registration (klist_drivers). */
  readonly drivers = new Map<string, Driver>();
  readonly devicesDir: Kobject;
  readonly driversDir: Kobject;
  /** `drivers_autoprobe`. */
  autoprobe = true;

  constructor(core: DriverCore, ops: BusOps) {
    super(core.tree, ops.name, core.busDir);
    this.core = core;
    this.ops = ops;
    this.devicesDir = new Kobject(core.tree, 'devices', this);
    this.driversDir = new Kobject(core.tree, 'drivers', this);
  }

  /** `bus_register`. */
  register(): void {
    this.addDir();
    this.core.uevents.send(this, 'add', plainSource('bus'));
    this.addGroup('bus');
    this.devicesDir.addDir();
    this.driversDir.addDir();
    for (const group of this.ops.groups ?? []) this.addGroup(group);
  }

  /** `bus_unregister`. */
  async unregister(task: Task): Promise<void> {
    for (const group of this.ops.groups ?? []) await this.removeGroup(task, group);
    await this.driversDir.removeDir(task);
    await this.devicesDir.removeDir(task);
    await this.removeGroup(task, 'bus');
    await this.removeDir(task);
    this.core.uevents.send(this, 'remove', plainSource('bus'));
  }

  uevent(dev: Device, keys: string[]): void {
    this.ops.uevent?.(dev, keys);
  }

  /** `bus_add_driver`: directory, probing, module links, files, `add` event. */
  async addDriver(task: Task, drv: Driver): Promise<void> {
    drv.addDir();
    this.drivers.set(drv.name, drv);
    if (this.autoprobe) await driverAttach(task, drv);
    drv.module?.addDriverLinks(drv);
    drv.addGroup('driver');
    if (!drv.suppressBindAttrs) drv.addGroup('driver_bind');
    this.core.uevents.send(drv, 'add', plainSource('drivers'));
  }

  /** `bus_remove_driver`: files, devices (latest binding first), module links, `remove` event. */
  async removeDriver(task: Task, drv: Driver): Promise<void> {
    await drv.removeGroup(task, 'driver_bind');
    await drv.removeGroup(task, 'driver');
    this.drivers.delete(drv.name);
    await driverDetach(task, drv);
    drv.module?.removeDriverLinks(drv);
    await drv.removeDir(task);
    this.core.uevents.send(drv, 'remove', plainSource('drivers'));
  }

  /** `bus_add_device`, its end: on the list. */
  list(dev: Device): void {
    this.devices.set(dev.name, dev);
    this.ops.listed?.(dev, true);
  }

  /** `bus_remove_device`, its second half: off the list, driver released. */
  async removeDevice(task: Task, dev: Device): Promise<void> {
    if (this.devices.get(dev.name) === dev) {
      this.devices.delete(dev.name);
      this.ops.listed?.(dev, false);
    }
    await releaseDriver(task, dev, undefined);
  }

  /** Finds a device by a written name: one trailing newline is ignored. @throws ENODEV */
  deviceByText(written: string): Device {
    const dev = this.devices.get(sysfsName(written));
    if (!dev) throw new KernelError('ENODEV');
    return dev;
  }

  /** `drivers_probe`: success even if nothing was bound. @throws ENODEV no such device */
  async driversProbe(task: Task, written: string): Promise<void> {
    const dev = this.deviceByText(written);
    if (!dev.driver) await busProbeDevice(task, dev);
  }

  /** `drivers_autoprobe`: first byte `0` is off, everything else on. */
  setAutoprobe(written: string): void {
    this.autoprobe = written[0] !== '0';
  }
}

/** What `sysfs_streq` makes of a written name: up to a NUL, less one trailing newline. */
export function sysfsName(written: string): string {
  const nul = written.indexOf('\0');
  const text = nul < 0 ? written : written.slice(0, nul);
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}
