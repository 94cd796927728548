/**
 * What travels through AP queues: headers common to all card modes, and type 50/80.
 *
 * Mirrors the layouts of drivers/s390/crypto/zcrypt_msgtype6.h, zcrypt_msgtype50.c
 * and zcrypt_error.h (spec/zcrypt.md 7.1, 8). Both sides use it: zcrypt encodes
 * requests and decodes replies, the cards' firmware does the reverse. All
 * numbers are big endian; "@n" is an offset in bytes. CCA content is in
 * messages-cca.ts, EP11 content in messages-ep11.ts.
 */
import { ascii, EMPTY, fresh, lengthOf, type Parts, putParts, putU16, putU32, rightAlign, u16, u32 } from './bytes.js';

export * from './messages-cca.js';
export * from './messages-ep11.js';

/** Message type, byte @1 of every message. */
export const TYPE = {
  REQUEST_CPRB: 0x06,
  REQUEST_RSA: 0x50,
  REPLY_RSA: 0x80,
  ERROR_82: 0x82,
  REPLY_CPRB: 0x86,
  ERROR_87: 0x87,
  ERROR_88: 0x88,
} as const;

export const messageType = (message: Uint8Array): number => message[1] ?? 0;

/** Reply codes of type 82, 87 and 88 (zcrypt_error.h); which errno: spec/zcrypt.md 8.4. */
export const REPLY_CODE = {
  MACHINE_FAILURE: 0x10,
  MESSAGE_TYPE: 0x20,
  FORMAT_FIELD: 0x29,
  MALFORMED_MESSAGE: 0x40,
  MESSAGE_LENGTH: 0x80,
  OPERAND_INVALID: 0x82,
  OPERAND_SIZE: 0x84,
  EVEN_MODULUS: 0x85,
  TRANSPORT_FAIL: 0x90,
} as const;

// Error header, 8 bytes.

/** 8 bytes: type @1, reply code @4. Any type number may be given (faults use odd ones). */
export function encodeErrorReply(type: number, replyCode: number): Uint8Array {
  const out = fresh(8);
  out[1] = type;
  out[4] = replyCode;
  return out;
}

/** Reply code of an error header or of a type 86 header. */
export const replyCodeOf = (message: Uint8Array): number => message[4] ?? 0;

// Type 6 request header, 88 bytes, followed by control block (@offset1) and data block.

export const TYPE6_HEADER_LENGTH = 88;

export interface Type6Header {
  /** 16 bytes @32: 'CA' and zeros for CCA; zeros for EP11. */
  readonly agentId: Uint8Array;
  /** 2 bytes @48. */
  readonly rqid: Uint8Array;
  /** 2 characters @52: the CCA function. */
  readonly functionCode: string;
  /** Length of the control block @56. */
  readonly toCardLength1: number;
  /** Length of the data block @60. */
  readonly toCardLength2: number;
  /** Room for the reply's control block @72. */
  readonly fromCardLength1: number;
  /** Room for the reply's data block @76. */
  readonly fromCardLength2: number;
}

/** Agent id of CCA requests. */
export const AGENT_CCA: Uint8Array = (() => {
  const id = new Uint8Array(16);
  id.set(ascii('CA'));
  return id;
})();

/** A whole type 6 message: header, control block, data block. */
export function encodeType6(header: Partial<Type6Header>, control: Parts, data: Uint8Array = EMPTY): Uint8Array {
  const controlLength = lengthOf(control);
  const out = fresh(TYPE6_HEADER_LENGTH + controlLength + data.length);
  out[1] = TYPE.REQUEST_CPRB;
  putU32(out, 16, TYPE6_HEADER_LENGTH);
  if (data.length > 0) putU32(out, 20, TYPE6_HEADER_LENGTH + controlLength);
  if (header.agentId) out.set(header.agentId, 32);
  if (header.rqid) out.set(header.rqid, 48);
  if (header.functionCode) out.set(ascii(header.functionCode, 2), 52);
  putU32(out, 56, header.toCardLength1 ?? controlLength);
  putU32(out, 60, header.toCardLength2 ?? data.length);
  putU32(out, 72, header.fromCardLength1 ?? 0);
  putU32(out, 76, header.fromCardLength2 ?? 0);
  putParts(out, TYPE6_HEADER_LENGTH, control);
  out.set(data, TYPE6_HEADER_LENGTH + controlLength);
  return out;
}

