/**
 * What a sysfs directory refuses, and in which order it looks.
 *
 * Mirrors fs/namei.c (may_create, may_delete and the vfs_ functions above
 * them) and fs/kernfs/dir.c for directories without an operation to create,
 * link or delete. Every function here throws. The tables are A.1 and A.6 of
 * the specification of attributes.
 */
import { KernelError } from '../../lib/errno.js';
import type { InodeAttrs } from './inode-attrs.js';
import { S_IFDIR, S_IFMT, S_IFREG } from './inode-attrs.js';
import type { Caller, DirNode, Node } from './node.js';
import { isRoot, MAY_EXEC, MAY_WRITE, mustHave } from './permission.js';

export interface RenameFlags {
  readonly noReplace?: boolean;
  readonly exchange?: boolean;
  readonly whiteout?: boolean;
}

export class Refused {
  constructor(private readonly attrs: InodeAttrs) {}

  /** `lookup_open` with O_CREAT on a name that is not there. @throws EACCES */
  create(): never {
    throw new KernelError('EACCES');
  }

  /** @throws EEXIST, EACCES, EPERM */
  mkdir(caller: Caller, dir: DirNode, name: string): never {
    this.#mayCreate(caller, dir, name);
    throw new KernelError('EPERM');
  }

  /** @param mode file type and permission bits @throws EPERM, EEXIST, EACCES */
  mknod(caller: Caller, dir: DirNode, name: string, mode: number): never {
    const type = mode & S_IFMT;
    if (type === S_IFDIR) throw new KernelError('EPERM');
    this.#mayCreate(caller, dir, name);
    throw new KernelError(type === S_IFREG || type === 0 ? 'EACCES' : 'EPERM');
  }

  /** @throws EEXIST, EACCES, EPERM */
  symlink(caller: Caller, dir: DirNode, name: string): never {
    this.#mayCreate(caller, dir, name);
    throw new KernelError('EPERM');
  }

  /** @throws EEXIST, EPERM (protected hard links), EACCES */
  link(caller: Caller, source: Node, dir: DirNode, name: string): never {
    this.#mustSearch(caller, dir);
    if (this.#child(dir, name)) throw new KernelError('EEXIST');
    // fs.protected_hardlinks, on by default everywhere: what one may not write or does not own, one may not link.
    if (!isRoot(caller) && this.attrs.stat(source).uid !== caller.uid) throw new KernelError('EPERM');
    mustHave(caller, this.attrs.stat(dir), MAY_WRITE | MAY_EXEC);
    throw new KernelError('EPERM');
  }

  /** @throws ENOENT, EACCES, EISDIR, EPERM */
  unlink(caller: Caller, dir: DirNode, name: string): never {
    this.#mayDelete(caller, dir, this.#mustFind(caller, dir, name), false);
    throw new KernelError('EPERM');
  }

  /** @throws ENOENT, EACCES, ENOTDIR, EPERM */
  rmdir(caller: Caller, dir: DirNode, name: string): never {
    this.#mayDelete(caller, dir, this.#mustFind(caller, dir, name), true);
    throw new KernelError('EPERM');
  }

  /** Returns only for a name renamed to itself. @throws EINVAL, ENOENT, EEXIST, EACCES, ENOTDIR, EISDIR, EPERM */
  rename(caller: Caller, from: DirNode, name: string, to: DirNode, newName: string, flags: RenameFlags = {}): void {
    if (flags.exchange && (flags.noReplace || flags.whiteout)) throw new KernelError('EINVAL');
    const node = this.#mustFind(caller, from, name);
    this.#mustSearch(caller, to);
    const target = this.#child(to, newName);
    if (flags.noReplace && target) throw new KernelError('EEXIST');
    if (flags.exchange && !target) throw new KernelError('ENOENT');
    if (target && target.ino === node.ino) return;
    const isDir = node.kind === 'dir';
    this.#mayDelete(caller, from, node, isDir);
    if (!target) mustHave(caller, this.attrs.stat(to), MAY_WRITE | MAY_EXEC);
    else this.#mayDelete(caller, to, target, flags.exchange ? target.kind === 'dir' : isDir);
    throw new KernelError(flags.noReplace || flags.exchange || flags.whiteout ? 'EINVAL' : 'EPERM');
  }

  #child(dir: DirNode, name: string): Node | undefined {
    return dir.alive ? dir.lookup(name) : undefined;
  }

  #mustSearch(caller: Caller, dir: DirNode): void {
    mustHave(caller, this.attrs.stat(dir), MAY_EXEC);
  }

  #mustFind(caller: Caller, dir: DirNode, name: string): Node {
    this.#mustSearch(caller, dir);
    const node = this.#child(dir, name);
    if (!node) throw new KernelError('ENOENT');
    return node;
  }

  #mayCreate(caller: Caller, dir: DirNode, name: string): void {
    this.#mustSearch(caller, dir);
    if (this.#child(dir, name)) throw new KernelError('EEXIST');
    if (!dir.alive) throw new KernelError('ENOENT');
    mustHave(caller, this.attrs.stat(dir), MAY_WRITE | MAY_EXEC);
  }

  #mayDelete(caller: Caller, dir: DirNode, node: Node, wantDir: boolean): void {
    mustHave(caller, this.attrs.stat(dir), MAY_WRITE | MAY_EXEC);
    if (wantDir && node.kind !== 'dir') throw new KernelError('ENOTDIR');
    if (!wantDir && node.kind === 'dir') throw new KernelError('EISDIR');
  }
}
