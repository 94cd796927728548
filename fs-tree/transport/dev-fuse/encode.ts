/**
 * Attributes, entries and listings as the protocol has them.
 */
import { S_IFDIR, S_IFLNK, S_IFREG, type Stat } from '../../kernfs/inode-attrs.js';
import type { DirEntry } from '../../kernfs/node.js';
import { from, type Message } from './message.js';
import { fuse_attr, fuse_dirent, fuse_entry_out, fuse_open_out, fuse_out_header } from './protocol.js';

const TYPES = { dir: S_IFDIR >> 12, file: S_IFREG >> 12, link: S_IFLNK >> 12 } as const;

/** Two fields of a time, from milliseconds since 1970. */
function nanoseconds(ms: number): { seconds: number; rest: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, rest: Math.floor((ms - seconds * 1000) * 1e6) };
}

export function putAttr(out: Message, base: number, stat: Stat): void {
  const { at } = fuse_attr;
  out.setU64(from(base, at.ino), stat.ino);
  out.setU64(from(base, at.size), stat.size);
  out.setU64(from(base, at.blocks), stat.blocks);
  for (const [time, whole, part] of [
    [stat.atime, at.atime, at.atimensec],
    [stat.mtime, at.mtime, at.mtimensec],
    [stat.ctime, at.ctime, at.ctimensec],
  ] as const) {
    const { seconds, rest } = nanoseconds(time);
    out.setU64(from(base, whole), seconds);
    out.setU32(from(base, part), rest);
  }
  out.setU32(from(base, at.mode), stat.mode);
  out.setU32(from(base, at.nlink), stat.nlink);
  out.setU32(from(base, at.uid), stat.uid);
  out.setU32(from(base, at.gid), stat.gid);
  out.setU32(from(base, at.rdev), 0);
  out.setU32(from(base, at.blksize), stat.blksize);
  out.setU32(from(base, at.flags), 0);
}

/** How long, in seconds, the kernel may believe what it is told. */
export interface Validity {
  readonly entry: number;
  readonly attr: number;
}

export function putEntry(out: Message, base: number, nodeid: number, stat: Stat, valid: Validity): void {
  const { at } = fuse_entry_out;
  out.setU64(from(base, at.nodeid), nodeid);
  // Node ids are never used again: there are no generations of one.
  out.setU64(from(base, at.generation), 0);
  out.setU64(from(base, at.entry_valid), valid.entry);
  out.setU64(from(base, at.attr_valid), valid.attr);
  out.setU32(from(base, at.entry_valid_nsec), 0);
  out.setU32(from(base, at.attr_valid_nsec), 0);
  putAttr(out, base + at.attr, stat);
}

/** A whole reply. @returns its length */
export function putOpen(out: Message, handle: number, flags: number): number {
  const { at, size } = fuse_open_out;
  const base = fuse_out_header.size;
  out.setU64(from(base, at.fh), handle);
  out.setU32(from(base, at.open_flags), flags);
  out.setI32(from(base, at.backing_id), 0);
  return size;
}

const padded = (length: number): number => (length + 7) & ~7;

/** How much room a directory entry takes. */
export function direntSize({ name }: { readonly name: string }): number {
  return padded(fuse_dirent.size + name.length);
}

/** @param next what the listing goes on with after this one */
export function putDirent(out: Message, base: number, entry: DirEntry, next: number): void {
  const { at, size } = fuse_dirent;
  out.setU64(from(base, at.ino), entry.ino);
  out.setU64(from(base, at.off), next);
  out.setU32(from(base, at.namelen), entry.name.length);
  out.setU32(from(base, at.type), TYPES[entry.kind]);
  const end = base + size + out.setText(base + size, entry.name);
  out.clear(end, base + direntSize(entry));
}
