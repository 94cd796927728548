/**
 * Serving a machine: boots it, mounts it, notes it, ends cleanly.
 *
 * SIGINT, SIGTERM and SIGHUP take the tree away: clients that wait in a store
 * are answered with EINTR, nobody hangs. A second signal does not wait for
 * that. After SIGKILL the dead mount stays; the next mount repairs it.
 */
import { describedFaults, type Faults } from '../fs-tree/faults/faults.js';
import { hostClock } from '../fs-tree/host/clock-host.js';
import { hostCrypto } from '../fs-tree/host/crypto.js';
import { SeededRandom } from '../fs-tree/host/random.js';
import { TraceRing } from '../fs-tree/host/trace.js';
import type { DirNode } from '../fs-tree/kernfs/node.js';
import { Ops } from '../fs-tree/ops.js';
import { StoreTrace } from '../fs-tree/stores.js';
import { chooseTransport, createTransport } from '../fs-tree/transport/choose.js';
import { MountError, type Transport, type TransportName } from '../fs-tree/transport/transport.js';
import { worldTree } from '../fs-tree/world-tree.js';
import { SimClock } from '../lib/clock.js';
import { DescriptionError, type MachineDescription, worldFromDescription } from '../lib/description/index.js';
import type { World } from '../lib/world.js';
import { EXIT, MOUNT_EXIT } from './exit-status.js';
import { explainStart, loadMachine, MachineFileError, type MachineSource, NO_MACHINE } from './machine-file/index.js';
import { register } from './mounts/registry.js';
import { whatNext } from './mounts/what-next.js';
import { keepWithoutReader, print } from './output/terminal.js';
import { version } from './version.js';
import type { WorldChoices } from './world-options.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A machine that answers, for whoever greets. */
export interface Served {
  readonly mountPoint: string;
  /** Preset or file, as it was named. */
  readonly machine: string;
  /** Release of its kernel. */
  readonly kernel: string;
  /** Ids of its adapters. */
  readonly cards: readonly number[];
}

/** What is served, read. */
export interface ServeChoices extends Omit<WorldChoices, 'machine'> {
  readonly machine: MachineSource;
  /**
   * Of a machine that belongs to one program (scripts/run): it is not noted for other commands. Given the booted
   * world and its tree, before they are mounted; returns the tree to mount.
   */
  readonly privately?: (world: World, tree: DirNode) => DirNode;
}

function complain(line: string): void {
  process.stderr.write(`ap-sysfs: ${line}\n`);
}

/**
 * Mounts a machine and serves it to the end.
 * @param onMounted called once it answers
 * @param log where the words of this process go, to be noted
 * @returns the exit status
 */
export async function serve(
  directory: string,
  choices: ServeChoices,
  onMounted: (served: Served) => void,
  log?: string,
): Promise<number> {
  const toldToEnd = signalled();
  keepWithoutReader();
  const trace = new TraceRing();
  const bug = reporter(trace);
  process.on('uncaughtException', (error) => bug(error, 'a timer'));
  process.on('unhandledRejection', (error) => bug(error, 'a promise that nobody waits for'));
  const booted = await boot(choices, trace);
  if (!booted) return EXIT.usage;
  const { world } = booted;
  world.kernel.core.onBug = (_task, error) => bug(error, 'a task of the kernel');

  const started = new Date();
  const name = chooseTransport(choices.transport);
  const transport = createTransport(name, directory, treeOps(booted, trace, choices, { started, name }, bug), {
    allowOther: choices.allowOther,
    say: complain,
    onBug: (error) => bug(error, 'the transport'),
  });
  try {
    await transport.mount();
  } catch (e) {
    world.stop();
    if (!(e instanceof MountError)) throw e;
    complain(e.message);
    const next = whatNext(e, transport.mountPoint);
    if (next !== undefined) process.stderr.write(`  ${next}\n`);
    return MOUNT_EXIT[e.reason];
  }
  const { mountPoint } = transport;
  const machine = choices.machine.name;
  const kernel = world.kernel.profile.release;
  if (!choices.privately)
    note({
      mountPoint,
      machine,
      kernel,
      transport: name,
      started: started.toISOString(),
      ...(log !== undefined && { log }),
    });
  onMounted({ mountPoint, machine, kernel, cards: [...world.machine.adapters.keys()] });
  await Promise.race([toldToEnd, transport.detached]);
  world.stop();
  return end(transport, log === undefined);
}

interface Booted {
  readonly world: World;
  readonly faults: Faults;
}

/** The machine that was chosen, up. Its mistakes go to stderr, and undefined comes back. */
async function boot(choices: ServeChoices, trace: TraceRing): Promise<Booted | undefined> {
  const clock = new SimClock(hostClock, 'auto');
  trace.now = () => clock.now();
  let description: MachineDescription | undefined;
  try {
    description = loadMachine(choices.machine, complain);
    const kernel = { ...description.kernel, ...(choices.kernel && { version: choices.kernel }) };
    const random = new SeededRandom(description.seed ?? 1);
    // Booting jumps over waits; the machine then lives by the host's time, unless its file says otherwise.
    const lived = { clock: 'real', ...description, kernel } as const;
    const faults = describedFaults({ clock, trace }, description.faults);
    return { world: await worldFromDescription({ clock, random, crypto: hostCrypto, trace }, lived), faults };
  } catch (e) {
    if (e instanceof MachineFileError) process.stderr.write(`${e.message}\n`);
    else if (description && e instanceof DescriptionError)
      process.stderr.write(`${explainStart(description, e).join('\n')}\n`);
    else throw e;
    complain(NO_MACHINE);
    return undefined;
  }
}

function treeOps(
  { world, faults }: Booted,
  trace: TraceRing,
  choices: ServeChoices,
  { started, name }: { readonly started: Date; readonly name: TransportName },
  bug: Report,
): Ops {
  const about = { machine: choices.machine.name, transport: name, pid: process.pid, started, version };
  const tree = worldTree(world, trace, about, { faults });
  return new Ops({
    root: choices.privately?.(world, tree) ?? tree,
    faults,
    now: Date.now,
    owner: choices.owner,
    changes: world.kernel.core.tree,
    stores: new StoreTrace({ trace, tree: world.kernel.core.tree, uevents: world.kernel.core.uevents }),
    lseekNeedsNode: world.kernel.profile.lseekAfterRemovalFails,
    onBug: (error, { op, node }) => bug(error, `${op} of inode ${node?.ino}`),
  });
}

/** Other commands find the mount by this; without it they need --sys. */
function note(entry: Parameters<typeof register>[0]): void {
  try {
    process.once('exit', register(entry));
  } catch (e) {
    complain(`this mount could not be noted, other commands need --sys: ${(e as Error).message}`);
  }
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

async function end(transport: Transport, inTerminal: boolean): Promise<number> {
  const clean = await transport.unmount();
  if (clean && inTerminal) print(`ap-sysfs: ${transport.mountPoint} is unmounted\n`);
  if (!clean) complain(`${transport.mountPoint} could not be unmounted; the next mount on it repairs that`);
  // Threads of the addon may still be there: the process would not end by itself.
  process.exit(clean ? EXIT.ok : EXIT.unmount);
}
