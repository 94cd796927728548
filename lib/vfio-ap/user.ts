/**
 * What an ioctl gets from user space.
 *
 * A structure is an object of 32-bit fields that the call reads and writes
 * back; undefined is an address that cannot be read.
 */
import { KernelError } from '../errno.js';

export type UserStruct = Record<string, number>;

/** `copy_from_user`. @throws EFAULT */
export function copyFromUser<T>(argument: T | undefined): T {
  if (argument === undefined) throw new KernelError('EFAULT');
  return argument;
}

/** A field; those that the caller left out are 0. */
export const field = (struct: UserStruct, name: string): number => struct[name] ?? 0;
