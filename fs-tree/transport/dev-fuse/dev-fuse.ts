/**
 * The adapter that speaks the FUSE protocol itself, over /dev/fuse.
 *
 * Needs neither libfuse nor an addon, on any architecture; needs the right to
 * mount (root, or root of a user name space), or somebody who has mounted for
 * this process (mount-helper.ts). What it leaves to FUSE:
 * - EINTR is what a client gets whose wait a signal ended; the kernel's sysfs
 *   says ERESTARTSYS, and tries again where the handler was set with SA_RESTART.
 * - statfs says that it is FUSE; lseek knows larger offsets; a write of nothing
 *   is not sent; files can be mapped privately (test/mounted lists them all).
 * - Before Linux 6.2 the kernel lets one write at a time into an inode: only
 *   who had the file open already notices (see inodes.ts).
 * - unlink, rename and link of a file just as its store changes its directory
 *   may stop reads and writes of everybody for a second (see committer.ts).
 * Rules that keep the mount alive: nothing in this process touches the mounted
 * tree; lookups, listings and attributes never wait; no notification that takes
 * a directory's lock is written from the thread that answers (committer.ts).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ops } from '../../ops.js';
import { mayUseFuse } from '../access.js';
import { checkDevice, detachCommand, FS_SUBTYPE, isMounted, prepareMountPoint } from '../mount-point.js';
import { MountError, type Transport, type TransportOptions, type TransportStats } from '../transport.js';
import { FuseDevice, pipeClassOf } from './device.js';
import { Guardian } from './guardian.js';
import { handedOver } from './mount-helper.js';
import { FuseServer, READ_BUFFER } from './server.js';

/** How long requests may take to end after a signal before they are answered for their handlers. */
const GRACE_MS = 200;

/** How long the kernel may take to say hello after the mount. */
const HELLO_MS = 10_000;

/** How often to look whether somebody else has unmounted the tree: a lazy unmount says nothing. */
const WATCH_MS = 1000;

/** Bit of CapEff. */
const CAP_SYS_ADMIN = 21n;

/** What keeps this process from mounting this way; undefined: nothing. */
export function devFuseProblem(): string | undefined {
  if (handedOver()) return undefined;
  if (process.getuid?.() !== 0) return 'only root may mount (or root of a user name space: unshare -rm)';
  const mask = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (mask !== undefined && !((BigInt(`0x${mask}`) >> CAP_SYS_ADMIN) & 1n)) return 'this root has no CAP_SYS_ADMIN';
  return mayUseFuse() ? undefined : 'there is no usable /dev/fuse';
}

export interface DevFuseOptions extends TransportOptions {
  /** How to learn of requests: by the event loop (where this Node can, see device.ts), or by a timer. */
  readonly reader?: 'events' | 'timer';
}

export class DevFuseTransport implements Transport {
  readonly #directory: string;
  readonly #ops: Ops;
  readonly #options: DevFuseOptions;
  #mountPoint: string | undefined;
  #device: FuseDevice | undefined;
  #server: FuseServer | undefined;
  #guardian: Guardian | undefined;
  #unmounting: Promise<boolean> | undefined;
  #watch: NodeJS.Timeout | undefined;
  readonly detached: Promise<void>;
  #sayDetached: () => void = () => undefined;
  /** This process ends while it may wait for a lock that its own client holds. */
  readonly #alarm = (): void => {
    if (this.#server?.committing) this.#guardian?.alarm();
  };

  constructor(directory: string, ops: Ops, options: DevFuseOptions) {
    this.#directory = directory;
    this.#ops = ops;
    this.#options = options;
    this.detached = new Promise((resolve) => {
      this.#sayDetached = resolve;
    });
  }

  get mountPoint(): string {
    return this.#mountPoint ?? this.#directory;
  }

