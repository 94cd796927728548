/**
 * Drivers of a bus.
 *
 * Mirrors struct device_driver and drivers/base/driver.c.
 */
import { KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import type { Bus } from './bus.js';
import { deviceDriverAttach, releaseDriver } from './dd.js';
import type { Device } from './device.js';
import { Kobject } from './kobject.js';
import type { Module } from './module.js';

export interface DriverOps {
  readonly name: string;
  /** Owner; undefined for drivers without one (matrix) and built-in ones. */
  readonly module?: Module;
  /** No `bind` and `unbind` files. */
  readonly suppressBindAttrs?: boolean;
  /** File groups that the core adds after a successful probe (`dev_groups`). */
  readonly devGroups?: readonly string[];
  /** @throws what the kernel's probe returns */
  probe?(task: Task, dev: Device): Promise<void>;
  remove?(task: Task, dev: Device): Promise<void>;
}

export class Driver extends Kobject {
  readonly bus: Bus;
  readonly ops: DriverOps;
  /** Bound devices, in order of binding (klist_devices). */
  readonly devices = new Set<Device>();

  constructor(bus: Bus, ops: DriverOps) {
    super(bus.tree, ops.name, bus.driversDir);
    this.bus = bus;
    this.ops = ops;
  }

  get module(): Module | undefined {
    return this.ops.module;
  }

  get suppressBindAttrs(): boolean {
    return this.ops.suppressBindAttrs ?? false;
  }

  get devGroups(): readonly string[] {
    return this.ops.devGroups ?? [];
  }

  /** A write to `bind` (`bind_store`). @throws ENODEV no such device, no match, probe said no; EBUSY already bound */
  async bind(task: Task, written: string): Promise<void> {
    const dev = this.bus.deviceByText(written);
    if (!this.bus.ops.match(dev, this)) throw new KernelError('ENODEV');
    await deviceDriverAttach(task, this, dev);
  }

  /** A write to `unbind` (`unbind_store`). @throws ENODEV no such device, or not bound to this driver */
  async unbind(task: Task, written: string): Promise<void> {
    const dev = this.bus.deviceByText(written);
    if (dev.driver !== this) throw new KernelError('ENODEV');
    await releaseDriver(task, dev, this);
  }
}
