/**
 * What a run is, once its options are understood.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import type { MachineSource } from '../machine-file/source.js';

export interface RunPlan {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly machine: MachineSource;
  readonly kernel?: KernelVersion;
  /** Keep the user's own number inside. */
  readonly asUser: boolean;
  /** Events by netlink, in a network name space of the run. */
  readonly uevents: boolean;
  readonly env: NodeJS.ProcessEnv;
}

/** A file of the package that is not compiled. */
export const packaged = (name: string): string =>
  fileURLToPath(new URL(`../../../scripts/run/${name}`, import.meta.url));

const DAEMON = fileURLToPath(new URL('./daemon.js', import.meta.url));
const CLI = fileURLToPath(new URL('../ap-sysfs.js', import.meta.url));

/** The program that serves, and its words. */
export const daemonCommand = (words: object): [program: string, script: string, words: string] => [
  process.execPath,
  DAEMON,
  JSON.stringify(words),
];

/**
 * The environment of the command.
 * @param sys where it finds the machine
 */
export function environment(sys: string, base: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return {
    ...base,
    PATH: [packaged('bin'), base.PATH ?? '/usr/local/bin:/usr/bin:/bin'].join(delimiter),
    AP_SYSFS: sys,
    AP_SYSFS_RUN: '1',
    // For the commands of scripts/run/bin.
    AP_SYSFS_NODE: process.execPath,
    AP_SYSFS_CLI: CLI,
    // libudev asks statfs whether /sys is a sysfs.
    SYSTEMD_DEVICE_VERIFY_SYSFS: '0',
  };
}

/** As a shell finds it. @throws Failure with the status that a shell would give */
export function findProgram(name: string, path = process.env.PATH ?? ''): string {
  const folders = name.includes('/') ? [''] : [packaged('bin'), ...path.split(delimiter)];
  let seen = false;
  for (const folder of folders) {
    const file = folder === '' ? name : join(folder, name);
    try {
      if (!statSync(file, { throwIfNoEntry: false })?.isFile()) continue;
      seen = true;
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Perhaps there is another one.
    }
  }
  if (seen) throw new Failure(`${name} may not be executed`, { status: EXIT.notExecutable, next: `chmod +x ${name}` });
  throw new Failure(`${name}: there is no such program`, {
    status: EXIT.notFound,
    next: `ap-sysfs run -- sh -c '${name} ..'    is for words of a shell`,
  });
}
