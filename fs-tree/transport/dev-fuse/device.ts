/**
 * /dev/fuse as a source of messages in the event loop.
 *
 * Reading must leave the loop free for timers and signals, and must not cost a
 * change of threads for each request: a blocking readSync returns to nobody,
 * fs.read through the thread pool was measured at two to six times the time.
 * Node waits by epoll for sockets and pipes only, and its public classes refuse
 * a character device. The class behind its pipes does not: `open(fd)` takes any
 * descriptor that epoll takes, `useUserBuffer` lets it read into our buffer
 * (of any size, without a copy). It is reached by way of a child's stderr, as
 * `_handle.constructor`: no deprecated binding, the same from Node 12 to 24.
 * Should a later Node lose it, the device is looked at by a timer instead:
 * correct, but slow.
 *
 * One read gives one whole message. Writing here never waits: replies are taken
 * by the kernel at once, and so are notifications that take no lock. Those that
 * do are written by another thread (see committer.ts).
 */
import { closeSync, constants, openSync, readSync, write, writeSync } from 'node:fs';
import { Message } from './message.js';
import { fuse_in_header } from './protocol.js';

/** How often to look when the event loop cannot wait for the device. */
const LOOK_MS = 1;

/** So many messages without a turn of the event loop, which has timers and signals to see to. */
const AT_ONCE = 256;
/** And for so long: a listing of a full machine takes as long as thousands of others. */
const AT_ONCE_MS = 5;
/** So many between two looks at the clock: one costs a tenth of what a message does. */
const LOOK_EVERY = 4;
/** So many are worth an exception. */
const PAYS = 4;
/** So many by way of the loop, at most, before the next look whether there are more. */
const PASS_MOST = 512;

/** The part of Node's class for pipes that is used. */
interface PipeHandle {
  onread: () => void;
  open(fd: number): number;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  close(): void;
}
export type PipeClass = new (type: number) => PipeHandle;

/** The class behind a child's output pipe, if this Node has it. */
export function pipeClassOf(stream: unknown): PipeClass | undefined {
  const handle = (stream as { _handle?: Partial<PipeHandle> } | null)?._handle;
  const usable = handle?.open && handle.useUserBuffer && handle.readStart;
  return usable ? (handle.constructor as PipeClass) : undefined;
}

export interface DeviceUser {
  /** A whole message is in the buffer. Must not throw. */
  onMessage(): void;
  /** Whether everything is answered that can be without more messages: nothing runs on in promises. */
  readonly idle: boolean;
  /** The connection is over: unmounted, or aborted. */
  onEnd(): void;
}

export class FuseDevice {
  readonly fd: number;
  readonly incoming: Message;
  #user: DeviceUser | undefined;
  #handle: PipeHandle | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** So many messages come by way of the event loop before the next look; so many of them are still to come. */
  #pass = 1;
  #passing = 0;
  /** Messages that other threads have yet to write. */
  #elsewhere = 0;

  /**
   * @param bufferSize for the longest message
   * @param fd of the open device, if somebody else has opened it, without waiting (O_NONBLOCK)
   * @throws ENOENT, EACCES and what else open(2) says
   */
  constructor(bufferSize: number, fd?: number) {
    this.incoming = new Message(bufferSize);
    this.fd = fd ?? openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK);
  }

  /** Begins to read; only once it is mounted. @param Pipe undefined: looks with a timer */
  start(Pipe: PipeClass | undefined, user: DeviceUser): void {
    this.#user = user;
    if (!Pipe || !this.#waitWith(Pipe)) this.#timer = setInterval(() => this.#drain(), LOOK_MS);
  }

  /** @throws ENOENT the request is gone (its client was killed) @throws ENODEV @throws EBADF it is closed */
  write(bytes: Uint8Array, length: number): void {
    // The number may be somebody else's by now.
    if (this.#closed) throw Object.assign(new Error('closed'), { code: 'EBADF' });
    writeSync(this.fd, bytes, 0, length);
  }

  /** By one of libuv's threads, which may have to wait. @param done called in any case */
  writeElsewhere(message: Uint8Array, done: () => void): void {
    if (this.#closed) {
      process.nextTick(done);
      return;
    }
    this.#elsewhere++;
    write(this.fd, message, 0, message.length, null, () => {
      this.#elsewhere--;
      if (this.#closed && this.#elsewhere === 0) this.#release();
      done();
    });
  }

  /** Ends the connection, unless another thread still writes: then as soon as it has. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#user = undefined;
    clearInterval(this.#timer);
    // A thread that has yet to write must not meet another file of that number.
    if (this.#elsewhere === 0) this.#release();
  }

  #release(): void {
    if (this.#handle) this.#handle.close();
    else closeSync(this.fd);
  }

  #waitWith(Pipe: PipeClass): boolean {
    const handle = new Pipe(0);
    if (handle.open(this.fd) !== 0) return false;
    handle.useUserBuffer(this.incoming.bytes);
    const { incoming } = this;
    const { len } = fuse_in_header.at;
    handle.onread = () => {
      // What is called for an error leaves the buffer alone.
      if (incoming.u32(len) === 0) {
        this.#failed(Pipe);
        return;
      }
      this.#user?.onMessage();
      this.#readOn();
      incoming.setU32(len, 0);
    };
    this.#handle = handle;
    return handle.readStart() === 0;
  }

  /**
   * Goes on with messages that are there already, without a turn of the event loop for each.
   *
   * They are where clients are many, and where the client runs on our CPU: it
   * does so as soon as it has its answer, and has asked for the next when we
   * get the CPU back. The look that finds no more costs an exception: where it
   * did not pay, twice as many messages as last time come by way of the loop.
   */
  #readOn(): void {
    if (this.#passing > 0) {
      this.#passing--;
      return;
    }
    const { bytes } = this.incoming;
    const { length } = bytes;
    const end = performance.now() + AT_ONCE_MS;
    for (let n = 1; n < AT_ONCE && this.#user?.idle; n++) {
      if (n % LOOK_EVERY === 0 && performance.now() > end) return;
      try {
        readSync(this.fd, bytes, 0, length, null);
      } catch {
        // EAGAIN; whatever else it is, the loop will see it too.
        this.#pass = n <= PAYS ? Math.min(2 * this.#pass, PASS_MOST) : 1;
        this.#passing = this.#pass;
        return;
      }
      this.#user.onMessage();
    }
  }

  /** libuv reads no more from a handle that has seen an error: another one, if it was none for long. */
  #failed(Pipe: PipeClass): void {
    if (this.#drain() && !this.#waitWith(Pipe)) this.#timer = setInterval(() => this.#drain(), LOOK_MS);
  }

  /** Reads what is there, but not for ever: clients may be as fast as this. @returns whether the connection lives */
  #drain(): boolean {
    const end = performance.now() + AT_ONCE_MS;
    for (let n = 0; n < AT_ONCE && performance.now() < end; n++) {
      try {
        readSync(this.fd, this.incoming.bytes, 0, this.incoming.bytes.length, null);
      } catch (e) {
        const { code } = e as NodeJS.ErrnoException;
        if (code === 'EAGAIN') return true;
        // ENOENT: the client was killed while its request was being read.
        if (code === 'EINTR' || code === 'ENOENT') continue;
        const user = this.#user;
        this.close();
        user?.onEnd();
        return false;
      }
      this.#user?.onMessage();
      this.incoming.setU32(fuse_in_header.at.len, 0);
      if (this.#closed) return false;
    }
    return true;
  }
}
