/**
 * Files of buses, drivers, devices and modules that the driver core makes.
 *
 * Mirrors drivers/base/{bus,core}.c, kernel/module/sysfs.c. spec/attributes.md C, spec/sysfs-tree.md 7.
 */
import { Bus } from '../../../lib/driver-core/bus.js';
import { Device } from '../../../lib/driver-core/device.js';
import { Driver } from '../../../lib/driver-core/driver.js';
import type { Kobject } from '../../../lib/driver-core/kobject.js';
import { Module } from '../../../lib/driver-core/module.js';
import { parseSyntheticUevent, plainSource } from '../../../lib/driver-core/uevent.js';
import { KernelError } from '../../../lib/errno.js';
import { type AttrContext, decimal, flag, table } from '../table.js';

/** A `uevent` file of something that is no device: the event goes out as written. */
const synthUevent =
  (subsystem: string) =>
  (kobj: Kobject, text: string, { kernel }: AttrContext): void => {
    try {
      const { action, keys } = parseSyntheticUevent(text);
      kernel.core.uevents.send(kobj, action, plainSource(subsystem), keys);
    } catch (e) {
      if (e instanceof KernelError)
        kernel.core.log.print(
          'warning',
          `synth uevent: ${kobj.devpath}: ${e.message.slice(e.message.indexOf(':') + 2)}`,
        );
      throw e;
    }
  };

export const busTable = table('bus', Bus, [
  { name: 'uevent', store: synthUevent('bus') },
  { name: 'drivers_probe', store: (bus, text, { task }) => bus.driversProbe(task, text) },
  {
    name: 'drivers_autoprobe',
    show: (bus) => flag(bus.autoprobe),
    store: (bus, text) => bus.setAutoprobe(text),
  },
]);

export const driverTable = table('driver', Driver, [{ name: 'uevent', store: synthUevent('drivers') }]);

export const driverBindTable = table('driver_bind', Driver, [
  { name: 'bind', store: (drv, text, { task }) => drv.bind(task, text) },
  { name: 'unbind', store: (drv, text, { task }) => drv.unbind(task, text) },
]);

export const deviceTable = table('device', Device, [
  { name: 'uevent', show: (dev) => dev.ueventText(), store: (dev, text) => dev.ueventStore(text) },
]);

export const deviceNumberTable = table('device_dev', Device, [
  { name: 'dev', show: (dev) => `${dev.number?.major}:${dev.number?.minor}\n` },
]);

export const moduleTable = table('module', Module, [
  { name: 'uevent', store: synthUevent('module') },
  {
    name: 'version',
    visible: (m) => m.definition.info.version !== undefined,
    show: (m) => `${m.definition.info.version}\n`,
  },
  {
    name: 'srcversion',
    visible: (m) => m.definition.info.srcversion !== undefined,
    show: (m) => `${m.definition.info.srcversion}\n`,
  },
  {
    name: 'import_ns',
    visible: (m) => m.definition.info.importNs !== undefined,
    show: (m) => `${m.definition.info.importNs}\n`,
  },
  { name: 'initstate', show: (m) => `${m.state}\n` },
  { name: 'coresize', show: (m) => decimal(m.definition.info.coresize ?? 0) },
  { name: 'initsize', show: () => '0\n' },
  { name: 'taint', show: (m) => `${m.definition.info.taint ?? ''}\n` },
  { name: 'refcnt', show: (m) => decimal(m.refcnt) },
]);
