/**
 * How a command comes to a mount, for users who may not mount themselves.
 *
 * Root mounts in this very process. For others the command starts itself once
 * more: behind fusermount3, which mounts for it (mount-helper.ts), or as root
 * of a user name space, where only a shell that it opens sees the mount. This
 * process then stays as the other one's shadow: signals go on to it, its exit
 * status is ours.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { devFuseProblem } from '../fs-tree/transport/dev-fuse/dev-fuse.js';
import { handedOver, helperCommand, helperProblem } from '../fs-tree/transport/dev-fuse/mount-helper.js';
import { checkDevice, detachCommand, isMounted, prepareMountPoint } from '../fs-tree/transport/mount-point.js';
import { MountError, type TransportChoice } from '../fs-tree/transport/transport.js';
import { MOUNT_EXIT } from './exit-status.js';
import { Failure } from './failure.js';
import { whatNext } from './mounts/what-next.js';

/** Set in the process that is root of a name space: it opens a shell. */
const INSIDE = 'AP_SYSFS_NAME_SPACE';

/** itself: this process mounts, or says why it cannot. */
export type Way = 'itself' | 'fusermount' | 'name space';

export interface Mounting {
  readonly transport: TransportChoice;
  readonly allowOther: boolean;
}

/** @param shell whether a mount that only a shell of ours sees will do @throws Failure if there is no way at all */
export async function wayToMount({ transport }: Pick<Mounting, 'transport'>, shell: boolean): Promise<Way> {
  if (transport === 'fuse-native' || devFuseProblem() === undefined || process.getuid?.() === 0) return 'itself';
  if (helperProblem() === undefined) return 'fusermount';
  if (transport === 'auto' && (await addonLoads())) return 'itself';
  const inside = nameSpaceProblem();
  if (shell && inside === undefined) return 'name space';
  throw new Failure(`this user cannot mount: ${helperProblem()}; nor does fuse-native load`, {
    status: MOUNT_EXIT['no-helper'],
    next: `${inside === undefined ? 'ap-sysfs start DIR    opens a shell in which a machine is mounted\n' : ''}ap-sysfs doctor       says what is missing`,
  });
}

async function addonLoads(): Promise<boolean> {
  const { addonProblem } = await import('../fs-tree/transport/fuse-native.js');
  return addonProblem() === undefined;
}

function nameSpaceProblem(): string | undefined {
  const { status, stderr, error } = spawnSync('unshare', ['-rm', 'true'], { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

/** This command, as it was typed. */
const itself = (): string[] => [process.execPath, ...process.execArgv, ...process.argv.slice(1)];

/**
 * This command once more, behind fusermount3.
 * @returns the command, and what takes the mount away should that fail
 * @throws Failure
 */
export async function behindFusermount(
  directory: string,
  { allowOther }: Mounting,
): Promise<{ readonly command: [string, ...string[]]; readonly cleanUp: () => void }> {
  try {
    checkDevice();
    const path = await prepareMountPoint(directory, (line) => process.stderr.write(`ap-sysfs: ${line}\n`));
    return { command: helperCommand(path, allowOther, itself(), MOUNT_EXIT.refused), cleanUp: () => takeAway(path) };
  } catch (e) {
    if (!(e instanceof MountError)) throw e;
    const next = whatNext(e, directory);
    throw new Failure(e.message, { status: MOUNT_EXIT[e.reason], ...(next !== undefined && { next }) });
  }
}

/** Whoever was to serve it has ended before it could, or was killed. */
function takeAway(path: string): void {
  if (!isMounted(path)) return;
  const [command, ...args] = detachCommand(path);
  spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], cwd: '/' });
}

/** Runs this command once more in the foreground, that way. @returns its exit status @throws Failure */
export async function launch(way: Exclude<Way, 'itself'>, directory: string, choices: Mounting): Promise<number> {
  if (way === 'name space') return launchInside();
  const { command, cleanUp } = await behindFusermount(directory, choices);
  const [program, ...args] = command;
  // In a session of its own: a Ctrl-C must not meet it twice. The channel tells it of our end.
  const child = spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], detached: true });
  const status = await shadow(child, ['SIGINT', 'SIGTERM', 'SIGHUP']);
  cleanUp();
  return status;
}

async function launchInside(): Promise<number> {
  // Nobody outside sees the mount, so nobody outside is to find it noted.
  const notes = mkdtempSync(join(tmpdir(), 'ap-sysfs-'));
  const child = spawn('unshare', ['-rm', ...itself()], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1', AP_SYSFS_RUNTIME_DIR: notes },
  });
  // Ctrl-C at its terminal it gets by itself.
  process.on('SIGINT', () => undefined);
  const status = await shadow(child, ['SIGTERM', 'SIGHUP']);
  rmSync(notes, { recursive: true, force: true });
  return status;
}

function shadow(child: ChildProcess, signals: readonly NodeJS.Signals[]): Promise<number> {
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

/** In the process behind fusermount3: who started it is gone, so are we. */
export function endWithLauncher(): void {
  if (!handedOver() || !process.channel) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}

/** Is this process root of a name space for a shell? */
export const isInside = (): boolean => process.env[INSIDE] !== undefined;

/** The user's shell in the mount; its end is the machine's end. */
export function openShell(mountPoint: string): void {
  const { [INSIDE]: _, ...env } = process.env;
  // The change of directory is the shell's: this process waits until its child has begun, and could not answer it.
  const shell = process.env.SHELL || '/bin/sh';
  const child = spawn('/bin/sh', ['-c', 'cd "$1" && exec "$2"', 'sh', mountPoint, shell], {
    cwd: '/',
    stdio: 'inherit',
    env: { ...env, AP_SYSFS: mountPoint },
  });
  child.once('exit', () => process.kill(process.pid, 'SIGTERM'));
}
