/**
 * The operations, one method each: a request's fields, ops, a reply's fields.
 *
 * Each returns the length of what it has put behind the reply's header, or
 * throws KernelError. What is not in the table is answered with ENOSYS, which
 * the kernel remembers where it matters (FLUSH, FSYNC, FALLOCATE, STATX, ...)
 * and turns into what sysfs says too.
 */
import { constants } from 'node:fs';
import { KernelError } from '../../../lib/errno.js';
import type { DirEntry, DirNode, Node } from '../../kernfs/node.js';
import type { OpenFile, Whence } from '../../kernfs/open-file.js';
import { O_ACCMODE, O_DIRECT, type Ops, type SetAttr } from '../../ops.js';
import { RequestCaller } from './caller.js';
import { direntSize, putAttr, putDirent, putEntry } from './encode.js';
import type { Inode, Inodes } from './inodes.js';
import { from, type Message } from './message.js';
import type { Notifier } from './notifier.js';
import * as P from './protocol.js';
import { FATTR, FOPEN, FUSE } from './protocol.js';

const IN = P.fuse_in_header.size;
const OUT = P.fuse_out_header.size;
const NO_REPLY = -1;

/** Attributes change with a notification only, so they hold for ever; a year is as good. */
const YEAR = 365 * 24 * 3600;

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
const RENAME_WHITEOUT = 4;
const WHENCE: readonly Whence[] = ['set', 'cur', 'end', 'data', 'hole'];

interface OpenDir {
  readonly inode: Inode;
  /** The listing, made when a listing begins. */
  entries: readonly DirEntry[] | undefined;
}

interface Opened {
  readonly file: OpenFile;
  /** Ends the watch that a poll has asked for. */
  unwatch: (() => void) | undefined;
}

export interface OperationsOptions {
  readonly ops: Ops;
  readonly inodes: Inodes;
  readonly notifier: Notifier;
  readonly incoming: Message;
  readonly out: Message;
  readonly later: <T>(body: (caller: RequestCaller) => Promise<T>, put: (result: T) => number) => number;
}

/** For operations that end at once: nobody asks for its name or its signal. */
const SOMEBODY = new RequestCaller(0);

export class Operations {
  readonly #ops: Ops;
  readonly #inodes: Inodes;
  readonly #notifier: Notifier;
  readonly #in: Message;
  readonly #out: Message;
  readonly #later: OperationsOptions['later'];
  readonly #files = new Map<number, Opened>();
  readonly #dirs = new Map<number, OpenDir>();
  readonly #table: readonly ((() => number) | undefined)[];
  #lastHandle = 0;

  constructor(options: OperationsOptions) {
    this.#ops = options.ops;
    this.#inodes = options.inodes;
    this.#notifier = options.notifier;
    this.#in = options.incoming;
    this.#out = options.out;
    this.#later = options.later;
    this.#table = this.#makeTable();
  }

  get openFiles(): number {
    return this.#files.size;
  }

  /** @throws ENOSYS and what the operation says */
  run(opcode: number): number {
    const operation = this.#table[opcode];
    if (!operation) throw new KernelError('ENOSYS');
    return operation();
  }

