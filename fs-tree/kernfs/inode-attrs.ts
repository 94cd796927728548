/**
 * What stat says, and what chmod, chown, utimes and setxattr changed.
 *
 * Mirrors fs/kernfs/inode.c: a node has no attributes of its own (struct
 * kernfs_iattrs) before somebody sets one; from then on they live as long as
 * the node. Before that its times are those of its inode, made when it is
 * first looked up and forgotten when the inode cache is full.
 */
import { KernelError } from '../../lib/errno.js';
import type { Node } from './node.js';
import { PAGE_SIZE } from './node.js';

export const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

const TYPE_BITS = { dir: S_IFDIR, file: S_IFREG, link: S_IFLNK } as const;

/** struct stat. Times in milliseconds since 1970. */
export interface Stat {
  readonly ino: number;
  /** File type and permission bits. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
}

/** What setattr may set. */
export interface AttrChange {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atime?: number;
  readonly mtime?: number;
}

/** struct kernfs_iattrs. */
interface NodeAttrs {
  mode: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
  atime: number;
  mtime: number;
  ctime: number;
  xattrs: Map<string, string> | undefined;
}

export interface InodeAttrsOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Whom files belong to before a chown; root unless given. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** How many inodes the cache holds. */
  readonly cacheSize?: number;
}

export class InodeAttrs {
  readonly #now: () => number;
  readonly #uid: number;
  readonly #gid: number;
  readonly #cacheSize: number;
  readonly #changed = new WeakMap<object, Map<number, NodeAttrs>>();
  /** Some node has attributes of its own; mostly none has. */
  #someChanged = false;
  /** Inode number to the time when it was looked up: the latest ones, and those before them. */
  #young = new Map<number, number>();
  #old = new Map<number, number>();

  constructor(options: InodeAttrsOptions) {
    this.#now = options.now;
    this.#uid = options.owner?.uid ?? 0;
    this.#gid = options.owner?.gid ?? 0;
    this.#cacheSize = options.cacheSize ?? 65536;
  }

  stat(node: Node): Stat {
    const attrs = this.#find(node);
    const time = attrs ? 0 : this.#inodeTime(node);
    return {
      ino: node.ino,
      mode: TYPE_BITS[node.kind] | (attrs?.mode ?? node.mode),
      nlink: node.kind === 'dir' ? 2 + node.subdirs() : 1,
      uid: attrs?.uid ?? this.#uid,
      gid: attrs?.gid ?? this.#gid,
      size: node.kind === 'file' ? (node.size ?? PAGE_SIZE) : 0,
      blksize: PAGE_SIZE,
      blocks: 0,
      atime: attrs?.atime ?? time,
      mtime: attrs?.mtime ?? time,
      ctime: attrs?.ctime ?? time,
    };
  }

  /** The permission bits as they are now. */
  mode(node: Node): number {
    return this.#find(node)?.mode ?? node.mode;
  }

  /** `kernfs_iop_setattr` without permission checks; ctime follows. */
  set(node: Node, change: AttrChange): void {
    const attrs = this.#make(node);
    if (change.mode !== undefined) attrs.mode = change.mode & 0o7777;
    if (change.uid !== undefined) attrs.uid = change.uid;
    if (change.gid !== undefined) attrs.gid = change.gid;
    if (change.atime !== undefined) attrs.atime = change.atime;
    if (change.mtime !== undefined) attrs.mtime = change.mtime;
    attrs.ctime = this.#now();
  }

  /** What O_TRUNC and ftruncate do: no change of size, but mtime and ctime follow. */
  truncated(node: Node): void {
    this.set(node, { mtime: this.#now() });
  }

  /**
   * A name came or went (`kernfs_add_one`): seen only in directories whose attributes were set before.
   * @param owner the directory's
   */
  entriesChanged(owner: object): void {
    if (!this.#someChanged) return;
    for (const attrs of this.#changed.get(owner)?.values() ?? []) attrs.mtime = attrs.ctime = this.#now();
  }

  /** Nobody holds an inode of the node any more: the next one begins at its own time. */
  evicted({ ino }: Node): void {
    this.#young.delete(ino);
    this.#old.delete(ino);
  }

  /** @throws ENODATA */
  getXattr(node: Node, name: string): string {
    const value = this.#find(node)?.xattrs?.get(name);
    if (value === undefined) throw new KernelError('ENODATA');
    return value;
  }

  /** @throws EEXIST, ENODATA by the flags of setxattr(2) */
  setXattr(node: Node, name: string, value: string, flags: { create: boolean; replace: boolean }): void {
    const attrs = this.#make(node);
    attrs.xattrs ??= new Map();
    const there = attrs.xattrs.has(name);
    if (flags.create && there) throw new KernelError('EEXIST');
    if (flags.replace && !there) throw new KernelError('ENODATA');
    attrs.xattrs.set(name, value);
  }

  /** @throws ENODATA */
  removeXattr(node: Node, name: string): void {
    if (!this.#make(node).xattrs?.delete(name)) throw new KernelError('ENODATA');
  }

  xattrNames(node: Node): string[] {
    return [...(this.#find(node)?.xattrs?.keys() ?? [])];
  }

  #find(node: Node): NodeAttrs | undefined {
    return this.#someChanged ? this.#changed.get(node.owner)?.get(node.ino) : undefined;
  }

  #make(node: Node): NodeAttrs {
    this.#someChanged = true;
    let of = this.#changed.get(node.owner);
    if (!of) this.#changed.set(node.owner, (of = new Map()));
    let attrs = of.get(node.ino);
    if (!attrs) {
      const now = this.#now();
      attrs = {
        mode: undefined,
        uid: undefined,
        gid: undefined,
        atime: now,
        mtime: now,
        ctime: now,
        xattrs: undefined,
      };
      of.set(node.ino, attrs);
    }
    return attrs;
  }

  #inodeTime({ ino }: Node): number {
    let time = this.#young.get(ino) ?? this.#old.get(ino);
    if (time === undefined) {
      time = this.#now();
      this.#young.set(ino, time);
      // The older half goes at once: finding the oldest one each time costs more the longer a walk is.
      if (this.#young.size > this.#cacheSize / 2) {
        this.#old = this.#young;
        this.#young = new Map();
      }
    }
    return time;
  }
}
