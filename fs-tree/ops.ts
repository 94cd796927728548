/**
 * File operations on a tree of nodes, each by a caller.
 *
 * What the VFS and fs/kernfs do between a system call and a show or store:
 * checks in the kernel's order (specification of attributes, A), then the
 * node. Knows no transport and no paths. Every method returns its result or
 * throws KernelError; anything else that comes out of a handler is a bug of
 * ours: the caller gets EIO, `onBug` the whole story, and life goes on.
 */
import { isKernelError, KernelError } from '../lib/errno.js';
import type { Soon } from '../lib/sync/soon.js';
import { Task } from '../lib/sync/task.js';
import type { Faults } from './faults/faults.js';
import type { ChangeSource } from './kernfs/changes.js';
import { NodeEvents } from './kernfs/events.js';
import { type AttrChange, InodeAttrs, type InodeAttrsOptions, type Stat } from './kernfs/inode-attrs.js';
import { inDirectoryOrder } from './kernfs/name-hash.js';
import type { Caller, DirEntry, DirNode, FileNode, IoContext, LinkNode, Node } from './kernfs/node.js';
import { PAGE_SIZE } from './kernfs/node.js';
import { OpenFile, seek, type Whence } from './kernfs/open-file.js';
import { isRoot, MAY_EXEC, MAY_READ, MAY_WRITE, mustHave, mustMayChange } from './kernfs/permission.js';
import { Refused, type RenameFlags } from './kernfs/refused.js';
import { type XattrFlags, Xattrs } from './kernfs/xattr.js';
import type { StoreTrace } from './stores.js';

/** Flags of open(2) that matter here, with Linux's values. */
export const O_ACCMODE = 0o3;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_DIRECT = 0o40000;
export const O_DIRECTORY = 0o200000;
/** O_TMPFILE without the O_DIRECTORY that it contains. */
export const O_TMPFILE = 0o20000000;

/** SYSFS_MAGIC. */
const SYSFS_MAGIC = 0x62656572;

export interface OpsOptions extends InodeAttrsOptions {
  readonly root: DirNode;
  /** Told of everything that is thrown and is no KernelError. */
  readonly onBug: (error: unknown, during: BugContext) => void;
  /** Changes of the tree; directories' times follow them. */
  readonly changes?: ChangeSource;
  /** lseek on a removed node is ENODEV (kernel 7.2, 6.12); false: it works (6.1). */
  readonly lseekNeedsNode?: boolean;
  /** Rules that files of this tree obey. */
  readonly faults?: Faults | undefined;
  /** Traces each store, with what it brought about. */
  readonly stores?: StoreTrace | undefined;
}

export interface BugContext {
  readonly op: string;
  readonly node: Node | undefined;
  readonly caller: Caller;
}

export interface StatFs {
  readonly type: number;
  readonly bsize: number;
  readonly nameLength: number;
}

/** What setattr(2)-like calls may ask for; `now` is the time of the call. */
export interface SetAttr {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Any size: nothing happens to content or size. */
  readonly size?: number;
  readonly atime?: number | 'now';
  readonly mtime?: number | 'now';
}

export class Ops {
  readonly root: DirNode;
  readonly attrs: InodeAttrs;
  readonly #refused: Refused;
  readonly #xattrs: Xattrs;
  readonly #options: OpsOptions;
  readonly #events = new NodeEvents();

  constructor(options: OpsOptions) {
    this.#options = options;
    this.root = options.root;
    this.attrs = new InodeAttrs(options);
    this.#refused = new Refused(this.attrs);
    this.#xattrs = new Xattrs(this.attrs);
    options.changes?.onChange(({ dir }) => this.attrs.entriesChanged(dir));
    options.faults?.attach(options.root, options.changes);
  }

