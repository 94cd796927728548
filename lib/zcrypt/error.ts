/**
 * What error replies mean.
 *
 * Mirrors zcrypt_error.h `convert_error`. spec/zcrypt.md 8.4.
 */
import { KernelError } from '../errno.js';
import { messageType, REPLY_CODE, replyCodeOf } from '../hardware/messages.js';
import type { ZcryptQueue } from './queue.js';

/** The request is wrong: another queue would say the same. */
const REQUEST_IS_WRONG: ReadonlySet<number> = new Set([
  0x22, 0x23, 0x24, 0x29, 0x34, 0x40, 0x41, 0x80, 0x82, 0x84, 0x85, 0x8a, 0x8b, 0xa0,
]);

/** The card or the way to it failed: 6.1 rescans the bus on the next ENODEV. */
const ASKS_FOR_RESCAN: ReadonlySet<number> = new Set([
  REPLY_CODE.MACHINE_FAILURE,
  REPLY_CODE.MESSAGE_TYPE,
  REPLY_CODE.TRANSPORT_FAIL,
]);

/** The errno of an error reply, or of a type 86 reply with a reply code. */
export function convertError(zq: ZcryptQueue, reply: Uint8Array): KernelError {
  const code = replyCodeOf(reply);
  if (REQUEST_IS_WRONG.has(code)) return new KernelError('EINVAL', `reply code 0x${code.toString(16)}`);
  if (ASKS_FOR_RESCAN.has(code)) zq.zcrypt.requestRescan();
  return new KernelError('EAGAIN', `reply code 0x${code.toString(16)}`);
}

/** A reply that should never happen: the queue goes offline. */
export function unknownResponse(zq: ZcryptQueue, reply: Uint8Array): KernelError {
  const type = messageType(reply).toString(16).padStart(2, '0');
  zq.setOfflineByReply(`unknown response type 0x${type} => online=0`);
  return new KernelError('EAGAIN', `response type 0x${type}`);
}
