/**
 * Mounts that a benchmark measures: each served by a process of its own, on a
 * directory of its own, and gone at the end whatever happened.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Root of the clone; compiled benchmarks live in dist/test/bench. */
export const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
/** Where what is built and mounted is put. */
const WORK = mkdtempSync(join(tmpdir(), 'ap-sysfs-bench-'));
const live = new Set<Served>();

export const workPath = (name: string): string => join(WORK, name);

/** Runs a program to its end. @throws Error with what it said */
export async function program(command: string, args: readonly string[], seconds = 60): Promise<string> {
  const { stdout } = await run(command, args, { timeout: seconds * 1000, maxBuffer: 1 << 28 });
  return stdout;
}

/** Why something cannot be measured here. */
export class Missing extends Error {}

/** A mount and the process that serves it. */
export class Served {
  readonly directory: string;
  readonly #child: ChildProcess;
  #words = '';

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory;
    this.#child = child;
    child.stderr?.on('data', (data: Buffer) => {
      this.#words += data.toString();
    });
  }

  /**
   * Starts a server; `DIR` in its arguments stands for the mount point.
   * @throws Missing it does not mount; with its words
   */
  static async start(command: string, args: readonly string[], seconds = 60): Promise<Served> {
    const directory = mkdtempSync(join(WORK, 'm-'));
    const child = spawn(
      command,
      args.map((word) => (word === 'DIR' ? directory : word)),
      {
        cwd: PROJECT,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, AP_SYSFS_RUNTIME_DIR: workPath('run') },
      },
    );
    const served = new Served(directory, child);
    live.add(served);
    const mounted = new Promise<boolean>((resolve) => {
      const limit = setTimeout(() => resolve(false), seconds * 1000);
      const end = (is: boolean): void => {
        clearTimeout(limit);
        resolve(is);
      };
      child.on('error', () => end(false));
      child.on('close', () => end(false));
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        if (line.includes('mounted on')) end(true);
      });
    });
    if (await mounted) return served;
    const words = served.#words.trim().split('\n')[0] ?? '';
    await served.end();
    throw new Missing(words === '' ? 'it does not mount' : words);
  }

  /** A machine of ours. */
  static machine(machine: string, transport: string, seconds = 60): Promise<Served> {
    const words = ['mount', '--foreground', '--machine', machine, '--transport', transport, 'DIR'];
    return Served.start(process.execPath, [join(PROJECT, 'dist/scripts/ap-sysfs.js'), ...words], seconds);
  }

  /** What it has said on stderr. */
  get words(): string {
    return this.#words;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resident memory, MiB. */
  get resident(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
  }

  /** CPU seconds so far. */
  get cpu(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Only these CPUs from now on, all its threads. */
  async pin(cpus: string): Promise<void> {
    await program('taskset', ['-acp', cpus, String(this.pid)]);
  }

  async end(): Promise<void> {
    live.delete(this);
    const over = new Promise((resolve) => this.#child.once('close', resolve));
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      const stuck = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
      await over;
      clearTimeout(stuck);
    }
    await run('umount', ['-l', this.directory]).catch(() => undefined);
  }
}

/** Ends what still runs, takes the directory away. */
export async function endAll(): Promise<void> {
  await Promise.all([...live].map((served) => served.end()));
  // Never into a mount.
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${WORK}/`);
  if (!mounted) rmSync(WORK, { recursive: true, force: true });
}
