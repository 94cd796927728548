/**
 * What open files and directories are called by: small numbers, used again.
 *
 * A Map from numbers that are never used again would do the same, but grows and
 * shrinks with each file that a client opens and closes.
 */
import { KernelError } from '../../../lib/errno.js';

export class Handles<T> {
  readonly #all: (T | undefined)[] = [];
  readonly #free: number[] = [];

  get count(): number {
    return this.#all.length - this.#free.length;
  }

  add(what: T): number {
    const handle = this.#free.pop() ?? this.#all.length;
    this.#all[handle] = what;
    return handle;
  }

  /** @throws EBADF */
  get(handle: number): T {
    const what = this.#all[handle];
    if (what === undefined) throw new KernelError('EBADF');
    return what;
  }

  /** @throws EBADF */
  delete(handle: number): T {
    const what = this.get(handle);
    this.#all[handle] = undefined;
    this.#free.push(handle);
    return what;
  }
}
