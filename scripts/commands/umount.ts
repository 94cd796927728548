/**
 * `ap-sysfs umount [DIR]`: ends a machine and takes its tree away; also one
 * whose daemon has died.
 */
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { detachCommand, isMounted } from '../../fs-tree/transport/mount-point.js';
import { directoryName } from '../directory.js';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { examples } from '../help.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { type FoundMount, isAlive, mounts, ownRunPath } from '../mounts/registry.js';
import { print } from '../output/terminal.js';

/** How long a daemon may take to let everybody go. */
const PATIENCE_MS = 10_000;

/** And to end itself after that. */
const PARTING_MS = 3000;

export function addUmount(program: Command): void {
  const command = program
    .command('umount')
    .alias('unmount')
    .summary('end a machine and take its tree away')
    .description('Ends the machine that is mounted on a directory. Whoever waits in one of its files is let go.')
    .argument(
      '[directory]',
      'where it is mounted (default: --sys, else $AP_SYSFS, else the only one mounted)',
      directoryName,
    );
  addSysOption(command);
  examples(command, [
    ['ap-sysfs umount sys', 'the machine on ./sys'],
    ['ap-sysfs umount', 'the only one that is mounted'],
  ]).action((directory: string | undefined, options: { sys?: string }, self: Command) =>
    umount(directory ?? self.optsWithGlobals<{ sys?: string }>().sys ?? options.sys),
  );
}

async function umount(directory: string | undefined): Promise<void> {
  const path = directory === undefined ? onlyOne() : absolute(directory);
  const entry = mounts().find(({ mountPoint }) => mountPoint === path);
  if (!entry && path === ownRunPath())
    throw new Failure(`the machine on ${path} is that of the run you are in, and ends with it`, {
      status: EXIT.unmount,
      next: 'end the program or the shell of that run: exit',
    });
  if (!entry && !isMounted(path))
    throw new Failure(`no machine is mounted on ${path}`, {
      status: EXIT.noMachine,
      next: 'ap-sysfs status    lists what is mounted',
    });
  if (entry && isAlive(entry)) await endDaemon(entry);
  else detach(path);
  // Cleans the list of mounts too.
  mounts();
  print(`ap-sysfs: ${path} is unmounted\n`);
}

/** AP_SYSFS, else the only one, also if its daemon has died. */
function onlyOne(): string {
  const [only, ...more] = mounts();
  return only && more.length === 0 && !process.env.AP_SYSFS ? only.mountPoint : chooseMount(undefined);
}

/** Without touching what may be mounted there. */
function absolute(directory: string): string {
  const path = resolve(directory);
  try {
    return isMounted(path) ? path : join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}

async function endDaemon({ mountPoint, pid, ...entry }: FoundMount): Promise<void> {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (e) {
    throw new Failure(`process ${pid}, which serves ${mountPoint}, cannot be told to end: ${(e as Error).message}`, {
      status: EXIT.unmount,
      next: `be the user who mounted it: sudo ap-sysfs umount ${mountPoint}`,
    });
  }
  const served = { mountPoint, pid, ...entry };
  const until = async (ms: number, done: () => boolean): Promise<void> => {
    for (const end = Date.now() + ms; Date.now() < end && !done(); ) await sleep(20);
  };
  await until(PATIENCE_MS, () => !isMounted(mountPoint));
  await until(PARTING_MS, () => !isAlive(served));
  if (isMounted(mountPoint))
    throw new Failure(`process ${pid} did not take ${mountPoint} away`, {
      status: EXIT.unmount,
      next: `kill -9 ${pid}; ap-sysfs umount ${mountPoint}`,
    });
  // Its tree is gone, it has nothing left to do.
  if (isAlive(served)) process.kill(pid, 'SIGKILL');
}

/** A mount that nobody serves any more, or nobody whom we know. */
function detach(path: string): void {
  const [command, ...args] = detachCommand(path);
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], cwd: '/' });
  if (status === 0 && !isMounted(path)) return;
  throw new Failure(`${path} cannot be taken away${error ? `: ${error.message}` : ''}`, {
    status: EXIT.unmount,
    next: `as root: umount -l ${path}`,
  });
}
