/**
 * One machine in a process of its own: the world, its tree, its mount; then the next one.
 *
 * Started by fork and driven over IPC (daemon-protocol.ts). It never touches
 * its own mount. Machine time is fully virtual: it stands still unless a program
 * waits inside the kernel (then it jumps to the next timer that somebody waits
 * for), the replay's `sleep` lets it pass, or the next step's time has come.
 */
import { join } from 'node:path';
import { standingClock } from '../../fs-tree/host/clock-host.js';
import { hostCrypto } from '../../fs-tree/host/crypto.js';
import { SeededRandom } from '../../fs-tree/host/random.js';
import { TraceRing } from '../../fs-tree/host/trace.js';
import type { FileNode, Node } from '../../fs-tree/kernfs/node.js';
import type { Transport } from '../../fs-tree/transport/transport.js';
import { worldTree } from '../../fs-tree/world-tree.js';
import type { Uevent } from '../../lib/driver-core/uevent.js';
import { isKernelError } from '../../lib/errno.js';
import { Machine } from '../../lib/hardware/machine.js';
import { runHardwareCommand } from '../../lib/hardware/vocabulary.js';
import { DEFAULT_MODULES, Kernel } from '../../lib/kernel.js';
import { PROFILES } from '../../lib/profile/tables.js';
import { Vmms } from '../../lib/vmm/vmms.js';
import { World } from '../../lib/world.js';
import type { BootRequest, Collected, ReplyMessage, RequestMessage, RequestName, Requests } from './daemon-protocol.js';
import { DevDir } from './dev-dir.js';
import { JiffyClock } from './jiffies.js';
import { Quiet } from './quiet.js';
import type { KmsgLine } from './recording.js';
import { RECORDER, ReplayOps } from './replay-ops.js';
import { SleepServer } from './sleep-server.js';
import { compareSnapshots, type Snapshot, takeQuietSnapshot, takeSnapshot, utf8 } from './snapshot.js';
import { createTransport } from './transports.js';

const MS = 1_000_000;
/** The machine may be busy for so long after boot before it counts as up anyway. */
const SETTLE_LIMIT = 2000 * MS;

/** The clock counts whole ones: a fraction would never pass. */
const nanoseconds = (ms: number): number => Math.round(ms * MS);

/** When the modules are loaded, in machine time. */
const MODULES_AT = 2000 * MS;

/** What the recorded systems had beside the recorded trees: seen only as link counts in `ls -l`. */
const OTHER_DIRECTORIES = {
  '7.2': { '/bus': 24, '/class': 30, '/devices': 9, '/devices/virtual/misc': 6, '/module': 53 },
  '6.12': { '/bus': 22, '/class': 29, '/devices': 8, '/devices/virtual/misc': 5, '/module': 51 },
  '6.1': { '/bus': 22, '/class': 29, '/devices': 8, '/devices/virtual/misc': 4, '/module': 39 },
};

class Daemon {
  readonly #clock: JiffyClock;
  readonly #bugs: string[] = [];
  #uevents: string[][] = [];
  #kmsg: KmsgLine[] = [];
  #world: World | undefined;
  #ops: ReplayOps | undefined;
  #transport: Transport | undefined;
  #devDir: DevDir | undefined;
  #sleepers: SleepServer | undefined;
  readonly #quiet = new Quiet({
    answered: () => (this.#transport?.stats().answered ?? 0) + (this.#sleepers?.served ?? 0),
    pending: () => this.#transport?.stats().pending ?? 0,
    inside: () => this.#ops?.clients ?? new Set(),
    deliver: async () => (await this.#sleepers?.deliver()) ?? false,
  });
  #last: Snapshot = new Map();
  #pumping = false;

  /** `uptime`: seconds since the kernel began to tick. */
  constructor(uptime: number) {
    this.#clock = new JiffyClock(standingClock, nanoseconds(uptime * 1000));
  }

