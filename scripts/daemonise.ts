/**
 * A daemon: this very command once more, detached, with a log instead of a terminal.
 *
 * The child has a session of its own, mounts, reports by the channel that spawn
 * makes between Node processes, lets go of it and of the working directory, and
 * lives on. Until then it belongs to the parent: what it says comes out of the
 * parent, its failure is the parent's, and the parent's end is its end.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { constants } from 'node:os';
import { EXIT } from './exit-status.js';
import { logFileFor } from './mounts/registry.js';
import type { Served } from './serve.js';

/** Tells the child that it is one, and where its words go. */
const LOG_VARIABLE = 'AP_SYSFS_DAEMON_LOG';
const LONG_LOG = 1 << 20;

/** In the child: the path of its log; undefined: this process is no daemon. */
export function daemonLog(): string | undefined {
  const log = process.env[LOG_VARIABLE];
  delete process.env[LOG_VARIABLE];
  return process.send ? log : undefined;
}

/** In the child, before the mount: the parent's death is ours. */
export function endWithParent(): void {
  process.once('disconnect', orphaned);
  // Waiting for nothing from the parent must not keep us alive.
  process.channel?.unref();
}

function orphaned(): void {
  process.kill(process.pid, 'SIGTERM');
}

/** In the child, once the tree answers. */
export function report(served: Served): void {
  process.off('disconnect', orphaned);
  process.send?.(served, () => process.disconnect?.());
  process.chdir('/');
}

export interface DaemonStart {
  /** Exit status of a daemon that did not get far; 0: it serves. */
  readonly status: number;
  readonly pid: number | undefined;
  readonly log: string;
  /** What the daemon said meanwhile. */
  readonly words: string;
  readonly served: Served | undefined;
}

/**
 * In the parent: starts the daemon, and waits until its tree answers or it has ended.
 * @param directory where it will mount
 * @param input what its standard input gives; undefined: nothing
 * @param command what becomes the daemon; this very command unless given
 */
export function startDaemon(
  directory: string,
  input: string | undefined,
  command: readonly [string, ...string[]] = [process.execPath, ...process.execArgv, ...process.argv.slice(1)],
): Promise<DaemonStart> {
  const log = logFileFor(directory);
  const size = sizeOf(log);
  if (size > LONG_LOG) rmSync(log);
  const start = size > LONG_LOG ? 0 : size;
  const fd = openSync(log, 'a', 0o600);
  const [program, ...args] = command;
  const child = spawn(program, args, {
    detached: true,
    stdio: [input === undefined ? 'ignore' : 'pipe', fd, fd, 'ipc'],
    env: { ...process.env, [LOG_VARIABLE]: log },
  });
  closeSync(fd);
  // Who ends before it has read everything has said why.
  child.stdin?.on('error', () => undefined).end(input);
  const stop = (): void => {
    child.kill('SIGTERM');
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  return new Promise((resolve, reject) => {
    const finish = (status: number, served?: Served): void => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      const words = readFileSync(log).subarray(start).toString();
      // What it said before it gave up has been handed on.
      if (!served) forget(log, start);
      resolve({ status, pid: child.pid, log, words, served });
    };
    child.once('error', reject);
    child.once('message', (served) => {
      child.unref();
      finish(EXIT.ok, served as Served);
    });
    child.once('exit', (code, signal) => {
      const killed = signal === null ? undefined : 128 + (constants.signals[signal] ?? 0);
      finish(code || killed || EXIT.failed);
    });
  });
}

function forget(log: string, start: number): void {
  if (start === 0) rmSync(log, { force: true });
  else truncateSync(log, start);
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
