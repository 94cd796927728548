/**
 * Requests in, one reply each out: the conversation with the kernel.
 *
 * Says hello (FUSE_INIT), hands each request to its operation, answers at once
 * or when a handler that waits has ended. A FUSE_INTERRUPT is a signal for the
 * caller of a request that waits: interruptible waits end with EINTR, the
 * others do not look at it. A reply is never sent twice, whatever happens.
 *
 * Replies of reads, writes and polls go after the names that were taken back before
 * (committer.ts): who learns of a change by them finds nothing older. Nothing
 * else may wait for that: lookups, listings, changes of attributes and refused
 * new names are asked with a directory's lock in hand.
 */
import { ERRNO, isKernelError, KernelError } from '../../../lib/errno.js';
import type { Soon } from '../../../lib/sync/soon.js';
import type { Ops } from '../../ops.js';
import { RequestCaller } from './caller.js';
import { Committer } from './committer.js';
import type { DeviceUser, FuseDevice } from './device.js';
import { DirectoryOperations } from './directory-operations.js';
import { Exchange, IN, type Later, NO_REPLY, type Operation, OUT } from './exchange.js';
import { FileOperations } from './file-operations.js';
import { Inodes } from './inodes.js';
import { Lookups } from './lookups.js';
import { from, Message } from './message.js';
import { NameOperations } from './name-operations.js';
import { NodeOperations } from './node-operations.js';
import { Notifier } from './notifier.js';
import {
  FUSE,
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  FUSE_MIN_READ_BUFFER,
  fuse_in_header,
  fuse_init_in,
  fuse_init_out,
  fuse_interrupt_in,
  fuse_out_header,
  fuse_write_in,
  INIT_FLAGS,
  OLDEST_MINOR_VERSION,
} from './protocol.js';

/** The longest write(2) that comes as one request, and the longest read: 32 pages, what a request holds unasked. */
const MAX_TRANSFER = 32 * 4096;
export const READ_BUFFER = Math.max(FUSE_MIN_READ_BUFFER, IN + fuse_write_in.size + MAX_TRANSFER);

/** Releases wait for nobody: how many the kernel may send without an answer. */
const MAX_BACKGROUND = 1024;

/** Linux 5.10; from 5.8 on a reply with attributes does not undo a notification that has overtaken it. */
const VERSIONED_ATTR = 32;

const WANTED =
  INIT_FLAGS.BIG_WRITES |
  INIT_FLAGS.PARALLEL_DIROPS |
  INIT_FLAGS.ABORT_ERROR |
  INIT_FLAGS.DO_READDIRPLUS |
  INIT_FLAGS.READDIRPLUS_AUTO;

/** A request in work whose handler waits. */
interface Waiting {
  readonly caller: RequestCaller;
  readonly end: (error: number) => void;
}

export interface ServerOptions {
  readonly ops: Ops;
  readonly device: FuseDevice;
  /** The kernel may remember names: there is somebody to free it should we be killed (guardian.ts). */
  readonly names: boolean;
  /** The kernel has said hello, or cannot be talked to. */
  readonly onHello: (problem?: string) => void;
  readonly onEnd: () => void;
  readonly onBug: (error: unknown) => void;
}

