/**
 * Requests that come as paths and file handles, answered by ops.
 *
 * The shape is that of fuse-native's operations: every request ends in exactly
 * one reply (a result, or a negative errno), whatever its handler does. Paths
 * exist only here. The caller is not known at this point: the host's kernel
 * has checked permission bits already, so everything runs as root.
 */
import { ERRNO, isKernelError, KernelError } from '../../lib/errno.js';
import type { Stat } from '../kernfs/inode-attrs.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../kernfs/inode-attrs.js';
import type { Caller, DirNode, Node } from '../kernfs/node.js';
import type { OpenFile } from '../kernfs/open-file.js';
import type { Ops } from '../ops.js';

/** The result, or a negative errno; then what goes with it. */
export type Reply<T = void> = (result: number, value?: T) => void;

const TYPE_BITS = { dir: S_IFDIR, file: S_IFREG, link: S_IFLNK } as const;

/** Highest handle: fuse-native keeps them in 31 bits. */
const MAX_HANDLE = 0x7fff_ffff;

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

/** What readdir fills into a directory entry: the type bits and the inode number matter. */
export interface EntryStat {
  readonly mode: number;
  readonly ino: number;
}

/** fuse-native speaks UTF-8 text; names in the tree are bytes, as latin1 strings. */
const bytesOf = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const textOf = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8');

export class PathRequests {
  readonly #ops: Ops;
  readonly #caller: Caller;
  readonly #quit = new AbortController();
  readonly #files = new Map<number, OpenFile>();
  #lastHandle = 0;
  /** Ends a request that waits for its handler, one entry each. */
  readonly #waiting = new Set<() => void>();
  answered = 0;

  constructor(ops: Ops) {
    this.#ops = ops;
    this.#caller = { uid: 0, gid: 0, groups: [], pid: 1, comm: 'mount', signal: this.#quit.signal };
  }

  get pending(): number {
    return this.#waiting.size;
  }

  get openFiles(): number {
    return this.#files.size;
  }

