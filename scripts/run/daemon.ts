/**
 * The daemon of a run, started by init.sh or by recipes that do without name
 * spaces: serves one machine to one program.
 *
 * Its words: one argument, a JSON object; the text of a machine file comes by
 * the standard input. Says `ready` on stdout when the tree answers. Ends when
 * it is told to, or with whoever started it.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DirNode } from '../../fs-tree/kernfs/node.js';
import { surrounded } from '../../fs-tree/surroundings.js';
import type { TransportChoice } from '../../fs-tree/transport/transport.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import type { World } from '../../lib/world.js';
import { endWithParent } from '../daemonise.js';
import { EXIT } from '../exit-status.js';
import { isPreset } from '../machine-file/presets.js';
import { handedOver } from '../machine-file/source.js';
import { serve } from '../serve.js';
import { hostNodes, SimulatedNodes } from './dev.js';
import { composition, fstab } from './real-sys.js';
import { passOn } from './uevents.js';

export interface DaemonWords {
  /** A preset; else the name of the file whose text comes by stdin. */
  readonly machine: string;
  readonly kernel?: KernelVersion;
  /** Where it mounts. */
  readonly directory: string;
  readonly transport: TransportChoice;
  /** A tmpfs of the run for what else it needs; undefined: nothing is composed. */
  readonly stage?: string;
  /** A directory that holds it and goes with it. */
  readonly home?: string;
  /** Pass events on, to a helper that reads this pipe. */
  readonly uevents?: string;
}

const words = JSON.parse(process.argv[2] ?? '') as DaemonWords;
const { home } = words;
if (process.send) endWithParent();
// Whoever started it does the same, unless he was killed.
if (home !== undefined) process.once('exit', () => rmSync(home, { recursive: true, force: true }));
const served = serve(
  words.directory,
  {
    machine: isPreset(words.machine) ? { name: words.machine } : handedOver(words.machine),
    ...(words.kernel && { kernel: words.kernel }),
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    allowOther: process.getuid?.() === 0,
    transport: words.transport,
    privately: (world, tree) => (words.stage === undefined ? tree : compose(world, tree, words.stage)),
  },
  () => process.stdout.write('ready\n'),
);
process.exitCode = await served.catch((error: Error) => {
  // What is a bug later on ends a machine that nobody has seen yet: whoever started it waits.
  process.stderr.write(`ap-sysfs: the machine of this run could not be made: ${error.stack ?? error.message}\n`);
  process.exit(EXIT.failed);
});

/** Writes down the mounts that put it among the host's files; whoever enters makes them. */
function compose(world: World, tree: DirNode, stage: string): DirNode {
  const { core } = world.kernel;
  const { around, inward, outward } = composition(tree, core.modules.names(), words.directory);
  const dev = join(stage, 'dev');
  const devices = hostNodes(dev, words.uevents === undefined ? undefined : join(stage, 'nodes'));
  new SimulatedNodes(core, dev).start();
  if (words.uevents !== undefined) passOn(core, words.uevents);
  writeFileSync(join(stage, 'fstab-inward'), fstab([...inward, ...devices]));
  writeFileSync(join(stage, 'fstab-outward'), fstab([...outward, { from: dev, to: '/dev' }]));
  return surrounded(tree, around);
}
