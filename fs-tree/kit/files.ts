/**
 * A world's files without a mount: for tests of whatever reads and writes sysfs by functions that can be replaced, and
 * where there is no /dev/fuse.
 */
import { KernelError } from '../../lib/errno.js';
import type { World } from '../../lib/world.js';
import type { Caller, DirNode, Node } from '../kernfs/node.js';
import { O_WRONLY, type Ops } from '../ops.js';
import { opsOf } from './tree.js';

/** As in the VFS. */
const MOST_LINKS = 40;

/** Paths are below /sys; links are followed. Every method fails with a KernelError, whose `errno` is a program's. */
export class Files {
  readonly #ops: Ops;
  readonly #caller: Caller;

  /** @param caller who calls (default: root) */
  constructor(world: World, caller: Partial<Caller> = {}) {
    this.#ops = opsOf(world, { uid: 0, gid: 0 }, {}, (error) => {
      throw error;
    });
    this.#caller = { uid: 0, gid: 0, groups: [], pid: process.pid, comm: 'node', ...caller };
  }

  async read(path: string): Promise<string> {
    const file = this.#ops.open(this.#caller, this.#node(path), 0);
    return this.#ops.read(this.#caller, file, 0, 1 << 20);
  }

  /** One write; give the newline that a shell's echo would. */
  async write(path: string, text: string): Promise<void> {
    const file = this.#ops.open(this.#caller, this.#node(path), O_WRONLY);
    await this.#ops.write(this.#caller, file, text);
  }

  /** Names in a directory, in its order. */
  list(path: string): string[] {
    const dir = this.#ops.opendir(this.#caller, this.#node(path));
    return this.#ops.readdir(this.#caller, dir).map(({ name }) => name);
  }

  /** What a link says. */
  link(path: string): string {
    return this.#ops.readlink(this.#caller, this.#node(path, false));
  }

  exists(path: string): boolean {
    try {
      this.#node(path, false);
      return true;
    } catch (e) {
      if (e instanceof KernelError && (e.errno === 'ENOENT' || e.errno === 'ENOTDIR')) return false;
      throw e;
    }
  }

  #node(path: string, follow = true): Node {
    const trail: DirNode[] = [this.#ops.root];
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    for (let links = 0; ; ) {
      const dir = trail.at(-1) as DirNode;
      const part = parts.shift();
      if (part === undefined) return dir;
      if (part === '..') {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const node = this.#ops.lookup(this.#caller, dir, part);
      if (node.kind === 'link' && (follow || parts.length > 0)) {
        if (++links > MOST_LINKS) throw new KernelError('ELOOP');
        parts.unshift(...this.#ops.readlink(this.#caller, node).split('/'));
      } else if (node.kind === 'dir') trail.push(node);
      else if (parts.length > 0) throw new KernelError('ENOTDIR');
      else return node;
    }
  }
}
