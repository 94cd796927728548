/**
 * Operations on nodes: names, attributes, listings.
 *
 * Names and attributes are remembered by the kernel until they are taken back
 * (notifier.ts). Not remembered, so that each use of it is a request:
 * - that a name is not there: it may come at any time;
 * - names in directories that nobody tells of (guests and their trees);
 * - names of files with a store: who opens one whose store is blocked gets an
 *   inode with locks of its own (inodes.ts);
 * - attributes in the answer to a lookup, where they change by themselves: of
 *   directories, and of inodes that stand in for each other.
 */
import { KernelError } from '../../../lib/errno.js';
import type { DirEntry } from '../../kernfs/node.js';
import type { SetAttr } from '../../ops.js';
import { direntSize, putAttr, putDirent, putEntry, putOpen } from './encode.js';
import { type Exchange, IN, NO_REPLY, type OperationTable, OUT, SOMEBODY } from './exchange.js';
import type { FileOperations } from './file-operations.js';
import { Handles } from './handles.js';
import type { Inode } from './inodes.js';
import { from } from './message.js';
import { mustBeDir } from './name-operations.js';
import * as P from './protocol.js';
import { FATTR } from './protocol.js';

/** Attributes change with a notification only, so they hold for ever; a year is as good. */
const YEAR = 365 * 24 * 3600;

interface OpenDir {
  readonly inode: Inode;
  /** The listing, made when a listing begins. */
  entries: readonly DirEntry[] | undefined;
}

export class NodeOperations {
  readonly #x: Exchange;
  readonly #files: FileOperations;
  readonly #dirs = new Handles<OpenDir>();
  /** The kernel may remember attributes. */
  attrs = false;
  /** The kernel may remember names. */
  names = false;
  readonly table: OperationTable = {
    LOOKUP: () => this.#lookup(),
    FORGET: () => this.#forget(),
    BATCH_FORGET: () => this.#batchForget(),
    GETATTR: () => this.#getattr(),
    SETATTR: () => this.#setattr(),
    READLINK: () => this.#x.text(this.#x.ops.readlink(SOMEBODY, this.#x.node())),
    ACCESS: () => this.#access(),
    STATFS: () => this.#statfs(),
    OPENDIR: () => this.#opendir(),
    READDIR: () => this.#readdir(),
    RELEASEDIR: () => this.#releasedir(),
    DESTROY: () => 0,
    FSYNCDIR: () => {
      throw new KernelError('EINVAL');
    },
  };

  constructor(exchange: Exchange, files: FileOperations) {
    this.#x = exchange;
    this.#files = files;
  }

  #lookup(): number {
    const dir = this.#x.inode();
    const name = this.#x.request.name(IN);
    const node = this.#x.ops.lookup(SOMEBODY, dir.node, name);
    const stat = this.#x.ops.getattr(SOMEBODY, node);
    const inode = this.#x.inodes.lookedUp(node, dir, name);
    inode.remembered = this.#nameStays(inode);
    const alone = node.kind !== 'dir' && !this.#x.inodes.hasTwin(inode);
    const valid = { entry: inode.remembered ? YEAR : 0, attr: alone ? this.#attrValid(inode) : 0 };
    putEntry(this.#x.reply, OUT, inode.nodeid, stat, valid);
    return P.fuse_entry_out.size;
  }

  #nameStays({ node, parent }: Inode): boolean {
    if (!this.names || parent?.node.kind !== 'dir' || !parent.node.changes) return false;
    return node.kind !== 'file' || !node.store;
  }

