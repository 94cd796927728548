/**
 * A plain tree in memory, for the control tree and for tests.
 *
 * What debugfs_create_file and friends are to fs/debugfs: somebody makes
 * directories, files and links, and takes them away again. Large or changing
 * directories are given as two functions instead of a list.
 */
import { KernelError } from '../../lib/errno.js';
import { type Task, takeOut } from '../../lib/sync/task.js';
import { ChangeHub, type ChangeSource } from './changes.js';
import type { DirEntry, DirNode, FileNode, LinkNode, Node, Show, Store } from './node.js';

export interface FileOptions {
  readonly show?: Show;
  readonly store?: Store;
  /** Permission bits; those that fit the handlers unless given. */
  readonly mode?: number;
  readonly size?: number;
  /** No limit of a page on content and stores. */
  readonly unlimited?: boolean;
}

/** A regular file. */
export class TextFile implements FileNode {
  readonly kind = 'file';
  readonly owner: object = this;
  readonly mode: number;
  readonly show: Show | undefined;
  readonly store: Store | undefined;
  readonly size: number | undefined;
  readonly unlimited: boolean;
  alive = true;
  readonly #users: Task[] = [];
  #drained: (() => void) | undefined;

  constructor(
    readonly ino: number,
    options: FileOptions,
  ) {
    this.show = options.show;
    this.store = options.store;
    this.mode = options.mode ?? (options.show ? 0o444 : 0) | (options.store ? 0o200 : 0);
    this.size = options.size;
    this.unlimited = options.unlimited ?? false;
  }

  enter(task: Task): void {
    if (!this.alive) throw new KernelError('ENODEV');
    this.#users.push(task);
  }

  leave(task: Task): void {
    takeOut(this.#users, task);
    if (this.#users.length === 0) this.#drained?.();
  }

  /** Refuses new users; resolves when the last of those inside has left. */
  async kill(): Promise<void> {
    this.alive = false;
    if (this.#users.length > 0)
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
  }
}

/** A symbolic link. */
export class StaticLink implements LinkNode {
  readonly kind = 'link';
  readonly owner: object = this;
  readonly mode = 0o777;
  alive = true;
  constructor(
    readonly ino: number,
    readonly target: string,
  ) {}
}

/** Children that somebody else keeps. */
export interface DirSource {
  lookup(name: string): Node | undefined;
  entries(): Iterable<DirEntry>;
}

/** A directory: children that were added, then those of the source. */
export class StaticDir implements DirNode {
  readonly kind = 'dir';
  readonly owner: object = this;
  alive = true;
  readonly #children = new Map<string, Node>();

  constructor(
    readonly ino: number,
    readonly mode: number,
    private readonly hub: ChangeHub,
    private readonly source?: DirSource,
  ) {}

  get changes(): ChangeSource | undefined {
    return this.source ? undefined : this.hub;
  }

  lookup(name: string): Node | undefined {
    return this.#children.get(name) ?? this.source?.lookup(name);
  }

  *entries(): Iterable<DirEntry> {
    for (const [name, { kind, ino }] of this.#children) yield { name, kind, ino };
    if (this.source) yield* this.source.entries();
  }

  subdirs(): number {
    let count = 0;
    for (const { kind } of this.entries()) if (kind === 'dir') count++;
    return count;
  }

  /** Adds a child. @throws EEXIST */
  add<T extends Node>(name: string, node: T): T {
    if (this.lookup(name)) throw new KernelError('EEXIST', name);
    this.#children.set(name, node);
    this.hub.publish({ op: 'add', dir: this, name });
    return node;
  }

  /** Takes a child and all below it away; resolves when nobody is inside its files any more. */
  async remove(name: string): Promise<void> {
    const node = this.#children.get(name);
    if (!node) return;
    this.#children.delete(name);
    const dying: Promise<void>[] = [];
    kill(node, dying);
    this.hub.publish({ op: 'remove', dir: this, name });
    await Promise.all(dying);
  }

  /** Marks everything below as gone. */
  killChildren(dying: Promise<void>[]): void {
    for (const child of this.#children.values()) kill(child, dying);
    this.#children.clear();
  }
}

function kill(node: Node, dying: Promise<void>[]): void {
  if (node instanceof TextFile) dying.push(node.kill());
  else if (node instanceof StaticLink) node.alive = false;
  else if (node instanceof StaticDir) {
    node.alive = false;
    node.killChildren(dying);
  }
}

/** Makes nodes and numbers them. */
export class StaticTree {
  readonly changes = new ChangeHub();
  #nextIno: number;

  /** @param firstIno trees that are shown together must not overlap */
  constructor(firstIno = 1) {
    this.#nextIno = firstIno;
  }

  dir(mode = 0o755, source?: DirSource): StaticDir {
    return new StaticDir(this.#nextIno++, mode, this.changes, source);
  }

  file(options: FileOptions): TextFile {
    return new TextFile(this.#nextIno++, options);
  }

  link(target: string): StaticLink {
    return new StaticLink(this.#nextIno++, target);
  }
}
