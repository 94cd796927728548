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
 * One circle can close. What waits here holds no directory's lock (see
 * server.ts, which replies may be asked to wait), and what holds one waits for
 * an answer that never waits here: but unlink, rename and link wait, with the
 * directory's lock in hand, for the file's, which its writer holds until he has
 * his reply, which comes after what waits for the directory. Most of them get
 * another inode (inodes.ts), not those who looked it up before the store began.
 * So nobody is waited for longer than STUCK_MS: then the kernel is told to
 * believe nothing any more, which takes no lock, and the replies go out.
 */
import type { FuseDevice } from './device.js';

/** Messages, and what is to be done once they and all before them are written. */
interface Batch {
  left: number;
  readonly after: (() => void)[];
}

/** How many are handed to libuv at once; its four threads take them one by one. */
const IN_WORK = 64;

/** Only who waits for us holds a lock for so long. */
const STUCK_MS = 1000;

export class Committer {
  readonly #batches: Batch[] = [];
  readonly #unwritten: { readonly message: Buffer; readonly batch: Batch }[] = [];
  #next = 0;
  #inWork = 0;
  /** Runs while something is to be done after what is not written yet. */
  #watch: NodeJS.Timeout | undefined;

  /** @param expireAll takes everything back that the kernel remembers, without a lock */
  constructor(
    private readonly device: FuseDevice,
    private readonly expireAll: () => void,
  ) {}

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
    if (!last) {
      body();
      return;
    }
    last.after.push(body);
    this.#watch ??= setTimeout(() => this.#stuck(), STUCK_MS);
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
    if (batch === this.#batches[0]) this.#watch?.refresh();
    this.#work();
    while (this.#batches[0]?.left === 0) for (const body of this.#batches.shift()?.after ?? []) body();
    if (!this.idle) return;
    clearTimeout(this.#watch);
    this.#watch = undefined;
  }

  #stuck(): void {
    this.#watch = undefined;
    this.expireAll();
    for (const { after } of this.#batches) for (const body of after.splice(0)) body();
  }
}
