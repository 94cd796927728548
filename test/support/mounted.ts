/**
 * A daemon in a process of its own, on a private mount point, with an end.
 *
 * Nothing that goes wrong may outlive the test: the daemon is killed when its
 * time is up (its clients are then let go by the kernel), and the mount is
 * taken away whatever happened. A word of the daemon on stderr that the test
 * did not expect fails it. Clients are processes too, never the test's own
 * thread: whoever touches a mount may be stuck there.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { chooseTransport } from '../../fs-tree/transport/choose.js';
import type { TransportChoice } from '../../fs-tree/transport/transport.js';

const run = promisify(execFile);

/**
 * The test runner loads its hooks into every node that a test starts, by this variable, even if the test has unset it:
 * programs need three times as long to start, and those of other users cannot write where the hooks write.
 */
const HOOKS = 'NODE_OPTIONS';

/** File and arguments for a child process that is node and has no hooks. */
export function plainNode(...args: readonly string[]): [file: string, args: string[]] {
  return ['env', ['-u', HOOKS, process.execPath, ...args]];
}

/** Which transport is to be tested: `auto`, unless the environment (npm run test:fuse-native) or fuse-native/ says so. */
export const ASKED_TRANSPORT = (process.env.AP_SYSFS_TEST_TRANSPORT ?? 'auto') as TransportChoice;

/** The one that this very process takes then. The command has more ways than that for ordinary users: ask it for `auto`. */
export const TRANSPORT = chooseTransport(ASKED_TRANSPORT);

/** Root of the clone; compiled tests live in dist/test/support. */
export const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

export const isRoot = process.getuid?.() === 0;

/** Why nothing can be mounted here, or false: the `skip` of tests that mount. */
export function cannotMount(): string | false {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    return false;
  } catch {
    return 'no usable /dev/fuse';
  }
}

/** Arguments of node: a machine mounted on DIR over the transport of this run, by a command that stays. */
export function mountCommand(...options: readonly string[]): string[] {
  const script = join(PROJECT, 'dist/scripts/ap-sysfs.js');
  return [script, 'mount', '--foreground', '--transport', ASKED_TRANSPORT, ...options, 'DIR'];
}

/** How a client ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a shell command as a client; killed after `seconds` (a client stuck in a mount only dies with the daemon). */
export async function shell(command: string, seconds = 20): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run('bash', ['-c', `unset ${HOOKS}; ${command}`], {
      timeout: seconds * 1000,
      maxBuffer: 1 << 26,
    });
    return { status: 0, stdout, stderr };
  } catch (e) {
    const { code, stdout, stderr } = e as { code?: number | null; stdout?: string; stderr?: string };
    return { status: typeof code === 'number' ? code : null, stdout: stdout ?? '', stderr: stderr ?? String(e) };
  }
}

export function mountPoint(): string {
  return mkdtempSync(join(tmpdir(), 'ap-sysfs-test-'));
}

/** Takes away whatever is mounted there, and the directory. */
export async function cleanUp(directory: string): Promise<void> {
  for (let tries = 0; tries < 5 && isMounted(directory); tries++)
    await shell(isRoot ? `umount -l ${directory}` : `fusermount -uz ${directory}`, 5);
  try {
    rmdirSync(directory);
  } catch {
    // Not there any more, or somebody else's: the temp directory may keep it.
  }
}

export function isMounted(directory: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${directory} `);
}

/**
 * libfuse's own words when the connection is cut while its threads read from
 * it: that is how a client which waits in a store is let go at the end.
 */
const ABORTED = 'fuse: reading device: Software caused connection abort\n';

export interface DaemonOptions {
  /** Arguments of node, the script first; `DIR` stands for the mount point. */
  readonly command: readonly string[];
  readonly directory?: string;
  /** Hard limit of its life. */
  readonly seconds?: number;
  readonly env?: Record<string, string>;
}

export class Daemon {
  stderr = '';
  stdout = '';
  readonly #lines: Interface;
  readonly #unread: string[] = [];
  #wanted: ((line: string | undefined) => void) | undefined;
  readonly #ended: Promise<number | string>;

  private constructor(
    readonly directory: string,
    readonly process: ChildProcess,
  ) {
    this.#ended = new Promise((resolve) => process.once('close', (code, signal) => resolve(code ?? signal ?? '?')));
    process.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString();
    });
    this.#lines = createInterface({ input: process.stdout as NodeJS.ReadableStream });
    this.#lines.on('line', (line) => {
      this.stdout += `${line}\n`;
      if (!this.#wanted) this.#unread.push(line);
      else this.#deliver(line);
    });
    this.#lines.on('close', () => this.#deliver(undefined));
    process.stdin?.on('error', () => undefined);
  }

  #deliver(line: string | undefined): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.(line);
  }

  /** Starts one and arranges for its end with the test. */
  static start(t: Test, options: DaemonOptions): Daemon {
    const directory = options.directory ?? mountPoint();
    const child = spawn(...plainNode(...options.command.map((word) => (word === 'DIR' ? directory : word))), {
      cwd: PROJECT,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    const daemon = new Daemon(directory, child);
    const limit = setTimeout(
      () => {
        daemon.stderr += 'out of time: killed by the test\n';
        child.kill('SIGKILL');
      },
      (options.seconds ?? 60) * 1000,
    );
    t.teardown(async () => {
      clearTimeout(limit);
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        const stuck = setTimeout(() => child.kill('SIGKILL'), 3000);
        await daemon.ended();
        clearTimeout(stuck);
      }
      await cleanUp(directory);
      // No assertions in a teardown; an exception fails the test.
      const words = daemon.stderr.replaceAll(ABORTED, '');
      if (words !== '') throw new Error(`the daemon complained: ${words}`);
    });
    return daemon;
  }

  /** The toy tree, mounted. */
  static async toy(t: Test, options: Partial<DaemonOptions> & { shape?: string } = {}): Promise<Daemon> {
    const script = fileURLToPath(new URL('./toy-daemon.js', import.meta.url));
    const command = [script, 'DIR', ...(options.shape ? [options.shape] : [])];
    const daemon = Daemon.start(t, { ...options, command });
    t.equal(await daemon.line(), 'mounted', 'mounts');
    return daemon;
  }

  /** The next line of stdout; undefined at the end. */
  line(): Promise<string | undefined> {
    const line = this.#unread.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.process.stdout?.readableEnded) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#wanted = resolve;
    });
  }

  /** Writes a command line, returns the answer line. */
  ask(command: string): Promise<string | undefined> {
    this.process.stdin?.write(`${command}\n`);
    return this.line();
  }

  /** Exit status, or the signal that killed it. */
  ended(): Promise<number | string> {
    return this.#ended;
  }
}
