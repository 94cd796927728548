/**
 * What all type 86 replies have in common.
 *
 * Mirrors `zcrypt_msgtype6_receive`, `zcrypt_msgtype6_receive_ep11`. spec/zcrypt.md 8.4.
 */
import { KernelError } from '../errno.js';
import { cprbVersion, decodeType86, type Type86Message } from '../hardware/messages.js';
import type { ZcryptQueue } from './queue.js';

/**
 * The reply must be exactly as long as its blocks say, and fit the reply buffer.
 * @throws EMSGSIZE
 */
export function checkLength(zq: ZcryptQueue, reply: Uint8Array, length: number): void {
  if (reply.length !== length || length > zq.replyBufferSize) throw new KernelError('EMSGSIZE', 'type 86 length');
}

/** A type 86 reply of the right CPRB version; undefined: another type of reply, or another version. */
export function type86Of(reply: Uint8Array, version: number): Type86Message | undefined {
  const type86 = decodeType86(reply);
  return type86 && cprbVersion(type86.control) === version ? type86 : undefined;
}

/** Where the last block ends. */
export const endOf = (reply: Type86Message): number =>
  reply.count2 > 0 ? reply.offset2 + reply.count2 : reply.offset1 + reply.count1;
