/**
 * What programs hand over: memory behind pointers, and the request structures.
 *
 * Mirrors arch/s390/include/uapi/asm/zcrypt.h and the copy_from_user,
 * copy_to_user of the drivers. spec/zcrypt.md 7.1. In-kernel senders use the
 * same structures; their pointers are always good.
 */
import { KernelError } from '../errno.js';
import { EMPTY } from '../hardware/bytes.js';

/** Memory behind a pointer; undefined is an address where there is none. */
export type UserMemory = Uint8Array | undefined;

/**
 * What is in user memory now; the caller puts it into a message at once, which is the copy.
 * @throws EFAULT
 */
export function copyFromUser(from: UserMemory, length: number, offset = 0): Uint8Array {
  if (length === 0) return EMPTY;
  if (!from || offset + length > from.length) throw new KernelError('EFAULT');
  return from.subarray(offset, offset + length);
}

/** @throws EFAULT */
export function copyToUser(to: UserMemory, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  if (!to || bytes.length > to.length) throw new KernelError('EFAULT');
  to.set(bytes);
}

/** struct ica_rsa_modexpo. */
export interface IcaRsaModexpo {
  readonly inputdata: UserMemory;
  readonly inputdatalength: number;
  readonly outputdata: UserMemory;
  /** Written back on success only. */
  outputdatalength: number;
  readonly bKey: UserMemory;
  readonly nModulus: UserMemory;
}

/**
 * struct ica_rsa_modexpo_crt. For a modulus of L bytes bp_key, np_prime and
 * u_mult_inv have L/2 + 8 bytes, the others L/2.
 */
export interface IcaRsaModexpoCrt {
  readonly inputdata: UserMemory;
  readonly inputdatalength: number;
  readonly outputdata: UserMemory;
  /** Written back on success only. */
  outputdatalength: number;
  readonly bpKey: UserMemory;
  readonly bqKey: UserMemory;
  readonly npPrime: UserMemory;
  readonly nqPrime: UserMemory;
  readonly uMultInv: UserMemory;
}

/** `user_defined` of a CCA request that any card may take. */
export const AUTOSELECT = 0xffffffff;
/** "Any" as an adapter or a domain number. */
export const AUTOSEL_AP = 0xffff;
export const AUTOSEL_DOM = 0xffff;

/** struct ica_xcRB: a CCA request. Lengths and status are written back, also on error. */
export interface IcaXcRb {
  readonly agentId: number;
  /** Card number or AUTOSELECT. */
  readonly userDefined: number;
  readonly requestControlBlkLength: number;
  readonly requestControlBlk: UserMemory;
  readonly requestDataLength: number;
  readonly requestData: UserMemory;
  replyControlBlkLength: number;
  readonly replyControlBlk: UserMemory;
  replyDataLength: number;
  readonly replyData: UserMemory;
  status: number;
}

/** struct ep11_target_dev. */
export interface Ep11Target {
  readonly apId: number;
  readonly domId: number;
}

/** struct ep11_urb: an EP11 request. */
export interface Ep11Urb {
  readonly targetsNum: number;
  readonly targets: readonly Ep11Target[] | undefined;
  readonly reqLen: number;
  readonly req: UserMemory;
  respLen: number;
  readonly resp: UserMemory;
}

/** Rounded up to a multiple of 4. */
export const ceil4 = (n: number): number => Math.ceil(n / 4) * 4;

export const U32_MAX = 0xffffffff;
