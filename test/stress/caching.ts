/**
 * What the host's kernel remembers of a mount, under 100,000 random changes, as a command: `npm run stress:caching`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROJECT } from '../support/mounted.js';
import { optionsOf } from '../support/options.js';

const USAGE = `npm run stress:caching -- [--changes 100000] [--seed 1]

Mounts a machine by dev-fuse (as root) and changes it that often at random (bind and unbind, masks, mediated devices,
nodes, cards), beside clients who hold directories' locks. After each store it looks whether anything older is to be
seen. Tells how far it is on a terminal; takes some ten minutes. Prints what was stale and who hung, in JSON.

Exit status 0 if nothing was stale and nobody hung, 1 if not, 2 for a wrong option.
`;

interface Report {
  readonly stores: number;
  readonly stale: number;
  readonly hung: readonly string[];
}

const values = optionsOf(USAGE, {
  changes: { type: 'string', default: '100000' },
  seed: { type: 'string', default: '1' },
});
const changes = Number(values.changes);
const { seed } = values;
const directory = mkdtempSync(join(tmpdir(), 'ap-sysfs-stress-'));
const command = ['dist/scripts/ap-sysfs.js', 'mount', '--foreground', '--transport', 'dev-fuse', directory];
const daemon = spawn(process.execPath, command, { cwd: PROJECT, stdio: ['ignore', 'ignore', 'inherit'] });
const ended = once(daemon, 'exit');
while (daemon.exitCode === null && !existsSync(join(directory, 'kernel/debug/ap_sim/clock'))) await sleep(100);
if (daemon.exitCode !== null) process.exit(1);
writeFileSync(join(directory, 'kernel/debug/ap_sim/clock'), 'auto');
const clients = spawn('python3', [join(PROJECT, 'test/mounted/caching.py'), directory, String(changes), seed], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
let words = '';
for await (const data of clients.stdout) words += String(data);
process.stdout.write(words);
daemon.kill('SIGTERM');
const stuck = setTimeout(() => spawnSync('umount', ['-f', '-l', directory]), 10_000);
await ended;
clearTimeout(stuck);
rmdirSync(directory);
const { stores, stale, hung } = JSON.parse(words || '{"stores":0,"stale":0,"hung":[]}') as Report;
process.exit(stores >= changes && stale === 0 && hung.length === 0 ? 0 : 1);
