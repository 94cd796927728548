/**
 * What sysfs refuses (new names, other names, none), and extended attributes.
 */
import { KernelError } from '../../../lib/errno.js';
import type { DirNode, Node } from '../../kernfs/node.js';
import { type Exchange, IN, type OperationTable, OUT, SOMEBODY } from './exchange.js';
import type { Inode } from './inodes.js';
import { from } from './message.js';
import * as P from './protocol.js';

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
const RENAME_WHITEOUT = 4;

/** @throws ENOTDIR */
export function mustBeDir(node: Node): DirNode {
  if (node.kind !== 'dir') throw new KernelError('ENOTDIR');
  return node;
}

export class NameOperations {
  readonly #x: Exchange;
  readonly table: OperationTable = {
    SETXATTR: () => this.#setxattr(),
    GETXATTR: () => this.#getxattr(),
    LISTXATTR: () => this.#listxattr(),
    REMOVEXATTR: () => this.#removexattr(),
    MKNOD: () => this.#refused(P.fuse_mknod_in.size, (dir, name) => this.#mknod(dir, name)),
    MKDIR: () => this.#refused(P.fuse_mkdir_in.size, (dir, name) => this.#x.ops.mkdir(SOMEBODY, dir, name)),
    CREATE: () => this.#refused(P.fuse_create_in.size, (dir, name) => this.#x.ops.create(SOMEBODY, dir, name)),
    SYMLINK: () => this.#refused(0, (dir, name) => this.#x.ops.symlink(SOMEBODY, dir, name)),
    UNLINK: () => this.#refused(0, (dir, name) => this.#x.ops.unlink(SOMEBODY, dir, name)),
    RMDIR: () => this.#refused(0, (dir, name) => this.#x.ops.rmdir(SOMEBODY, dir, name)),
    LINK: () => this.#refused(P.fuse_link_in.size, (dir, name) => this.#link(dir, name)),
    RENAME: () => this.#rename(P.fuse_rename_in.size, 0),
    RENAME2: () => this.#rename(P.fuse_rename2_in.size, this.#x.request.u32(from(IN, P.fuse_rename2_in.at.flags))),
  };

  constructor(exchange: Exchange) {
    this.#x = exchange;
  }

  #refused(size: number, body: (dir: DirNode, name: string) => void): number {
    body(mustBeDir(this.#x.node()), this.#x.request.name(IN + size));
    return 0;
  }

  #mknod(dir: DirNode, name: string): void {
    this.#x.ops.mknod(SOMEBODY, dir, name, this.#x.request.u32(from(IN, P.fuse_mknod_in.at.mode)));
  }

  #link(dir: DirNode, name: string): void {
    const source = this.#x.find(this.#x.request.u64(from(IN, P.fuse_link_in.at.oldnodeid)));
    this.#x.ops.link(SOMEBODY, source.node, dir, name);
  }

  #rename(size: number, flags: number): number {
    const name = this.#x.request.name(IN + size);
    const newName = this.#x.request.name(IN + size + name.length + 1);
    const to = mustBeDir(this.#x.find(this.#x.request.u64(from(IN, P.fuse_rename_in.at.newdir))).node);
    this.#x.ops.rename(SOMEBODY, mustBeDir(this.#x.node()), name, to, newName, {
      noReplace: (flags & RENAME_NOREPLACE) !== 0,
      exchange: (flags & RENAME_EXCHANGE) !== 0,
      whiteout: (flags & RENAME_WHITEOUT) !== 0,
    });
    return 0;
  }

  // Extended attributes.

  #setxattr(): number {
    const { at, size } = P.fuse_setxattr_in;
    const inode = this.#x.inode();
    const name = this.#x.request.name(IN + size);
    const value = IN + size + name.length + 1;
    const flags = this.#x.request.u32(from(IN, at.flags));
    const bytes = this.#x.request.text(value, value + this.#x.request.u32(from(IN, at.size)));
    this.#x.ops.setxattr(SOMEBODY, inode.node, name, bytes, {
      create: (flags & XATTR_CREATE) !== 0,
      replace: (flags & XATTR_REPLACE) !== 0,
    });
    this.#staleTimes(inode);
    return 0;
  }

  #removexattr(): number {
    const inode = this.#x.inode();
    this.#x.ops.removexattr(SOMEBODY, inode.node, this.#x.request.name(IN));
    this.#staleTimes(inode);
    return 0;
  }

  /** The first attribute that is set gives a node times of its own. */
  #staleTimes(inode: Inode): void {
    this.#x.notifier.staleAttr(inode);
    for (const twin of this.#x.inodes.twinsOf(inode)) this.#x.notifier.staleAttr(twin);
  }

  #getxattr(): number {
    const { at, size } = P.fuse_getxattr_in;
    const value = this.#x.ops.getxattr(SOMEBODY, this.#x.node(), this.#x.request.name(IN + size));
    return this.#xattr(value, this.#x.request.u32(from(IN, at.size)));
  }

  #listxattr(): number {
    const names = this.#x.ops.listxattr(SOMEBODY, this.#x.node());
    // The kernel checks each name for itself, but lists them all.
    const mine =
      this.#x.request.u32(P.fuse_in_header.at.uid) === 0 ? names : names.filter((name) => !name.startsWith('trusted.'));
    return this.#xattr(
      mine.map((name) => `${name}\0`).join(''),
      this.#x.request.u32(from(IN, P.fuse_getxattr_in.at.size)),
    );
  }

  /** @param room of the client; 0: it asks for the length @throws ERANGE */
  #xattr(value: string, room: number): number {
    if (room > 0 && value.length > room) throw new KernelError('ERANGE');
    if (room > 0) return this.#x.text(value);
    const { at, size } = P.fuse_getxattr_out;
    this.#x.reply.setU32(from(OUT, at.size), value.length);
    this.#x.reply.setU32(from(OUT, at.padding), 0);
    return size;
  }
}
