/**
 * The recipes `env` and `preload`: the machine is mounted on a directory of its
 * own, and the environment brings the command there.
 *
 * The tree stands in DIR/sys, where umockdev's library looks for /sys, and
 * mdevctl (from 1.3) too. If this process is killed the daemon takes the mount
 * away by itself; the command then goes on without it. If both are killed, the
 * next run does that (left-over.ts).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Writable } from 'node:stream';
import { helperCommand } from '../../fs-tree/transport/dev-fuse/mount-helper.js';
import { EXIT, MOUNT_EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { wayToMount } from '../launch.js';
import { HOME_PREFIX, takeAway } from './left-over.js';
import { ended } from './namespace.js';
import { daemonCommand, environment, type RunPlan, signposts } from './plan.js';
import { preloadLibrary } from './recipes.js';

/** @returns the exit status of the command */
export async function runDirectly(plan: RunPlan, preload: boolean): Promise<number> {
  for (const [given, word] of [
    [plan.uevents, '--uevents'],
    [plan.asUser, '--as-user'],
  ] as const)
    if (given)
      throw new Failure(`${word} needs name spaces`, {
        status: EXIT.usage,
        next: 'ap-sysfs doctor    says what they need',
      });
  const home = mkdtempSync(join(tmpdir(), HOME_PREFIX));
  const sys = join(home, 'sys');
  mkdirSync(sys);
  let daemon: ChildProcess | undefined;
  try {
    let status: number;
    [daemon, status] = await startDaemon(plan, sys);
    return status === EXIT.ok ? await runCommand(plan, environmentFor(plan, home, preload)) : status;
  } finally {
    if (daemon) await endOf(daemon);
    takeAway(sys);
    rmSync(home, { recursive: true, force: true });
  }
}

async function endOf(daemon: ChildProcess): Promise<void> {
  daemon.kill('SIGTERM');
  if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit');
}

/** Starts it, and waits until the tree answers. @returns the daemon; its exit status, if it did not get so far */
async function startDaemon(plan: RunPlan, directory: string): Promise<[ChildProcess, number]> {
  const served = daemonCommand({
    machine: plan.machine.name,
    ...(plan.kernel && { kernel: plan.kernel }),
    directory,
    transport: 'auto',
    home: join(directory, '..'),
  });
  const helped = (await wayToMount({ transport: 'auto' }, false)) === 'fusermount';
  const [program, ...words] = helped ? helperCommand(directory, false, served, MOUNT_EXIT.refused) : served;
  const daemon = spawn(program, words, {
    // Outside the terminal's process group: Ctrl-C is for the command. By the channel it learns of our end.
    detached: true,
    stdio: [plan.machine.text === undefined ? 'ignore' : 'pipe', 'pipe', 'inherit', 'ipc'],
  });
  daemon.stdin?.on('error', () => undefined).end(plan.machine.text);
  const ready = new Promise<number>((resolve) => {
    daemon.stdout?.once('data', () => resolve(EXIT.ok));
    daemon.once('exit', (code) => resolve(code ?? EXIT.failed));
  });
  return [daemon, await ready];
}

function environmentFor(plan: RunPlan, home: string, preload: boolean): NodeJS.ProcessEnv {
  const sys = join(home, 'sys');
  const found = { ...environment(sys, plan.env), ...signposts(sys) };
  if (!preload) return found;
  return {
    ...found,
    UMOCKDEV_DIR: home,
    LD_PRELOAD: [preloadLibrary(), found.LD_PRELOAD].filter(Boolean).join(':'),
  };
}

async function runCommand({ command }: RunPlan, env: NodeJS.ProcessEnv): Promise<number> {
  const [program = '', ...words] = command;
  const child = spawn(program, words, { stdio: 'inherit', env });
  // What is written there are names of signals.
  const leash = new PassThrough();
  leash.on('data', (names: Buffer) => {
    for (const name of names.toString().trim().split('\n')) child.kill(`SIG${name}` as NodeJS.Signals);
  });
  return ended(child, leash as Writable);
}
