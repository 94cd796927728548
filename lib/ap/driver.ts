/**
 * Drivers of the AP bus.
 *
 * Mirrors struct ap_driver (ap_bus.h). Card and queue drivers take device
 * types 10 (CEX4) to 14 (CEX8). spec/ap-bus.md 4.
 */
import type { Bus } from '../driver-core/bus.js';
import { Driver, type DriverOps } from '../driver-core/driver.js';
import type { ApConfigInfo } from '../hardware/instructions.js';
import type { Task } from '../sync/task.js';
import type { Mask } from '../text/bitmap.js';

export interface ApDriverOps extends DriverOps {
  readonly serves: 'cards' | 'queues';
  /** AP_DRIVER_FLAG_DEFAULT: serves the host pool. */
  readonly isDefault: boolean;
  /** True if some APQN of apm x aqm is in use; asked under the mask mutex. */
  inUse?(task: Task, apm: Mask, aqm: Mask): Promise<boolean>;
  /** Start of a scan that found the QCI block changed. */
  onConfigChanged?(task: Task, now: ApConfigInfo, before: ApConfigInfo): Promise<void>;
  /** End of such a scan. */
  onScanComplete?(task: Task, now: ApConfigInfo, before: ApConfigInfo): Promise<void>;
}

export class ApDriver extends Driver {
  override readonly ops: ApDriverOps;

  constructor(bus: Bus, ops: ApDriverOps) {
    super(bus, ops);
    this.ops = ops;
  }
}
