/**
 * The words of the FUSE protocol, as include/uapi/linux/fuse.h names them:
 * message layouts, operations, flags.
 *
 * One line a field, in order, with the width it has on every architecture;
 * numbers are in the host's byte order. Leaves out what a tree like sysfs never
 * negotiates: locks, DAX, CUSE, passthrough, io_uring.
 */

/** Where a field is, and by its type how wide it is. */
declare const width: unique symbol;
export type U16 = number & { readonly [width]: 'u16' };
export type U32 = number & { readonly [width]: 'u32' };
export type I32 = number & { readonly [width]: 'i32' };
export type U64 = number & { readonly [width]: 'u64' };
/** Where a structure begins in another one. */
export type Inner = number & { readonly [width]: 'inner' };

interface Widths {
  readonly u16: U16;
  readonly u32: U32;
  readonly i32: I32;
  readonly u64: U64;
}
type Width = keyof Widths;
type Field = Width | Layout<Record<string, Field>> | readonly [Width, number];
type Place<F> = F extends Width ? Widths[F] : F extends readonly [infer W extends Width, number] ? Widths[W] : Inner;

export interface Layout<F extends Record<string, Field>> {
  /** In bytes. */
  readonly size: number;
  /** Offset of each field. */
  readonly at: { readonly [K in keyof F]: Place<F[K]> };
}

const BYTES: Readonly<Record<Width, number>> = { u16: 2, u32: 4, i32: 4, u64: 8 };

function bytesOf(field: Field): number {
  if (typeof field === 'string') return BYTES[field];
  return 'size' in field ? field.size : BYTES[field[0]] * field[1];
}

function alignmentOf(field: Field): number {
  if (typeof field === 'string') return BYTES[field];
  return 'size' in field ? 8 : BYTES[field[0]];
}

/** Lays fields out one after the other. A field that is not aligned by itself is a mistake in the table. */
function struct<const F extends Record<string, Field>>(fields: F): Layout<F> {
  let size = 0;
  const at: Record<string, number> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (size % alignmentOf(field) !== 0) throw new Error(`${name} is not aligned`);
    at[name] = size;
    size += bytesOf(field);
  }
  return { size, at: at as Layout<F>['at'] };
}

export const FUSE_KERNEL_VERSION = 7;
/** What is spoken here, and the oldest that is understood (Linux 5.4). */
export const FUSE_KERNEL_MINOR_VERSION = 44;
export const OLDEST_MINOR_VERSION = 31;

export const FUSE_ROOT_ID = 1;
/** The kernel refuses to hand requests into a smaller buffer. */
export const FUSE_MIN_READ_BUFFER = 8192;

// Headers.

export const fuse_in_header = struct({
  len: 'u32',
  opcode: 'u32',
  unique: 'u64',
  nodeid: 'u64',
  uid: 'u32',
  gid: 'u32',
  pid: 'u32',
  total_extlen: 'u16',
  padding: 'u16',
});

export const fuse_out_header = struct({ len: 'u32', error: 'i32', unique: 'u64' });

// Parts.

export const fuse_attr = struct({
  ino: 'u64',
  size: 'u64',
  blocks: 'u64',
  atime: 'u64',
  mtime: 'u64',
  ctime: 'u64',
  atimensec: 'u32',
  mtimensec: 'u32',
  ctimensec: 'u32',
  mode: 'u32',
  nlink: 'u32',
  uid: 'u32',
  gid: 'u32',
  rdev: 'u32',
  blksize: 'u32',
  flags: 'u32',
});

export const fuse_entry_out = struct({
  nodeid: 'u64',
  generation: 'u64',
  entry_valid: 'u64',
  attr_valid: 'u64',
  entry_valid_nsec: 'u32',
  attr_valid_nsec: 'u32',
  attr: fuse_attr,
});

export const fuse_attr_out = struct({ attr_valid: 'u64', attr_valid_nsec: 'u32', dummy: 'u32', attr: fuse_attr });

/** Its name follows, and zeros up to a multiple of 8. */
export const fuse_dirent = struct({ ino: 'u64', off: 'u64', namelen: 'u32', type: 'u32' });
export const fuse_direntplus = struct({ entry_out: fuse_entry_out, dirent: fuse_dirent });

// Requests and replies, in the order of the operations' numbers.

