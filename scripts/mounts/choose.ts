/**
 * The machine that a command is about: `--sys DIR`, else AP_SYSFS, else the
 * only one that is mounted.
 */
import { lstatSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { directoryName } from '../directory.js';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { daemonDied } from './control.js';
import { mounts } from './registry.js';

/** Adds `--sys`; it may also stand in front of the command. */
export function addSysOption(command: Command): Command {
  return command.addOption(
    new Option('--sys <directory>', 'the mounted machine (default: $AP_SYSFS, else the only one mounted)').argParser(
      directoryName,
    ),
  );
}

/**
 * @param sys value of --sys
 * @returns the absolute path of a machine that answers
 * @throws Failure there is none, or which one is not clear
 */
export function chooseMount(sys: string | undefined): string {
  const named = sys ?? (process.env.AP_SYSFS || undefined);
  return named === undefined ? onlyMount() : checkedMount(resolve(named), sys === undefined ? 'AP_SYSFS' : '--sys');
}

function onlyMount(): string {
  const all = mounts();
  const live = all.filter(({ state }) => state === 'live');
  const [first, ...more] = live.map(({ mountPoint }) => mountPoint);
  if (first === undefined) {
    const dead = all.find(({ state }) => state === 'dead');
    if (dead) throw daemonDied(dead.mountPoint);
    throw new Failure('no machine is mounted', {
      status: EXIT.noMachine,
      next: 'mkdir -p sys && ap-sysfs mount sys    mounts the default machine on ./sys',
    });
  }
  if (more.length > 0)
    throw new Failure(`several machines are mounted: ${[first, ...more].join(', ')}`, {
      status: EXIT.noMachine,
      next: `say which with --sys DIR or AP_SYSFS:\n  export AP_SYSFS=${first}`,
    });
  return checkedMount(first, 'the list of mounts');
}

/** Looks whether a tree of ours answers there. */
function checkedMount(path: string, from: string): string {
  try {
    // The mount point of another user refuses even root.
    lstatSync(join(path, 'bus'));
    lstatSync(join(path, 'kernel'));
    return realpathSync(path);
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    if (code === 'ENOTCONN' || code === 'ECONNABORTED') throw daemonDied(path);
    if (code === 'EACCES')
      throw new Failure(`you may not look into ${path}`, {
        status: EXIT.noMachine,
        next: 'whoever mounted it can let others in: ap-sysfs mount DIR --allow-other',
      });
    throw new Failure(`no machine is mounted on ${path} (named by ${from})`, {
      status: EXIT.noMachine,
      next: 'ap-sysfs status    lists what is mounted',
    });
  }
}
