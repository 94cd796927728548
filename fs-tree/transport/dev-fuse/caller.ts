/**
 * Who sent a request.
 *
 * The host's kernel has checked permission bits already (default_permissions),
 * by groups and capabilities that a request does not tell: so the caller may do
 * everything here. Its name is looked up when a log line needs it, its signal
 * is made when a wait looks at it.
 */
import { readFileSync } from 'node:fs';
import type { Caller } from '../../kernfs/node.js';

const NOBODY: readonly number[] = [];

export class RequestCaller implements Caller {
  readonly uid = 0;
  readonly gid = 0;
  readonly groups = NOBODY;
  #interrupted = false;
  #controller: AbortController | undefined;

  /** @param pid its thread, as seen from the mount's pid name space; 0: it is not in it */
  constructor(readonly pid: number) {}

  /** Name of the program. /proc answers without asking any mounted tree. */
  get comm(): string {
    try {
      return readFileSync(`/proc/${this.pid}/comm`, 'latin1').trimEnd();
    } catch {
      return '?';
    }
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#interrupted) this.#controller.abort();
    return this.#controller.signal;
  }

  /** A signal is pending for it. */
  interrupt(): void {
    this.#interrupted = true;
    this.#controller?.abort();
  }
}
