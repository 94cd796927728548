/**
 * The toy tree under ops, two callers, and errnos as results: for tests of the
 * file layer without a mount.
 */
import type { Caller, DirNode, FileNode, Node } from '../../fs-tree/kernfs/node.js';
import type { OpenFile } from '../../fs-tree/kernfs/open-file.js';
import { Ops, type OpsOptions } from '../../fs-tree/ops.js';
import { KernelError } from '../../lib/errno.js';
import { type Toy, toyTree } from './toy-tree.js';

export const O_RDONLY = 0;
export const root: Caller = { uid: 0, gid: 0, groups: [], pid: 100, comm: 'test' };
export const user: Caller = { uid: 1000, gid: 1000, groups: [50], pid: 101, comm: 'test' };

export interface Bench {
  readonly toy: Toy;
  readonly ops: Ops;
  readonly bugs: unknown[];
  /** Moves the wall clock. */
  tick(): number;
  node(path: string): Node;
  dir(path: string): DirNode;
  file(name: string): FileNode;
  open(name: string, flags?: number, caller?: Caller): OpenFile;
}

export function bench(options: Partial<OpsOptions> = {}): Bench {
  const toy = toyTree();
  const bugs: unknown[] = [];
  let now = 1000;
  const ops = new Ops({
    root: toy.root,
    now: () => now,
    onBug: (error) => bugs.push(error),
    changes: toy.tree.changes,
    ...options,
  });
  const node = (path: string): Node =>
    path
      .split('/')
      .filter((name) => name !== '')
      .reduce<Node>((at, name) => ops.lookup(root, at, name), ops.root);
  const file = (name: string): FileNode => node(`devices/toy/${name}`) as FileNode;
  return {
    toy,
    ops,
    bugs,
    tick: () => (now += 1000),
    node,
    dir: (path) => node(path) as DirNode,
    file,
    open: (name, flags = O_RDONLY, caller = root) => ops.open(caller, file(name), flags),
  };
}

/** The errno that a call ends with, or `ok`. */
export function errno(body: () => unknown): string {
  try {
    body();
    return 'ok';
  } catch (e) {
    if (e instanceof KernelError) return e.errno;
    throw e;
  }
}

export async function later(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (e) {
    if (e instanceof KernelError) return e.errno;
    throw e;
  }
}
