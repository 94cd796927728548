/**
 * The module vfio while it is loaded: classes, numbers, the container node.
 *
 * Mirrors `vfio_init`, `vfio_group_init`, `vfio_container_init` (drivers/vfio).
 */
import { Class } from '../driver-core/class.js';
import type { DriverCore } from '../driver-core/core.js';
import type { Device } from '../driver-core/device.js';
import type { MiscClass } from '../driver-core/misc.js';
import type { Module } from '../driver-core/module.js';
import type { Profile } from '../profile/profile.js';
import type { Task } from '../sync/task.js';
import { VfioContainer } from './container.js';
import type { VfioGroup } from './group.js';
import { Ida } from './ids.js';
import type { IommuGroups } from './iommu.js';

export class Vfio {
  readonly core: DriverCore;
  readonly profile: Profile;
  readonly module: Module;
  readonly iommuGroups: IommuGroups;
  readonly groupClass: Class;
  readonly deviceClass: Class;
  readonly minors = new Ida();
  readonly indexes = new Ida();
  /** Groups by the name of their node in /dev/vfio. */
  readonly groups = new Map<string, VfioGroup>();
  #containerNode: Device | undefined;

  constructor(core: DriverCore, profile: Profile, module: Module, iommuGroups: IommuGroups) {
    this.core = core;
    this.profile = profile;
    this.module = module;
    this.iommuGroups = iommuGroups;
    this.groupClass = new Class(core, 'vfio');
    this.deviceClass = new Class(core, 'vfio-dev');
  }

  async init(task: Task, misc: MiscClass): Promise<void> {
    this.#containerNode = await misc.register(task, { name: 'vfio', minor: 196, node: 'vfio/vfio', mode: 0o666 });
    this.groupClass.register();
    this.deviceClass.register();
    this.core.log.print('info', 'VFIO - User Level meta-driver version: 0.3');
  }

  async exit(task: Task, misc: MiscClass): Promise<void> {
    await this.deviceClass.unregister(task);
    await this.groupClass.unregister(task);
    if (this.#containerNode) await misc.unregister(task, this.#containerNode);
  }

  /** Opens /dev/vfio/vfio. */
  openContainer(): VfioContainer {
    return new VfioContainer(this);
  }

  isContainer(file: object): file is VfioContainer {
    return file instanceof VfioContainer;
  }

  /** The module vfio_iommu_type1, if it is loaded. */
  type1(): Module | undefined {
    return this.core.modules.loaded.get('vfio_iommu_type1');
  }
}