  #forget(): number {
    const { nodeid } = P.fuse_in_header.at;
    this.#x.inodes.forget(this.#x.request.u64(nodeid), this.#x.request.u64(from(IN, P.fuse_forget_in.at.nlookup)));
    return NO_REPLY;
  }

  #batchForget(): number {
    const { at, size } = P.fuse_forget_one;
    const count = this.#x.request.u32(from(IN, P.fuse_batch_forget_in.at.count));
    let base = IN + P.fuse_batch_forget_in.size;
    for (let i = 0; i < count; i++, base += size)
      this.#x.inodes.forget(this.#x.request.u64(from(base, at.nodeid)), this.#x.request.u64(from(base, at.nlookup)));
    return NO_REPLY;
  }

  #getattr(): number {
    const inode = this.#x.inode();
    return this.#attr(inode, this.#attrValid(inode));
  }

  #attr(inode: Inode, valid: number): number {
    const { at, size } = P.fuse_attr_out;
    this.#x.reply.setU64(from(OUT, at.attr_valid), valid);
    this.#x.reply.setU32(from(OUT, at.attr_valid_nsec), 0);
    this.#x.reply.setU32(from(OUT, at.dummy), 0);
    putAttr(this.#x.reply, OUT + at.attr, this.#x.ops.getattr(SOMEBODY, inode.node));
    return size;
  }

  #setattr(): number {
    const { at } = P.fuse_setattr_in;
    const inode = this.#x.inode();
    const valid = this.#x.request.u32(from(IN, at.valid));
    if (valid & FATTR.SIZE) this.#truncate(inode, valid);
    const want = this.#wanted(valid);
    if (Object.keys(want).length > 0) this.#x.ops.setattr(SOMEBODY, inode.node, want);
    for (const twin of this.#x.inodes.twinsOf(inode)) this.#x.notifier.staleAttr(twin);
    // The kernel takes this reply even if it was overtaken by a notification: it must not hold.
    return this.#attr(inode, 0);
  }

  /** open(2) with O_TRUNC comes as an open and then this, by the same thread. */
  #truncate(inode: Inode, valid: number): void {
    const { at } = P.fuse_setattr_in;
    const size = this.#x.request.u64(from(IN, at.size));
    const opener = inode.openedBy;
    inode.openedBy = 0;
    if (valid & FATTR.FH) this.#x.ops.ftruncate(SOMEBODY, this.#files.opened(this.#x.request.u64(from(IN, at.fh))));
    else if (size === 0 && opener === this.#x.pid) this.#x.ops.openTruncates(SOMEBODY, inode.node);
    else this.#x.ops.setattr(SOMEBODY, inode.node, { size });
  }

  #wanted(valid: number): SetAttr {
    const { at } = P.fuse_setattr_in;
    const time = (set: number, now: number, whole: P.U64, part: P.U32): number | 'now' | undefined => {
      if (valid & now) return 'now';
      return valid & set
        ? this.#x.request.i64(from(IN, whole)) * 1000 + this.#x.request.u32(from(IN, part)) / 1e6
        : undefined;
    };
    const atime = time(FATTR.ATIME, FATTR.ATIME_NOW, at.atime, at.atimensec);
    const mtime = time(FATTR.MTIME, FATTR.MTIME_NOW, at.mtime, at.mtimensec);
    return {
      ...(valid & FATTR.MODE && { mode: this.#x.request.u32(from(IN, at.mode)) }),
      ...(valid & FATTR.UID && { uid: this.#x.request.u32(from(IN, at.uid)) }),
      ...(valid & FATTR.GID && { gid: this.#x.request.u32(from(IN, at.gid)) }),
      ...(atime !== undefined && { atime }),
      ...(mtime !== undefined && { mtime }),
    };
  }

  #access(): number {
    this.#x.ops.access(SOMEBODY, this.#x.node(), this.#x.request.u32(from(IN, P.fuse_access_in.at.mask)));
    return 0;
  }

  #statfs(): number {
    const { bsize, nameLength } = this.#x.ops.statfs();
    const { at, size } = P.fuse_kstatfs;
    this.#x.reply.clear(OUT, OUT + size);
    this.#x.reply.setU32(from(OUT, at.bsize), bsize);
    this.#x.reply.setU32(from(OUT, at.frsize), bsize);
    this.#x.reply.setU32(from(OUT, at.namelen), nameLength);
    return size;
  }

  /** How long attributes hold: until a notification, where somebody tells of changes. */
  #attrValid({ node }: Inode): number {
    return this.attrs && (node.kind !== 'dir' || node.changes) ? YEAR : 0;
  }

  // Directories.

  #opendir(): number {
    const inode = this.#x.inode();
    this.#x.ops.opendir(SOMEBODY, inode.node);
    return putOpen(this.#x.reply, this.#dirs.add({ inode, entries: undefined }), 0);
  }

  #readdir(): number {
    const { at } = P.fuse_read_in;
    const open = this.#dirs.get(this.#x.request.u64(from(IN, at.fh)));
    let next = this.#x.request.u64(from(IN, at.offset));
    const end = Math.min(OUT + this.#x.request.u32(from(IN, at.size)), this.#x.reply.bytes.length);
    if (next === 0 || !open.entries) open.entries = this.#list(open.inode);
    let base = OUT;
    for (let entry = open.entries[next]; entry; entry = open.entries[next]) {
      const size = direntSize(entry);
      if (base + size > end) break;
      putDirent(this.#x.reply, base, entry, ++next);
      base += size;
    }
    return base - OUT;
  }

  #list({ node, parent }: Inode): DirEntry[] {
    const above = parent?.node ?? node;
    return [
      { name: '.', kind: 'dir', ino: node.ino },
      { name: '..', kind: 'dir', ino: above.ino },
      ...this.#x.ops.readdir(SOMEBODY, mustBeDir(node)),
    ];
  }

  #releasedir(): number {
    this.#dirs.delete(this.#x.request.u64(from(IN, P.fuse_release_in.at.fh)));
    return 0;
  }
}
