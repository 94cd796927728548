/**
 * Who sent a request.
 *
 * The host's kernel has checked permission bits already (default_permissions),
 * by groups and capabilities that a request does not tell: so the caller may do
 * everything here. Its name is looked up when a log line needs it, its signal
 * is made when a wait looks at it.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Caller } from '../../kernfs/node.js';

const NOBODY: readonly number[] = [];

/** For a name and a newline: at most 15 bytes, of a kernel's thread some more. */
const NAME = Buffer.alloc(128);

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
    // Each store asks: readFileSync would make a buffer of 64 KiB for it, for files in /proc have no size.
    let file: number | undefined;
    try {
      file = openSync(`/proc/${this.pid}/comm`, 'r');
      return NAME.toString('latin1', 0, readSync(file, NAME)).trimEnd();
    } catch {
      return '?';
    } finally {
      if (file !== undefined) closeSync(file);
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
