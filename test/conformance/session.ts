/**
 * One scenario's machine and the place where its steps run.
 *
 * Three processes: the daemon (the machine and its mount), the stepper (first
 * process of a private mount and process namespace, which runs bash), and this
 * one, which talks to both and never touches the mount.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as nothing, setImmediate as turn } from 'node:timers/promises';
import type { TransportChoice } from '../../fs-tree/transport/transport.js';
import { childrenOf } from './abandon.js';
import { DaemonProcess } from './daemon-process.js';
import type { Collected, RequestName, Requests } from './daemon-protocol.js';
import { clientPrograms } from './programs.js';
import type { BootOptions, Change, Effects, PathState } from './recording.js';
import { compareSnapshots, MOST_ROUNDS, type Snapshot, utf8 } from './snapshot.js';
import type { StepTimes } from './timeline.js';

/** Machine time, in ns: whole numbers, so that no fraction is left that never passes. */
const MS = 1_000_000;
const SECOND = 1000 * MS;
/** The recorder killed a step after so much time. */
const STEP_LIMIT = 30 * SECOND;
/** The recorder looked at the trees at least twice, which took so long, in ms of machine time. */
const SHORTEST_PAUSE_MS = 250;
/** Real time between two looks at a step that has not ended; it shows at once when it ends. */
const LOOK_MS = 10;
/** Programs that sleep in real time see machine time pass as fast. */
const DOZE_MS = 50;
/** Nothing may hang a replay for longer, in real time. */
const HARD_LIMIT_MS = 300_000;

const U1 = '11111111-1111-4111-8111-111111111111';
const U2 = '22222222-2222-4222-8222-222222222222';
const U3 = '33333333-3333-4333-8333-333333333333';

export interface SessionOptions {
  /** A private directory, on a file system that takes device nodes. */
  readonly work: string;
  /** The package, where sources and data are. */
  readonly packageRoot: string;
  /** Snapshots through the mount instead of the operations in memory. */
  readonly throughMount: boolean;
  readonly transport?: TransportChoice;
  /** What `uname -r` said where it was recorded. */
  readonly release?: string;
  /** Serves this machine, and others after it; without, there is one just for this machine. */
  readonly daemon?: DaemonProcess;
  /** Library that lets programs open the simulated device nodes. */
  readonly preload?: string | undefined;
}

/** What a step did here. */
export type Got = Effects & Pick<Collected, 'timedScans' | 'bugs'>;

export class Session {
  readonly #options: SessionOptions;
  readonly #daemon: DaemonProcess;
  #stepper: ChildProcess | undefined;
  readonly #lines: string[] = [];
  #lineWaiter: (() => void) | undefined;
  #last: Snapshot = new Map();

  private constructor(options: SessionOptions) {
    this.#options = options;
    this.#daemon = options.daemon ?? new DaemonProcess();
  }

  /** Boots a machine that is only asked, without a mount. */
  static async inMemory(options: SessionOptions, boot: BootOptions): Promise<Session> {
    const session = new Session(options);
    await session.#ask('boot', boot);
    return session;
  }