export class FuseServer implements DeviceUser {
  readonly #options: ServerOptions;
  readonly #in: Message;
  readonly #out = new Message(OUT + MAX_TRANSFER);
  readonly #committer: Committer;
  readonly #notifier: Notifier;
  readonly #files: FileOperations;
  readonly #lookups: Lookups;
  /** By their numbers. */
  readonly #table: (Operation | undefined)[] = [];
  readonly inodes: Inodes;
  readonly #waiting = new Map<number, Waiting>();
  #quitting = false;
  answered = 0;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#in = options.device.incoming;
    this.#committer = new Committer(options.device, () => this.#notifier.expireAll());
    this.#notifier = new Notifier(options.device, this.#committer, options.ops.attrs);
    this.inodes = new Inodes(options.ops.root, this.#notifier);
    this.#notifier.inodes = this.inodes;
    const later: Later = (body, put) => this.#later(body, put);
    const exchange = new Exchange(options.ops, this.inodes, this.#notifier, this.#in, this.#out, later);
    this.#files = new FileOperations(exchange);
    this.#lookups = new Lookups(exchange);
    const dirs = new DirectoryOperations(exchange, this.#lookups);
    const nodes = new NodeOperations(exchange, this.#lookups, this.#files, dirs);
    for (const { table } of [this.#files, nodes, dirs, new NameOperations(exchange)])
      for (const [name, operation] of Object.entries(table)) this.#table[FUSE[name as keyof typeof FUSE]] = operation;
  }

  get pending(): number {
    return this.#waiting.size;
  }

  get idle(): boolean {
    return this.#waiting.size === 0;
  }

  get openFiles(): number {
    return this.#files.count;
  }

  onEnd(): void {
    this.#options.onEnd();
  }

  onMessage(): void {
    const opcode = this.#in.u32(fuse_in_header.at.opcode);
    const unique = this.#in.u64(fuse_in_header.at.unique);
    try {
      const length = opcode === FUSE.INIT ? this.#hello() : this.#work(opcode);
      if (length !== NO_REPLY) this.#reply(unique, length);
    } catch (e) {
      this.#refuse(unique, this.#errnoOf(e));
    }
  }

  /**
   * A signal for everybody who waits; EINTR for those who do not look at it
   * after `graceMs`. Reads and writes that come after that are EIO.
   */
  async endAll(graceMs: number): Promise<void> {
    this.#quitting = true;
    for (const { caller } of this.#waiting.values()) caller.interrupt();
    if (this.#waiting.size > 0) await new Promise((resolve) => setTimeout(resolve, graceMs));
    for (const { end } of [...this.#waiting.values()]) end(ERRNO.EINTR);
  }

  /** Resolves when nothing is left that another thread has to write. */
  drained(): Promise<void> {
    return this.#committer.drained();
  }

  /** Another thread may wait for a directory's lock now. */
  get committing(): boolean {
    return !this.#committer.idle;
  }

  #work(opcode: number): number {
    if (opcode === FUSE.INTERRUPT) {
      this.#waiting.get(this.#in.u64(from(IN, fuse_interrupt_in.at.unique)))?.caller.interrupt();
      return NO_REPLY;
    }
    // ENOSYS: the kernel does not ask again where that matters (FLUSH, FSYNC, FALLOCATE, STATX), and says what sysfs says.
    const operation = this.#table[opcode];
    if (!operation) throw new KernelError('ENOSYS');
    return operation();
  }

  #hello(): number {
    const major = this.#in.u32(from(IN, fuse_init_in.at.major));
    const minor = this.#in.u32(from(IN, fuse_init_in.at.minor));
    const { at, size } = fuse_init_out;
    const out = this.#out;
    out.clear(OUT, OUT + size);
    out.setU32(from(OUT, at.major), FUSE_KERNEL_VERSION);
    out.setU32(from(OUT, at.minor), FUSE_KERNEL_MINOR_VERSION);
    // A newer kernel asks again, with the version that it is offered.
    if (major > FUSE_KERNEL_VERSION) return size;
    if (major < FUSE_KERNEL_VERSION || minor < OLDEST_MINOR_VERSION) {
      const oldest = `${FUSE_KERNEL_VERSION}.${OLDEST_MINOR_VERSION}`;
      this.#options.onHello(
        `this kernel speaks FUSE ${major}.${minor}; ${oldest} (Linux 5.4) is the oldest that will do`,
      );
      return NO_REPLY;
    }
    const offered = this.#in.u32(from(IN, fuse_init_in.at.flags));
    out.setU32(from(OUT, at.max_readahead), this.#in.u32(from(IN, fuse_init_in.at.max_readahead)));
    out.setU32(from(OUT, at.flags), offered & WANTED);
    out.setU16(from(OUT, at.max_background), MAX_BACKGROUND);
    out.setU16(from(OUT, at.congestion_threshold), MAX_BACKGROUND);
    out.setU32(from(OUT, at.max_write), MAX_TRANSFER);
    out.setU32(from(OUT, at.time_gran), 1);
    this.#lookups.attrs = minor >= VERSIONED_ATTR;
    this.#lookups.names = this.#options.names;
    this.#options.onHello();
    return size;
  }

  /**
   * Answers as soon as the work has ended, or with EINTR when everybody is sent away.
   * @param put writes the result's bytes into the reply, returns their number
   */
  #later<T>(body: (caller: RequestCaller) => Soon<T>, put: (result: T) => number): number {
    if (this.#quitting) throw new KernelError('EIO');
    const caller = new RequestCaller(this.#in.u32(fuse_in_header.at.pid));
    const unique = this.#in.u64(fuse_in_header.at.unique);
    // Refusals too tell of changes: they wait for the committer as results do.
    const soon = this.#committer.idle ? body(caller) : this.#inPromise(() => body(caller));
    if (!(soon instanceof Promise) && this.#committer.idle) return put(soon);
    const result = Promise.resolve(soon);
    // What is taken back before the reply is due goes out before it.
    const once = (reply: () => void): void => {
      if (this.#waiting.delete(unique)) this.#committer.after(reply);
    };
    const end = (error: number): void => once(() => this.#refuse(unique, error));
    this.#waiting.set(unique, { caller, end });
    result.then(
      (value) => once(() => this.#reply(unique, put(value))),
      (e: unknown) => end(this.#errnoOf(e)),
    );
    return NO_REPLY;
  }

  async #inPromise<T>(body: () => Soon<T>): Promise<T> {
    return body();
  }

  #refuse(unique: number, errno: number): void {
    this.#send(unique, -errno, 0);
  }

  #reply(unique: number, length: number): void {
    this.#send(unique, 0, length);
  }

  #send(unique: number, error: number, length: number): void {
    this.#notifier.flush();
    const { at } = fuse_out_header;
    const out = this.#out;
    out.setU32(at.len, OUT + length);
    out.setI32(at.error, error);
    out.setU64(at.unique, unique);
    this.answered++;
    try {
      this.#options.device.write(out.bytes, OUT + length);
    } catch (e) {
      const { code } = e as NodeJS.ErrnoException;
      // Nobody waits for it any more, or nothing is mounted any more.
      if (code !== 'ENOENT' && code !== 'ENODEV' && code !== 'EPERM' && code !== 'EBADF') this.#options.onBug(e);
    }
  }

  /** ops lets nothing but KernelError out; what happens here besides is our bug, and still an answer. */
  #errnoOf(e: unknown): number {
    if (isKernelError(e)) return e.code;
    this.#options.onBug(e);
    return ERRNO.EIO;
  }
}
