/**
 * `kmsg` and `dev`: what the kernel said and made.
 */
import type { DriverCore } from '../../lib/driver-core/core.js';
import type { LogLine } from '../../lib/driver-core/printk.js';

/** As dmesg prints it, with the level in front: `<6>[    1.234567] text`. */
export function describeLog(lines: readonly LogLine[]): string {
  return lines.map(({ level, time, text }) => `<${level}>[${(time / 1e9).toFixed(6).padStart(12)}] ${text}\n`).join('');
}

export const dropped = (ring: { readonly dropped: number }): string =>
  ring.dropped > 0 ? `# ${ring.dropped} dropped\n` : '';

/** One node a line: type, mode, major:minor, path below /dev. */
export function describeDevNodes(core: DriverCore): string {
  return [...core.devtmpfs.nodes]
    .map(([path, { major, minor, mode }]) => `c 0${mode.toString(8)} ${major}:${minor} ${path}\n`)
    .join('');
}
