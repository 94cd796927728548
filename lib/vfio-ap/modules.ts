/**
 * vfio, vfio_iommu_type1, kvm, mdev and vfio_ap as loadable modules.
 *
 * Mirrors their init and exit functions; what lives while a module is loaded
 * is an object that is made at its init. spec/sysfs-tree.md 7 and 10.2.
 */
import type { ModuleDefinition } from '../driver-core/module.js';
import { KernelError } from '../errno.js';
import type { KernelParts } from '../kernel-parts.js';
import { Kvm } from '../kvm/kvm.js';
import type { Task } from '../sync/task.js';
import { VfioAp } from './driver.js';
import { IommuGroups } from './iommu.js';
import { MdevCore } from './mdev.js';
import { Vfio } from './vfio.js';

/** Modules with parameters, none of which is about AP. */
const HAVE_PARAMETERS: readonly string[] = ['vfio', 'vfio_iommu_type1', 'kvm'];

export class VfioStack {
  readonly #kernel: KernelParts;
  /** /sys/kernel/iommu_groups */
  readonly iommuGroups: IommuGroups;
  /** While the module of that name is loaded. */
  vfio: Vfio | undefined;
  kvm: Kvm | undefined;
  mdev: MdevCore | undefined;
  vfioAp: VfioAp | undefined;
  /** The debug feature of vfio_ap; a load that fails leaves it registered. */
  #debugFeature = false;

  constructor(kernel: KernelParts) {
    this.#kernel = kernel;
    this.iommuGroups = new IommuGroups(kernel.core);
    this.#define('vfio', [], {
      init: async (task, module) => {
        this.vfio = new Vfio(kernel.core, kernel.profile, module, this.iommuGroups);
        await this.vfio.init(task, kernel.misc);
      },
      exit: async (task) => {
        await this.vfio?.exit(task, kernel.misc);
        this.vfio = undefined;
      },
    });
    this.#define('vfio_iommu_type1', ['vfio'], { init: async () => {}, exit: async () => {} });
    this.#define('kvm', [], {
      init: async (task, module) => {
        if (!kernel.hw.sief2) {
          kernel.core.log.print('info', 'kvm-s390: SIE is not available');
          throw new KernelError('ENODEV');
        }
        this.kvm = new Kvm(kernel.core, kernel.hw, module);
        await this.kvm.init(task, kernel.misc);
      },
      exit: async (task) => {
        await this.kvm?.exit(task, kernel.misc);
        this.kvm = undefined;
      },
    });
    this.#define('mdev', [], {
      init: async () => {
        this.mdev = new MdevCore(kernel.core);
        this.mdev.init();
      },
      exit: async (task) => {
        await this.mdev?.exit(task);
        this.mdev = undefined;
      },
    });
    this.#define(
      'vfio_ap',
      ['vfio', 'kvm', 'mdev'],
      {
        init: (task, module) => this.#initVfioAp(task, module),
        exit: async (task) => {
          await this.vfioAp?.exit(task);
          this.vfioAp = undefined;
          this.#debugFeature = false;
        },
      },
      ['vfio_iommu_type1'],
    );
  }

  /** What is there without any module: /sys/kernel/iommu_groups. */
  async initBuiltIn(_task: Task): Promise<void> {
    this.iommuGroups.init();
  }

  /** `vfio_ap_init`. @throws ENODEV no AP instructions */
  async #initVfioAp(task: Task, module: Parameters<ModuleDefinition['init']>[1]): Promise<void> {
    const { core, profile, hw, ap } = this.#kernel;
    if (this.#debugFeature) core.log.print('err', profile.debugfsTaken('vfio_ap', 's390dbf'));
    this.#debugFeature = true;
    const { vfio, mdev } = this;
    if (!ap || !vfio || !mdev) throw new KernelError('ENODEV');
    this.vfioAp = new VfioAp({ core, profile, hw, ap, vfio, mdev, module });
    try {
      await this.vfioAp.init(task);
    } catch (e) {
      this.vfioAp = undefined;
      throw e;
    }
  }

  #define(
    name: string,
    uses: readonly string[],
    functions: Pick<ModuleDefinition, 'init' | 'exit'>,
    alsoLoads: readonly string[] = [],
  ): void {
    const { core, profile } = this.#kernel;
    const takes = HAVE_PARAMETERS.includes(name) ? ('not modelled' as const) : {};
    core.modules.define({ name, uses, alsoLoads, takes, info: profile.modules[name] ?? {}, ...functions });
  }
}
