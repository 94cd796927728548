/**
 * Nodes: what a tree of files is made of.
 *
 * Mirrors struct kernfs_node (include/linux/kernfs.h) as seen by file
 * operations. A node is a view: it is made when somebody looks it up and
 * forgotten when nobody uses it, so nothing lasting may live in it. What lasts
 * hangs on `owner`, the object of the model that the node shows. Knows nothing
 * of the devices behind; leaves out mounts, namespaces and binary files.
 */
import type { Soon } from '../../lib/sync/soon.js';
import type { Task } from '../../lib/sync/task.js';
import type { ChangeSource } from './changes.js';

/** Bytes of a page: the size of an attribute and the most that one store gets. */
export const PAGE_SIZE = 4096;

/** Who runs a file operation. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  readonly pid: number;
  /** Name of the program, as in /proc/PID/comm. */
  readonly comm: string;
  /** Aborted when a signal is pending for the caller; ends waits that are interruptible in the kernel. */
  readonly signal?: AbortSignal | undefined;
}

/** What a show or store learns of the call. */
export interface IoContext {
  readonly task: Task;
  readonly caller: Caller;
  /**
   * Only in a store: what the next read of the same open file finds behind the
   * bytes just written (the manner of fs/libfs.c simple_transaction). Only the
   * control tree uses it.
   */
  readonly reply?: (text: string) => void;
  /** Stands in front of the handlers; undefined as long as there is nothing to do for it. */
  readonly intercept?: Intercept | undefined;
}

/** Whoever may do something else than the file's own handlers. Both run with the node's active reference. */
export interface Intercept {
  show(node: FileNode, ctx: IoContext, show: Show): Soon<string>;
  /** @returns how many bytes of `text` count as taken; undefined: all of them */
  store(node: FileNode, text: string, ctx: IoContext, store: Store): Promise<number | undefined>;
}

/** Makes the content of a file: bytes as a latin1 string. @throws KernelError */
export type Show = (ctx: IoContext) => Soon<string>;

/**
 * Takes one whole write: bytes as a latin1 string, at most a page, a NUL
 * inside not yet looked at. Returns how many bytes it used; nothing means all
 * of them. @throws KernelError
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a store without a result is the usual one
export type Store = (text: string, ctx: IoContext) => number | void | Promise<number | void>;

interface NodeBase {
  /** Inode number: stable, unique in the tree, below 2^32, never used again. */
  readonly ino: number;
  /** What changed attributes (chmod, chown, xattr) hang on: lives as long as the node is in the tree. */
  readonly owner: object;
  /** Permission bits that the node was made with, without the file type. */
  readonly mode: number;
  /** False once the node is being removed. */
  readonly alive: boolean;
}

/** One line of a directory. */
export interface DirEntry {
  readonly name: string;
  readonly kind: Node['kind'];
  readonly ino: number;
}

export interface DirNode extends NodeBase {
  readonly kind: 'dir';
  /** The child of that name. */
  lookup(name: string): Node | undefined;
  /** All children, in any order, without `.` and `..`. */
  entries(): Iterable<DirEntry>;
  /** How many children are directories (their number plus 2 is the link count). */
  subdirs(): number;
  /** Who tells of entries that come and go, by `owner`; undefined: nobody does, and nothing of it may be remembered. */
  readonly changes?: ChangeSource | undefined;
}

export interface FileNode extends NodeBase {
  readonly kind: 'file';
  readonly show?: Show | undefined;
  readonly store?: Store | undefined;
  /** Where it is below the root, without a slash in front; undefined: no fault rule is for it (control tree). */
  readonly path?: string | undefined;
  /** What stat says; a page unless given. */
  readonly size?: number | undefined;
  /** True for files of the control tree: content and stores are not cut at a page. */
  readonly unlimited?: boolean | undefined;
  /** Takes an active reference around show and store. @throws ENODEV once the node is being removed */
  enter(task: Task): void;
  /** Drops it. */
  leave(task: Task): void;
}

export interface LinkNode extends NodeBase {
  readonly kind: 'link';
  /** What readlink says: a relative path without a leading or trailing slash. */
  readonly target: string;
}

export type Node = DirNode | FileNode | LinkNode;
