/**
 * Extended attributes by name space.
 *
 * Mirrors fs/xattr.c `xattr_permission` and the handlers of fs/kernfs/inode.c:
 * trusted.* and security.* can be kept, user.* cannot be set, others do not
 * exist. Values are bytes as latin1 strings.
 */
import { KernelError } from '../../lib/errno.js';
import type { InodeAttrs } from './inode-attrs.js';
import type { Caller, Node } from './node.js';
import { isRoot, MAY_WRITE, mustHave } from './permission.js';

export interface XattrFlags {
  /** XATTR_CREATE */
  readonly create: boolean;
  /** XATTR_REPLACE */
  readonly replace: boolean;
}

type Space = 'user' | 'trusted' | 'security' | 'other';

function spaceOf(name: string): Space {
  for (const space of ['user', 'trusted', 'security'] as const) if (name.startsWith(`${space}.`)) return space;
  return 'other';
}

export class Xattrs {
  constructor(private readonly attrs: InodeAttrs) {}

  /** @throws ENODATA, EOPNOTSUPP */
  get(caller: Caller, node: Node, name: string): string {
    const space = spaceOf(name);
    if (space === 'trusted' && !isRoot(caller)) throw new KernelError('ENODATA');
    if (space === 'user' && node.kind === 'link') throw new KernelError('ENODATA');
    if (space === 'other') throw new KernelError('EOPNOTSUPP');
    return this.attrs.getXattr(node, name);
  }

  /** @throws EPERM, EACCES, EOPNOTSUPP, EEXIST, ENODATA */
  set(caller: Caller, node: Node, name: string, value: string, flags: XattrFlags): void {
    this.#mayModify(caller, node, name);
    this.attrs.setXattr(node, name, value, flags);
  }

  /** @throws EPERM, EACCES, EOPNOTSUPP, ENODATA */
  remove(caller: Caller, node: Node, name: string): void {
    this.#mayModify(caller, node, name);
    this.attrs.removeXattr(node, name);
  }

  list(caller: Caller, node: Node): string[] {
    const names = this.attrs.xattrNames(node);
    return isRoot(caller) ? names : names.filter((name) => spaceOf(name) !== 'trusted');
  }

  #mayModify(caller: Caller, node: Node, name: string): void {
    const space = spaceOf(name);
    if (space === 'trusted' && !isRoot(caller)) throw new KernelError('EPERM');
    if (space === 'user' && node.kind === 'link') throw new KernelError('EPERM');
    // security.* asks the security module instead of the permission bits: without one, a capability.
    if (space === 'user') mustHave(caller, this.attrs.stat(node), MAY_WRITE);
    if (space === 'security' && !isRoot(caller)) throw new KernelError('EPERM');
    if (space === 'user' || space === 'other') throw new KernelError('EOPNOTSUPP');
  }
}
