/**
 * CCA requests of programs.
 *
 * Mirrors zcrypt_msgtype6.c `xcrb_msg_to_type6cprb_msgx`,
 * `zcrypt_msgtype6_send_cprb`, `convert_response_xcrb`. spec/zcrypt.md 8.2, 8.4.
 */
import { isKernelError, KernelError } from '../errno.js';
import { putU16, putU32, text, u16, u32 } from '../hardware/bytes.js';
import {
  CPRBX_DOMAIN_OFFSET,
  CPRBX_LENGTH,
  CPRBX_VERSION,
  encodeType6,
  messageType,
  TYPE,
  TYPE6_HEADER_LENGTH,
  TYPE86_HEADER_LENGTH,
} from '../hardware/messages.js';
import { convertError, unknownResponse } from './error.js';
import { exchange } from './exchange.js';
import type { Sender } from './ops.js';
import type { ZcryptQueue } from './queue.js';
import { checkLength, endOf, type86Of } from './reply.js';
import { AUTOSEL_DOM, ceil4, copyFromUser, copyToUser, type IcaXcRb, U32_MAX } from './user.js';

/** HDD_InvalidParm: status of a request whose reply was no good. */
const STATUS_INVALID_PARM = 0x0008044d;
/** fromcardlen1, fromcardlen2 in the header. */
const FROM_LENGTH_1 = 72;
const FROM_LENGTH_2 = 76;
const DOMAIN_AT = TYPE6_HEADER_LENGTH + CPRBX_DOMAIN_OFFSET;

/** A CCA request made ready, before a queue is chosen. */
export interface CcaMessage {
  /** The whole type 6 message; the sender still fills in limits and domain. */
  readonly bytes: Uint8Array;
  /** The two characters as one number. */
  readonly functionCode: number;
  readonly domain: number;
  readonly usage: boolean;
  readonly admin: boolean;
  /** Goes with the special bit. */
  readonly special: boolean;
}

/**
 * `xcrb_msg_to_type6cprb_msgx`. @throws EINVAL, EFAULT
 * @param bufferSize largest message any card takes
 */
export function prepareCca(xcrb: IcaXcRb, bufferSize: number): CcaMessage {
  const controlLength = xcrb.requestControlBlkLength;
  const padded = ceil4(controlLength);
  const sum = padded + xcrb.requestDataLength;
  if (controlLength < CPRBX_LENGTH || sum > U32_MAX || TYPE6_HEADER_LENGTH + sum > bufferSize)
    throw new KernelError('EINVAL', 'request length');
  if (xcrb.replyControlBlkLength < CPRBX_LENGTH || ceil4(xcrb.replyControlBlkLength) + xcrb.replyDataLength > U32_MAX)
    throw new KernelError('EINVAL', 'reply length');
  const control = new Uint8Array(padded);
  control.set(copyFromUser(xcrb.requestControlBlk, controlLength));
  const cprbLength = u16(control, 0);
  if (cprbLength > padded - 2) throw new KernelError('EINVAL', 'CPRB length');
  const functionCode = text(control.subarray(cprbLength, cprbLength + 2));
  const funcId = text(control.subarray(6, 8));
  const data = copyFromUser(xcrb.requestData, xcrb.requestDataLength);
  const agentId = new Uint8Array(16);
  putU16(agentId, 0, xcrb.agentId);
  const header = {
    agentId,
    functionCode,
    toCardLength1: controlLength,
    toCardLength2: data.length,
    fromCardLength1: xcrb.replyControlBlkLength,
    fromCardLength2: xcrb.replyDataLength,
  };
  return {
    bytes: encodeType6(header, control, data),
    functionCode: u16(control, cprbLength),
    domain: u16(control, CPRBX_DOMAIN_OFFSET),
    usage: funcId === 'T2',
    admin: ['T3', 'T5', 'T6', 'T7'].includes(funcId),
    special: functionCode === 'US' || functionCode === 'AU',
  };
}

/** `zcrypt_msgtype6_send_cprb`: administrative requests are not tried again. */
export async function sendCprb(sender: Sender, zq: ZcryptQueue, xcrb: IcaXcRb, message: CcaMessage): Promise<void> {
  const { bytes } = message;
  limitReply(bytes, zq.replyBufferSize - TYPE86_HEADER_LENGTH);
  if (zq.zcrypt.profile.cprbDomainAlwaysOverwritten || message.domain === AUTOSEL_DOM)
    putU16(bytes, DOMAIN_AT, zq.queue.apqi);
  try {
    convertResponse(zq, await exchange(sender, zq, bytes, message.special), xcrb);
  } catch (e) {
    if (message.admin && isKernelError(e, 'EAGAIN')) throw new KernelError('EIO', e.message);
    throw e;
  }
}

/** Both reply limits fit the reply buffer, and their sum; the data part is trusted more. */
function limitReply(bytes: Uint8Array, room: number): void {
  const data = Math.min(u32(bytes, FROM_LENGTH_2), room);
  const control = Math.min(u32(bytes, FROM_LENGTH_1), room);
  putU32(bytes, FROM_LENGTH_2, data);
  putU32(bytes, FROM_LENGTH_1, Math.min(control, room - data));
}

/** `convert_response_xcrb`, `convert_type86_xcrb`. */
function convertResponse(zq: ZcryptQueue, reply: Uint8Array, xcrb: IcaXcRb): void {
  const type = messageType(reply);
  if (type === TYPE.ERROR_82 || type === TYPE.ERROR_88) {
    xcrb.status = STATUS_INVALID_PARM;
    throw convertError(zq, reply);
  }
  const good = type86Of(reply, CPRBX_VERSION);
  if (good) checkLength(zq, reply, endOf(good));
  if (type === TYPE.REPLY_CPRB && reply[4]) {
    xcrb.status = good?.apfs ?? 0;
    throw convertError(zq, reply);
  }
  if (!good) {
    xcrb.status = STATUS_INVALID_PARM;
    throw unknownResponse(zq, reply);
  }
  if (xcrb.replyControlBlkLength < good.count1) throw new KernelError('EMSGSIZE', 'reply control block');
  copyToUser(xcrb.replyControlBlk, good.control);
  xcrb.replyControlBlkLength = good.count1;
  if (good.count2 > 0) {
    if (xcrb.replyDataLength < good.count2) throw new KernelError('EMSGSIZE', 'reply data');
    copyToUser(xcrb.replyData, good.data);
  }
  xcrb.replyDataLength = good.count2;
}
