/**
 * One running kernel, host or guest: the same classes over its own view of the
 * hardware, with its own profile.
 *
 * Boots like the real one: built-in parts (driver core, misc, AP bus), then the
 * modules of the machine's configuration. spec/ap-bus.md 2.
 */
import { ApBus } from './ap/bus.js';
import { parseApParameters } from './ap/parameters.js';
import { DriverCore } from './driver-core/core.js';
import type { KobjectTree } from './driver-core/kobject.js';
import { MiscClass } from './driver-core/misc.js';
import { isKernelError } from './errno.js';
import type { ApInstructions } from './hardware/instructions.js';
import type { KernelParts } from './kernel-parts.js';
import type { Ports } from './ports.js';
import type { Profile } from './profile/profile.js';
import { VfioStack } from './vfio-ap/modules.js';
import { ZcryptStack } from './zcrypt/modules.js';

export interface KernelOptions {
  /** Kernel command line; `ap.*` parameters count. */
  readonly commandLine?: string;
  /** Modules loaded at boot, in order, with what they use. */
  readonly modules?: readonly string[];
  /** CONFIG_AP_DEBUG. */
  readonly debugAttributes?: boolean;
  /** The tree of the kernel that this one's is shown with. */
  readonly numberedWith?: KobjectTree;
}

/** The modules of a distribution that loads everything for AP. */
export const DEFAULT_MODULES = ['zcrypt_cex4', 'vfio_ap'] as const;

export class Kernel implements KernelParts {
  readonly profile: Profile;
  readonly hw: ApInstructions;
  readonly core: DriverCore;
  readonly misc: MiscClass;
  readonly commandLine: string;
  /** Undefined on a machine without AP instructions. */
  ap: ApBus | undefined;
  readonly zcrypt: ZcryptStack;
  readonly vfio: VfioStack;
  readonly #modulesAtBoot: readonly string[];
  readonly #debugAttributes: boolean;

  constructor(ports: Ports, hw: ApInstructions, profile: Profile, options: KernelOptions = {}) {
    this.profile = profile;
    this.hw = hw;
    this.core = new DriverCore(ports, options.numberedWith);
    this.misc = new MiscClass(this.core);
    this.commandLine = options.commandLine ?? '';
    this.#modulesAtBoot = options.modules ?? DEFAULT_MODULES;
    this.#debugAttributes = options.debugAttributes ?? false;
    this.zcrypt = new ZcryptStack(this);
    this.vfio = new VfioStack(this);
  }

  /** Boots: the first scan, then the modules, as recorded (traces 97); queues may still be in reset. */
  async boot(): Promise<void> {
    const task = this.core.newTask('init');
    const { parameters, ignored } = parseApParameters(this.commandLine, this.profile);
    for (const { log } of ignored) if (log !== undefined) this.core.log.print('err', log);
    const ap = new ApBus(this.core, this.hw, this.profile, {
      parameters,
      debugAttributes: this.#debugAttributes,
    });
    try {
      await ap.init(task);
      this.ap = ap;
    } catch (e) {
      if (!isKernelError(e, 'ENODEV')) throw e;
    }
    await this.zcrypt.initBuiltIn(task);
    await this.vfio.initBuiltIn(task);
    await this.ap?.scan.waitForFirst();
    for (const name of this.#modulesAtBoot) {
      try {
        await this.core.modules.load(task, name);
      } catch (e) {
        if (!isKernelError(e)) throw e;
        this.core.log.print('err', `modprobe: can't load ${name}: ${e.errno}`);
      }
    }
  }

  /** The machine that it runs on is switched off: its files are gone. */
  powerOff(): void {
    this.core.root.vanish();
  }
}