  /** The child of that name. @throws EACCES, ENOENT, ENOTDIR */
  lookup(caller: Caller, dir: Node, name: string): Node {
    return this.#guard('lookup', caller, dir, () => {
      if (dir.kind !== 'dir') throw new KernelError('ENOTDIR');
      this.#need(caller, dir, MAY_EXEC);
      const node = name === '.' ? dir : dir.alive ? dir.lookup(name) : undefined;
      if (!node) throw new KernelError('ENOENT');
      return node;
    });
  }

  getattr(caller: Caller, node: Node): Stat {
    return this.#guard('getattr', caller, node, () => this.attrs.stat(node));
  }

  /**
   * chmod, chown, utimes, truncate.
   * @throws EPERM, EACCES, EISDIR
   */
  setattr(caller: Caller, node: Node, want: SetAttr): void {
    this.#guard('setattr', caller, node, () => {
      const stat = this.attrs.stat(node);
      if (want.size !== undefined) {
        if (node.kind === 'dir') throw new KernelError('EISDIR');
        // Of a size that is set by path not even the times tell.
        mustHave(caller, stat, MAY_WRITE);
      }
      const change = this.#timesOf(caller, stat, want);
      mustMayChange(caller, stat, explicitOnly(want));
      if (Object.keys(change).length > 0) this.attrs.set(node, change);
    });
  }

  /** @throws EINVAL for anything but a link */
  readlink(caller: Caller, node: Node): string {
    return this.#guard('readlink', caller, node, () => {
      if (node.kind !== 'link') throw new KernelError('EINVAL');
      return (node as LinkNode).target;
    });
  }

  /**
   * Opens a file that exists, with the checks in the order of A.1.
   * @throws EEXIST, EISDIR, ENOTDIR, ELOOP, EACCES, ENODEV, EINVAL
   */
  open(caller: Caller, node: Node, flags: number): OpenFile {
    return this.#guard('open', caller, node, () => {
      if ((flags & O_CREAT && flags & O_EXCL) !== 0) throw new KernelError('EEXIST');
      const access = flags & O_ACCMODE;
      const wantRead = access !== O_WRONLY;
      const wantWrite = access !== 0;
      if (node.kind === 'dir') throw new KernelError('EISDIR');
      if (flags & O_DIRECTORY) throw new KernelError('ENOTDIR');
      if (node.kind === 'link') throw new KernelError('ELOOP');
      const truncate = (flags & O_TRUNC) !== 0;
      this.#need(caller, node, (wantRead ? MAY_READ : 0) | (wantWrite || truncate ? MAY_WRITE : 0));
      if (!node.alive) throw new KernelError('ENODEV');
      const mode = this.attrs.mode(node);
      // Access mode 3 is for ioctl only: it needs both permissions and gives neither.
      const readable = wantRead && access !== O_ACCMODE;
      const writable = wantWrite && access !== O_ACCMODE;
      if (writable && !(mode & 0o222)) throw new KernelError('EACCES');
      if (readable && !(mode & 0o444)) throw new KernelError('EACCES');
      if (flags & O_DIRECT) throw new KernelError('EINVAL');
      if (this.#options.faults?.active) this.#options.faults.open(node);
      if (truncate) this.attrs.truncated(node);
      return new OpenFile(node, readable, writable, this.#events);
    });
  }

  /** What O_TRUNC does besides, where a transport learns of it only after the open: times follow. */
  openTruncates(caller: Caller, node: Node): void {
    this.#guard('open', caller, node, () => this.attrs.truncated(node));
  }

  /** Opens by name; with O_CREAT also one that is not there. @throws as open, ENOENT, EACCES, EOPNOTSUPP */
  openAt(caller: Caller, dir: DirNode, name: string, flags: number): OpenFile | DirNode {
    return this.#guard('open', caller, dir, () => {
      this.#need(caller, dir, MAY_EXEC);
      const node = name === '.' ? dir : dir.alive ? dir.lookup(name) : undefined;
      if (flags & O_TMPFILE) {
        if (!node) throw new KernelError('ENOENT');
        if (node.kind !== 'dir') throw new KernelError('ENOTDIR');
        this.#need(caller, node, MAY_WRITE | MAY_EXEC);
        throw new KernelError('EOPNOTSUPP');
      }
      if (!node) {
        if (flags & O_CREAT) this.#refused.create();
        throw new KernelError('ENOENT');
      }
      if (node.kind !== 'dir') return this.open(caller, node, flags);
      if ((flags & O_CREAT && flags & O_EXCL) !== 0) throw new KernelError('EEXIST');
      if (flags & (O_CREAT | O_ACCMODE | O_TRUNC)) throw new KernelError('EISDIR');
      return this.opendir(caller, node);
    });
  }

  /** At most `length` bytes as a latin1 string. @throws EBADF, ENODEV, EIO, or what show throws */
  async read(caller: Caller, file: OpenFile, offset: number, length: number): Promise<string> {
    return this.readSoon(caller, file, offset, length);
  }

  /** The same, at once unless something waits: most shows do not. */
  readSoon(caller: Caller, file: OpenFile, offset: number, length: number): Soon<string> {
    const bytes = this.#guard('read', caller, file.node, () => file.read(this.#context(caller), offset, length));
    return typeof bytes === 'string' ? bytes : this.#guardAsync('read', caller, file.node, () => bytes);
  }

  /** One write, whose offset does not matter. @returns bytes taken @throws EBADF, ENODEV, EIO, or what store throws */
  write(caller: Caller, file: OpenFile, bytes: string, offset = 0): Promise<number> {
    const write = (): Promise<number> => file.write(this.#context(caller), bytes, offset);
    const { stores } = this.#options;
    if (!stores?.traces(file.node)) return this.#guardAsync('write', caller, file.node, write);
    return stores.around(file.node, caller, bytes, () => this.#guardAsync('write', caller, file.node, write));
  }

  /** poll(2), as POLL bits; each of them may come up later, and `watch` tells when to ask again. */
  poll(caller: Caller, file: OpenFile): number {
    return this.#guard('poll', caller, file.node, () => file.poll());
  }

  /** Calls back at the next event of the file (`notify`). @returns ends that */
  watch(file: OpenFile, onEvent: () => void): () => void {
    return this.#events.watch(file.node, onEvent);
  }

  /** `sysfs_notify`: whoever polls this file finds POLLERR and POLLPRI until it reads again. */
  notify(node: FileNode): void {
    this.#events.notify(node);
  }

  /** The new position. @throws EINVAL, ENXIO, ENODEV */
  lseek(caller: Caller, file: OpenFile, position: number, offset: number, whence: Whence): number {
    return this.#guard('lseek', caller, file.node, () => {
      if ((this.#options.lseekNeedsNode ?? true) && !file.node.alive) throw new KernelError('ENODEV');
      return seek(position, offset, whence, this.attrs.stat(file.node).size);
    });
  }

  /** ftruncate(2): no effect but on times, also after the node is gone. @throws EINVAL */
  ftruncate(caller: Caller, file: OpenFile): void {
    this.#guard('ftruncate', caller, file.node, () => {
      if (!file.writable) throw new KernelError('EINVAL');
      this.attrs.truncated(file.node);
    });
  }

  /** @throws ENOTDIR, EACCES */
  opendir(caller: Caller, node: Node): DirNode {
    return this.#guard('opendir', caller, node, () => {
      if (node.kind !== 'dir') throw new KernelError('ENOTDIR');
      this.#need(caller, node, MAY_READ);
      return node;
    });
  }

  /** The whole listing in the kernel's order, without `.` and `..`; nothing once the directory is gone. */
  readdir(caller: Caller, dir: DirNode): DirEntry[] {
    return this.#guard('readdir', caller, dir, () => (dir.alive ? inDirectoryOrder(dir.entries()) : []));
  }

  /** access(2). @param mask MAY_ bits, 0 for existence @throws EACCES */
  access(caller: Caller, node: Node, mask: number): void {
    this.#guard('access', caller, node, () => this.#need(caller, node, mask));
  }

  statfs(): StatFs {
    return { type: SYSFS_MAGIC, bsize: PAGE_SIZE, nameLength: 255 };
  }

  /** open(2) with O_CREAT or mknod of a regular file that is not there. @throws EEXIST, EACCES */
  create(caller: Caller, dir: DirNode, name: string): never {
    return this.#guard('create', caller, dir, () => {
      this.#need(caller, dir, MAY_EXEC);
      if (dir.alive && dir.lookup(name)) throw new KernelError('EEXIST');
      return this.#refused.create();
    });
  }

  mkdir(caller: Caller, dir: DirNode, name: string): never {
    return this.#guard('mkdir', caller, dir, () => this.#refused.mkdir(caller, dir, name));
  }

  mknod(caller: Caller, dir: DirNode, name: string, mode: number): never {
    return this.#guard('mknod', caller, dir, () => this.#refused.mknod(caller, dir, name, mode));
  }

  symlink(caller: Caller, dir: DirNode, name: string): never {
    return this.#guard('symlink', caller, dir, () => this.#refused.symlink(caller, dir, name));
  }

  link(caller: Caller, source: Node, dir: DirNode, name: string): never {
    return this.#guard('link', caller, dir, () => this.#refused.link(caller, source, dir, name));
  }

  unlink(caller: Caller, dir: DirNode, name: string): never {
    return this.#guard('unlink', caller, dir, () => this.#refused.unlink(caller, dir, name));
  }

  rmdir(caller: Caller, dir: DirNode, name: string): never {
    return this.#guard('rmdir', caller, dir, () => this.#refused.rmdir(caller, dir, name));
  }

  /** Succeeds only where the kernel finds nothing to do. */
  rename(caller: Caller, from: DirNode, name: string, to: DirNode, newName: string, flags?: RenameFlags): void {
    this.#guard('rename', caller, from, () => this.#refused.rename(caller, from, name, to, newName, flags));
  }

  getxattr(caller: Caller, node: Node, name: string): string {
    return this.#guard('getxattr', caller, node, () => this.#xattrs.get(caller, node, name));
  }

  setxattr(caller: Caller, node: Node, name: string, value: string, flags: XattrFlags): void {
    this.#guard('setxattr', caller, node, () => this.#xattrs.set(caller, node, name, value, flags));
  }

  listxattr(caller: Caller, node: Node): string[] {
    return this.#guard('listxattr', caller, node, () => this.#xattrs.list(caller, node));
  }

  removexattr(caller: Caller, node: Node, name: string): void {
    this.#guard('removexattr', caller, node, () => this.#xattrs.remove(caller, node, name));
  }

  #need(caller: Caller, node: Node, mask: number): void {
    // Only an ordinary caller, or the execute bit of a file, needs a closer look: this is on every path's way.
    if (isRoot(caller) && (!(mask & MAY_EXEC) || node.kind === 'dir')) return;
    mustHave(caller, this.attrs.stat(node), mask);
  }

  #timesOf(caller: Caller, stat: Stat, want: SetAttr): AttrChange {
    const change: { -readonly [K in keyof AttrChange]: AttrChange[K] } = {};
    if (want.mode !== undefined) change.mode = want.mode;
    if (want.uid !== undefined) change.uid = want.uid;
    if (want.gid !== undefined) change.gid = want.gid;
    const now = this.#options.now();
    if (want.atime !== undefined) change.atime = want.atime === 'now' ? now : want.atime;
    if (want.mtime !== undefined) change.mtime = want.mtime === 'now' ? now : want.mtime;
    if ((want.atime === 'now' || want.mtime === 'now') && caller.uid !== stat.uid) mustHave(caller, stat, MAY_WRITE);
    return change;
  }

  #context(caller: Caller): IoContext {
    const { faults } = this.#options;
    const task = new Task(caller);
    return faults?.active ? { task, caller, intercept: faults } : { task, caller };
  }

  #guard<T>(op: string, caller: Caller, node: Node | undefined, body: () => T): T {
    try {
      return body();
    } catch (e) {
      throw this.#judged(e, op, caller, node);
    }
  }

  async #guardAsync<T>(op: string, caller: Caller, node: FileNode, body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (e) {
      throw this.#judged(e, op, caller, node);
    }
  }

  #judged(e: unknown, op: string, caller: Caller, node: Node | undefined): KernelError {
    if (isKernelError(e)) return e;
    this.#options.onBug(e, { op, node, caller });
    return new KernelError('EIO', 'bug');
  }
}

/** What only the owner may set: times given as `now` need less. */
function explicitOnly({ mode, uid, gid, atime, mtime }: SetAttr): AttrChange {
  return {
    ...(mode !== undefined && { mode }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    ...(typeof atime === 'number' && { atime }),
    ...(typeof mtime === 'number' && { mtime }),
  };
}