export interface Type6Message extends Type6Header {
  readonly control: Uint8Array;
  readonly data: Uint8Array;
}

/** undefined: no type 6 message, or its lengths do not fit. */
export function decodeType6(message: Uint8Array): Type6Message | undefined {
  if (message.length < TYPE6_HEADER_LENGTH || messageType(message) !== TYPE.REQUEST_CPRB) {
    return undefined;
  }
  const offset1 = u32(message, 16);
  const offset2 = u32(message, 20);
  const toCardLength1 = u32(message, 56);
  const toCardLength2 = u32(message, 60);
  if (offset1 + toCardLength1 > message.length) return undefined;
  if (toCardLength2 > 0 && offset2 + toCardLength2 > message.length) return undefined;
  return {
    agentId: message.subarray(32, 48),
    rqid: message.subarray(48, 50),
    functionCode: String.fromCharCode(message[52]!, message[53]!),
    toCardLength1,
    toCardLength2,
    fromCardLength1: u32(message, 72),
    fromCardLength2: u32(message, 76),
    control: message.subarray(offset1, offset1 + toCardLength1),
    data: message.subarray(offset2, offset2 + toCardLength2),
  };
}

// Type 86 reply: header 8 bytes and extension 40 bytes, then control and data block.

export const TYPE86_HEADER_LENGTH = 48;

/** A whole type 86 message (format 2): the control block is padded to 4 bytes where a data block follows. */
export function encodeType86(control: Parts, data: Uint8Array = EMPTY, replyCode = 0): Uint8Array {
  const controlLength = lengthOf(control);
  const offset2 = TYPE86_HEADER_LENGTH + ((controlLength + 3) & ~3);
  const out = fresh(data.length > 0 ? offset2 + data.length : TYPE86_HEADER_LENGTH + controlLength);
  out[1] = TYPE.REPLY_CPRB;
  out[2] = 2;
  out[4] = replyCode;
  putU32(out, 16, controlLength);
  putU32(out, 20, TYPE86_HEADER_LENGTH);
  putU32(out, 24, data.length);
  putU32(out, 28, data.length > 0 ? offset2 : 0);
  putParts(out, TYPE86_HEADER_LENGTH, control);
  if (data.length > 0) out.set(data, offset2);
  return out;
}

export interface Type86Message {
  /** 0: good. */
  readonly replyCode: number;
  /** Application-provided failure status @12; becomes the status of the CPRB ioctl. */
  readonly apfs: number;
  readonly count1: number;
  readonly offset1: number;
  readonly count2: number;
  readonly offset2: number;
  /** The blocks; shorter than their counts if the message is truncated. */
  readonly control: Uint8Array;
  readonly data: Uint8Array;
}

/** undefined: no type 86 message with its extension. */
export function decodeType86(message: Uint8Array): Type86Message | undefined {
  if (message.length < TYPE86_HEADER_LENGTH || messageType(message) !== TYPE.REPLY_CPRB) {
    return undefined;
  }
  const count1 = u32(message, 16);
  const offset1 = u32(message, 20);
  const count2 = u32(message, 24);
  const offset2 = u32(message, 28);
  return {
    replyCode: replyCodeOf(message),
    apfs: u32(message, 12),
    count1,
    offset1,
    count2,
    offset2,
    control: message.subarray(offset1, offset1 + count1),
    data: message.subarray(offset2, offset2 + count2),
  };
}

// Type 50: RSA for accelerators. Header 8, key block type @8, slots from @16 on.

const TYPE50_HEADER_LENGTH = 16;

/** Slot length in bytes by key block type; CRT types have half slots for the key's parts. */
const TYPE50_SLOTS = [128, 256, 512] as const;

/** An RSA operation with exponent and modulus. All fields of equal or smaller length. */
export interface RsaModExpo {
  readonly kind: 'me';
  readonly exponent: Uint8Array;
  readonly modulus: Uint8Array;
  readonly input: Uint8Array;
}