  /**
   * A signal for everybody who waits in an interruptible place; EINTR for the
   * rest after `graceMs`. Who tries again after that (Python does) gets EIO.
   */
  async endAll(graceMs: number): Promise<void> {
    this.#quit.abort();
    if (this.#waiting.size > 0) await new Promise((resolve) => setTimeout(resolve, graceMs));
    for (const end of [...this.#waiting]) end();
  }

  // What follows has the names and arguments that fuse-native calls.

  getattr = (path: string, reply: Reply<Stat>): void =>
    this.#answer(reply, () => this.#ops.getattr(this.#caller, this.#node(path)));

  readlink = (path: string, reply: Reply<string>): void =>
    this.#answer(reply, () => textOf(this.#ops.readlink(this.#caller, this.#node(path))));

  readdir = (path: string, reply: (result: number, names?: string[], stats?: EntryStat[]) => void): void => {
    const done = (result: number, list?: { names: string[]; stats: EntryStat[] }): void =>
      reply(result, list?.names ?? [], list?.stats ?? []);
    this.#answer(done, () => this.#list(path));
  };

  opendir = (path: string, _flags: number, reply: Reply<number>): void =>
    this.#answer(reply, () => {
      this.#ops.opendir(this.#caller, this.#node(path));
      return 0;
    });

  open = (path: string, flags: number, reply: Reply<number>): void =>
    this.#answer(reply, () => this.#remember(this.#ops.open(this.#caller, this.#node(path), flags)));

  create = (path: string, _mode: number, reply: Reply<number>): void =>
    this.#answer(reply, () => {
      const { dir, name } = this.#parent(path);
      return this.#ops.create(this.#caller, dir, name);
    });

  read = (_path: string, handle: number, into: Buffer, length: number, offset: number, reply: Reply): void =>
    this.#answerLater(reply, async () => {
      const bytes = await this.#ops.read(this.#caller, this.#file(handle), offset, length);
      return () => into.write(bytes, 0, 'latin1');
    });

  write = (_path: string, handle: number, data: Buffer, length: number, offset: number, reply: Reply): void => {
    // A copy, before anything can wait: the buffer belongs to libfuse.
    const bytes = data.toString('latin1', 0, length);
    this.#answerLater(reply, async () => {
      const taken = await this.#ops.write(this.#caller, this.#file(handle), bytes, offset);
      return () => taken;
    });
  };

  release = (_path: string, handle: number, reply: Reply): void =>
    this.#answer(reply, () => {
      this.#files.delete(handle);
    });

  chmod = (path: string, mode: number, reply: Reply): void =>
    this.#answer(reply, () => this.#ops.setattr(this.#caller, this.#node(path), { mode }));

  /** A uid or gid of all ones stays as it is. */
  chown = (path: string, uid: number, gid: number, reply: Reply): void =>
    this.#answer(reply, () =>
      this.#ops.setattr(this.#caller, this.#node(path), {
        ...(uid !== 0xffff_ffff && { uid }),
        ...(gid !== 0xffff_ffff && { gid }),
      }),
    );

  utimens = (path: string, atime: number, mtime: number, reply: Reply): void =>
    this.#answer(reply, () => this.#ops.setattr(this.#caller, this.#node(path), { atime, mtime }));

  truncate = (path: string, size: number, reply: Reply): void =>
    this.#answer(reply, () => this.#ops.setattr(this.#caller, this.#node(path), { size }));

  ftruncate = (_path: string, handle: number, _size: number, reply: Reply): void =>
    this.#answer(reply, () => this.#ops.ftruncate(this.#caller, this.#file(handle)));

  access = (path: string, mask: number, reply: Reply): void =>
    this.#answer(reply, () => this.#ops.access(this.#caller, this.#node(path), mask));

  statfs = (_path: string, reply: Reply<object>): void =>
    this.#answer(reply, () => {
      const { bsize, nameLength } = this.#ops.statfs();
      return { bsize, frsize: bsize, namemax: nameLength };
    });

  mknod = (path: string, mode: number, _dev: number, reply: Reply): void =>
    this.#refuse(path, reply, (dir, name) => this.#ops.mknod(this.#caller, dir, name, mode));

  mkdir = (path: string, _mode: number, reply: Reply): void =>
    this.#refuse(path, reply, (dir, name) => this.#ops.mkdir(this.#caller, dir, name));

  unlink = (path: string, reply: Reply): void =>
    this.#refuse(path, reply, (dir, name) => this.#ops.unlink(this.#caller, dir, name));

  rmdir = (path: string, reply: Reply): void =>
    this.#refuse(path, reply, (dir, name) => this.#ops.rmdir(this.#caller, dir, name));

  symlink = (_text: string, path: string, reply: Reply): void =>
    this.#refuse(path, reply, (dir, name) => this.#ops.symlink(this.#caller, dir, name));

  link = (source: string, path: string, reply: Reply): void =>
    this.#refuse(path, reply, (dir, name) => this.#ops.link(this.#caller, this.#node(source), dir, name));

  rename = (from: string, to: string, reply: Reply): void =>
    this.#refuse(from, reply, (dir, name) => {
      const target = this.#parent(to);
      this.#ops.rename(this.#caller, dir, name, target.dir, target.name);
    });

  setxattr = (path: string, name: string, value: Buffer, _position: number, flags: number, reply: Reply): void => {
    const bytes = value.toString('latin1');
    this.#answer(reply, () =>
      this.#ops.setxattr(this.#caller, this.#node(path), name, bytes, {
        create: (flags & XATTR_CREATE) !== 0,
        replace: (flags & XATTR_REPLACE) !== 0,
      }),
    );
  };

  /** @param into as long as the client's buffer; empty when it asks for the length */
  getxattr(path: string, name: string, into: Buffer, reply: Reply): void {
    this.#answer(
      (result, value) => reply(result < 0 ? result : (value ?? 0)),
      () => fill(into, this.#ops.getxattr(this.#caller, this.#node(path), name)),
    );
  }

  /** @param into as for getxattr */
  listxattr(path: string, into: Buffer, reply: Reply): void {
    this.#answer(
      (result, value) => reply(result < 0 ? result : (value ?? 0)),
      () =>
        fill(
          into,
          this.#ops
            .listxattr(this.#caller, this.#node(path))
            .map((name) => `${name}\0`)
            .join(''),
        ),
    );
  }

  removexattr = (path: string, name: string, reply: Reply): void =>
    this.#answer(reply, () => this.#ops.removexattr(this.#caller, this.#node(path), name));

  flush = (_path: string, _handle: number, reply: Reply): void => this.#answer(reply, () => undefined);

  fsync = (_path: string, _datasync: number, _handle: number, reply: Reply): void =>
    this.#answer(reply, () => undefined);

  fsyncdir = (_path: string, _datasync: number, _handle: number, reply: Reply): void =>
    this.#answer(reply, () => {
      throw new KernelError('EINVAL');
    });

  releasedir = this.flush;

  #node(path: string): Node {
    let node: Node = this.#ops.root;
    for (const name of path.split('/')) if (name !== '') node = this.#ops.lookup(this.#caller, node, bytesOf(name));
    return node;
  }

  #parent(path: string): { dir: DirNode; name: string } {
    const at = path.lastIndexOf('/');
    const dir = this.#node(path.slice(0, at));
    if (dir.kind !== 'dir') throw new KernelError('ENOTDIR');
    return { dir, name: bytesOf(path.slice(at + 1)) };
  }

  #list(path: string): { names: string[]; stats: EntryStat[] } {
    const names = ['.', '..'];
    const stats: EntryStat[] = [];
    const dir = this.#findDir(path);
    const above = path === '/' ? undefined : this.#findDir(path.slice(0, path.lastIndexOf('/')));
    for (const dots of [dir, above ?? dir]) stats.push({ mode: S_IFDIR, ino: dots?.ino ?? 0 });
    if (!dir) return { names, stats };
    for (const entry of this.#ops.readdir(this.#caller, dir)) {
      names.push(textOf(entry.name));
      stats.push({ mode: TYPE_BITS[entry.kind] & S_IFMT, ino: entry.ino });
    }
    return { names, stats };
  }

  /** An open directory may be gone by the time it is listed: that is an empty listing, not an error. */
  #findDir(path: string): DirNode | undefined {
    try {
      const node = this.#node(path);
      return node.kind === 'dir' ? node : undefined;
    } catch (e) {
      if (isKernelError(e, 'ENOENT')) return undefined;
      throw e;
    }
  }

  #remember(file: OpenFile): number {
    do this.#lastHandle = this.#lastHandle === MAX_HANDLE ? 1 : this.#lastHandle + 1;
    while (this.#files.has(this.#lastHandle));
    this.#files.set(this.#lastHandle, file);
    return this.#lastHandle;
  }

  #file(handle: number): OpenFile {
    const file = this.#files.get(handle);
    if (!file) throw new KernelError('EBADF');
    return file;
  }

  #refuse(path: string, reply: Reply, body: (dir: DirNode, name: string) => void): void {
    this.#answer(reply, () => {
      const { dir, name } = this.#parent(path);
      body(dir, name);
    });
  }

  #answer<T>(reply: Reply<T>, body: () => T): void {
    let value: T;
    try {
      value = body();
    } catch (e) {
      this.#send(reply as Reply, errnoOf(e));
      return;
    }
    this.answered++;
    reply(0, value);
  }

  /** The body's result says what to reply; it runs only if nobody ended the request meanwhile. */
  #answerLater(reply: Reply, body: () => Promise<() => number>): void {
    if (this.#quit.signal.aborted) {
      this.#send(reply, -ERRNO.EIO);
      return;
    }
    const once = (result: () => number): void => {
      if (this.#waiting.delete(end)) this.#send(reply, result());
    };
    const end = (): void => once(() => -ERRNO.EINTR);
    this.#waiting.add(end);
    body().then(once, (e: unknown) => once(() => errnoOf(e)));
  }

  #send(reply: Reply, result: number): void {
    this.answered++;
    reply(result);
  }
}

/** Copies a value as getxattr(2) wants it. @returns its length @throws ERANGE */
function fill(into: Buffer, value: string): number {
  if (into.length === 0) return value.length;
  if (value.length > into.length) throw new KernelError('ERANGE');
  return into.write(value, 'latin1');
}

/** ops lets nothing but KernelError out; what happens here besides is our bug, and still an answer. */
function errnoOf(e: unknown): number {
  return isKernelError(e) ? -e.code : -ERRNO.EIO;
}
