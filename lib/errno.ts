/**
 * Errno names and the one exception the model throws on purpose.
 *
 * Mirrors include/uapi/asm-generic/errno*.h. Numbers are Linux's; hosts that
 * hand them to FUSE need exactly these.
 */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  ETIME: 62,
  EBADFD: 77,
  EUSERS: 87,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ETIMEDOUT: 110,
  ESTALE: 116,
} as const;

/** An errno by its symbolic name. */
export type Errno = keyof typeof ERRNO;

/** What the kernel would return as a negative errno. Anything else that escapes the model is a bug. */
export class KernelError extends Error {
  constructor(
    readonly errno: Errno,
    detail?: string,
  ) {
    super(detail ? `${errno}: ${detail}` : errno);
    this.name = 'KernelError';
  }

  /** The positive errno number, as in errno.h. */
  get code(): number {
    return ERRNO[this.errno];
  }
}

/** True for a KernelError, optionally of one errno. */
export function isKernelError(e: unknown, errno?: Errno): e is KernelError {
  return e instanceof KernelError && (errno === undefined || e.errno === errno);
}