  get world(): World {
    if (!this.#world) throw new Error('not booted');
    return this.#world;
  }

  get ops(): ReplayOps {
    if (!this.#ops) throw new Error('not booted');
    return this.#ops;
  }

  async boot(request: BootRequest): Promise<Requests['boot']['out']> {
    const trace = new TraceRing({ capacity: 4096, now: () => this.#clock.now() });
    const ports = { clock: this.#clock, random: new SeededRandom(1), crypto: hostCrypto, trace };
    const machine = new Machine(ports, { protVirtGuest: request.se });
    runHardwareCommand(machine, request.hw);
    const modules = DEFAULT_MODULES.filter(
      (name) => !(request.novfio && name.startsWith('vfio')) && !(request.nozcrypt && name.startsWith('zcrypt')),
    );
    const kernel = new Kernel(ports, machine.hostInstructions(), PROFILES[request.kernel], {
      commandLine: request.commandLine,
      modules: [],
    });
    kernel.core.onBug = (_task, error) => this.#bugs.push(story(error));
    if (request.devDir) {
      this.#devDir = new DevDir(request.devDir);
      this.#devDir.follow(kernel.core.devtmpfs);
    }
    kernel.core.log.subscribe(({ level, text }) => this.#kmsg.push({ level, text: printable(text) }));
    await kernel.boot();
    await this.#settle();
    // The first scan is over when the recorded system loads its modules.
    await this.#clock.advance(MODULES_AT - this.#clock.now());
    kernel.core.uevents.subscribe((event) => this.#uevents.push(messageOf(event)));
    for (const name of modules) await kernel.core.modules.load(kernel.core.newTask('modprobe'), name);
    await this.#settle();
    runHardwareCommand(machine, 'resets');
    this.#world = new World(ports, machine, kernel, new Vmms(kernel, machine));
    this.#ops = new ReplayOps({
      root: worldTree(
        this.#world,
        trace,
        {},
        { otherDirectories: OTHER_DIRECTORIES[this.#world.kernel.profile.version] },
      ),
      now: () => Math.floor(this.#clock.now() / MS),
      onBug: (error, during) => this.#bugs.push(`${during.op}: ${story(error)}`),
    });
    this.#clock.mode = 'manual';
    this.#ops.onOwnWait = () => void this.#pump();
    if (request.mountPoint) {
      this.#sleepers = new SleepServer(join(request.mountPoint, '..', 'sleep.sock'), this.#clock, {
        quiet: () => this.#quiet.wait(),
        inside: () => this.ops.clients.size + this.ops.own.size,
        interrupt: () => this.ops.interrupt(),
        closeLoad: (id) => void this.control({ file: 'load', line: `close ${id}` }),
        openNode: async (major, minor) => {
          const { rc, stdout } = await this.control({ file: 'load', line: `open ${major} ${minor} bash` });
          return rc === 0 ? () => void this.control({ file: 'load', line: `close ${stdout.trim()}` }) : undefined;
        },
        loadPending: async (id) => (await this.control({ file: 'load', line: `result ${id}` })).stdout === 'pending\n',
      });
      await this.#sleepers.listen();
      this.#transport = createTransport(request.transport ?? 'auto', request.mountPoint, this.#ops);
      await this.#transport.mount();
    }
    const uevents = this.#uevents;
    this.#uevents = [];
    this.#kmsg = [];
    return { uevents };
  }

  async pause({ until, least }: Requests['pause']['in']): Promise<null> {
    await this.#quiet.wait();
    await this.#clock.idle();
    await this.advance({ ms: Math.max(least, until * 1000 - this.#clock.now() / MS) });
    await this.#clock.idle();
    // What ended with the last of that time is told now, not in the next step.
    if (this.#sleepers?.waits || this.ops.clients.size > 0) await this.#quiet.wait();
    return null;
  }

  async collect({ notapq, snapshot }: Requests['collect']['in']): Promise<Collected> {
    let changes: Collected['changes'] = [];
    if (snapshot) {
      const now = await takeQuietSnapshot(this.ops, this.world.kernel, { notapq, withoutSections: true });
      changes = compareSnapshots(this.#last, now);
      this.#last = now;
    }
    const uevents = this.#uevents;
    this.#uevents = [];
    const kmsg = this.#kmsg;
    this.#kmsg = [];
    const timedScans = this.#clock.timedScans;
    this.#clock.timedScans = 0;
    return { uevents, kmsg, changes, timedScans, bugs: this.#bugs.splice(0) };
  }

  async advance({ ms }: { ms: number }): Promise<null> {
    await this.#passUntil(this.#clock.now() + nanoseconds(ms));
    return null;
  }

  watch({ pid }: { pid: number }): null {
    this.#quiet.watch(pid);
    return null;
  }

  async state({ since }: Requests['state']['in']): Promise<Requests['state']['out']> {
    const quiet = await this.#quiet.wait();
    const { clients, entered } = this.ops;
    const inside = [...clients].some((number) => number > since);
    return { quiet, inside, entered, sleeps: this.#sleepers?.waits ?? false, dozes: this.#quiet.dozing };
  }

  async next({ most }: { most: number }): Promise<number> {
    const begun = this.#clock.now();
    const events = [this.#sleepers?.nextWake, this.#clock.pendingTimers()[0]?.expires].filter((e) => e !== undefined);
    await this.#passUntil(Math.max(begun, Math.min(...events, begun + most)));
    return this.#clock.now() - begun;
  }

  interrupt(): null {
    this.ops.interrupt();
    return null;
  }

  async control({ file, line }: Requests['control']['in']): Promise<Requests['control']['out']> {
    const open = this.ops.open(RECORDER, this.#find(`kernel/debug/ap_sim/${file}`), 2);
    const text = `json ${line}`;
    await this.ops.write(RECORDER, open, text);
    return JSON.parse(await this.ops.read(RECORDER, open, text.length, 1 << 20)) as Requests['control']['out'];
  }

  async write({ path, text }: Requests['write']['in']): Promise<string | null> {
    try {
      await this.ops.write(RECORDER, this.ops.open(RECORDER, this.#find(path), 1), text);
      return null;
    } catch (e) {
      if (isKernelError(e)) return e.errno;
      throw e;
    }
  }

  async dump({ step }: Requests['dump']['in']): Promise<Requests['dump']['out']> {
    const options = step ? { ...step, withoutSections: true } : { cardTalking: true, nlink: true };
    return [...(await takeSnapshot(this.ops, this.world.kernel, options))];
  }

  async end(): Promise<boolean> {
    this.#sleepers?.close();
    this.#clock.stop();
    const unmounted = (await this.#transport?.unmount()) ?? true;
    this.#devDir?.close();
    return unmounted;
  }

  /** Until nobody waits for a timer, or it takes too long (a poll that never ends). */
  async #settle(): Promise<void> {
    const end = this.#clock.now() + SETTLE_LIMIT;
    for (;;) {
      await this.#clock.idle();
      await this.#clock.idle();
      if (!this.#foregroundTimer() || this.#clock.now() >= end) return;
    }
  }

  /**
   * Time passes for the replay's own operations that wait for a timer: it jumps to the next one.
   * For programs it does not: the session lets it pass, and nobody else at the same time.
   */
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (;;) {
        await this.#clock.idle();
        await this.#clock.idle();
        const before = [...this.ops.own];
        if (before.length === 0 || !this.#foregroundTimer()) return;
        // Others may still have something to do at this time.
        await this.#quiet.wait();
        if (!before.some((number) => this.ops.own.has(number)) || !this.#foregroundTimer()) continue;
        await this.#passUntil(this.#clock.pendingTimers()[0]?.expires ?? 0);
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Does somebody wait for a timer? */
  #foregroundTimer(): boolean {
    return this.#clock.pendingTimers().some((timer) => !timer.background);
  }

  async #passUntil(time: number): Promise<void> {
    const ns = Math.max(0, time - this.#clock.now());
    await (this.#sleepers ? this.#sleepers.pass(ns) : this.#clock.advance(ns));
  }

  #find(path: string): FileNode {
    let node: Node = this.ops.root;
    for (const name of path.split('/')) node = this.ops.lookup(RECORDER, node, name);
    return node as FileNode;
  }
}

/** As /dev/kmsg says it: what is no printable ASCII, and the backslash, as `\xHH`. */
const printable = (text: string): string =>
  text.replace(/[^ -~]|\\/g, (char) => `\\x${(char.charCodeAt(0) & 255).toString(16).padStart(2, '0')}`);

/** As the kernel's multicast, without SEQNUM. */
const messageOf = ({ action, devpath, keys }: Uevent): string[] => [`${action}@${devpath}`, ...keys].map(utf8);

const story = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

let daemon = new Daemon(0);

async function answer(name: RequestName, arg: unknown): Promise<unknown> {
  if (name === 'boot') daemon = new Daemon((arg as BootRequest).uptime);
  return (daemon[name] as (arg: unknown) => unknown).call(daemon, arg);
}

process.on('message', ({ id, name, arg }: RequestMessage) => {
  const send = (reply: ReplyMessage): void => void process.send?.(reply);
  answer(name, arg).then(
    (result) => send({ id, result }),
    (error: unknown) => send({ id, error: story(error) }),
  );
});
process.on('disconnect', () => void daemon.end().finally(() => process.exit(0)));
process.on('SIGINT', () => undefined);
