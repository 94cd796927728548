/**
 * What a program asks of an open node: kinds of requests, their addresses, and
 * what is common to all answers.
 *
 * Left out: what no card of this machine computes (keys in the card, PIN
 * functions): those are answered with a service code, which is no good answer.
 */
import type { Task } from '../../sync/task.js';
import type { ZcryptFile } from '../file.js';
import type { Track } from '../retry.js';

/**
 * rsaN, crtN: RSA with a clear key of N bits, by a modulus or in Chinese remainder form.
 * cca: facility query (FQ). ep11: module information (get xcp info).
 * rng: 4096 random bytes by the CCA request (RL) that the kernel's hwrng sends. There is no
 * system call for it, so it goes as a CPRB through the node, by whose rights it is bound
 * (spec/zcrypt.md 1, 7).
 */
export const REQUEST_KINDS = [
  'rsa1024',
  'rsa2048',
  'rsa4096',
  'crt1024',
  'crt2048',
  'crt4096',
  'cca',
  'ep11',
  'rng',
] as const;

export type RequestKind = (typeof REQUEST_KINDS)[number];

/** RSA has no address: the kernel chooses among all cards that can do it. */
export type RsaKind = Extract<RequestKind, `rsa${string}` | `crt${string}`>;

/** Where a request is to go; what is left out is any. */
export interface Address {
  /** Card, 0 to 255. */
  readonly adapter?: number | undefined;
  /** Domain, 0 to 255. */
  readonly domain?: number | undefined;
}

export interface RsaReply {
  /** As many bytes as the modulus. */
  readonly result: Uint8Array;
}

export interface CcaReply {
  /** Service codes: 0/0 is good. */
  readonly returnCode: number;
  readonly reasonCode: number;
  /** Domain that the CPRB came back with. */
  readonly domain: number;
  /** Parameter block, from the function code on. */
  readonly parameters: Uint8Array;
  /** Data block: for rng the random bytes. */
  readonly data: Uint8Array;
}

export interface Ep11Reply {
  /** 0 is good. */
  readonly returnCode: number;
  /** What the module says of itself; empty when it refuses. */
  readonly data: Uint8Array;
}

/** What a kind of request is answered with. */
export type ReplyOf<K extends RequestKind> = K extends RsaKind ? RsaReply : K extends 'ep11' ? Ep11Reply : CcaReply;

/** A request with the memory that it needs; one at a time, as often as one likes. */
export interface Work<R> {
  /** The system call. @throws KernelError as the ioctl */
  call(file: ZcryptFile, task: Task, track: Track): Promise<void>;
  /** What came back; after a call that succeeded. */
  reply(): R;
  /** Whether that is what a working adapter answers. */
  right(): boolean;
}