  /** Boots a machine and makes the namespace in which it is /sys. */
  static async start(options: SessionOptions, boot: BootOptions): Promise<Session> {
    const { work } = options;
    rmSync(work, { recursive: true, force: true });
    for (const dir of ['', 'sys', 'dev', 'run', 'bin']) mkdirSync(join(work, dir), { recursive: true });
    clientPrograms(join(work, 'bin'), options.packageRoot);
    furnishDev(join(work, 'dev'));
    const session = new Session(options);
    try {
      const { uevents } = await session.#ask('boot', {
        ...boot,
        mountPoint: join(work, 'sys'),
        ...(options.transport && { transport: options.transport }),
        devDir: join(work, 'dev'),
      });
      if (boot.bootUevents) writeFileSync(join(work, 'run', 'boot-uevents'), uevents.map(eventLine).join(''));
      await session.#startStepper();
      await session.#collect(boot.start);
      return session;
    } catch (e) {
      await session.end();
      throw e;
    }
  }

  control(file: string, line: string): Promise<Requests['control']['out']> {
    return this.#ask('control', { file, line });
  }

  write(path: string, text: string): Promise<string | null> {
    return this.#ask('write', { path, text });
  }

  async dump(): Promise<[string, PathState][]> {
    return this.#ask('dump', {});
  }

  /** Lets a second of machine time pass: as long as the recorder waited at least. */
  async settle(): Promise<Collected> {
    await this.#ask('advance', { ms: 1000 });
    return this.#ask('collect', { notapq: false, snapshot: false });
  }

  /** What has happened until then: the trees are looked at first, since that may log and may use up an injected answer. */
  async #collect(until: number): Promise<Collected> {
    const { work, throughMount } = this.#options;
    await this.#ask('pause', { until, least: SHORTEST_PAUSE_MS });
    const notapq = existsSync(join(work, 'run', 'notapq'));
    const changes = throughMount ? await this.#changesInMount(notapq) : undefined;
    const collected = await this.#ask('collect', { notapq, snapshot: !throughMount });
    return changes ? { ...collected, changes } : collected;
  }

  /** As the recorder did it, until two looks are the same. The first one is cheap: in memory. */
  async #changesInMount(notapq: boolean): Promise<Change[]> {
    let before: Snapshot = new Map(await this.#ask('dump', { step: { notapq } }));
    for (let round = 1; ; round++) {
      const now = await this.#dump();
      if (round < MOST_ROUNDS && compareSnapshots(before, now).length > 0) {
        before = now;
        continue;
      }
      const changes = compareSnapshots(this.#last, now);
      this.#last = now;
      return changes;
    }
  }

  async #dump(): Promise<Snapshot> {
    await this.#run('orun dump -c -s');
    const lines = readFileSync(join(this.#options.work, 'out'), 'utf8').split('\n');
    const found: Snapshot = new Map();
    for (const line of lines.filter((text) => text !== '')) {
      const { path, ...state } = JSON.parse(line) as PathState & { path: string };
      // Sizes and link counts of directories are not in the recorded steps.
      if (state.type === 'dir') {
        const { size: _size, nlink: _nlink, ...rest } = state;
        found.set(path, rest);
      } else found.set(path, state);
    }
    return found;
  }

  /** Runs one step as the recorder did, and says what came of it until it looked at the trees. */
  async step(cmd: string, { begin, look }: StepTimes, bootUevents: boolean): Promise<Got> {
    const { work } = this.#options;
    await this.#ask('pause', { until: begin, least: 0 });
    const { rc, timeout } = await this.#run(cmd);
    const stdout = readFileSync(join(work, 'out'), 'latin1');
    const stderr = readFileSync(join(work, 'err'), 'latin1');
    const { uevents, kmsg, changes, timedScans, bugs } = await this.#collect(look);
    if (bootUevents) writeFileSync(join(work, 'run', 'boot-uevents'), uevents.map(eventLine).join(''), { flag: 'a' });
    return { rc, timeout, stdout: utf8(stdout), stderr: utf8(stderr), uevents, kmsg, changes, timedScans, bugs };
  }

  async end(): Promise<void> {
    if (this.#stepper?.pid && this.#stepper.exitCode === null) {
      this.#stepper.stdin?.end();
      // Whoever waits inside the kernel holds the namespace: end the mount first.
    }
    await this.#daemon.endMachine();
    if (!this.#options.daemon) this.#daemon.kill();
    if (this.#stepper && this.#stepper.exitCode === null && this.#stepper.signalCode === null) {
      const over = new Promise<void>((resolve) => this.#stepper?.once('exit', () => resolve()));
      this.#stepper.kill('SIGKILL');
      await Promise.race([over, nothing(3000)]);
    }
    spawnSync('umount', ['-l', join(this.#options.work, 'sys')], { stdio: 'ignore' });
    rmSync(this.#options.work, { recursive: true, force: true });
  }

  async #run(cmd: string): Promise<{ rc: number; timeout: boolean }> {
    const bytes = Buffer.from(cmd);
    // Steps before may have left somebody inside the kernel.
    const { entered: since } = await this.#ask('state', { since: 0 });
    this.#stepper?.stdin?.write(Buffer.concat([Buffer.from(`${bytes.length}\n`), bytes]));
    const begun = await this.#line(HARD_LIMIT_MS);
    const started = Date.now();
    let passed = 0;
    let wait = LOOK_MS;
    for (;;) {
      const line = await this.#line(wait);
      if (line !== undefined) return { rc: Number(line.split(' ')[1]), timeout: false };
      wait = LOOK_MS;
      const { quiet, inside, sleeps, dozes } = await this.#ask('state', { since });
      // What the stepper has said before it was quiet is here after a turn of the event loop.
      await turn();
      if (this.#lines.length > 0) continue;
      if (quiet && dozes) {
        await this.#ask('advance', { ms: DOZE_MS });
        passed += DOZE_MS * MS;
        wait = DOZE_MS;
      } else if (quiet && (inside || sleeps)) {
        // Everybody waits: so time passes until something happens.
        passed += await this.#ask('next', { most: Math.min(SECOND, STEP_LIMIT - passed) });
        wait = 0;
      }
      if (passed >= STEP_LIMIT || Date.now() - started > HARD_LIMIT_MS) {
        await this.#endStep(cmd, Number(begun?.split(' ')[1]));
        return { rc: 137, timeout: true };
      }
    }
  }

  async #endStep(cmd: string, step: number): Promise<void> {
    await this.#killStep(step);
    await this.#ask('state', { since: 0 });
    await turn();
    if (this.#lines.shift() !== undefined) return;
    // It waits uninterruptibly, as it did there; its end comes with a later step.
    for (const stepper of childrenOf(this.#stepper?.pid ?? 0)) process.kill(stepper, 'SIGUSR1');
    if ((await this.#line(HARD_LIMIT_MS)) === undefined) throw new Error(`a step cannot be killed: ${cmd}`);
  }

  /** Kills the step's process group, and lets those go who wait inside the kernel. `step`: as its namespace numbers it. */
  async #killStep(step: number): Promise<void> {
    const top = childrenOf(this.#stepper?.pid ?? 0);
    for (const pid of top.flatMap((stepper) => childrenOf(stepper))) {
      try {
        const inside = /^NSpid:.*\s(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
        if (Number(inside) === step) process.kill(-pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }
    await this.#ask('interrupt', null);
  }

  async #startStepper(): Promise<void> {
    const { work } = this.#options;
    const programs = join(this.#options.packageRoot, 'test/conformance/bin');
    const matrix = '/sys/devices/vfio_ap/matrix';
    const { preload } = this.#options;
    this.#stepper = spawn(
      'unshare',
      ['-mpf', '--mount-proc', '--kill-child', 'perl', join(programs, 'stepper.pl'), work],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
        cwd: '/',
        env: {
          PATH: `${join(work, 'bin')}:/usr/sbin:/usr/bin:/sbin:/bin`,
          HOME: '/root',
          AP_SIM_RELEASE: this.#options.release ?? '',
          ...(preload && { LD_PRELOAD: preload }),
          AP_SIM_CLOCK: join(work, 'sleep.sock'),
          B: '/sys/bus/ap',
          D: '/sys/devices/ap',
          P: `${matrix}/mdev_supported_types/vfio_ap-passthrough`,
          U1,
          U2,
          U3,
          M1: `${matrix}/${U1}`,
          M2: `${matrix}/${U2}`,
          M3: `${matrix}/${U3}`,
        },
      },
    );
    const { stdout } = this.#stepper;
    if (stdout)
      createInterface({ input: stdout }).on('line', (line) => {
        this.#lines.push(line);
        this.#lineWaiter?.();
      });
    this.#stepper.stdin?.on('error', () => undefined);
    if ((await this.#line(HARD_LIMIT_MS)) !== 'ready') throw new Error('the namespace could not be made');
    await this.#ask('watch', { pid: this.#stepper.pid ?? 0 });
  }

  /** The stepper's next line, or undefined when none comes in time. */
  async #line(limit: number): Promise<string | undefined> {
    if (this.#lines.length === 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#lineWaiter = resolve;
        timer = setTimeout(resolve, limit);
      });
      clearTimeout(timer);
      this.#lineWaiter = undefined;
    }
    return this.#lines.shift();
  }

  #ask<N extends RequestName>(name: N, arg: Requests[N]['in']): Promise<Requests[N]['out']> {
    return this.#daemon.ask(name, arg);
  }
}

/** The usual nodes of /dev. */
function furnishDev(dir: string): void {
  const nodes = [
    ['null', 1, 3],
    ['zero', 1, 5],
    ['full', 1, 7],
    ['random', 1, 8],
    ['urandom', 1, 9],
    ['tty', 5, 0],
  ] as const;
  const script = nodes.map(([name, major, minor]) => `mknod -m 666 ${name} c ${major} ${minor}`);
  script.push(
    'ln -s /proc/self/fd fd',
    'ln -s fd/0 stdin',
    'ln -s fd/1 stdout',
    'ln -s fd/2 stderr',
    'mkdir -p pts shm',
  );
  spawnSync('sh', ['-ec', script.join('\n')], { cwd: dir, stdio: ['ignore', 'ignore', 'inherit'] });
}

const eventLine = (message: readonly string[]): string => `${message.join(' ')}\n`;
