/**
 * Mounts the toy tree, for tests: `node toy-daemon.js DIRECTORY`. Commands on
 * stdin, one a line: `release`, `remove`, `restore`, `stats`, `quit`; each is
 * answered by a line on stdout.
 */
import { createInterface } from 'node:readline';
import { Ops } from '../../fs-tree/ops.js';
import { FuseNativeTransport } from '../../fs-tree/transport/fuse-native.js';
import { toyTree } from './toy-tree.js';

const toy = toyTree();
const ops = new Ops({
  root: toy.root,
  now: Date.now,
  changes: toy.tree.changes,
  onBug: (error) => console.log(`bug: ${String(error)}`),
});
const transport = new FuseNativeTransport(process.argv[2] ?? '', ops, { allowOther: process.getuid?.() === 0 });
await transport.mount();
console.log('mounted');

async function quit(): Promise<void> {
  await transport.unmount();
  console.log('unmounted');
  process.exit(0);
}
process.on('SIGTERM', () => void quit());
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'release') toy.release();
  if (line === 'quit') await quit();
  if (line === 'stats') console.log(JSON.stringify(transport.stats()));
  else console.log('ok');
}
