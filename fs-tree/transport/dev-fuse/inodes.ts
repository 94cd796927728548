/**
 * What the host's kernel knows: inodes by their node ids.
 *
 * A node has one inode as long as the kernel remembers it (lookups that were
 * answered less those forgotten), and none otherwise: the tree's nodes are made
 * anew when somebody asks. Node ids are never used again.
 *
 * The kernel holds a lock of an inode while a write into it is in work, and
 * takes it for open with O_TRUNC, chmod and unlink (the last with the
 * directory's lock in hand). sysfs holds none. So a file whose store is blocked
 * gets another inode for whoever looks it up meanwhile: same number, same
 * attributes, locks of its own.
 */
import type { DirNode, Node } from '../../kernfs/node.js';
import { FUSE_ROOT_ID } from './protocol.js';

export interface Inode {
  readonly nodeid: number;
  readonly node: Node;
  /** In which it was looked up first; undefined for the root. */
  readonly parent: Inode | undefined;
  /** The name in it. */
  readonly name: string;
  /** References that the kernel holds. */
  lookups: number;
  /** Stores in work. */
  stores: number;
  /** Thread that opened it last; 0 once that thread has gone on to something else. */
  openedBy: number;
  /** The inode that it stands in for. */
  twin: Inode | undefined;
  /** The kernel has it under its name, even if it asks each time: that is to be taken back. */
  named: boolean;
  /** What was looked up in this directory last under each name; empty for what is no directory. */
  readonly children: Map<string, Inode>;
}

/** Of what is no directory. */
const NOTHING = new Map<string, Inode>();

/** Told of what the kernel knows. */
export interface InodeListener {
  dirKnown(dir: DirNode): void;
  dirForgotten(dir: DirNode): void;
  /** No inode of the node is left. */
  evicted(node: Node): void;
}

export class Inodes {
  readonly #byId = new Map<number, Inode>();
  /** The inode that a lookup finds, by inode number. */
  readonly #current = new Map<number, Inode>();
  /** Directories by what changes of the tree name. */
  readonly #dirs = new Map<object, Inode>();
  #lastId = FUSE_ROOT_ID;

  constructor(
    root: Node,
    private readonly told: InodeListener,
  ) {
    this.#add(FUSE_ROOT_ID, root, undefined, '', undefined);
  }

  get size(): number {
    return this.#byId.size;
  }

  find(nodeid: number): Inode | undefined {
    return this.#byId.get(nodeid);
  }

  /** The directory of that owner, if the kernel knows it. */
  dirOf(owner: object): Inode | undefined {
    return this.#dirs.get(owner);
  }

  /** The inode of a node that was looked up; the kernel holds one reference more. */
  lookedUp(node: Node, parent: Inode, name: string): Inode {
    const known = this.#current.get(node.ino);
    if (known && known.stores === 0) {
      known.lookups++;
      return known;
    }
    return this.#add(++this.#lastId, node, parent, name, known);
  }

  forget(nodeid: number, lookups: number): void {
    const inode = this.#byId.get(nodeid);
    if (!inode || nodeid === FUSE_ROOT_ID) return;
    inode.lookups -= lookups;
    if (inode.lookups > 0) return;
    this.#byId.delete(nodeid);
    this.#unchain(inode);
    const { parent, name } = inode;
    if (parent?.children.get(name) === inode) parent.children.delete(name);
    if (inode.node.kind !== 'dir') return;
    if (this.#dirs.get(inode.node.owner) === inode) this.#dirs.delete(inode.node.owner);
    this.told.dirForgotten(inode.node);
  }

  /** All other inodes of the same node. */
  *twinsOf(inode: Inode): Generator<Inode> {
    for (let twin = this.#current.get(inode.node.ino); twin; twin = twin.twin) if (twin !== inode) yield twin;
  }

  hasTwin(inode: Inode): boolean {
    return inode.twin !== undefined || this.#current.get(inode.node.ino) !== inode;
  }

  #unchain(inode: Inode): void {
    const { ino } = inode.node;
    const current = this.#current.get(ino);
    if (current !== inode) {
      for (let twin = current; twin; twin = twin.twin) if (twin.twin === inode) twin.twin = inode.twin;
    } else if (inode.twin) this.#current.set(ino, inode.twin);
    else {
      this.#current.delete(ino);
      this.told.evicted(inode.node);
    }
  }

  #add(nodeid: number, node: Node, parent: Inode | undefined, name: string, twin: Inode | undefined): Inode {
    const inode: Inode = {
      nodeid,
      node,
      parent,
      name,
      lookups: 1,
      stores: 0,
      openedBy: 0,
      twin,
      named: false,
      children: node.kind === 'dir' ? new Map() : NOTHING,
    };
    parent?.children.set(name, inode);
    this.#byId.set(nodeid, inode);
    this.#current.set(node.ino, inode);
    if (node.kind === 'dir') {
      this.#dirs.set(node.owner, inode);
      this.told.dirKnown(node);
    }
    return inode;
  }
}
