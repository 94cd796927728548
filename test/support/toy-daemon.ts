/**
 * Mounts a toy, for tests: `node toy-daemon.js DIRECTORY [SHAPE]`. Without a
 * shape (a file made by operations.py) it is the toy tree. Commands on stdin,
 * one a line: `release`, `stats`, `notify` (of the toy's value), `quit`; each is
 * answered by a line on stdout. `wedge FILE`: answers nobody until there is
 * that file, then takes the link bus/toy away, and answers nobody any more.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { FileNode } from '../../fs-tree/kernfs/node.js';
import type { StaticDir, StaticTree } from '../../fs-tree/kernfs/static-tree.js';
import { Ops } from '../../fs-tree/ops.js';
import { chooseTransport, createTransport } from '../../fs-tree/transport/choose.js';
import { DevFuseTransport } from '../../fs-tree/transport/dev-fuse/dev-fuse.js';
import { MountError, type TransportChoice } from '../../fs-tree/transport/transport.js';
import { MOUNT_EXIT } from '../../scripts/exit-status.js';
import { netDeviceTree, type Shape } from './net-device-tree.js';
import { toyTree } from './toy-tree.js';

interface Mounted {
  readonly tree: StaticTree;
  readonly root: StaticDir;
  readonly device?: StaticDir;
  release?: () => void;
}

const [directory = '', shape] = process.argv.slice(2);
const toy: Mounted = shape ? netDeviceTree(JSON.parse(readFileSync(shape, 'utf8')) as Shape) : toyTree();
const ops = new Ops({
  root: toy.root,
  now: Date.now,
  changes: toy.tree.changes,
  // As the command does: an ordinary user may write what he mounts.
  owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
  onBug: (error) => console.log(`bug: ${String(error)}`),
});
const name = chooseTransport((process.env.AP_SYSFS_TEST_TRANSPORT ?? 'auto') as TransportChoice);
const options = {
  allowOther: process.getuid?.() === 0,
  onBug: (error: unknown) => console.log(`bug: ${String(error)}`),
  say: (line: string) => console.log(line),
};
const transport = process.env.AP_SYSFS_TEST_TIMER
  ? new DevFuseTransport(directory, ops, { ...options, reader: 'timer' })
  : createTransport(name, directory, ops, options);

try {
  await transport.mount();
} catch (e) {
  if (!(e instanceof MountError)) throw e;
  console.log(e.message);
  process.exit(MOUNT_EXIT[e.reason]);
}
console.log('mounted');

/** Nothing else runs in this thread meanwhile. */
function busy(seconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
}

let quitting = false;
async function quit(): Promise<void> {
  if (quitting) return;
  quitting = true;
  await transport.unmount();
  console.log('unmounted');
  process.exit(0);
}
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => void quit());
void transport.detached.then(quit);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'release') toy.release?.();
  if (line === 'notify') ops.notify(toy.device?.lookup('value') as FileNode);
  if (line === 'quit') await quit();
  if (line.startsWith('wedge ')) {
    console.log('wedged');
    const file = line.slice('wedge '.length);
    while (!existsSync(file)) busy(0.02);
    void (toy.root.lookup('bus') as StaticDir).remove('toy');
    busy(600);
  }
  console.log(line === 'stats' ? JSON.stringify(transport.stats()) : 'ok');
}
// The test is gone, perhaps killed: so are we.
await quit();
