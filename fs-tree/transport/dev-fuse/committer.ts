/**
 * Writes notifications that wait for a directory's lock, off the thread that answers.
 *
 * FUSE_NOTIFY_INVAL_ENTRY takes the directory's lock (fs/fuse/dir.c
 * fuse_reverse_inval_entry). A client in a lookup, a listing, an open with
 * O_CREAT or a chmod may hold it while it waits for us: whoever answers must
 * not wait for the lock. So such messages are written by libuv's threads, as
 * many at a time as there are, in no particular order among themselves. What
 * must come after them (the reply of the store that changed the tree, for
 * instance) is done when all those before it are through.
 *
 * No circle can close: what waits here holds no directory's lock (see
 * server.ts, which replies may be asked to wait), and what holds one waits for
 * an answer that never waits here.
 */
import type { FuseDevice } from './device.js';

/** Messages, and what is to be done once they and all before them are written. */
interface Batch {
  left: number;
  readonly after: (() => void)[];
}

/** How many are handed to libuv at once; its four threads take them one by one. */
const IN_WORK = 64;

export class Committer {
  readonly #batches: Batch[] = [];
  readonly #unwritten: { readonly message: Buffer; readonly batch: Batch }[] = [];
  #next = 0;
  #inWork = 0;

  constructor(private readonly device: FuseDevice) {}

  /** Everything that was given is written. */
  get idle(): boolean {
    return this.#batches.length === 0;
  }

  write(message: Buffer): void {
    let batch = this.#batches.at(-1);
    if (!batch || batch.after.length > 0) this.#batches.push((batch = { left: 0, after: [] }));
    batch.left++;
    this.#unwritten.push({ message, batch });
    this.#work();
  }

  /** Does it when everything given so far is written: at once if that is so already. */
  after(body: () => void): void {
    const last = this.#batches.at(-1);
    if (last) last.after.push(body);
    else body();
  }

  /** Resolves when nothing is left, also of what is given meanwhile. */
  async drained(): Promise<void> {
    while (!this.idle) await new Promise<void>((resolve) => this.after(resolve));
  }

  #work(): void {
    while (this.#inWork < IN_WORK && this.#next < this.#unwritten.length) {
      const { message, batch } = this.#unwritten[this.#next++] as { message: Buffer; batch: Batch };
      this.#inWork++;
      // What the kernel says does not matter: it knows no such name (any more), or nothing is mounted any more.
      this.device.writeElsewhere(message, () => this.#written(batch));
    }
    if (this.#next < this.#unwritten.length) return;
    this.#unwritten.length = 0;
    this.#next = 0;
  }

  #written(batch: Batch): void {
    this.#inWork--;
    batch.left--;
    this.#work();
    while (this.#batches[0]?.left === 0) for (const body of this.#batches.shift()?.after ?? []) body();
  }
}
