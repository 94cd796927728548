/**
 * Event counters of a user process, and how the kernel finds them.
 *
 * Mirrors fs/eventfd.c as far as an interrupt set-up needs it.
 */
import { KernelError } from '../errno.js';

export class Eventfd {
  #count = 0;
  readonly #listeners = new Set<() => void>();

  get count(): number {
    return this.#count;
  }

  /** `eventfd_signal`. */
  signal(): void {
    this.#count++;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Reads and clears the counter (does not wait). */
  read(): number {
    const count = this.#count;
    this.#count = 0;
    return count;
  }

  /** What `poll` is for: told at each signal. */
  onSignal(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Open files of the calling process by descriptor. */
export type FileTable = ReadonlyMap<number, object>;

/** `eventfd_ctx_fdget`. @throws EBADF not open; EINVAL something else */
export function eventfdOf(files: FileTable, fd: number): Eventfd {
  const file = files.get(fd);
  if (file === undefined) throw new KernelError('EBADF');
  if (!(file instanceof Eventfd)) throw new KernelError('EINVAL');
  return file;
}
