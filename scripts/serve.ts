/**
 * Serving a machine: boots it, mounts it, ends cleanly.
 *
 * SIGINT, SIGTERM and SIGHUP take the tree away: clients that wait in a store
 * are answered with EINTR, nobody hangs. A second signal does not wait for
 * that. After SIGKILL the dead mount stays; the next mount repairs it.
 */

import { hostClock } from '../fs-tree/host/clock-host.js';
import { hostCrypto } from '../fs-tree/host/crypto.js';
import { SeededRandom } from '../fs-tree/host/random.js';
import { TraceRing } from '../fs-tree/host/trace.js';
import { Ops } from '../fs-tree/ops.js';
import { FuseNativeTransport } from '../fs-tree/transport/fuse-native.js';
import { MountError, type Transport } from '../fs-tree/transport/transport.js';
import { worldTree } from '../fs-tree/world-tree.js';
import { SimClock } from '../lib/clock.js';
import { createWorld, type World } from '../lib/world.js';
import { EXIT, MOUNT_EXIT } from './exit-status.js';
import type { WorldChoices } from './world-options.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function complain(line: string): void {
  process.stderr.write(`ap-sysfs: ${line}\n`);
}

/**
 * Mounts a machine and serves it to the end.
 * @param greeting what to print once it answers
 * @returns the exit status
 */
export async function serve(
  directory: string,
  choices: WorldChoices,
  greeting: (mountPoint: string) => string,
): Promise<number> {
  const trace = new TraceRing();
  const bug = reporter(trace);
  const clock = new SimClock(hostClock, 'auto');
  trace.now = () => clock.now();
  const random = new SeededRandom(1);
  const world = await createWorld({ clock, random, crypto: hostCrypto, trace }, { kernel: choices.kernel });
  world.kernel.core.onBug = (_task, error) => bug(error, 'a task of the kernel');
  process.on('uncaughtException', (error) => bug(error, 'a timer'));
  process.on('unhandledRejection', (error) => bug(error, 'a promise that nobody waits for'));

  const transport = new FuseNativeTransport(directory, treeOps(world, trace, choices, bug), {
    allowOther: choices.allowOther,
    say: complain,
  });
  const toldToEnd = signalled();
  try {
    await transport.mount();
  } catch (e) {
    world.stop();
    if (!(e instanceof MountError)) throw e;
    complain(e.message);
    return MOUNT_EXIT[e.reason];
  }
  process.stdout.write(greeting(transport.mountPoint));
  await Promise.race([toldToEnd, transport.detached]);
  world.stop();
  return end(transport);
}

function treeOps(world: World, trace: TraceRing, choices: WorldChoices, bug: Report): Ops {
  return new Ops({
    root: worldTree(world, trace),
    now: Date.now,
    owner: choices.owner,
    changes: world.kernel.core.tree,
    lseekNeedsNode: world.kernel.profile.lseekAfterRemovalFails,
    onBug: (error, { op, node }) => bug(error, `${op} of inode ${node?.ino}`),
  });
}

type Report = (error: unknown, where: string) => void;

/** The whole story goes to the trace and to stderr; the machine lives on. */
function reporter(trace: TraceRing): Report {
  return (error, where) => {
    const story = error instanceof Error ? (error.stack ?? error.message) : String(error);
    trace.emit({ kind: 'bug', text: `${where}: ${story}` });
    complain(`this is a bug, in ${where}: ${story}`);
  };
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    let times = 0;
    for (const signal of SIGNALS)
      process.on(signal, () => {
        if (++times > 1) process.exit(EXIT.unmount);
        resolve();
      });
  });
}

async function end(transport: Transport): Promise<number> {
  const clean = await transport.unmount();
  if (!clean) complain(`${transport.mountPoint} could not be unmounted; the next mount on it repairs that`);
  // Threads of the addon may still be there: the process would not end by itself.
  process.exit(clean ? EXIT.ok : EXIT.unmount);
}
