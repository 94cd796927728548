/**
 * The recipe `namespace`: the command sees the machine in /sys itself.
 *
 * `unshare` makes name spaces for processes and mounts (for an ordinary user
 * first one for users, in which he may mount). The process that starts it holds
 * the leash of init.sh: whatever ends this process, ends them.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants as os } from 'node:os';
import type { Writable } from 'node:stream';
import { mayUseFuse } from '../../fs-tree/transport/access.js';
import { EXIT, MOUNT_EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { uplink } from './helper.js';
import { daemonCommand, environment, packaged, type RunPlan } from './plan.js';

/** Directories that exist without being looked into: the scratch of a run covers one of them. */
const STAGES = ['/sys/fs/fuse/connections', '/sys/kernel/security', '/sys/firmware', '/mnt'];

const isRoot = (): boolean => process.getuid?.() === 0;

/** Options of unshare. */
const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const namespaces = (): string[] => (isRoot() ? NAMESPACES : ['--user', '--map-root-user', ...NAMESPACES]);

/** Why it cannot be done here; undefined: it can. */
export function namespaceProblem(): string | undefined {
  if (!mayUseFuse()) return existsSync('/dev/fuse') ? 'you may not use /dev/fuse' : 'there is no /dev/fuse';
  const { status, error, stderr } = spawnSync('unshare', [...namespaces(), '--', 'true'], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (error) return 'there is no program unshare (package util-linux)';
  return status === 0 ? undefined : stderr.trim().replaceAll('\n', '; ') || `unshare ended with ${status}`;
}

/** @returns the exit status of the command; may not return, if a signal ended it that was meant for all */
export async function runInNamespace(plan: RunPlan): Promise<number> {
  const stage = STAGES.find((path) => existsSync(path));
  if (stage === undefined)
    throw new Failure(`none of ${STAGES.join(', ')} is there`, { status: MOUNT_EXIT.missing, next: 'mkdir /mnt' });
  const [helper, script] = plan.uevents ? uplink() : ['', ''];
  const words = daemonCommand({
    machine: plan.machine.name,
    ...(plan.kernel && { kernel: plan.kernel }),
    directory: `${stage}/sys`,
    transport: 'dev-fuse',
    stage,
    ...(plan.uevents && { uevents: `${stage}/uevents` }),
  });
  const options = [...namespaces(), ...(plan.uevents ? ['--net'] : [])];
  const inside = [packaged('init.sh'), stage, ...words, helper, script, ...ownNumber(plan), ...plan.command];
  const child = spawn('unshare', [...options, '--', 'sh', ...inside], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe', 'pipe'],
    // The folder is of init.sh.
    env: { ...environment('/sys', plan.env), AP_SYSFS_RUNTIME_DIR: '/dev/.ap-sysfs' },
  });
  handOver(child, plan.machine.text);
  return ended(child, child.stdio[3] as Writable);
}

/** Words in front of a command that give the user back the number that he had outside. */
function ownNumber({ asUser }: RunPlan): string[] {
  if (!asUser) return [];
  if (!isRoot())
    return ['unshare', '--user', `--map-user=${process.getuid?.()}`, `--map-group=${process.getgid?.()}`, '--'];
  const { SUDO_UID: uid, SUDO_GID: gid } = process.env;
  if (!uid || !gid)
    throw new Failure('--as-user: root is root inside; who else would it be?', {
      status: EXIT.usage,
      next: 'as a user: ap-sysfs run --as-user -- ..; or: sudo ap-sysfs run --as-user -- ..',
    });
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--'];
}

function handOver(child: ChildProcess, text: string | undefined): void {
  // Who ends before it has read everything has said why.
  (child.stdio[4] as Writable | null)?.on('error', () => undefined).end(text);
}

/** Those that are for the command. What the terminal sends, it sends to the command itself. */
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
const BY_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT'];

/** Waits for the end, and passes on signals meanwhile. @param leash takes their names, one a line */
export function ended(child: ChildProcess, leash: Writable): Promise<number> {
  leash.on('error', () => undefined);
  const met = new Set<string>();
  for (const signal of SIGNALS)
    process.on(signal, () => {
      met.add(signal);
      if (!(BY_TERMINAL.includes(signal) && inForeground())) leash.write(`${signal.slice(3)}\n`);
    });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, killed) => {
      const status = code ?? 128 + (killed ? os.signals[killed] : 0);
      const signal = SIGNALS.find((name) => status === 128 + os.signals[name] && met.has(name));
      if (signal === undefined) return resolve(status);
      // A shell wants to see that it was the signal.
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    });
  });
}

/** Does the terminal send its signals to this process group? */
function inForeground(): boolean {
  // pid (comm) state ppid pgrp session tty_nr tpgid
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return fields[2] === fields[5];
}
