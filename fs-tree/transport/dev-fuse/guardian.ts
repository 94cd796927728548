/**
 * Frees clients when the daemon is killed at a bad moment.
 *
 * A thread of the daemon may wait for a directory's lock (committer.ts) that a
 * client holds until it is answered. If the daemon is killed just then, that
 * thread cannot end before it has the lock; the device stays open with it, and
 * the client waits for ever. Somebody else must abort the connection then: a
 * shell that sleeps, and is sent a signal by the kernel when the daemon's main
 * thread has ended (PR_SET_PDEATHSIG, set by setpriv(1)). Where threads of the
 * daemon are left after that, it aborts; else the dead mount stays as it is.
 *
 * Without setpriv, or the right to abort, there is no guardian, and then names
 * must not be remembered.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { mayAccess } from '../access.js';
import { connectionOf } from '../mount-point.js';

/** How long setpriv and the shell may take to be there. */
const START_MS = 5000;

/**
 * $1: the daemon, $2: the mount point. The file that aborts comes by stdin, once it is known; the end of stdin is the
 * daemon's end, or its word that it can do without. umount -f aborts whether or not it can then unmount.
 */
const SCRIPT = `
late() {
  sleep 0.5
  for task in /proc/"$1"/task/*; do
    if [ "$task" != /proc/"$1"/task/"$1" ] && [ -e "$task" ]; then
      { echo 1 > "$abort"; } 2> /dev/null || umount -c -i -n -f "$2" 2> /dev/null || umount -f "$2" 2> /dev/null
      exit
    fi
  done
  exit
}
abort=
trap 'late "$@"' HUP
echo ready
read -r abort
read -r end
`;

export class Guardian {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts one; before the mount, or it would hold the device open. @returns undefined: there can be none here */
  static async start(mountPoint: string): Promise<Guardian | undefined> {
    const child = spawn(
      '/bin/sh',
      // The shell looks for setpriv: a program that is not there must not be an exception here.
      ['-c', 'exec setpriv --pdeathsig HUP /bin/sh -c "$@"', 'sh', SCRIPT, 'guardian', String(process.pid), mountPoint],
      { detached: true, cwd: '/', stdio: ['pipe', 'pipe', 'ignore'] },
    );
    const late = AbortSignal.timeout(START_MS);
    const ready = await Promise.race([
      once(child.stdout as Socket, 'data', { signal: late }),
      once(child, 'exit').then(() => undefined),
    ]).catch(() => undefined);
    child.stdin?.on('error', () => undefined);
    child.on('error', () => undefined);
    child.stdout?.destroy();
    child.unref();
    (child.stdin as Socket | null)?.unref();
    if (ready) return new Guardian(child);
    child.kill('SIGKILL');
    return undefined;
  }

  /** Once it is mounted. @returns whether it can do its work */
  watch(mountPoint: string): boolean {
    const abort = `/sys/fs/fuse/connections/${connectionOf(mountPoint)}/abort`;
    const may = isRootOfAll() || mayAccess(abort, constants.W_OK);
    if (may) this.#child.stdin?.write(`${abort}\n`);
    else this.dismiss();
    return may;
  }

  /** This process ends while a thread may wait: to be called when it can wait for nothing any more. */
  alarm(): void {
    this.#child.kill('SIGHUP');
  }

  /** Not needed any more. */
  dismiss(): void {
    this.#child.stdin?.end();
  }
}

/** Root outside of any user name space: whoever may umount -f. */
function isRootOfAll(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    return /^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'utf8'));
  } catch {
    return false;
  }
}
