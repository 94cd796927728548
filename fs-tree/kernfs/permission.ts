/**
 * Who may do what: permission bits and ownership.
 *
 * Mirrors fs/namei.c `generic_permission` and fs/attr.c `setattr_prepare` for
 * callers with all capabilities (uid 0) or none. Leaves out ACLs and single
 * capabilities.
 */
import { KernelError } from '../../lib/errno.js';
import type { AttrChange, Stat } from './inode-attrs.js';
import { S_IFDIR, S_IFMT } from './inode-attrs.js';
import type { Caller } from './node.js';

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

export function isRoot(caller: Caller): boolean {
  return caller.uid === 0;
}

function inGroup(caller: Caller, gid: number): boolean {
  return caller.gid === gid || caller.groups.includes(gid);
}

/** `inode_permission`. @param mask MAY_ bits @throws EACCES */
export function mustHave(caller: Caller, stat: Stat, mask: number): void {
  if (isRoot(caller)) {
    const isDir = (stat.mode & S_IFMT) === S_IFDIR;
    if (!(mask & MAY_EXEC) || isDir || stat.mode & 0o111) return;
    throw new KernelError('EACCES');
  }
  let bits = stat.mode & 7;
  if (caller.uid === stat.uid) bits = (stat.mode >> 6) & 7;
  else if (inGroup(caller, stat.gid)) bits = (stat.mode >> 3) & 7;
  if ((bits & mask) !== mask) throw new KernelError('EACCES');
}

/** `inode_owner_or_capable`. @throws EPERM */
export function mustOwn(caller: Caller, stat: Stat): void {
  if (!isRoot(caller) && caller.uid !== stat.uid) throw new KernelError('EPERM');
}

/** `setattr_prepare`: may these be set? @throws EPERM */
export function mustMayChange(caller: Caller, stat: Stat, change: AttrChange): void {
  if (isRoot(caller)) return;
  const owns = caller.uid === stat.uid;
  if (change.uid !== undefined && !(owns && change.uid === stat.uid)) throw new KernelError('EPERM');
  if (change.gid !== undefined && !(owns && (change.gid === stat.gid || inGroup(caller, change.gid))))
    throw new KernelError('EPERM');
  if (change.mode !== undefined || change.atime !== undefined || change.mtime !== undefined) mustOwn(caller, stat);
}
