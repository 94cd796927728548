/**
 * Classes: devices grouped by what they are for.
 *
 * Mirrors drivers/base/class.c and the glue directories of core.c
 * (`get_device_parent`): a class device without a real parent sits in
 * /sys/devices/virtual/CLASS/, which exists only while something is in it.
 */
import type { Task } from '../sync/task.js';
import type { DriverCore } from './core.js';
import type { Device } from './device.js';
import { Kobject } from './kobject.js';
import { plainSource } from './uevent.js';

export class Class extends Kobject {
  readonly core: DriverCore;
  /** Devices by name. */
  readonly devices = new Map<string, Device>();
  readonly #groups: readonly string[];

  constructor(core: DriverCore, name: string, groups: readonly string[] = []) {
    super(core.tree, name, core.classDir);
    this.core = core;
    this.#groups = groups;
  }

  /** `class_register`. */
  register(): void {
    this.addDir();
    this.core.uevents.send(this, 'add', plainSource('class'));
    for (const group of this.#groups) this.addGroup(group);
  }

  async unregister(task: Task): Promise<void> {
    for (const group of this.#groups) await this.removeGroup(task, group);
    await this.removeDir(task);
    this.core.uevents.send(this, 'remove', plainSource('class'));
  }

  /**
   * The directory in which a device of this class lies: below `parent` for a
   * class device of a bus device, else below /sys/devices/virtual.
   */
  glueDir(parent: Kobject = this.core.virtualDir): Kobject {
    const there = parent.children.get(this.name);
    if (there) return there;
    const glue = new Kobject(this.core.tree, this.name, parent);
    glue.addDir();
    return glue;
  }

  /** Class links of a device that is being added. @throws EEXIST the name is taken */
  addDevice(dev: Device): void {
    dev.addLink('subsystem', this);
    if (dev.linkToParent) dev.addLink('device', dev.linkToParent);
    this.addLink(dev.name, dev);
    this.devices.set(dev.name, dev);
  }

  removeDevice(dev: Device): void {
    if (this.links.get(dev.name)?.target === dev) this.removeLink(dev.name);
    if (this.devices.get(dev.name) === dev) this.devices.delete(dev.name);
  }

  /** `cleanup_glue_dir`: gone with the last device. */
  dropGlueDir(dev: Device): void {
    const glue = dev.parent;
    if (!glue || glue.name !== this.name || glue.children.size > 0) return;
    glue.dropEmptyDir();
  }
}
