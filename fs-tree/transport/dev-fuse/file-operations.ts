/**
 * Operations on open files.
 */
import { constants } from 'node:fs';
import { KernelError } from '../../../lib/errno.js';
import type { OpenFile, Whence } from '../../kernfs/open-file.js';
import { O_ACCMODE, O_DIRECT } from '../../ops.js';
import { putOpen } from './encode.js';
import { type Exchange, IN, type OperationTable, OUT, SOMEBODY } from './exchange.js';
import { Handles } from './handles.js';
import { from } from './message.js';
import * as P from './protocol.js';
import { FOPEN } from './protocol.js';

const WHENCE: readonly Whence[] = ['set', 'cur', 'end', 'data', 'hole'];

interface Opened {
  readonly file: OpenFile;
  /** Ends the watch that a poll has asked for. */
  unwatch: (() => void) | undefined;
}

export class FileOperations {
  readonly #x: Exchange;
  readonly #files = new Handles<Opened>();
  /** Threads that were told to go along their path again, and have not come to its end. */
  readonly #sentBack = new Set<number>();
  readonly table: OperationTable = {
    OPEN: () => this.#open(),
    READ: () => this.#read(),
    WRITE: () => this.#write(),
    RELEASE: () => this.#release(),
    LSEEK: () => this.#lseek(),
    POLL: () => this.#poll(),
    IOCTL: () => {
      throw new KernelError('ENOTTY');
    },
  };

  constructor(exchange: Exchange) {
    this.#x = exchange;
  }

  get count(): number {
    return this.#files.count;
  }

  /** @throws EBADF */
  opened(handle: number): OpenFile {
    return this.#files.get(handle).file;
  }

  #open(): number {
    const inode = this.#x.inode();
    if (!inode.node.alive) return this.#openGone();
    this.walked();
    const flags = this.#x.request.u32(from(IN, P.fuse_open_in.at.flags));
    // The value of O_DIRECT depends on the architecture; O_TRUNC comes later, as a SETATTR.
    const file = this.#x.ops.open(
      SOMEBODY,
      inode.node,
      (flags & O_ACCMODE) | (flags & constants.O_DIRECT ? O_DIRECT : 0),
    );
    inode.openedBy = this.#x.pid;
    const handle = this.#files.add({ file, unwatch: undefined });
    return putOpen(this.#x.reply, handle, FOPEN.DIRECT_IO | FOPEN.NOFLUSH | FOPEN.PARALLEL_DIRECT_WRITES);
  }

  /**
   * Its name is about to be taken back. ESTALE makes the kernel go along the path again, and ask for each name: the
   * client is told ENOENT, or opens what came after it. The kernel does so once: who finds what is gone again, because
   * it came and went meanwhile, or had no path but /proc/self/fd, is told so when the name is taken back.
   */
  #openGone(): number {
    const { pid } = this.#x;
    if (this.#sentBack.has(pid))
      return this.#x.later<never>(
        () => {
          throw new KernelError('ENODEV');
        },
        () => 0,
      );
    this.#sentBack.add(pid);
    throw new KernelError('ESTALE');
  }

  /** The thread that asks has come to the end of its path. */
  walked(): void {
    if (this.#sentBack.size > 0) this.#sentBack.delete(this.#x.pid);
  }

  #read(): number {
    const { at } = P.fuse_read_in;
    const { file } = this.#files.get(this.#x.request.u64(from(IN, at.fh)));
    const offset = this.#x.request.u64(from(IN, at.offset));
    // The kernel asks for 32 pages at most, which are not of 4096 bytes everywhere.
    const length = Math.min(this.#x.request.u32(from(IN, at.size)), this.#x.reply.bytes.length - OUT);
    return this.#x.later(
      (caller) => this.#x.ops.readSoon(caller, file, offset, length),
      (bytes) => this.#x.text(bytes),
    );
  }

  #write(): number {
    const { at, size } = P.fuse_write_in;
    const inode = this.#x.inode();
    const { file } = this.#files.get(this.#x.request.u64(from(IN, at.fh)));
    const offset = this.#x.request.u64(from(IN, at.offset));
    const data = IN + size;
    const bytes = this.#x.request.text(data, data + this.#x.request.u32(from(IN, at.size)));
    inode.openedBy = 0;
    return this.#x.later(
      async (caller) => {
        inode.stores++;
        try {
          return await this.#x.ops.write(caller, file, bytes, offset);
        } finally {
          inode.stores--;
        }
      },
      (taken) => {
        this.#x.reply.setU32(from(OUT, P.fuse_write_out.at.size), taken);
        this.#x.reply.setU32(from(OUT, P.fuse_write_out.at.padding), 0);
        return P.fuse_write_out.size;
      },
    );
  }

  #release(): number {
    this.#files.delete(this.#x.request.u64(from(IN, P.fuse_release_in.at.fh))).unwatch?.();
    return 0;
  }

  #lseek(): number {
    const { at } = P.fuse_lseek_in;
    const { file } = this.#files.get(this.#x.request.u64(from(IN, at.fh)));
    const whence = WHENCE[this.#x.request.u32(from(IN, at.whence))];
    if (!whence) throw new KernelError('EINVAL');
    const position = this.#x.ops.lseek(SOMEBODY, file, 0, this.#x.request.i64(from(IN, at.offset)), whence);
    this.#x.reply.setU64(from(OUT, P.fuse_lseek_out.at.offset), position);
    return P.fuse_lseek_out.size;
  }

  #poll(): number {
    const { at } = P.fuse_poll_in;
    const opened = this.#files.get(this.#x.request.u64(from(IN, at.fh)));
    const kh = this.#x.request.u64(from(IN, at.kh));
    if (this.#x.request.u32(from(IN, at.flags)) & P.FUSE_POLL_SCHEDULE_NOTIFY)
      opened.unwatch ??= this.#x.ops.watch(opened.file, () => this.#x.notifier.pollWakeup(kh));
    return this.#x.later(
      (caller) => this.#x.ops.poll(caller, opened.file),
      (events) => {
        this.#x.reply.setU32(from(OUT, P.fuse_poll_out.at.revents), events);
        this.#x.reply.setU32(from(OUT, P.fuse_poll_out.at.padding), 0);
        return P.fuse_poll_out.size;
      },
    );
  }
}
