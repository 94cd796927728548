/**
 * EP11 requests.
 *
 * Mirrors zcrypt_msgtype6.c `xcrb_msg_to_type6_ep11cprb_msgx`,
 * `zcrypt_msgtype6_send_ep11_cprb`, `convert_response_ep11_xcrb`.
 * spec/zcrypt.md 8.3, 8.4.
 */
import { isKernelError, KernelError } from '../errno.js';
import { putU16, putU32, u16, u32 } from '../hardware/bytes.js';
import {
  EP11_CPRB_LENGTH,
  EP11_CPRB_VERSION,
  EP11_FLAG,
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
import { checkLength, type86Of } from './reply.js';
import { ceil4, copyFromUser, copyToUser, type Ep11Urb, U32_MAX } from './user.js';

/** Payload tag and length, function tag and length, one byte of function. */
const MIN_PAYLOAD = 5;
const AGENT_EP11 = Uint8Array.of(0x58, 0x43, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
const RQID = Uint8Array.of(0, 1);

/** Offsets in the whole message. */
const TARGET_ID_AT = TYPE6_HEADER_LENGTH + 12;
const PAYLOAD_AT = TYPE6_HEADER_LENGTH + EP11_CPRB_LENGTH;
const FROM_LENGTH_1 = 72;

/** An EP11 request made ready, before a queue is chosen. */
export interface Ep11Message {
  readonly bytes: Uint8Array;
  /** Number of the function. */
  readonly functionCode: number;
  /** target_id of the CPRB. */
  readonly domain: number;
  readonly admin: boolean;
  readonly special: boolean;
  /** Bytes of payload. */
  readonly payloadLength: number;
}

/**
 * `xcrb_msg_to_type6_ep11cprb_msgx`. @throws EINVAL, EFAULT
 * @param bufferSize largest message any card takes
 */
export function prepareEp11(urb: Ep11Urb, bufferSize: number): Ep11Message {
  const padded = ceil4(urb.reqLen);
  if (urb.reqLen < EP11_CPRB_LENGTH + MIN_PAYLOAD || padded > U32_MAX || TYPE6_HEADER_LENGTH + padded > bufferSize)
    throw new KernelError('EINVAL', 'request length');
  if (urb.respLen < EP11_CPRB_LENGTH || ceil4(urb.respLen) > U32_MAX) throw new KernelError('EINVAL', 'reply length');
  const control = new Uint8Array(padded);
  control.set(copyFromUser(urb.req, urb.reqLen));
  const payloadLength = u32(control, 28);
  if (payloadLength !== urb.reqLen - EP11_CPRB_LENGTH) throw new KernelError('EINVAL', 'payload length');
  const payload = control.subarray(EP11_CPRB_LENGTH, EP11_CPRB_LENGTH + payloadLength);
  const { at, length } = findFunction(payload);
  const flags = control[5] ?? 0;
  const header = { agentId: AGENT_EP11, rqid: RQID, toCardLength1: urb.reqLen, fromCardLength1: urb.respLen };
  return {
    bytes: encodeType6(header, control),
    functionCode: readInt(payload, at, length) & 0xffff,
    domain: u32(control, 12),
    admin: (flags & EP11_FLAG.ADMIN) !== 0,
    special: (flags & EP11_FLAG.SPECIAL) !== 0,
    payloadLength,
  };
}

/** `zcrypt_msgtype6_send_ep11_cprb`: usage requests are directed to the chosen domain. */
export async function sendEp11Cprb(sender: Sender, zq: ZcryptQueue, urb: Ep11Urb, message: Ep11Message): Promise<void> {
  const { bytes } = message;
  if (!message.admin) {
    putU32(bytes, TARGET_ID_AT, zq.queue.apqi);
    putDomain(bytes.subarray(PAYLOAD_AT, PAYLOAD_AT + message.payloadLength), zq.queue.apqi);
  }
  putU32(bytes, FROM_LENGTH_1, zq.replyBufferSize - TYPE86_HEADER_LENGTH);
  try {
    convertResponse(zq, await exchange(sender, zq, bytes, message.special), urb);
  } catch (e) {
    if (message.admin && isKernelError(e, 'EAGAIN')) throw new KernelError('EIO', e.message);
    throw e;
  }
}

/** `convert_response_ep11_xcrb`, `convert_type86_ep11_xcrb`. */
function convertResponse(zq: ZcryptQueue, reply: Uint8Array, urb: Ep11Urb): void {
  const type = messageType(reply);
  if (type === TYPE.ERROR_82 || type === TYPE.ERROR_87) throw convertError(zq, reply);
  const good = type86Of(reply, EP11_CPRB_VERSION);
  if (good) checkLength(zq, reply, good.offset1 + good.count1);
  if (type === TYPE.REPLY_CPRB && reply[4]) throw convertError(zq, reply);
  if (!good) throw unknownResponse(zq, reply);
  if (urb.respLen < good.count1) throw new KernelError('EMSGSIZE', 'reply');
  copyToUser(urb.resp, good.control);
  urb.respLen = good.count1;
}

// ASN.1, as far as the kernel reads it: numbers of 1, 2 or 4 bytes.

const bad = (what: string): KernelError => new KernelError('EINVAL', `payload: ${what}`);

function readInt(bytes: Uint8Array, at: number, length: number): number {
  if (length !== 1 && length !== 2 && length !== 4) throw bad('number');
  if (length === 1) return bytes[at] ?? 0;
  return length === 2 ? u16(bytes, at) : u32(bytes, at);
}

/** A length field: its value and where the content starts. */
function readLength(bytes: Uint8Array, at: number): { at: number; length: number } {
  const first = bytes[at];
  if (first === undefined) throw bad('length');
  if (first < 0x80) return { at: at + 1, length: first };
  const size = first & 0x7f;
  if (at + 1 + size > bytes.length) throw bad('length');
  return { at: at + 1 + size, length: readInt(bytes, at + 1, size) };
}

/** Content of an element that must lie inside the payload. */
function readContent(payload: Uint8Array, at: number, tag: number): { at: number; length: number } {
  if (payload[at] !== tag) throw bad('tag');
  const content = readLength(payload, at + 1);
  if (content.at >= payload.length || content.length > payload.length - content.at) throw bad('length');
  return content;
}

/** Where the function's number is. */
function findFunction(payload: Uint8Array): { at: number; length: number } {
  return readContent(payload, readContent(payload, 0, 0x30).at, 0x04);
}

/** Writes the domain into the payload, where it has one. */
function putDomain(payload: Uint8Array, domain: number): void {
  const fn = findFunction(payload);
  const next = fn.at + fn.length;
  if (payload.length - next < 3) return;
  const { at, length } = readContent(payload, next, 0x04);
  if (length === 1) payload[at] = domain;
  else if (length === 2) putU16(payload, at, domain);
  else if (length === 4) putU32(payload, at, domain);
  else throw bad('domain');
}
