/**
 * `kmsg`, `uevents`, `dev`: what the kernel said, sent and made.
 */
import type { DriverCore } from '../../lib/driver-core/core.js';
import type { LogLine } from '../../lib/driver-core/printk.js';
import type { Uevent } from '../../lib/driver-core/uevent.js';
import type { Ring } from './ring.js';

/** As dmesg prints it, with the level in front: `<6>[    1.234567] text`. */
export function describeLog(lines: readonly LogLine[]): string {
  return lines.map(({ level, time, text }) => `<${level}>[${(time / 1e9).toFixed(6).padStart(12)}] ${text}\n`).join('');
}

/** A header line, the keys, SEQNUM, an empty line. A newline inside a value is shown as `\n`. */
export function describeUevents(ring: Ring<Uevent>): string {
  const events = ring.entries().map(({ action, devpath, keys, seqnum }) => {
    const lines = [`${action}@${devpath}`, ...keys, `SEQNUM=${seqnum}`];
    return lines.map((line) => `${line.replaceAll('\n', '\\n')}\n`).join('');
  });
  return `${dropped(ring)}${events.join('\n')}${events.length > 0 ? '\n' : ''}`;
}

export const dropped = (ring: { readonly dropped: number }): string =>
  ring.dropped > 0 ? `# ${ring.dropped} dropped\n` : '';

/** One node a line: type, mode, major:minor, path below /dev. */
export function describeDevNodes(core: DriverCore): string {
  return [...core.devtmpfs.nodes]
    .map(([path, { major, minor, mode }]) => `c 0${mode.toString(8)} ${major}:${minor} ${path}\n`)
    .join('');
}
