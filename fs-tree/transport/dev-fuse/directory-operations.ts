/**
 * Listings of directories, with or without what is listed.
 *
 * The kernel begins each listing by asking for entries and attributes at once
 * (FUSE_READDIRPLUS). It is told of nodes only where the client has lately
 * looked up what it had listed (`ls -l`, a glob that is read): for a walk by
 * names alone the kernel would make inodes, and we too, that nobody uses.
 */
import { KernelError } from '../../../lib/errno.js';
import type { DirEntry, DirNode, Node } from '../../kernfs/node.js';
import { direntSize, putDirent, putOpen } from './encode.js';
import { type Exchange, IN, type OperationTable, OUT, SOMEBODY } from './exchange.js';
import { Handles } from './handles.js';
import type { Inode } from './inodes.js';
import type { Lookups } from './lookups.js';
import { from } from './message.js';
import { mustBeDir } from './name-operations.js';
import * as P from './protocol.js';

interface OpenDir {
  readonly inode: Inode;
  /** The listing, made when a listing begins. */
  entries: readonly DirEntry[] | undefined;
  /** This listing tells of the nodes too. */
  whole: boolean;
}

/** A thread that lists. */
interface Reader {
  /** Node id of what it has listed last. */
  listed: number;
  /** So many listings more it is told of nodes. */
  whole: number;
}

/** For so many listings a look at what was listed counts: what is remembered then is not looked up. */
const COUNTS_FOR = 4;
/** Threads that are told apart. */
const READERS_MOST = 64;

export class DirectoryOperations {
  readonly #x: Exchange;
  readonly #lookups: Lookups;
  readonly #dirs = new Handles<OpenDir>();
  /** By thread. */
  readonly #readers = new Map<number, Reader>();
  readonly table: OperationTable = {
    OPENDIR: () => this.#opendir(),
    READDIR: () => this.#readdir(false),
    READDIRPLUS: () => this.#readdir(true),
    RELEASEDIR: () => this.#releasedir(),
    FSYNCDIR: () => {
      throw new KernelError('EINVAL');
    },
  };

  constructor(exchange: Exchange, lookups: Lookups) {
    this.#x = exchange;
    this.#lookups = lookups;
  }

  /** The thread that asks looks up one of a directory's names. Walks by names alone look up directories. */
  lookedUp(dir: Inode, node: Node): void {
    if (node.kind === 'dir' || this.#readers.size === 0) return;
    const reader = this.#readers.get(this.#x.pid);
    if (reader?.listed === dir.nodeid) reader.whole = COUNTS_FOR;
  }

  #opendir(): number {
    const inode = this.#x.inode();
    this.#x.ops.opendir(SOMEBODY, inode.node);
    return putOpen(this.#x.reply, this.#dirs.add({ inode, entries: undefined, whole: false }), 0);
  }

  #readdir(plus: boolean): number {
    const { at } = P.fuse_read_in;
    const open = this.#dirs.get(this.#x.request.u64(from(IN, at.fh)));
    const first = this.#x.request.u64(from(IN, at.offset));
    const end = Math.min(OUT + this.#x.request.u32(from(IN, at.size)), this.#x.reply.bytes.length);
    if (first === 0 || !open.entries) {
      open.entries = this.#list(open.inode);
      open.whole = plus && this.#toldAll(open.inode);
    }
    return this.#put(open, open.entries, first, end, plus ? P.fuse_direntplus.at.dirent : 0);
  }

  /** @param front bytes before each entry, for its node */
  #put(open: OpenDir, entries: readonly DirEntry[], first: number, end: number, front: number): number {
    let base = OUT;
    for (let i = first; i < entries.length; i++) {
      const entry = entries[i] as DirEntry;
      const size = front + direntSize(entry);
      if (base + size > end) break;
      if (front > 0) this.#putNode(base, open, entry);
      putDirent(this.#x.reply, base + front, entry, i + 1);
      base += size;
    }
    return base - OUT;
  }

  /** Without a node id the kernel takes the name only. What it may not remember would be for nothing. */
  #putNode(base: number, { inode: dir, whole }: OpenDir, { name }: DirEntry): void {
    const node = whole ? childOf(mustBeDir(dir.node), name) : undefined;
    if (node && this.#lookups.nameStays(node, dir.node)) this.#lookups.put(base, dir, node, name);
    else this.#x.reply.clear(base, base + P.fuse_entry_out.size);
  }

  /** Whether the thread that begins to list a directory is told of its nodes. */
  #toldAll(dir: Inode): boolean {
    const { pid } = this.#x;
    const reader = this.#readers.get(pid);
    if (reader) {
      reader.listed = dir.nodeid;
      return reader.whole-- > 0;
    }
    if (this.#readers.size >= READERS_MOST) this.#readers.clear();
    this.#readers.set(pid, { listed: dir.nodeid, whole: 0 });
    return false;
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

/** `.` and `..` are no children. */
const childOf = (dir: DirNode, name: string): Node | undefined =>
  dir.alive && !name.startsWith('.') ? dir.lookup(name) : undefined;
