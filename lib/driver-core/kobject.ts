/**
 * Kernel objects: what has a directory in sysfs.
 *
 * Mirrors lib/kobject.c and the kernfs side of fs/sysfs: a kobject is a
 * directory that holds child kobjects, symbolic links and groups of files.
 * What the files are called, say and do stands in the attribute tables of
 * fs-tree; here a group is a name. A removed group waits for the operations
 * that run in its files (active references, fs/kernfs/dir.c).
 */
import { KernelError } from '../errno.js';
import { type Inside, type Task, takeOut } from '../sync/task.js';

/** A change of the tree, published in order. */
export interface TreeChange {
  readonly op: 'add' | 'remove';
  readonly what: 'dir' | 'link' | 'group';
  readonly dir: Kobject;
  readonly name: string;
}

/** The tree of one kernel: numbers its nodes and tells who listens of changes. */
export class KobjectTree {
  #serial = 1;
  readonly #numbered: KobjectTree | undefined;
  readonly #listeners = new Set<(change: TreeChange) => void>();

  /** @param numberedWith a tree that it is shown together with: no number is in both */
  constructor(numberedWith?: KobjectTree) {
    this.#numbered = numberedWith;
  }

  nextSerial(): number {
    return this.#numbered?.nextSerial() ?? this.#serial++;
  }

  onChange(listener: (change: TreeChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(change: TreeChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** A symbolic link to another kobject's directory. */
export class KobjectLink {
  constructor(
    readonly serial: number,
    readonly target: Kobject,
  ) {}
}

/** Some files of a directory that come and go together. */
export class FileGroup implements Inside {
  alive = true;
  /** Tasks inside a show or store of one of the files; undefined: none, as in nearly all of a million files. */
  #users: Task[] | undefined;
  #drained: (() => void) | undefined;

  constructor(
    readonly kobj: Kobject,
    readonly name: string,
    readonly serial: number,
  ) {}

  /** Takes an active reference (`kernfs_get_active`). @throws ENODEV once the group is being removed */
  enter(task: Task): void {
    if (!this.alive) throw new KernelError('ENODEV');
    this.#users ??= [];
    this.#users.push(task);
    task.enter(this);
  }

  /** Drops an active reference. */
  leave(task: Task): void {
    if (this.#users) takeOut(this.#users, task);
    if (this.#users?.length === 0) this.#users = undefined;
    task.leave(this);
    this.#drained?.();
  }

  userWaits(): void {
    this.#drained?.();
  }

  /**
   * Refuses new users and waits for those inside (`kernfs_drain`). A task's own
   * references do not count: that is what device_remove_file_self is for. Nor do
   * those of tasks that wait for this one, for instance a read of `serialnr`
   * that asked for a bus scan while the scan removes the card: there the kernel
   * would wait for itself for ever, and the model goes on.
   */
  async kill(task: Task): Promise<void> {
    this.alive = false;
    while (this.#users?.some((user) => user !== task && !user.waitsFor(task)))
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    this.#drained = undefined;
  }
}

export class Kobject {
  readonly tree: KobjectTree;
  readonly serial: number;
  readonly name: string;
  readonly parent: Kobject | undefined;
  /** Its directory is in the tree. */
  visible = false;
  #groups: Map<string, FileGroup> | undefined;
  #links: Map<string, KobjectLink> | undefined;
  #children: Map<string, Kobject> | undefined;

  constructor(tree: KobjectTree, name: string, parent: Kobject | undefined) {
    this.tree = tree;
    this.serial = tree.nextSerial();
    this.name = name;
    this.parent = parent;
  }

  /** Path below /sys, with a leading slash: the DEVPATH of its events. */
  get devpath(): string {
    const names: string[] = [];
    for (let at: Kobject = this; at.parent; at = at.parent) names.push(at.name);
    names.push('');
    // In one piece: thousands of events are kept, and a string of strings takes many times its length.
    return names.reverse().join('/');
  }

  get groups(): ReadonlyMap<string, FileGroup> {
    return this.#groups ?? none;
  }

  get links(): ReadonlyMap<string, KobjectLink> {
    return this.#links ?? none;
  }

  get children(): ReadonlyMap<string, Kobject> {
    return this.#children ?? none;
  }

  /** True if a child, link of that name exists (files are the tables' business). */
  hasEntry(name: string): boolean {
    return (this.#children?.has(name) ?? false) || (this.#links?.has(name) ?? false);
  }

  /** Makes the directory (`sysfs_create_dir`). @throws EEXIST */
  addDir(): void {
    const parent = this.parent;
    if (parent) {
      if (parent.hasEntry(this.name)) throw new KernelError('EEXIST', `${this.devpath} exists`);
      parent.#children ??= new Map();
      parent.#children.set(this.name, this);
    }
    this.visible = true;
    if (parent) this.tree.publish({ op: 'add', what: 'dir', dir: parent, name: this.name });
  }

  /** Removes the directory with what is left in it (`kobject_del`). Waits for running operations. */
  async removeDir(task: Task): Promise<void> {
    this.visible = false;
    if (this.parent?.children.get(this.name) === this) {
      this.parent.#children?.delete(this.name);
      this.tree.publish({ op: 'remove', what: 'dir', dir: this.parent, name: this.name });
    }
    for (const name of [...this.links.keys()]) this.removeLink(name);
    for (const name of [...this.groups.keys()]) await this.removeGroup(task, name);
  }

  /** Removes a directory that holds no files, so nobody can be inside: no wait. */
  dropEmptyDir(): void {
    this.visible = false;
    if (this.parent?.children.get(this.name) !== this) return;
    this.parent.#children?.delete(this.name);
    this.tree.publish({ op: 'remove', what: 'dir', dir: this.parent, name: this.name });
  }

  /** The machine of this tree is switched off: it and all below it is gone at once, whoever is inside. */
  vanish(): void {
    this.visible = false;
    for (const group of this.groups.values()) group.alive = false;
    for (const child of this.children.values()) child.vanish();
  }

  /** `sysfs_create_group`; adding one that is there changes nothing. */
  addGroup(name: string): FileGroup {
    this.#groups ??= new Map();
    const there = this.#groups.get(name);
    if (there) return there;
    const group = new FileGroup(this, name, this.tree.nextSerial());
    this.#groups.set(name, group);
    this.tree.publish({ op: 'add', what: 'group', dir: this, name });
    return group;
  }

  /** `sysfs_remove_group`. Waits for running operations of other tasks. */
  async removeGroup(task: Task, name: string): Promise<void> {
    const group = this.#groups?.get(name);
    if (!group) return;
    this.#groups?.delete(name);
    this.tree.publish({ op: 'remove', what: 'group', dir: this, name });
    await group.kill(task);
  }

  /** `sysfs_create_link`. @throws EEXIST */
  addLink(name: string, target: Kobject): void {
    if (this.hasEntry(name)) throw new KernelError('EEXIST', `${this.devpath}/${name} exists`);
    this.#links ??= new Map();
    this.#links.set(name, new KobjectLink(this.tree.nextSerial(), target));
    this.tree.publish({ op: 'add', what: 'link', dir: this, name });
  }

  /** `sysfs_remove_link`; removing one that is not there changes nothing. */
  removeLink(name: string): void {
    if (this.#links?.delete(name)) this.tree.publish({ op: 'remove', what: 'link', dir: this, name });
  }
}

const none: ReadonlyMap<string, never> = new Map<string, never>();
