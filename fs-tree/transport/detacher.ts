/**
 * A helper process that takes the mount away when it is told to.
 *
 * It is started before the mount: a child that is started later would inherit
 * /dev/fuse (libfuse opens it without close-on-exec) and keep the mount alive
 * after our death. It ignores our death: a mount whose daemon was killed
 * stays, and the next mount on that directory repairs it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { detachCommand } from './mount-point.js';

export class Detacher {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;

  constructor(mountPoint: string) {
    this.#child = spawn('/bin/sh', ['-c', 'read -r go || exit 0; exec "$@"', 'detach', ...detachCommand(mountPoint)], {
      // Outside the terminal's process group, so that Ctrl-C does not reach it.
      detached: true,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', (code) => resolve(code));
      this.#child.once('error', () => resolve(null));
    });
    this.#child.stdin?.on('error', () => undefined);
    this.#child.unref();
    (this.#child.stdin as Socket | null)?.unref();
  }

  /** Detaches the mount. @returns whether that worked */
  async detach(): Promise<boolean> {
    this.#child.ref();
    this.#child.stdin?.write('go\n');
    return (await this.#ended) === 0;
  }

  /** Not needed after all. */
  dismiss(): void {
    this.#child.stdin?.end();
  }
}
