/**
 * EP11 control blocks: the CPRB, its ASN.1 payload, the answers of "get xcp info".
 *
 * Mirrors struct ep11_cprb (arch/s390/include/uapi/asm/zcrypt.h) and what
 * zcrypt_ep11misc.c sends and expects (spec/zcrypt.md 7.1, 8.3).
 */
import { ascii, concat, fresh, putU16, putU32, putU64, text, u32, u64 } from './bytes.js';

export const EP11_CPRB_LENGTH = 32;
export const EP11_CPRB_VERSION = 4;

/** Flags @5 of an EP11 CPRB. */
export const EP11_FLAG = { ADMIN: 0x80, SPECIAL: 0x20 } as const;

export interface Ep11Cprb {
  readonly flags: number;
  /** @6: 'T4'. */
  readonly funcId: string;
  readonly sourceId: number;
  readonly targetId: number;
  readonly returnCode: number;
  readonly payload: Uint8Array;
}

/** CPRB and payload. */
export function encodeEp11Cprb(fields: Partial<Omit<Ep11Cprb, 'payload'>>, payload: Uint8Array): Uint8Array {
  const out = fresh(EP11_CPRB_LENGTH + payload.length);
  putU16(out, 0, EP11_CPRB_LENGTH);
  out[2] = EP11_CPRB_VERSION;
  out[5] = fields.flags ?? 0;
  out.set(ascii(fields.funcId ?? 'T4', 2), 6);
  putU32(out, 8, fields.sourceId ?? 0);
  putU32(out, 12, fields.targetId ?? 0);
  putU32(out, 16, fields.returnCode ?? 0);
  putU32(out, 28, payload.length);
  out.set(payload, EP11_CPRB_LENGTH);
  return out;
}

/** undefined: too short, or the payload does not fit. */
export function decodeEp11Cprb(control: Uint8Array): Ep11Cprb | undefined {
  const length = u32(control, 28);
  if (control.length < EP11_CPRB_LENGTH || EP11_CPRB_LENGTH + length > control.length) {
    return undefined;
  }
  return {
    flags: control[5]!,
    funcId: text(control.subarray(6, 8)),
    sourceId: u32(control, 8),
    targetId: u32(control, 12),
    returnCode: u32(control, 16),
    payload: control.subarray(EP11_CPRB_LENGTH, EP11_CPRB_LENGTH + length),
  };
}

// Payload: 30 LEN { 04 len function, 04 len domain, more octet strings }.

/** Octet string with a 4-byte number. */
export function octetU32(value: number): Uint8Array {
  const out = fresh(6);
  out[0] = 0x04;
  out[1] = 4;
  putU32(out, 2, value);
  return out;
}

/** Octet string in the 2-byte length form (04 82), which the kernel expects of answers. */
export function octetData(data: Uint8Array): Uint8Array {
  const out = fresh(4 + data.length);
  out[0] = 0x04;
  out[1] = 0x82;
  putU16(out, 2, data.length);
  out.set(data, 4);
  return out;
}

/** A payload: sequence in the 2-byte length form (30 82). */
export function encodePayload(...elements: readonly Uint8Array[]): Uint8Array {
  const content = concat(...elements);
  const out = fresh(4 + content.length);
  out[0] = 0x30;
  out[1] = 0x82;
  putU16(out, 2, content.length);
  out.set(content, 4);
  return out;
}

/** One ASN.1 element: its tag, its content, and where the next one starts; undefined: malformed. */
export function readElement(
  bytes: Uint8Array,
  at: number,
): { tag: number; content: Uint8Array; next: number } | undefined {
  const tag = bytes[at];
  const form = bytes[at + 1];
  if (tag === undefined || form === undefined) return undefined;
  let length = form;
  let start = at + 2;
  if (form > 0x7f) {
    const size = form & 0x7f;
    if (![1, 2, 4].includes(size) || start + size > bytes.length) return undefined;
    length = 0;
    for (let n = 0; n < size; n++) length = length * 256 + bytes[start + n]!;
    start += size;
  }
  if (start + length > bytes.length) return undefined;
  return { tag, content: bytes.subarray(start, start + length), next: start + length };
}

