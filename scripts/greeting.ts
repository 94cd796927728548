/**
 * What is said when a machine has been mounted: where it is, and what to try.
 */
import { colour } from './output/terminal.js';
import type { Served } from './serve.js';

/** `machine small, 1 card, kernel 7.2.13` */
export function describeServed({ machine, kernel, cards }: Served): string {
  return `machine ${machine}, ${cards.length} ${cards.length === 1 ? 'card' : 'cards'}, kernel ${kernel}`;
}

/** Commands for this very machine. */
export function whatToTry({ mountPoint, cards }: Served): string {
  const tries = [
    ['ap-sysfs show', 'the whole machine'],
    [`ls ${mountPoint}/bus/ap/devices`, 'cards and queues as files'],
    ...cards.slice(-1).map((id) => [`ap-sysfs hw card ${id} deconfigure`, 'change the hardware'] as const),
    ['ap-sysfs dmesg', 'what the kernel said'],
    [`ap-sysfs umount ${mountPoint}`, 'take it away'],
  ] as const;
  const width = Math.max(...tries.map(([command]) => command.length)) + 2;
  const lines = tries.map(([command, what]) => `  ${colour.bold(command.padEnd(width))}${colour.dim(what)}\n`);
  return `Try:\n${lines.join('')}`;
}
