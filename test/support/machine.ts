/**
 * A booted machine for tests without a mount: its tree under a shell-like
 * client, virtual time, and what was said and sent since the last look.
 */

import { describedFaults, Faults } from '../../fs-tree/faults/faults.js';
import { standingClock } from '../../fs-tree/host/clock-host.js';
import { hostCrypto } from '../../fs-tree/host/crypto.js';
import { SeededRandom } from '../../fs-tree/host/random.js';
import { TraceRing } from '../../fs-tree/host/trace.js';
import type { Caller, DirNode, Node } from '../../fs-tree/kernfs/node.js';
import { O_RDWR, O_WRONLY, Ops } from '../../fs-tree/ops.js';
import { worldTree } from '../../fs-tree/world-tree.js';
import { type ClockHost, SimClock } from '../../lib/clock.js';
import { type MachineDescription, worldFromDescription } from '../../lib/description/index.js';
import { KernelError } from '../../lib/errno.js';
import { createWorld, type World, type WorldOptions } from '../../lib/world.js';

export const ROOT: Caller = { uid: 0, gid: 0, groups: [], pid: 4242, comm: 'bash' };

/** Paths below /sys, as a shell would use them. */
export class TreeClient {
  constructor(
    readonly ops: Ops,
    readonly caller: Caller = ROOT,
  ) {}

  as(caller: Partial<Caller>): TreeClient {
    return new TreeClient(this.ops, { ...this.caller, ...caller });
  }

  /** The node at a path; links on the way, and at its end, are followed. @throws KernelError */
  node(path: string, follow = true): Node {
    const trail: DirNode[] = [this.ops.root];
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    for (let hops = 0; parts.length > 0; ) {
      const part = parts.shift() as string;
      const dir = trail.at(-1) as DirNode;
      if (part === '..') {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const node = this.ops.lookup(this.caller, dir, part);
      if (node.kind === 'link' && (follow || parts.length > 0)) {
        if (++hops > 40) throw new KernelError('ELOOP');
        parts.unshift(...this.ops.readlink(this.caller, node).split('/'));
      } else if (node.kind === 'dir') trail.push(node);
      else if (parts.length > 0) throw new KernelError('ENOTDIR');
      else return node;
    }
    return trail.at(-1) as DirNode;
  }

  exists(path: string): boolean {
    try {
      this.node(path, false);
      return true;
    } catch (e) {
      if (e instanceof KernelError && (e.errno === 'ENOENT' || e.errno === 'ENOTDIR')) return false;
      throw e;
    }
  }

  /** `cat`. */
  async read(path: string): Promise<string> {
    const file = this.ops.open(this.caller, this.node(path), 0);
    return this.ops.read(this.caller, file, 0, 1 << 20);
  }

  /** `printf TEXT > PATH`, one write. */
  async write(path: string, text: string): Promise<void> {
    const file = this.ops.open(this.caller, this.node(path), O_WRONLY);
    await this.ops.write(this.caller, file, text);
  }

  /** `echo WORDS > PATH`. */
  echo(words: string | number, path: string): Promise<void> {
    return this.write(path, `${words}\n`);
  }

  /** A command and its reply, through one open file. */
  async ask(path: string, command: string): Promise<string> {
    const file = this.ops.open(this.caller, this.node(path), O_RDWR);
    await this.ops.write(this.caller, file, command, 0);
    return this.ops.read(this.caller, file, command.length, 1 << 20);
  }

  ls(path: string): string[] {
    return this.ops.readdir(this.caller, this.ops.opendir(this.caller, this.node(path))).map((entry) => entry.name);
  }

  readlink(path: string): string {
    return this.ops.readlink(this.caller, this.node(path, false));
  }
}

/** The errno with which a promise fails, or what it gives. */
export async function errnoOf(attempt: Promise<unknown>): Promise<string | undefined> {
  try {
    await attempt;
    return undefined;
  } catch (e) {
    if (e instanceof KernelError) return e.errno;
    throw e;
  }
}

export class TestMachine {
  readonly #events: string[] = [];
  readonly #log: string[] = [];

  constructor(
    readonly world: World,
    readonly trace: TraceRing,
    readonly sh: TreeClient,
    /** What escaped a handler and is no KernelError: every test ends with none. */
    readonly bugs: readonly unknown[],
  ) {
    const { uevents, log } = world.kernel.core;
    uevents.subscribe((event) => this.#events.push(`${event.action}@${event.devpath}`));
    log.subscribe((line) => this.#log.push(line.text));
  }

  /** Hardware command; the kernel has then found out and everything is quiet. */
  async hw(command: string): Promise<string> {
    const reply = await this.sh.ask('kernel/debug/ap_sim/hw', command);
    await this.settle();
    return reply;
  }

  /** A command to a virtual machine's monitor; its output. */
  async guest(command: string): Promise<string> {
    return this.sh.ask('kernel/debug/ap_sim/guest', command);
  }

  settle(): Promise<void> {
    return this.world.clock.settle();
  }

  /** A bus scan, and all that follows from it. */
  async scan(): Promise<void> {
    await this.sh.echo(1, 'bus/ap/scans');
    await this.settle();
  }

  /** Events since the last call, as `action@devpath`. */
  takeEvents(): string[] {
    return this.#events.splice(0);
  }

  takeLog(): string[] {
    return this.#log.splice(0);
  }

  /** RAPQ, ZAPQ, AQIC of each queue since the last call, as `hw resets` prints them. */
  takeResets(): Promise<string> {
    return this.sh.ask('kernel/debug/ap_sim/hw', 'resets');
  }
}

/** Boots a machine in virtual time. Without options: the default machine with kernel 7.2. */
export async function bootMachine(
  options: WorldOptions & { seed?: number; host?: ClockHost } = {},
): Promise<TestMachine> {
  const trace = new TraceRing();
  const clock = new SimClock(options.host ?? standingClock, 'auto');
  trace.now = () => clock.now();
  const world = await createWorld(
    { clock, random: new SeededRandom(options.seed ?? 1), crypto: hostCrypto, trace },
    options,
  );
  return testMachine(world, trace);
}

/** A world that is up, with its tree. */
export function testMachine(world: World, trace: TraceRing, faults = new Faults(world.ports)): TestMachine {
  const { clock } = world;
  const bugs: unknown[] = [];
  const ops = new Ops({
    root: worldTree(world, trace, {}, { faults }),
    faults,
    changes: world.kernel.core.tree,
    now: () => Math.floor(clock.now() / 1e6),
    onBug: (error) => bugs.push(error),
    lseekNeedsNode: world.kernel.profile.lseekAfterRemovalFails,
  });
  world.kernel.core.onBug = (_task, error) => void bugs.push(error);
  return new TestMachine(world, trace, new TreeClient(ops), bugs);
}

/** Boots what a description says, in virtual time. */
export async function bootDescription(description: MachineDescription): Promise<TestMachine> {
  const trace = new TraceRing();
  const clock = new SimClock(standingClock, 'auto');
  trace.now = () => clock.now();
  const random = new SeededRandom(description.seed ?? 1);
  const world = await worldFromDescription({ clock, random, crypto: hostCrypto, trace }, description);
  return testMachine(world, trace, describedFaults(world.ports, description.faults));
}
