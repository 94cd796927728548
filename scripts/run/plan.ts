/**
 * What a run is, once its options are understood.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import type { MachineSource } from '../machine-file/source.js';

/** umockdev's library, without its version. */
export const UMOCKDEV = 'libumockdev-preload.so';

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

/** What the recipe env says of a machine. */
export const signposts = (sys: string): NodeJS.ProcessEnv => ({
  SYSFS_ROOT: sys,
  MDEVCTL_ENV_ROOT: dirname(sys),
  APSYSFS_BUSDIR: join(sys, 'bus/ap'),
  APSYSFS_DEVSDIR: join(sys, 'devices/ap'),
  ZCRYPT_CLASSDIR: join(sys, 'class/zcrypt'),
});

/** Without what a run around this one has said of its own machine (recipes env, preload). */
function withoutOuter(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { AP_SYSFS_RUN: run, AP_SYSFS: sys } = env;
  if (!run || !sys) return env;
  const outer: NodeJS.ProcessEnv = { ...signposts(sys), UMOCKDEV_DIR: dirname(sys) };
  const kept = Object.fromEntries(Object.entries(env).filter(([name, value]) => outer[name] !== value));
  // umockdev's library asks for its directory; the one without the other would hide /sys.
  if ('UMOCKDEV_DIR' in env && !('UMOCKDEV_DIR' in kept) && env.LD_PRELOAD !== undefined) {
    kept.LD_PRELOAD = env.LD_PRELOAD.split(':')
      .filter((library) => !library.includes(UMOCKDEV))
      .join(':');
    if (kept.LD_PRELOAD === '') delete kept.LD_PRELOAD;
  }
  return kept;
}

/**
 * The environment of the command.
 * @param sys where it finds the machine
 */
export function environment(sys: string, base: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return {
    ...withoutOuter(base),
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