  #makeTable(): (() => number)[] {
    const refuse = (errno: 'EINVAL' | 'ENOTTY') => (): number => {
      throw new KernelError(errno);
    };
    const table: (() => number)[] = [];
    const rows: Partial<Record<keyof typeof FUSE, () => number>> = {
      LOOKUP: () => this.#lookup(),
      FORGET: () => this.#forget(),
      BATCH_FORGET: () => this.#batchForget(),
      GETATTR: () => this.#getattr(),
      SETATTR: () => this.#setattr(),
      READLINK: () => this.#text(this.#ops.readlink(SOMEBODY, this.#node())),
      OPEN: () => this.#open(),
      READ: () => this.#read(),
      WRITE: () => this.#write(),
      RELEASE: () => this.#release(),
      OPENDIR: () => this.#opendir(),
      READDIR: () => this.#readdir(),
      RELEASEDIR: () => this.#releasedir(),
      STATFS: () => this.#statfs(),
      ACCESS: () => this.#access(),
      POLL: () => this.#poll(),
      LSEEK: () => this.#lseek(),
      SETXATTR: () => this.#setxattr(),
      GETXATTR: () => this.#getxattr(),
      LISTXATTR: () => this.#listxattr(),
      REMOVEXATTR: () => this.#removexattr(),
      MKNOD: () => this.#refused(P.fuse_mknod_in.size, (dir, name) => this.#mknod(dir, name)),
      MKDIR: () => this.#refused(P.fuse_mkdir_in.size, (dir, name) => this.#ops.mkdir(SOMEBODY, dir, name)),
      CREATE: () => this.#refused(P.fuse_create_in.size, (dir, name) => this.#ops.create(SOMEBODY, dir, name)),
      SYMLINK: () => this.#refused(0, (dir, name) => this.#ops.symlink(SOMEBODY, dir, name)),
      UNLINK: () => this.#refused(0, (dir, name) => this.#ops.unlink(SOMEBODY, dir, name)),
      RMDIR: () => this.#refused(0, (dir, name) => this.#ops.rmdir(SOMEBODY, dir, name)),
      LINK: () => this.#refused(P.fuse_link_in.size, (dir, name) => this.#link(dir, name)),
      RENAME: () => this.#rename(P.fuse_rename_in.size, 0),
      RENAME2: () => this.#rename(P.fuse_rename2_in.size, this.#in.u32(from(IN, P.fuse_rename2_in.at.flags))),
      FSYNCDIR: refuse('EINVAL'),
      IOCTL: refuse('ENOTTY'),
      DESTROY: () => 0,
    };
    for (const [name, operation] of Object.entries(rows)) table[FUSE[name as keyof typeof FUSE]] = operation;
    return table;
  }

  // Nodes and attributes.

  #lookup(): number {
    const dir = this.#inode();
    const node = this.#ops.lookup(SOMEBODY, dir.node, this.#in.name(IN));
    const inode = this.#inodes.lookedUp(node, dir);
    const stat = this.#ops.getattr(SOMEBODY, inode.node);
    putEntry(this.#out, OUT, inode.nodeid, stat, { entry: 0, attr: attrValid(inode) });
    return P.fuse_entry_out.size;
  }

  #forget(): number {
    const { nodeid } = P.fuse_in_header.at;
    this.#inodes.forget(this.#in.u64(nodeid), this.#in.u64(from(IN, P.fuse_forget_in.at.nlookup)));
    return NO_REPLY;
  }

  #batchForget(): number {
    const { at, size } = P.fuse_forget_one;
    const count = this.#in.u32(from(IN, P.fuse_batch_forget_in.at.count));
    let base = IN + P.fuse_batch_forget_in.size;
    for (let i = 0; i < count; i++, base += size)
      this.#inodes.forget(this.#in.u64(from(base, at.nodeid)), this.#in.u64(from(base, at.nlookup)));
    return NO_REPLY;
  }

  #getattr(): number {
    return this.#attr(this.#inode());
  }

  #attr(inode: Inode): number {
    const { at, size } = P.fuse_attr_out;
    this.#out.setU64(from(OUT, at.attr_valid), attrValid(inode));
    this.#out.setU32(from(OUT, at.attr_valid_nsec), 0);
    this.#out.setU32(from(OUT, at.dummy), 0);
    putAttr(this.#out, OUT + at.attr, this.#ops.getattr(SOMEBODY, inode.node));
    return size;
  }

  #setattr(): number {
    const { at } = P.fuse_setattr_in;
    const inode = this.#inode();
    const valid = this.#in.u32(from(IN, at.valid));
    if (valid & FATTR.SIZE) this.#truncate(inode, valid);
    const want = this.#wanted(valid);
    if (Object.keys(want).length > 0) this.#ops.setattr(SOMEBODY, inode.node, want);
    for (const twin of this.#inodes.twinsOf(inode)) this.#notifier.staleAttr(twin);
    return this.#attr(inode);
  }

  /** open(2) with O_TRUNC comes as an open and then this, by the same thread. */
  #truncate(inode: Inode, valid: number): void {
    const { at } = P.fuse_setattr_in;
    const size = this.#in.u64(from(IN, at.size));
    const opener = inode.openedBy;
    inode.openedBy = 0;
    if (valid & FATTR.FH) this.#ops.ftruncate(SOMEBODY, this.#opened(this.#in.u64(from(IN, at.fh))).file);
    else if (size === 0 && opener === this.#in.u32(P.fuse_in_header.at.pid))
      this.#ops.openTruncates(SOMEBODY, inode.node);
    else this.#ops.setattr(SOMEBODY, inode.node, { size });
  }

  #wanted(valid: number): SetAttr {
    const { at } = P.fuse_setattr_in;
    const time = (set: number, now: number, whole: P.U64, part: P.U32): number | 'now' | undefined => {
      if (valid & now) return 'now';
      return valid & set ? this.#in.i64(from(IN, whole)) * 1000 + this.#in.u32(from(IN, part)) / 1e6 : undefined;
    };
    const atime = time(FATTR.ATIME, FATTR.ATIME_NOW, at.atime, at.atimensec);
    const mtime = time(FATTR.MTIME, FATTR.MTIME_NOW, at.mtime, at.mtimensec);
    return {
      ...(valid & FATTR.MODE && { mode: this.#in.u32(from(IN, at.mode)) }),
      ...(valid & FATTR.UID && { uid: this.#in.u32(from(IN, at.uid)) }),
      ...(valid & FATTR.GID && { gid: this.#in.u32(from(IN, at.gid)) }),
      ...(atime !== undefined && { atime }),
      ...(mtime !== undefined && { mtime }),
    };
  }

  #access(): number {
    this.#ops.access(SOMEBODY, this.#node(), this.#in.u32(from(IN, P.fuse_access_in.at.mask)));
    return 0;
  }

  #statfs(): number {
    const { bsize, nameLength } = this.#ops.statfs();
    const { at, size } = P.fuse_kstatfs;
    this.#out.clear(OUT, OUT + size);
    this.#out.setU32(from(OUT, at.bsize), bsize);
    this.#out.setU32(from(OUT, at.frsize), bsize);
    this.#out.setU32(from(OUT, at.namelen), nameLength);
    return size;
  }

  // Files.

  #open(): number {
    const inode = this.#inode();
    const flags = this.#in.u32(from(IN, P.fuse_open_in.at.flags));
    // The value of O_DIRECT depends on the architecture; O_TRUNC comes later, as a SETATTR.
    const file = this.#ops.open(
      SOMEBODY,
      inode.node,
      (flags & O_ACCMODE) | (flags & constants.O_DIRECT ? O_DIRECT : 0),
    );
    inode.openedBy = this.#in.u32(P.fuse_in_header.at.pid);
    const handle = ++this.#lastHandle;
    this.#files.set(handle, { file, unwatch: undefined });
    return this.#openOut(handle, FOPEN.DIRECT_IO | FOPEN.NOFLUSH | FOPEN.PARALLEL_DIRECT_WRITES);
  }

  #openOut(handle: number, flags: number): number {
    const { at, size } = P.fuse_open_out;
    this.#out.setU64(from(OUT, at.fh), handle);
    this.#out.setU32(from(OUT, at.open_flags), flags);
    this.#out.setI32(from(OUT, at.backing_id), 0);
    return size;
  }

  #read(): number {
    const { at } = P.fuse_read_in;
    const { file } = this.#opened(this.#in.u64(from(IN, at.fh)));
    const offset = this.#in.u64(from(IN, at.offset));
    const length = this.#in.u32(from(IN, at.size));
    return this.#later(
      (caller) => this.#ops.read(caller, file, offset, length),
      (bytes) => this.#text(bytes),
    );
  }

  #write(): number {
    const { at, size } = P.fuse_write_in;
    const inode = this.#inode();
    const { file } = this.#opened(this.#in.u64(from(IN, at.fh)));
    const offset = this.#in.u64(from(IN, at.offset));
    const data = IN + size;
    const bytes = this.#in.text(data, data + this.#in.u32(from(IN, at.size)));
    inode.openedBy = 0;
    return this.#later(
      async (caller) => {
        inode.stores++;
        try {
          return await this.#ops.write(caller, file, bytes, offset);
        } finally {
          inode.stores--;
        }
      },
      (taken) => {
        this.#out.setU32(from(OUT, P.fuse_write_out.at.size), taken);
        this.#out.setU32(from(OUT, P.fuse_write_out.at.padding), 0);
        return P.fuse_write_out.size;
      },
    );
  }

  #release(): number {
    const handle = this.#in.u64(from(IN, P.fuse_release_in.at.fh));
    this.#files.get(handle)?.unwatch?.();
    this.#files.delete(handle);
    return 0;
  }

  #lseek(): number {
    const { at } = P.fuse_lseek_in;
    const { file } = this.#opened(this.#in.u64(from(IN, at.fh)));
    const whence = WHENCE[this.#in.u32(from(IN, at.whence))];
    if (!whence) throw new KernelError('EINVAL');
    const position = this.#ops.lseek(SOMEBODY, file, 0, this.#in.i64(from(IN, at.offset)), whence);
    this.#out.setU64(from(OUT, P.fuse_lseek_out.at.offset), position);
    return P.fuse_lseek_out.size;
  }

  #poll(): number {
    const { at } = P.fuse_poll_in;
    const opened = this.#opened(this.#in.u64(from(IN, at.fh)));
    const kh = this.#in.u64(from(IN, at.kh));
    if (this.#in.u32(from(IN, at.flags)) & P.FUSE_POLL_SCHEDULE_NOTIFY)
      opened.unwatch ??= this.#ops.watch(opened.file, () => this.#notifier.pollWakeup(kh));
    this.#out.setU32(from(OUT, P.fuse_poll_out.at.revents), this.#ops.poll(SOMEBODY, opened.file));
    this.#out.setU32(from(OUT, P.fuse_poll_out.at.padding), 0);
    return P.fuse_poll_out.size;
  }

  // Directories.

  #opendir(): number {
    const inode = this.#inode();
    this.#ops.opendir(SOMEBODY, inode.node);
    const handle = ++this.#lastHandle;
    this.#dirs.set(handle, { inode, entries: undefined });
    return this.#openOut(handle, 0);
  }

  #readdir(): number {
    const { at } = P.fuse_read_in;
    const open = this.#dirs.get(this.#in.u64(from(IN, at.fh)));
    if (!open) throw new KernelError('EBADF');
    let next = this.#in.u64(from(IN, at.offset));
    const end = OUT + this.#in.u32(from(IN, at.size));
    if (next === 0 || !open.entries) open.entries = this.#list(open.inode);
    let base = OUT;
    for (let entry = open.entries[next]; entry; entry = open.entries[next]) {
      const size = direntSize(entry);
      if (base + size > end) break;
      putDirent(this.#out, base, entry, ++next);
      base += size;
    }
    return base - OUT;
  }

  #list({ node, parent }: Inode): DirEntry[] {
    const above = parent?.node ?? node;
    return [
      { name: '.', kind: 'dir', ino: node.ino },
      { name: '..', kind: 'dir', ino: above.ino },
      ...this.#ops.readdir(SOMEBODY, mustBeDir(node)),
    ];
  }

  #releasedir(): number {
    this.#dirs.delete(this.#in.u64(from(IN, P.fuse_release_in.at.fh)));
    return 0;
  }

  // What sysfs refuses.

  #refused(size: number, body: (dir: DirNode, name: string) => void): number {
    body(mustBeDir(this.#node()), this.#in.name(IN + size));
    return 0;
  }

  #mknod(dir: DirNode, name: string): void {
    this.#ops.mknod(SOMEBODY, dir, name, this.#in.u32(from(IN, P.fuse_mknod_in.at.mode)));
  }

  #link(dir: DirNode, name: string): void {
    const source = this.#find(this.#in.u64(from(IN, P.fuse_link_in.at.oldnodeid)));
    this.#ops.link(SOMEBODY, source.node, dir, name);
  }

  #rename(size: number, flags: number): number {
    const name = this.#in.name(IN + size);
    const newName = this.#in.name(IN + size + name.length + 1);
    const to = mustBeDir(this.#find(this.#in.u64(from(IN, P.fuse_rename_in.at.newdir))).node);
    this.#ops.rename(SOMEBODY, mustBeDir(this.#node()), name, to, newName, {
      noReplace: (flags & RENAME_NOREPLACE) !== 0,
      exchange: (flags & RENAME_EXCHANGE) !== 0,
      whiteout: (flags & RENAME_WHITEOUT) !== 0,
    });
    return 0;
  }

  // Extended attributes.

  #setxattr(): number {
    const { at, size } = P.fuse_setxattr_in;
    const inode = this.#inode();
    const name = this.#in.name(IN + size);
    const value = IN + size + name.length + 1;
    const flags = this.#in.u32(from(IN, at.flags));
    const bytes = this.#in.text(value, value + this.#in.u32(from(IN, at.size)));
    this.#ops.setxattr(SOMEBODY, inode.node, name, bytes, {
      create: (flags & XATTR_CREATE) !== 0,
      replace: (flags & XATTR_REPLACE) !== 0,
    });
    this.#staleTimes(inode);
    return 0;
  }

  #removexattr(): number {
    const inode = this.#inode();
    this.#ops.removexattr(SOMEBODY, inode.node, this.#in.name(IN));
    this.#staleTimes(inode);
    return 0;
  }

  /** The first attribute that is set gives a node times of its own. */
  #staleTimes(inode: Inode): void {
    this.#notifier.staleAttr(inode);
    for (const twin of this.#inodes.twinsOf(inode)) this.#notifier.staleAttr(twin);
  }

  #getxattr(): number {
    const { at, size } = P.fuse_getxattr_in;
    const value = this.#ops.getxattr(SOMEBODY, this.#node(), this.#in.name(IN + size));
    return this.#xattr(value, this.#in.u32(from(IN, at.size)));
  }

  #listxattr(): number {
    const names = this.#ops.listxattr(SOMEBODY, this.#node());
    // The kernel checks each name for itself, but lists them all.
    const mine =
      this.#in.u32(P.fuse_in_header.at.uid) === 0 ? names : names.filter((name) => !name.startsWith('trusted.'));
    return this.#xattr(mine.map((name) => `${name}\0`).join(''), this.#in.u32(from(IN, P.fuse_getxattr_in.at.size)));
  }

  /** @param room of the client; 0: it asks for the length @throws ERANGE */
  #xattr(value: string, room: number): number {
    if (room > 0 && value.length > room) throw new KernelError('ERANGE');
    if (room > 0) return this.#text(value);
    const { at, size } = P.fuse_getxattr_out;
    this.#out.setU32(from(OUT, at.size), value.length);
    this.#out.setU32(from(OUT, at.padding), 0);
    return size;
  }

  // What a request is about.

  #node(): Node {
    return this.#inode().node;
  }

  #inode(): Inode {
    return this.#find(this.#in.u64(P.fuse_in_header.at.nodeid));
  }

  /** The kernel asks only for what it has looked up and not forgotten: anything else is our bug. */
  #find(nodeid: number): Inode {
    const inode = this.#inodes.find(nodeid);
    if (!inode) throw new Error(`node id ${nodeid} is not known`);
    return inode;
  }

  #opened(handle: number): Opened {
    const opened = this.#files.get(handle);
    if (!opened) throw new KernelError('EBADF');
    return opened;
  }

  #text(bytes: string): number {
    return this.#out.setText(OUT, bytes);
  }
}

function attrValid({ node }: Inode): number {
  return node.kind === 'dir' && !node.changes ? 0 : YEAR;
}

function mustBeDir(node: Node): DirNode {
  if (node.kind !== 'dir') throw new KernelError('ENOTDIR');
  return node;
}
