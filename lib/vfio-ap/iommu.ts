/**
 * IOMMU groups: one for each mediated device, without an IOMMU behind it.
 *
 * Mirrors drivers/iommu/iommu.c (`iommu_group_alloc`, `iommu_group_add_device`,
 * `iommu_group_remove_device`). spec/sysfs-tree.md 5.
 */
import type { DriverCore } from '../driver-core/core.js';
import type { Device } from '../driver-core/device.js';
import { Kobject } from '../driver-core/kobject.js';
import { KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import { Ida } from './ids.js';

/** /sys/kernel/iommu_groups */
export class IommuGroups {
  readonly core: DriverCore;
  readonly dir: Kobject;
  readonly #ids = new Ida();

  constructor(core: DriverCore) {
    this.core = core;
    this.dir = new Kobject(core.tree, 'iommu_groups', core.kernelDir);
  }

  init(): void {
    this.dir.addDir();
  }

  /** `iommu_group_alloc` and `iommu_group_set_name`. */
  alloc(groupName: string): IommuGroup {
    const group = new IommuGroup(this, this.#ids.alloc(), groupName);
    group.show();
    return group;
  }

  /** @internal */
  free(id: number): void {
    this.#ids.free(id);
  }
}

export class IommuGroup extends Kobject {
  readonly #groups: IommuGroups;
  readonly id: number;
  /** The file `name`, without newline. */
  readonly groupName: string;
  readonly #devices: Kobject;

  constructor(groups: IommuGroups, id: number, groupName: string) {
    super(groups.core.tree, `${id}`, groups.dir);
    this.#groups = groups;
    this.id = id;
    this.groupName = groupName;
    this.#devices = new Kobject(groups.core.tree, 'devices', this);
  }

  /** The file `name`. */
  get nameText(): string {
    return `${this.groupName}\n`;
  }

  /** The file `reserved_regions`: there are none. */
  get reservedRegionsText(): string {
    return '';
  }

  /** The file `type`: no default domain. */
  get typeText(): string {
    return 'unknown\n';
  }

  /** `type` written. @throws EINVAL always, as there is no default domain */
  typeStore(_written: string): never {
    throw new KernelError('EINVAL');
  }

  /** @internal */
  show(): void {
    this.addDir();
    this.#devices.addDir();
    this.addGroup('iommu_group');
  }

  /** `iommu_group_add_device`. */
  addDevice(dev: Device): void {
    dev.addLink('iommu_group', this);
    this.#devices.addLink(dev.name, dev);
    dev.core.log.print('info', `${dev.logPrefix}Adding to iommu group ${this.id}`);
  }

  /** `iommu_group_remove_device`. */
  removeDevice(dev: Device): void {
    dev.core.log.print('info', `${dev.logPrefix}Removing from iommu group ${this.id}`);
    this.#devices.removeLink(dev.name);
    dev.removeLink('iommu_group');
  }

  /** The last reference is gone. */
  async release(task: Task): Promise<void> {
    await this.#devices.removeDir(task);
    await this.removeDir(task);
    this.#groups.free(this.id);
  }
}
