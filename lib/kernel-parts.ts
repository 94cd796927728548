/**
 * What a subsystem may use of the kernel it is part of.
 *
 * zcrypt and vfio_ap know this much of lib/kernel.ts, which knows them.
 */
import type { ApBus } from './ap/bus.js';
import type { DriverCore } from './driver-core/core.js';
import type { MiscClass } from './driver-core/misc.js';
import type { ApInstructions } from './hardware/instructions.js';
import type { Profile } from './profile/profile.js';

export interface KernelParts {
  readonly profile: Profile;
  readonly hw: ApInstructions;
  readonly core: DriverCore;
  readonly misc: MiscClass;
  /** Undefined before the bus is initialised, and on a machine without AP instructions. */
  readonly ap: ApBus | undefined;
}
