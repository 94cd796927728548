/**
 * A tree among the files of the system that it is put into.
 *
 * What comes and goes with the simulated kernel (modules, classes, devices)
 * stands in directories in which the host's kernel has files too. Such a
 * directory shows both: its own entries, as they are at this moment, and
 * placeholders of the host's, on which whoever composes the two mounts the real
 * things. Where both have a name it is ours. Mirrors nothing.
 */
import type { ChangeSource } from './kernfs/changes.js';
import type { DirEntry, DirNode, Node } from './kernfs/node.js';
import { StaticTree } from './kernfs/static-tree.js';

/** What the host has in one directory besides ours. */
export interface Surroundings {
  /** Directories that both have, and in which both have something of their own. */
  readonly within: ReadonlyMap<string, Surroundings>;
  /** The host's own: something to mount on, or a link with its text. */
  readonly foreign: ReadonlyMap<string, 'dir' | 'file' | { readonly target: string }>;
}

/** Inode numbers of placeholders: above those of kobjects, below those of the control tree. */
const FIRST_INO = 0xe000_0000;

/** The same tree with the host's entries in it. */
export function surrounded(root: DirNode, around: Surroundings): DirNode {
  return new SurroundedDir(root, new Placeholders(around, new StaticTree(FIRST_INO)));
}

/** The nodes of the host's entries in one directory and below. */
class Placeholders {
  readonly nodes = new Map<string, Node>();
  readonly within = new Map<string, Placeholders>();

  constructor({ within, foreign }: Surroundings, tree: StaticTree) {
    for (const [name, what] of foreign)
      this.nodes.set(
        name,
        what === 'dir' ? tree.dir() : what === 'file' ? tree.file({ mode: 0 }) : tree.link(what.target),
      );
    for (const [name, around] of within) this.within.set(name, new Placeholders(around, tree));
  }
}

/** A directory of ours: everything about it is ours but for some more entries. */
class SurroundedDir implements DirNode {
  readonly kind = 'dir';

  constructor(
    readonly ours: DirNode,
    readonly others: Placeholders,
  ) {}

  get ino(): number {
    return this.ours.ino;
  }

  get owner(): object {
    return this.ours.owner;
  }

  get mode(): number {
    return this.ours.mode;
  }

  get alive(): boolean {
    return this.ours.alive;
  }

  get changes(): ChangeSource | undefined {
    return this.ours.changes;
  }

  lookup(name: string): Node | undefined {
    const node = this.ours.lookup(name);
    if (!node) return this.others.nodes.get(name);
    const within = this.others.within.get(name);
    return within && node.kind === 'dir' ? new SurroundedDir(node, within) : node;
  }

  *entries(): Generator<DirEntry> {
    const ours = new Set<string>();
    for (const entry of this.ours.entries()) {
      ours.add(entry.name);
      yield entry;
    }
    for (const [name, { kind, ino }] of this.others.nodes) if (!ours.has(name)) yield { name, kind, ino };
  }

  subdirs(): number {
    let count = this.ours.subdirs();
    for (const [name, { kind }] of this.others.nodes) if (kind === 'dir' && !this.ours.lookup(name)) count++;
    return count;
  }
}
