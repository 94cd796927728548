/**
 * Operations on nodes: their names and their attributes.
 */
import type { Node } from '../../kernfs/node.js';
import type { SetAttr } from '../../ops.js';
import type { DirectoryOperations } from './directory-operations.js';
import { putAttr } from './encode.js';
import { type Exchange, IN, NO_REPLY, type OperationTable, OUT, SOMEBODY } from './exchange.js';
import type { FileOperations } from './file-operations.js';
import type { Inode } from './inodes.js';
import type { Lookups } from './lookups.js';
import { from } from './message.js';
import * as P from './protocol.js';
import { FATTR } from './protocol.js';

export class NodeOperations {
  readonly #x: Exchange;
  readonly #files: FileOperations;
  readonly #lookups: Lookups;
  readonly #dirs: DirectoryOperations;
  readonly table: OperationTable = {
    LOOKUP: () => this.#lookup(),
    FORGET: () => this.#forget(),
    BATCH_FORGET: () => this.#batchForget(),
    GETATTR: () => this.#getattr(),
    SETATTR: () => this.#setattr(),
    READLINK: () => this.#x.text(this.#x.ops.readlink(SOMEBODY, this.#x.node())),
    ACCESS: () => this.#access(),
    STATFS: () => this.#statfs(),
    DESTROY: () => 0,
  };

  constructor(exchange: Exchange, lookups: Lookups, files: FileOperations, dirs: DirectoryOperations) {
    this.#x = exchange;
    this.#lookups = lookups;
    this.#files = files;
    this.#dirs = dirs;
  }

  #lookup(): number {
    const dir = this.#x.inode();
    const name = this.#x.request.name(IN);
    const node = this.#find(dir, name);
    this.#lookups.put(OUT, dir, node, name);
    this.#dirs.lookedUp(dir, node);
    return P.fuse_entry_out.size;
  }

  /** @throws ENOENT */
  #find(dir: Inode, name: string): Node {
    try {
      return this.#x.ops.lookup(SOMEBODY, dir.node, name);
    } catch (e) {
      this.#lookups.inVain(dir, name);
      this.#files.walked();
      throw e;
    }
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
    return this.#attr(inode, this.#lookups.attrValid(inode));
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
}