export const fuse_forget_in = struct({ nlookup: 'u64' });
export const fuse_forget_one = struct({ nodeid: 'u64', nlookup: 'u64' });
export const fuse_batch_forget_in = struct({ count: 'u32', dummy: 'u32' });
export const fuse_getattr_in = struct({ getattr_flags: 'u32', dummy: 'u32', fh: 'u64' });
export const fuse_setattr_in = struct({
  valid: 'u32',
  padding: 'u32',
  fh: 'u64',
  size: 'u64',
  lock_owner: 'u64',
  atime: 'u64',
  mtime: 'u64',
  ctime: 'u64',
  atimensec: 'u32',
  mtimensec: 'u32',
  ctimensec: 'u32',
  mode: 'u32',
  unused4: 'u32',
  uid: 'u32',
  gid: 'u32',
  unused5: 'u32',
});
export const fuse_mknod_in = struct({ mode: 'u32', rdev: 'u32', umask: 'u32', padding: 'u32' });
export const fuse_mkdir_in = struct({ mode: 'u32', umask: 'u32' });
export const fuse_rename_in = struct({ newdir: 'u64' });
export const fuse_rename2_in = struct({ newdir: 'u64', flags: 'u32', padding: 'u32' });
export const fuse_link_in = struct({ oldnodeid: 'u64' });
export const fuse_open_in = struct({ flags: 'u32', open_flags: 'u32' });
export const fuse_open_out = struct({ fh: 'u64', open_flags: 'u32', backing_id: 'i32' });
export const fuse_read_in = struct({
  fh: 'u64',
  offset: 'u64',
  size: 'u32',
  read_flags: 'u32',
  lock_owner: 'u64',
  flags: 'u32',
  padding: 'u32',
});
export const fuse_write_in = struct({
  fh: 'u64',
  offset: 'u64',
  size: 'u32',
  write_flags: 'u32',
  lock_owner: 'u64',
  flags: 'u32',
  padding: 'u32',
});
export const fuse_write_out = struct({ size: 'u32', padding: 'u32' });
export const fuse_kstatfs = struct({
  blocks: 'u64',
  bfree: 'u64',
  bavail: 'u64',
  files: 'u64',
  ffree: 'u64',
  bsize: 'u32',
  namelen: 'u32',
  frsize: 'u32',
  padding: 'u32',
  spare: ['u32', 6],
});
export const fuse_release_in = struct({ fh: 'u64', flags: 'u32', release_flags: 'u32', lock_owner: 'u64' });
/** Without FUSE_SETXATTR_EXT. */
export const fuse_setxattr_in = struct({ size: 'u32', flags: 'u32' });
export const fuse_getxattr_in = struct({ size: 'u32', padding: 'u32' });
export const fuse_getxattr_out = struct({ size: 'u32', padding: 'u32' });
/** flags2 and what follows only with FUSE_INIT_EXT. */
export const fuse_init_in = struct({ major: 'u32', minor: 'u32', max_readahead: 'u32', flags: 'u32' });
export const fuse_init_out = struct({
  major: 'u32',
  minor: 'u32',
  max_readahead: 'u32',
  flags: 'u32',
  max_background: 'u16',
  congestion_threshold: 'u16',
  max_write: 'u32',
  time_gran: 'u32',
  max_pages: 'u16',
  map_alignment: 'u16',
  flags2: 'u32',
  max_stack_depth: 'u32',
  request_timeout: 'u16',
  unused: ['u16', 11],
});
export const fuse_access_in = struct({ mask: 'u32', padding: 'u32' });
export const fuse_create_in = struct({ flags: 'u32', mode: 'u32', umask: 'u32', open_flags: 'u32' });
export const fuse_interrupt_in = struct({ unique: 'u64' });
export const fuse_poll_in = struct({ fh: 'u64', kh: 'u64', flags: 'u32', events: 'u32' });
export const fuse_poll_out = struct({ revents: 'u32', padding: 'u32' });
export const fuse_lseek_in = struct({ fh: 'u64', offset: 'u64', whence: 'u32', padding: 'u32' });
export const fuse_lseek_out = struct({ offset: 'u64' });

// Notifications: in the reply's header the code stands for the error, and unique is 0.

export const fuse_notify_poll_wakeup_out = struct({ kh: 'u64' });
export const fuse_notify_inval_inode_out = struct({ ino: 'u64', off: 'u64', len: 'u64' });
/** The name follows, and a zero. */
export const fuse_notify_inval_entry_out = struct({ parent: 'u64', namelen: 'u32', flags: 'u32' });

export const FUSE_NOTIFY = { POLL: 1, INVAL_INODE: 2, INVAL_ENTRY: 3, INC_EPOCH: 8 } as const;

/** enum fuse_opcode. */
export const FUSE = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  BATCH_FORGET: 42,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
} as const;

/** Flags of FUSE_INIT. */
export const INIT_FLAGS = {
  /** Writes of more than a page come as one request. */
  BIG_WRITES: 1 << 5,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  /** Lookups and listings of one directory at the same time. */
  PARALLEL_DIROPS: 1 << 18,
  /** Reading the device tells an aborted connection (ECONNABORTED) from an unmounted one (ENODEV). */
  ABORT_ERROR: 1 << 21,
} as const;

export const FOPEN = { DIRECT_IO: 1 << 0, NOFLUSH: 1 << 5, PARALLEL_DIRECT_WRITES: 1 << 6 } as const;

/** What a FUSE_SETATTR sets. */
export const FATTR = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
} as const;

export const FUSE_POLL_SCHEDULE_NOTIFY = 1 << 0;
