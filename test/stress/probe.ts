/**
 * Opens, reads and closes a file every few milliseconds, and writes a line each
 * time: seconds since the start, milliseconds that it took.
 *
 * Usage: node dist/test/stress/probe.js FILE SECONDS
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const [, , path = '', seconds = '0'] = process.argv;
const buffer = Buffer.alloc(4096);
const start = performance.now();
const lines: string[] = [];
for (let now = start; now < start + Number(seconds) * 1000; now = performance.now()) {
  const fd = openSync(path, 'r');
  readSync(fd, buffer);
  closeSync(fd);
  lines.push(`${((now - start) / 1000).toFixed(3)} ${(performance.now() - now).toFixed(3)}\n`);
  await pause(5);
}
process.stdout.write(lines.join(''));