/** The octet strings in a payload; undefined: malformed. */
export function decodePayload(payload: Uint8Array): Uint8Array[] | undefined {
  const sequence = readElement(payload, 0);
  if (sequence?.tag !== 0x30) return undefined;
  const out: Uint8Array[] = [];
  for (let at = 0; at < sequence.content.length; ) {
    const element = readElement(sequence.content, at);
    if (element?.tag !== 0x04) return undefined;
    out.push(element.content);
    at = element.next;
  }
  return out;
}

/** A number in an octet string of up to 4 bytes. */
export const octetNumber = (content: Uint8Array): number => content.reduce((value, byte) => value * 256 + byte, 0);

// "Get xcp info": function 38.

export const EP11_FUNCTION = { GET_XCP_INFO: 38 } as const;
export const EP11_API_V1 = 1;
export const EP11_QUERY = { MODULE: 1, DOMAIN: 3 } as const;

/** Return code of the card for what it does not do. */
export const EP11_UNKNOWN_FUNCTION = 0x000c0001;

/** Payload of a query: function (API version << 16 | 38), domain 0, query type, subtype 0. */
export const encodeXcpQuery = (query: number): Uint8Array =>
  encodePayload(octetU32((EP11_API_V1 << 16) | EP11_FUNCTION.GET_XCP_INFO), octetU32(0), octetU32(query), octetU32(0));

/** Payload of an answer: function, domain, return code and, when that is 0, data. */
export const encodeXcpReply = (fn: number, domain: number, returnCode: number, data?: Uint8Array): Uint8Array =>
  encodePayload(octetU32(fn), octetU32(domain), octetU32(returnCode), ...(data ? [octetData(data)] : []));

/** undefined: malformed. */
export function decodeXcpReply(payload: Uint8Array): { returnCode: number; data: Uint8Array } | undefined {
  const parts = decodePayload(payload);
  if (!parts || parts.length < 3 || parts[2]!.length !== 4) return undefined;
  return { returnCode: u32(parts[2]!, 0), data: parts[3] ?? new Uint8Array(0) };
}

/** Module query, 196 bytes: what is looked at of struct ep11_module_query_info. */
export interface ModuleInfo {
  /** @0 */
  readonly apiOrdinal: number;
  /** @8 and @9 */
  readonly firmwareMajor: number;
  readonly firmwareMinor: number;
  /** 16 characters @108. */
  readonly serial: string;
  /** @140 */
  readonly opModes: bigint;
}

const MODULE_INFO_LENGTH = 196;

export function encodeModuleInfo(info: ModuleInfo): Uint8Array {
  const out = fresh(MODULE_INFO_LENGTH);
  putU32(out, 0, info.apiOrdinal);
  out[8] = info.firmwareMajor;
  out[9] = info.firmwareMinor;
  out.set(ascii(info.serial, 16), 108);
  putU64(out, 140, info.opModes);
  return out;
}

export const decodeModuleInfo = (data: Uint8Array): ModuleInfo => ({
  apiOrdinal: u32(data, 0),
  firmwareMajor: data[8] ?? 0,
  firmwareMinor: data[9] ?? 0,
  serial: text(data.subarray(108, 124)),
  opModes: u64(data, 140),
});

/** Domain flags @68 of the domain query. */
export const EP11_DOMAIN_FLAG = {
  CURRENT_WK_VALID: 0x02,
  NEW_WK_PRESENT: 0x04,
  NEW_WK_COMMITTED: 0x08,
  LEFT_IMPRINT_MODE: 0x10,
} as const;

/** Domain query, 80 bytes: struct ep11_domain_query_info. */
export interface DomainInfo {
  /** @0 */
  readonly domain: number;
  /** 32 bytes @4. */
  readonly currentWkvp: Uint8Array;
  /** 32 bytes @36. */
  readonly newWkvp: Uint8Array;
  /** @68 */
  readonly flags: number;
  /** @72 */
  readonly opModes: bigint;
}

export function encodeDomainInfo(info: DomainInfo): Uint8Array {
  const out = fresh(80);
  putU32(out, 0, info.domain);
  out.set(info.currentWkvp, 4);
  out.set(info.newWkvp, 36);
  putU32(out, 68, info.flags);
  putU64(out, 72, info.opModes);
  return out;
}

export const decodeDomainInfo = (data: Uint8Array): DomainInfo => ({
  domain: u32(data, 0),
  currentWkvp: data.slice(4, 36),
  newWkvp: data.slice(36, 68),
  flags: u32(data, 68),
  opModes: u64(data, 72),
});