  async mount(): Promise<void> {
    checkDevice();
    const problem = devFuseProblem();
    if (problem) throw new MountError('no-permission', `--transport dev-fuse: ${problem}`);
    const mounted = handedOver();
    const path = mounted?.path ?? (await prepareMountPoint(this.#directory, this.#options.say ?? (() => undefined)));
    this.#mountPoint = path;
    this.#guardian = await Guardian.start(path);
    const device = new FuseDevice(READ_BUFFER, mounted?.fd);
    this.#device = device;
    try {
      await this.#connect(path, device);
    } catch (e) {
      this.#server = undefined;
      device.close();
      this.#guardian?.dismiss();
      if (isMounted(path)) await takeAway(path);
      throw new MountError('refused', `mounting on ${path} was refused: ${e instanceof Error ? e.message : String(e)}`);
    }
    this.#watch = setInterval(() => {
      if (!isMounted(path)) this.#gone();
    }, WATCH_MS);
    this.#watch.unref();
  }

  unmount(): Promise<boolean> {
    this.#unmounting ??= this.#unmount();
    return this.#unmounting;
  }

  stats(): TransportStats {
    const server = this.#server;
    return {
      answered: server?.answered ?? 0,
      pending: server?.pending ?? 0,
      openFiles: server?.openFiles ?? 0,
      inodes: server?.inodes.size ?? 0,
      workers: 0,
    };
  }

  /** Mounts, and answers until the kernel has said hello. */
  async #connect(path: string, device: FuseDevice): Promise<void> {
    const child = handedOver() ? inShell(['/bin/sh', '-c', ':'], 'ignore') : this.#mountCommand(path, device.fd);
    const Pipe = this.#options.reader === 'timer' ? undefined : pipeClassOf(child.stderr);
    const words = collect(child);
    const [status] = (await once(child, 'exit')) as [number | null];
    if (status !== 0) throw new Error((await words).trim() || `mount ended with ${status}`);
    const names = this.#guardian?.watch(path) ?? false;
    process.once('exit', this.#alarm);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer from /dev/fuse')), HELLO_MS);
      this.#server = new FuseServer({
        ops: this.#ops,
        device,
        names,
        onHello: (problem) => {
          clearTimeout(timer);
          if (problem) reject(new Error(problem));
          else resolve();
        },
        onEnd: () => this.#gone(),
        onBug: (error) => this.#options.onBug?.(error),
      });
      device.start(Pipe, this.#server);
    });
  }

  /** mount(8), without helpers of its own: it gets the open device as descriptor 3. */
  #mountCommand(path: string, fd: number): ChildProcess {
    const options = ['fd=3', 'rootmode=40000', 'user_id=0', 'group_id=0', 'default_permissions', 'nodev', 'nosuid'];
    if (this.#options.allowOther) options.push('allow_other');
    return inShell(['mount', '-i', '-n', '-t', `fuse.${FS_SUBTYPE}`, '-o', options.join(','), FS_SUBTYPE, path], fd);
  }

  #gone(): void {
    clearInterval(this.#watch);
    process.off('exit', this.#alarm);
    this.#sayDetached();
  }

  async #unmount(): Promise<boolean> {
    const path = this.#mountPoint;
    if (!path || !this.#server) return true;
    clearInterval(this.#watch);
    await this.#server.endAll(GRACE_MS);
    const clean = !isMounted(path) || (await takeAway(path));
    await this.#server.drained();
    // Closing the device aborts the connection: whoever still holds a file open is let go.
    this.#device?.close();
    this.#guardian?.dismiss();
    this.#gone();
    return clean;
  }
}

/** Detached lazily; the loop goes on answering meanwhile. */
async function takeAway(path: string): Promise<boolean> {
  const child = inShell(detachCommand(path), 'ignore');
  child.stderr?.pipe(process.stderr);
  await Promise.race([once(child, 'exit'), sleep(HELLO_MS, undefined, { ref: false })]);
  return !isMounted(path);
}

/** The shell looks for the program: this process waits until the child has begun, and must not look into its own mount. */
function inShell(command: readonly string[], third: number | 'ignore'): ChildProcess {
  return spawn('/bin/sh', ['-c', 'exec "$@"', 'sh', ...command], {
    cwd: '/',
    // Outside the terminal's process group, so that Ctrl-C does not reach it.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', third],
  });
}

async function collect({ stderr }: ChildProcess): Promise<string> {
  let words = '';
  for await (const data of stderr ?? []) words += String(data);
  return words;
}
