/**
 * The control files of a mounted machine, kernel/debug/ap_sim: the only way in
 * which commands talk to it.
 *
 * System calls that wait are made on purpose in this thread: a signal ends the
 * command then as it ends `echo` in a shell.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { ownRunPath } from './registry.js';

/** How a command written to a control file ended. */
export interface Reply {
  readonly stdout: string;
  readonly stderr: string;
  readonly rc: number;
  /** The same as stdout for programs, of commands that have it. */
  readonly data?: unknown;
}

/** Below the mount point. */
export const CONTROL = 'kernel/debug/ap_sim';

export class Control {
  constructor(readonly mountPoint: string) {}

  /** The whole text of a file. @throws Failure */
  read(name: string): string {
    try {
      return readFileSync(this.#path(name), 'utf8');
    } catch (e) {
      throw this.#explained(e);
    }
  }

  /** As read, but undefined if this user may not. */
  readIfAllowed(name: string): string | undefined {
    try {
      return readFileSync(this.#path(name), 'utf8');
    } catch {
      return undefined;
    }
  }

  /** Runs a command line; its refusal is in the reply. @throws Failure the file cannot be used */
  run(name: string, line: string): Reply {
    let fd: number | undefined;
    try {
      fd = openSync(this.#path(name), 'r+');
      writeSync(fd, `json ${line}\n`);
      return JSON.parse(readToEnd(fd)) as Reply;
    } catch (e) {
      throw this.#explained(e);
    } finally {
      if (fd !== undefined) closeQuietly(fd);
    }
  }

  /** What `about` tells, by key. @throws Failure */
  about(): ReadonlyMap<string, string> {
    return byKey(this.read('about'));
  }

  /** The same, but empty if this user may not read it. */
  aboutIfAllowed(): ReadonlyMap<string, string> {
    return byKey(this.readIfAllowed('about') ?? '');
  }

  #path(name: string): string {
    return join(this.mountPoint, CONTROL, name);
  }

  #explained(error: unknown): unknown {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM')
      return new Failure(`the control files of ${this.mountPoint} belong to another user`, {
        next: `be that user (sudo), or mount with --owner ${process.getuid?.()}:${process.getgid?.()}`,
      });
    if (code === 'ENOENT') return new NoMachineThere(this.mountPoint);
    if (code === 'ENOTCONN' || code === 'ECONNABORTED') return daemonDied(this.mountPoint);
    return error;
  }
}

/** Where closing is a request too (fuse-native), it fails on a daemon that has died: what went before tells that, or had all. */
function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // See above.
  }
}

/** Lines `key value`. */
function byKey(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [line.split(' ', 1)[0] ?? '', line.slice(line.indexOf(' ') + 1)]));
}

/** A directory without the files of a machine: there was none, or it was unmounted. */
export class NoMachineThere extends Failure {
  constructor(readonly mountPoint: string) {
    super(`${mountPoint} has no ${CONTROL}: it is no machine of ap-sysfs, or an older one`, {
      status: EXIT.noMachine,
      next: 'ap-sysfs status    lists what is mounted',
    });
  }
}

/** A mount that nobody serves any more. */
export const daemonDied = (mountPoint: string): Failure =>
  new Failure(`the daemon of ${mountPoint} has died`, {
    status: EXIT.noMachine,
    next:
      mountPoint === ownRunPath()
        ? 'end the program or the shell of this run: exit'
        : `ap-sysfs umount ${mountPoint}    takes the dead mount away`,
  });

function readToEnd(fd: number): string {
  const parts: Buffer[] = [];
  const buffer = Buffer.alloc(65_536);
  for (let count: number; (count = readSync(fd, buffer)) > 0; ) parts.push(Buffer.from(buffer.subarray(0, count)));
  return Buffer.concat(parts).toString('utf8');
}
