/**
 * Kobjects as nodes.
 *
 * Mirrors fs/sysfs: a directory shows what its kobject has at this moment (file
 * groups through their tables, links, children); nothing is kept here. Inode
 * numbers follow from the serial number of the object behind a node and the
 * row of the table, not from who asked first.
 */
import type { FileGroup, Kobject, KobjectLink } from '../../lib/driver-core/kobject.js';
import type { Kernel } from '../../lib/kernel.js';
import { after } from '../../lib/sync/soon.js';
import type { Task } from '../../lib/sync/task.js';
import type { ChangeSource } from '../kernfs/changes.js';
import { linkText } from '../kernfs/link.js';
import type { DirEntry, DirNode, FileNode, IoContext, LinkNode, Node, Show, Store } from '../kernfs/node.js';
import { type Attr, type AttrContext, modeOf } from './table.js';
import { tableOf } from './tables/index.js';

/** Rows a table may have; a serial number owns this many inode numbers. */
const ROWS = 64;

/** What helpers like sysfs_emit put into a page at most; the rest is cut silently. */
const EMIT_MAX = 4095;

/** Directories of other file systems, by the kobject and the name under which they are mounted. */
export type MountPoints = ReadonlyMap<Kobject, ReadonlyMap<string, DirNode>>;

export interface SysfsView {
  readonly mounts?: MountPoints;
  /**
   * Directories that the rest of a whole system has in a directory (by its path
   * below /sys): they count as links of it, but are not shown. None unless given.
   */
  readonly otherDirectories?: Readonly<Record<string, number>>;
}

/** The directory that a kernel shows as /sys. */
export function sysfsRoot(kernel: Kernel, view: SysfsView = {}): DirNode {
  return new KobjectDir(kernel, kernel.core.root, view);
}

class KobjectDir implements DirNode {
  readonly kind = 'dir';
  readonly mode = 0o755;
  constructor(
    readonly kernel: Kernel,
    readonly kobj: Kobject,
    readonly view: SysfsView,
  ) {}

  /** What is mounted in this directory. */
  get #mounted(): ReadonlyMap<string, DirNode> | undefined {
    return this.view.mounts?.get(this.kobj);
  }

  get ino(): number {
    return this.kobj.serial * ROWS;
  }

  get owner(): object {
    return this.kobj;
  }

  get alive(): boolean {
    return this.kobj.visible;
  }

  get changes(): ChangeSource {
    return this.kobj.tree;
  }

  lookup(name: string): Node | undefined {
    const child = this.kobj.children.get(name);
    if (child) return new KobjectDir(this.kernel, child, this.view);
    const mounted = this.#mounted?.get(name);
    if (mounted) return mounted;
    const link = this.kobj.links.get(name);
    if (link) return new LinkTo(this.kobj, name, link);
    for (const group of this.kobj.groups.values()) {
      const { rows } = tableOf(group.name);
      const at = rows.findIndex((row) => row.name === name);
      const row = rows[at];
      if (row && this.#shows(row)) return new AttrFile(this.kernel, group, row, at);
    }
    return undefined;
  }

  entries(): DirEntry[] {
    const all: DirEntry[] = [];
    const put = (name: string, kind: DirEntry['kind'], ino: number): void => void all.push({ name, kind, ino });
    for (const child of this.kobj.children.values()) put(child.name, 'dir', child.serial * ROWS);
    for (const [name, { ino }] of this.#mounted ?? []) put(name, 'dir', ino);
    for (const [name, link] of this.kobj.links) put(name, 'link', link.serial * ROWS);
    for (const group of this.kobj.groups.values())
      tableOf(group.name).rows.forEach((row, at) => {
        if (this.#shows(row)) put(row.name, 'file', group.serial * ROWS + at);
      });
    return all;
  }

  subdirs(): number {
    const others = this.view.otherDirectories?.[this.kobj.devpath] ?? 0;
    return this.kobj.children.size + (this.#mounted?.size ?? 0) + others;
  }

  #shows(row: Attr<Kobject>): boolean {
    if (row.since && !row.since(this.kernel.profile)) return false;
    return row.visible ? row.visible(this.kobj, this.kernel) : true;
  }
}

class AttrFile implements FileNode {
  readonly kind = 'file';
  readonly mode: number;
  readonly show: Show | undefined;
  readonly store: Store | undefined;

  constructor(
    readonly kernel: Kernel,
    readonly group: FileGroup,
    readonly row: Attr<Kobject>,
    readonly at: number,
  ) {
    this.mode = modeOf(row, kernel.profile);
    const { show, store } = row;
    if (show)
      this.show = (io: IoContext) => after(show(group.kobj, contextOf(io, kernel)), (text) => text.slice(0, EMIT_MAX));
    if (store) this.store = (text: string, io: IoContext) => store(group.kobj, text, contextOf(io, kernel));
  }

  get ino(): number {
    return this.group.serial * ROWS + this.at;
  }

  get path(): string {
    return `${this.group.kobj.devpath}/${this.row.name}`.slice(1);
  }

  get owner(): object {
    return this.group;
  }

  get alive(): boolean {
    return this.group.alive;
  }

  enter(task: Task): void {
    this.group.enter(task);
  }

  leave(task: Task): void {
    this.group.leave(task);
  }
}

/** Field by field: a spread costs more than most shows. */
const contextOf = ({ task, caller }: IoContext, kernel: Kernel): AttrContext => ({ task, caller, kernel });

class LinkTo implements LinkNode {
  readonly kind = 'link';
  readonly mode = 0o777;
  constructor(
    readonly dir: Kobject,
    readonly name: string,
    readonly link: KobjectLink,
  ) {}

  get ino(): number {
    return this.link.serial * ROWS;
  }

  get owner(): object {
    return this.link;
  }

  get alive(): boolean {
    return this.dir.links.get(this.name) === this.link;
  }

  get target(): string {
    return linkText(this.dir.devpath, this.link.target.devpath);
  }
}
