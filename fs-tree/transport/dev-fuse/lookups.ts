/**
 * What the kernel is told of a node when it gets to know it, and how long it
 * may believe that.
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
import type { Node } from '../../kernfs/node.js';
import { putEntry } from './encode.js';
import { type Exchange, SOMEBODY } from './exchange.js';
import type { Inode } from './inodes.js';

/** Attributes change with a notification only, so they hold for ever; a year is as good. */
const YEAR = 365 * 24 * 3600;

export class Lookups {
  /** The kernel may remember attributes. */
  attrs = false;
  /** The kernel may remember names. */
  names = false;

  constructor(private readonly x: Exchange) {}

  /** Puts a fuse_entry_out of a node into the reply; the kernel holds one reference of it more. */
  put(base: number, dir: Inode, node: Node, name: string): void {
    const stat = this.x.ops.getattr(SOMEBODY, node);
    const inode = this.x.inodes.lookedUp(node, dir, name);
    inode.named = this.names;
    const alone = node.kind !== 'dir' && !this.x.inodes.hasTwin(inode);
    const valid = {
      entry: this.nameStays(inode.node, inode.parent?.node) ? YEAR : 0,
      attr: alone ? this.attrValid(inode) : 0,
    };
    putEntry(this.x.reply, base, inode.nodeid, stat, valid);
  }

  /** A name is not there: the kernel notes that, and asks again all the same. */
  inVain(dir: Inode, name: string): void {
    if (this.names) this.x.notifier.nothingThere(dir, name);
  }

  /** May the kernel find a node by its name without asking? */
  nameStays(node: Node, dir: Node | undefined): boolean {
    if (!this.names || dir?.kind !== 'dir' || !dir.changes) return false;
    return node.kind !== 'file' || !node.store;
  }

  /** How long attributes hold: until a notification, where somebody tells of changes. */
  attrValid({ node }: Inode): number {
    return this.attrs && (node.kind !== 'dir' || node.changes) ? YEAR : 0;
  }
}
