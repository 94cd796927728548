/**
 * Kernel warnings: a message in the frame that WARN() puts around it.
 *
 * Left out: registers and stack trace, which are the build's, not the driver's.
 */
import type { VfioAp } from './driver.js';

export function warn(va: VfioAp, text: string): void {
  va.core.log.print(va.profile.cutHereLevel, '------------[ cut here ]------------');
  va.core.log.print('warning', text);
  va.core.log.print('warning', '---[ end trace 0000000000000000 ]---');
}

/** WARN_ONCE: each place warns once as long as the module is loaded. */
export function warnOnce(va: VfioAp, place: string, text: string): void {
  if (va.warnedOnce.has(place)) return;
  va.warnedOnce.add(place);
  warn(va, text);
}
