/**
 * A replay that is ended before its time leaves nothing behind: no process, no mount, no directory.
 *
 * It ends by a signal, or because the process that started it has gone (`watchParent`).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';

export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The file descriptor that ends with the parent. */
export const PARENT_FD = 3;

/** Directories of replays that are under way. */
const directories = new Set<string>();

/** Remembers a replay's directory until the result is called, which also removes it. */
export function remember(directory: string): () => void {
  directories.add(directory);
  return () => {
    directories.delete(directory);
    rmSync(directory, { recursive: true, force: true });
  };
}

/** What a shell says of a process that was ended by this signal. */
export const statusOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

function abandon(status: number): never {
  for (const pid of childrenOf(process.pid)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended.
    }
  }
  for (const directory of directories) {
    // Only then: nobody must walk into a mount whose daemon has gone.
    for (const name of existsSync(directory) ? readdirSync(directory) : [])
      spawnSync('umount', ['-l', join(directory, name, 'sys')], { stdio: 'ignore' });
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
  process.exit(status);
}

export function abandonOnSignals(): void {
  // Also when it comes twice, to the group and from the parent: the second one must not end this halfway.
  for (const signal of SIGNALS) process.on(signal, () => abandon(statusOf(signal)));
  // Who reads the report has gone.
  process.stdout.on('error', () => abandon(1));
}

/** Ends when the parent has gone, however it went. */
export function watchParent(): void {
  const parent = new Socket({ fd: PARENT_FD, readable: true, writable: false });
  parent.on('error', () => undefined);
  parent.on('close', () => abandon(statusOf('SIGHUP')));
  parent.resume();
  parent.unref();
}

/** The children of one of our processes; those of other threads are not asked for. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter((word) => word.trim() !== '')
      .map(Number);
  } catch {
    return [];
  }
}
