/**
 * Containers: /dev/vfio/vfio opened, and the type 1 driver of mediated devices.
 *
 * Mirrors drivers/vfio/container.c and of vfio_iommu_type1.c what devices
 * without an IOMMU use: mappings of guest memory and the call at their end.
 * spec/vfio-ap.md 10.1, 10.3.
 */
import type { Module } from '../driver-core/module.js';
import { KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import type { VfioGroup } from './group.js';
import type { Vfio } from './vfio.js';

/** VFIO_TYPE1_IOMMU and VFIO_TYPE1v2_IOMMU. */
const TYPE1 = [1, 3];
/** Of the two, the one that refuses to cut mappings. */
const TYPE1V2 = 3;

/** A mapping of user memory, by its address as the device sees it. */
interface DmaMapping {
  readonly iova: number;
  readonly size: number;
}

/** An open file of /dev/vfio/vfio. */
export class VfioContainer {
  readonly #vfio: Vfio;
  readonly #groups = new Set<VfioGroup>();
  /** vfio_iommu_type1, once SET_IOMMU chose it. */
  #driver: Module | undefined;
  readonly #mappings: DmaMapping[] = [];
  #isV2 = false;
  #references = 1;

  /** Opens the node. @throws ENODEV the module is going */
  constructor(vfio: Vfio) {
    if (!vfio.module.tryGet()) throw new KernelError('ENODEV');
    this.#vfio = vfio;
  }

  get hasDriver(): boolean {
    return this.#driver !== undefined;
  }

  /** VFIO_SET_IOMMU. @throws EINVAL no group, or set already; ENODEV nobody knows the type */
  setIommu(type: number): void {
    if (this.#groups.size === 0 || this.#driver) throw new KernelError('EINVAL');
    const driver = this.#vfio.type1();
    if (!driver || !TYPE1.includes(type) || !driver.tryGet()) throw new KernelError('ENODEV');
    this.#driver = driver;
    this.#isV2 = type === TYPE1V2;
  }

  /** Any other ioctl. @throws EINVAL before SET_IOMMU, else ENOTTY */
  ioctl(): never {
    throw new KernelError(this.#driver ? 'ENOTTY' : 'EINVAL');
  }

  /** VFIO_IOMMU_MAP_DMA. @throws EINVAL no driver; EEXIST overlaps a mapping */
  mapDma(iova: number, size: number): void {
    if (!this.#driver || size <= 0) throw new KernelError('EINVAL');
    if (this.#mappings.some((m) => iova < m.iova + m.size && m.iova < iova + size)) throw new KernelError('EEXIST');
    this.#mappings.push({ iova, size });
  }

  /**
   * VFIO_IOMMU_UNMAP_DMA: the devices give up what they hold in the range first.
   * @throws EINVAL no driver, no size; with type 1v2 also a range that cuts a mapping
   */
  async unmapDma(task: Task, iova: number, size: number): Promise<void> {
    if (!this.#driver || size <= 0 || (this.#isV2 && this.#cutsMapping(iova, size))) throw new KernelError('EINVAL');
    for (const group of this.#groups)
      for (const device of group.openDevices) await device.ops.dmaUnmap(task, iova, size);
    for (let i = this.#mappings.length - 1; i >= 0; i--) {
      const m = this.#mappings[i];
      if (m && m.iova >= iova && m.iova + m.size <= iova + size) this.#mappings.splice(i, 1);
    }
  }

  #cutsMapping(iova: number, size: number): boolean {
    const cut = (at: number): boolean => this.#mappings.some((m) => at > m.iova && at < m.iova + m.size);
    return cut(iova) || cut(iova + size);
  }

  /** True if the page at this address can be pinned. */
  isMapped(iova: number): boolean {
    return this.#mappings.some((m) => iova >= m.iova && iova < m.iova + m.size);
  }

  /** `vfio_container_attach_group`. @internal */
  attach(group: VfioGroup): void {
    this.#groups.add(group);
    this.#references++;
  }

  /** `vfio_container_detach_group`: without groups it is as new. @internal */
  detach(group: VfioGroup): void {
    this.#groups.delete(group);
    if (this.#groups.size === 0) this.#dropDriver();
    this.#put();
  }

  /** Closes the file. */
  close(): void {
    this.#put();
  }

  #put(): void {
    if (--this.#references > 0) return;
    this.#dropDriver();
    this.#vfio.module.put();
  }

  #dropDriver(): void {
    this.#mappings.length = 0;
    this.#driver?.put();
    this.#driver = undefined;
  }
}
