/**
 * An open file: one buffered content, one store per write.
 *
 * Mirrors fs/kernfs/file.c and the parts of fs/seq_file.c that a file with
 * a single record uses: content is made when a read starts at offset 0 or
 * elsewhere than the last one ended, and everything else comes from the buffer.
 * Two locks as there: one for the buffer (seq_file's), inside it one around
 * show and store (kernfs_open_file.mutex). Leaves out mmap.
 */
import { KernelError } from '../../lib/errno.js';
import { after, ending, type Soon } from '../../lib/sync/soon.js';
import { NodeEvents } from './events.js';
import type { FileNode, IoContext } from './node.js';
import { PAGE_SIZE } from './node.js';

export const POLLPRI = 0x2;
export const POLLERR = 0x8;
/** POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM. */
export const DEFAULT_POLLMASK = 0x145;

/** Users one after the other, in order of arrival. */
class Turns {
  #busy = false;
  #waiting: (() => void)[] | undefined;

  /** Runs `body` once it is its turn: at once if nobody is before it. */
  inTurn<T>(body: () => Soon<T>): Soon<T> {
    return after(this.#take(), () => ending(body, () => this.#leave()));
  }

  /** Undefined when it was free. */
  #take(): Promise<void> | undefined {
    if (this.#busy)
      return new Promise((go) => {
        this.#waiting ??= [];
        this.#waiting.push(go);
      });
    this.#busy = true;
    return undefined;
  }

  #leave(): void {
    const next = this.#waiting?.shift();
    if (next) next();
    else this.#busy = false;
  }
}

export class OpenFile {
  readonly #buffer = new Turns();
  readonly #handlers = new Turns();
  /** The buffered content, and where in it the next read goes on. */
  #content = '';
  #from = 0;
  /** False while the one record has not been shown (seq_file's index 0). */
  #shown = false;
  /** File offset at which the last read ended. */
  #readPos = 0;
  /** The event up to which the content is known (`kernfs_open_file.event`); none before the first show. */
  #seenEvent = 0;

  constructor(
    readonly node: FileNode,
    readonly readable: boolean,
    readonly writable: boolean,
    /** Counts the events of nodes. */
    private readonly events: NodeEvents = new NodeEvents(),
  ) {}

  /**
   * `seq_read_iter`: at most `length` bytes at `offset`.
   * @throws EBADF, ENODEV, EIO, or what show throws; the buffer is then as before
   */
  read(ctx: IoContext, offset: number, length: number): Soon<string> {
    if (!this.readable) throw new KernelError('EBADF');
    if (length === 0) return '';
    return this.#buffer.inTurn(() =>
      after(this.#readLocked(ctx, offset, length), (bytes) => {
        this.#readPos += bytes.length;
        return bytes;
      }),
    );
  }

  #readLocked(ctx: IoContext, offset: number, length: number): Soon<string> {
    if (offset === 0) this.#rewind();
    return after(offset === this.#readPos ? undefined : this.#traverse(ctx, offset), () => {
      if (this.#from < this.#content.length) {
        const bytes = this.#take(length);
        if (bytes.length > 0) return bytes;
      }
      return after(this.#nextRecord(ctx), () => this.#take(length));
    });
  }

  /** Forgets the content: the next read makes it again. */
  #rewind(): void {
    this.#shown = false;
    this.#content = '';
    this.#from = 0;
  }

  #take(length: number): string {
    const bytes = this.#content.slice(this.#from, this.#from + length);
    this.#from += bytes.length;
    return bytes;
  }

  /** `traverse`: makes the content anew and goes to `offset` in it. */
  #traverse(ctx: IoContext, offset: number): Soon<void> {
    this.#rewind();
    this.#readPos = 0;
    if (offset > 0) return this.#skip(ctx, offset);
  }

  async #skip(ctx: IoContext, offset: number): Promise<void> {
    try {
      await this.#nextRecord(ctx);
      this.#from = Math.min(offset, this.#content.length);
      this.#readPos = offset;
    } catch (e) {
      this.#rewind();
      throw e;
    }
  }

  /** Shows the one record, or finds that there is no other: both need the node to be there. */
  #nextRecord(ctx: IoContext): Soon<void> {
    return this.#inside(ctx, () => {
      this.#content = '';
      this.#from = 0;
      if (this.#shown) return;
      const { show, unlimited } = this.node;
      if (!show) throw new KernelError('EIO');
      this.#seenEvent = this.events.count(this.node);
      return after(ctx.intercept ? ctx.intercept.show(this.node, ctx, show) : show(ctx), (text) => {
        this.#content = unlimited ? text : text.slice(0, PAGE_SIZE - 1);
        this.#shown = true;
      });
    });
  }

  /**
   * `kernfs_fop_write_iter` and `sysfs_kf_write`: one write is one store, the offset does not matter.
   * @returns how many bytes were taken, at most a page
   * @throws EBADF, ENODEV, EIO, or what store throws
   */
  async write(ctx: IoContext, text: string, offset = 0): Promise<number> {
    if (!this.writable) throw new KernelError('EBADF');
    const passed = this.node.unlimited ? text : text.slice(0, PAGE_SIZE);
    // After a failed write the file position has not moved: the reply is then at the old one.
    let moved = 0;
    let answer: string | undefined;
    const withReply: IoContext = {
      task: ctx.task,
      caller: ctx.caller,
      reply: (given) => {
        answer = given;
      },
    };
    return this.#inside(ctx, async () => {
      if (passed.length === 0) return 0;
      const { store } = this.node;
      if (!store) throw new KernelError('EIO');
      try {
        const stored = ctx.intercept
          ? ctx.intercept.store(this.node, passed, withReply, store)
          : store(passed, withReply);
        moved = (await stored) ?? passed.length;
        return moved;
      } finally {
        if (answer !== undefined) this.#answer(answer, offset + moved);
      }
    });
  }

  /** `kernfs_fop_poll`: always readable and writable; with POLLERR and POLLPRI when there is news, or no node. */
  poll(): number {
    const news = !this.node.alive || this.#seenEvent !== this.events.count(this.node);
    return news ? DEFAULT_POLLMASK | POLLERR | POLLPRI : DEFAULT_POLLMASK;
  }

  /** Fills the buffer as if the last read had ended at `position`, with `text` still to come. */
  #answer(text: string, position: number): void {
    this.#content = text;
    this.#from = 0;
    this.#shown = true;
    this.#readPos = position;
  }

  /** Runs a handler: one at a time in this open file, with an active reference of the node. */
  #inside<T>(ctx: IoContext, handler: () => Soon<T>): Soon<T> {
    return this.#handlers.inTurn(() => {
      this.node.enter(ctx.task);
      return ending(handler, () => this.node.leave(ctx.task));
    });
  }
}

/** lseek(2) `whence`. */
export type Whence = 'set' | 'cur' | 'end' | 'data' | 'hole';

/** s_maxbytes of sysfs: MAX_NON_LFS. */
const MAX_OFFSET = 0x7fff_ffff;

/**
 * `generic_file_llseek`: the new file position.
 * @throws EINVAL, ENXIO
 */
export function seek(position: number, offset: number, whence: Whence, size: number): number {
  let target = offset;
  if (whence === 'cur') target += position;
  if (whence === 'end') target += size;
  if (whence === 'data' || whence === 'hole') {
    if (offset < 0 || offset >= size) throw new KernelError('ENXIO');
    if (whence === 'hole') target = size;
  }
  if (target < 0 || target > MAX_OFFSET) throw new KernelError('EINVAL');
  return target;
}
