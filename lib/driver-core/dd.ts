/**
 * Bringing devices and drivers together, and apart.
 *
 * Mirrors drivers/base/dd.c: `really_probe`, `__device_attach`,
 * `device_driver_attach`, `__device_release_driver`, `driver_detach`. All of it
 * runs under the device's lock. Order of steps: spec/sysfs-tree.md 9.
 * Left out: deferred and asynchronous probing, which these buses never use.
 */
import { KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import type { Device } from './device.js';
import type { Driver } from './driver.js';

/** `really_probe`. @throws what the probe returns; nothing is left behind then */
async function reallyProbe(task: Task, dev: Device, drv: Driver): Promise<void> {
  setDriver(dev, drv);
  driverLinks(dev, drv);
  try {
    const probe = drv.bus.ops.probe;
    if (probe) await probe(task, dev, drv);
    else await drv.ops.probe?.(task, dev);
  } catch (e) {
    removeDriverLinks(dev, drv);
    setDriver(dev, undefined);
    dev.driverData = undefined;
    throw e;
  }
  for (const group of drv.devGroups) dev.addGroup(group);
  drv.devices.add(dev);
  dev.sendUevent('bind');
}

/** `bus_probe_device`, `device_initial_probe`: tries the matching drivers in order of registration. */
export async function busProbeDevice(task: Task, dev: Device): Promise<boolean> {
  const wait = dev.mutex.lock(task);
  if (wait) await wait;
  try {
    if (dev.dead || !dev.bus) return false;
    if (dev.driver) return true;
    for (const drv of dev.bus.drivers.values()) {
      if (!dev.bus.ops.match(dev, drv)) continue;
      if (await tryProbe(task, dev, drv)) return true;
    }
    return false;
  } finally {
    dev.mutex.unlock(task);
  }
}

/** A probe whose failure is not the caller's business (`driver_probe_device`). */
async function tryProbe(task: Task, dev: Device, drv: Driver): Promise<boolean> {
  try {
    await reallyProbe(task, dev, drv);
    return true;
  } catch (e) {
    if (!(e instanceof KernelError)) throw e;
    if (e.errno !== 'ENODEV' && e.errno !== 'ENXIO')
      dev.core.log.print('err', `${drv.name}: probe of ${dev.name} failed with error ${-e.code}`);
    return false;
  }
}

/** `driver_attach`: a new driver is offered every device of the bus, in order of creation. */
export async function driverAttach(task: Task, drv: Driver): Promise<void> {
  for (const dev of drv.bus.devices.values()) {
    if (!drv.bus.ops.match(dev, drv)) continue;
    // As it would be found under its lock: on a big machine nearly all are another driver's.
    if (dev.driver && dev.mutex.free) continue;
    const wait = dev.mutex.lock(task);
    if (wait) await wait;
    try {
      if (!dev.dead && !dev.driver) await tryProbe(task, dev, drv);
    } finally {
      dev.mutex.unlock(task);
    }
  }
}

/** `device_driver_attach`: an explicit bind. @throws EBUSY it has a driver, ENODEV it is dying, or the probe's errno */
export async function deviceDriverAttach(task: Task, drv: Driver, dev: Device): Promise<void> {
  const wait = dev.mutex.lock(task);
  if (wait) await wait;
  try {
    if (dev.dead) throw new KernelError('ENODEV');
    if (dev.driver) throw new KernelError('EBUSY');
    await reallyProbe(task, dev, drv);
  } finally {
    dev.mutex.unlock(task);
  }
}

/** `device_release_driver`, or `device_driver_detach` when only that driver is meant. */
export async function releaseDriver(task: Task, dev: Device, only: Driver | undefined): Promise<void> {
  const wait = dev.mutex.lock(task);
  if (wait) await wait;
  try {
    if (only && dev.driver !== only) return;
    await releaseLocked(task, dev);
  } finally {
    dev.mutex.unlock(task);
  }
}

/** `__device_release_driver`. */
async function releaseLocked(task: Task, dev: Device): Promise<void> {
  const drv = dev.driver;
  if (!drv) return;
  removeDriverLinks(dev, drv);
  for (const group of drv.devGroups) await dev.removeGroup(task, group);
  const remove = drv.bus.ops.remove;
  if (remove) await remove(task, dev, drv);
  else await drv.ops.remove?.(task, dev);
  dev.driverData = undefined;
  setDriver(dev, undefined);
  drv.devices.delete(dev);
  dev.sendUevent('unbind');
}

/** `driver_detach`: releases what is bound, latest binding first. */
export async function driverDetach(task: Task, drv: Driver): Promise<void> {
  while (drv.devices.size > 0)
    for (const dev of [...drv.devices].reverse()) if (drv.devices.has(dev)) await releaseDriver(task, dev, drv);
}

/** `device_reprobe`: detach, then automatic probing of this one device. */
export async function deviceReprobe(task: Task, dev: Device): Promise<void> {
  if (dev.driver) await releaseDriver(task, dev, undefined);
  await busProbeDevice(task, dev);
}

function setDriver(dev: Device, drv: Driver | undefined): void {
  dev.driver = drv;
  dev.bus?.ops.driven?.(dev);
}

function driverLinks(dev: Device, drv: Driver): void {
  drv.addLink(dev.name, dev);
  dev.addLink('driver', drv);
}

function removeDriverLinks(dev: Device, drv: Driver): void {
  drv.removeLink(dev.name);
  dev.removeLink('driver');
}