/** An RSA operation by the Chinese remainder theorem: u = q^-1 mod p. */
export interface RsaCrt {
  readonly kind: 'crt';
  readonly p: Uint8Array;
  readonly q: Uint8Array;
  readonly dp: Uint8Array;
  readonly dq: Uint8Array;
  readonly u: Uint8Array;
  readonly input: Uint8Array;
}

/**
 * Total sizes: ME 400, 784, 1552; CRT 464, 912, 1808. The slot is chosen by the
 * input's length (<= 128, 256, 512). CRT: p, dp and u without their first 8 bytes.
 */
export function encodeType50(rsa: RsaModExpo | RsaCrt): Uint8Array {
  const index = TYPE50_SLOTS.findIndex((slot) => rsa.input.length <= slot);
  if (index < 0) throw new RangeError(`type 50: ${rsa.input.length} bytes`);
  const slot = TYPE50_SLOTS[index]!;
  const fields = rsa.kind === 'me' ? [rsa.exponent, rsa.modulus] : [rsa.p, rsa.q, rsa.dp, rsa.dq, rsa.u];
  const fieldLength = rsa.kind === 'me' ? slot : slot / 2;
  const out = fresh(TYPE50_HEADER_LENGTH + fields.length * fieldLength + slot);
  out[1] = TYPE.REQUEST_RSA;
  putU16(out, 2, out.length);
  putU16(out, 8, (rsa.kind === 'me' ? 1 : 0x11) + index);
  let at = TYPE50_HEADER_LENGTH;
  for (const field of fields) {
    out.set(rightAlign(field, fieldLength), at);
    at += fieldLength;
  }
  out.set(rightAlign(rsa.input, slot), at);
  return out;
}

/** undefined: unknown key block type or wrong length. `slot`: bytes of input and result. */
export function decodeType50(message: Uint8Array): { slot: number; rsa: RsaModExpo | RsaCrt } | undefined {
  if (messageType(message) !== TYPE.REQUEST_RSA || u16(message, 2) !== message.length) {
    return undefined;
  }
  const keyBlock = u16(message, 8);
  const slot = TYPE50_SLOTS[(keyBlock & 0x0f) - 1];
  const crt = (keyBlock & 0xf0) === 0x10;
  if (slot === undefined || (keyBlock & ~0x1f) !== 0) return undefined;
  const fieldLength = crt ? slot / 2 : slot;
  const count = crt ? 5 : 2;
  if (message.length !== TYPE50_HEADER_LENGTH + count * fieldLength + slot) return undefined;
  const field = (n: number): Uint8Array => {
    const at = TYPE50_HEADER_LENGTH + n * fieldLength;
    return message.subarray(at, at + fieldLength);
  };
  const input = message.subarray(message.length - slot);
  const rsa: RsaModExpo | RsaCrt = crt
    ? { kind: 'crt', p: field(0), q: field(1), dp: field(2), dq: field(3), u: field(4), input }
    : { kind: 'me', exponent: field(0), modulus: field(1), input };
  return { slot, rsa };
}

// Type 80: the accelerator's reply. Header 16, then the result, right aligned in its slot.

export const TYPE80_HEADER_LENGTH = 16;

/** Length @2 (whole message), code @4. */
export function encodeType80(result: Uint8Array, code = 0): Uint8Array {
  const out = fresh(TYPE80_HEADER_LENGTH + result.length);
  out[1] = TYPE.REPLY_RSA;
  putU16(out, 2, out.length);
  out[4] = code;
  out.set(result, TYPE80_HEADER_LENGTH);
  return out;
}

/** `length`: what the header says; `code`: for the log line of a too short reply. */
export function decodeType80(message: Uint8Array): { length: number; code: number; result: Uint8Array } | undefined {
  if (message.length < TYPE80_HEADER_LENGTH || messageType(message) !== TYPE.REPLY_RSA) {
    return undefined;
  }
  return {
    length: u16(message, 2),
    code: message[4]!,
    result: message.subarray(TYPE80_HEADER_LENGTH),
  };
}
