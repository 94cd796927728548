/**
 * CCA control blocks: CPRBX, its parameter block, RSA key tokens, the answers
 * of the facility query.
 *
 * Mirrors struct CPRBX (arch/s390/include/uapi/asm/zcrypt.h), zcrypt_cca_key.h,
 * and what zcrypt_ccamisc.c takes from the replies to FQ (spec/zcrypt.md 7.1, 8.1, 8.2).
 */
import { ascii, concat, EMPTY, fresh, lengthOf, putU16, putU32, rightAlign, text, u16, u32 } from './bytes.js';
import type { RsaCrt, RsaModExpo } from './messages.js';

export const CPRBX_LENGTH = 220;
export const CPRBX_VERSION = 2;

/** The fields of a CPRBX that somebody looks at. */
export interface Cprbx {
  /** @6: 'T2' usage; 'T3', 'T5', 'T6', 'T7' administrative. */
  readonly funcId: string;
  /** @12 length of the request's parameter block. */
  readonly reqParml: number;
  /** @16 length of the request's data block. */
  readonly reqDatal: number;
  /** @20 room for the reply's control block. */
  readonly rplMsgbl: number;
  /** @24 length of the reply's parameter block. */
  readonly rpldParml: number;
  /** @28 room for the reply's data block. */
  readonly rplDatal: number;
  /** @32 length of the reply's data block. */
  readonly rpldDatal: number;
  /** @144 CCA return code. */
  readonly returnCode: number;
  /** @146 CCA reason code. */
  readonly reasonCode: number;
  /** @170. */
  readonly domain: number;
}

const FIELD = {
  LENGTH: 0,
  VERSION: 2,
  FUNC_ID: 6,
  REQ_PARML: 12,
  REQ_DATAL: 16,
  RPL_MSGBL: 20,
  RPLD_PARML: 24,
  RPL_DATAL: 28,
  RPLD_DATAL: 32,
  RETURN_CODE: 144,
  REASON_CODE: 146,
  DOMAIN: 170,
} as const;

/** Offset of the domain field in a CPRBX: zcrypt overwrites it with the chosen domain. */
export const CPRBX_DOMAIN_OFFSET = FIELD.DOMAIN;

export function encodeCprbx(fields: Partial<Cprbx>): Uint8Array {
  const out = fresh(CPRBX_LENGTH);
  putU16(out, FIELD.LENGTH, CPRBX_LENGTH);
  out[FIELD.VERSION] = CPRBX_VERSION;
  out.set(ascii(fields.funcId ?? 'T2', 2), FIELD.FUNC_ID);
  putU32(out, FIELD.REQ_PARML, fields.reqParml ?? 0);
  putU32(out, FIELD.REQ_DATAL, fields.reqDatal ?? 0);
  putU32(out, FIELD.RPL_MSGBL, fields.rplMsgbl ?? 0);
  putU32(out, FIELD.RPLD_PARML, fields.rpldParml ?? 0);
  putU32(out, FIELD.RPL_DATAL, fields.rplDatal ?? 0);
  putU32(out, FIELD.RPLD_DATAL, fields.rpldDatal ?? 0);
  putU16(out, FIELD.RETURN_CODE, fields.returnCode ?? 0);
  putU16(out, FIELD.REASON_CODE, fields.reasonCode ?? 0);
  putU16(out, FIELD.DOMAIN, fields.domain ?? 0);
  return out;
}

/** undefined: too short. The version is the caller's to check (`cprbVersion`). */
export function decodeCprbx(control: Uint8Array): Cprbx | undefined {
  if (control.length < CPRBX_LENGTH) return undefined;
  return {
    funcId: text(control.subarray(FIELD.FUNC_ID, FIELD.FUNC_ID + 2)),
    reqParml: u32(control, FIELD.REQ_PARML),
    reqDatal: u32(control, FIELD.REQ_DATAL),
    rplMsgbl: u32(control, FIELD.RPL_MSGBL),
    rpldParml: u32(control, FIELD.RPLD_PARML),
    rplDatal: u32(control, FIELD.RPL_DATAL),
    rpldDatal: u32(control, FIELD.RPLD_DATAL),
    returnCode: u16(control, FIELD.RETURN_CODE),
    reasonCode: u16(control, FIELD.REASON_CODE),
    domain: u16(control, FIELD.DOMAIN),
  };
}

/** cprb_ver_id @2 of a CPRBX; an EP11 CPRB has it at the same place. */
export const cprbVersion = (control: Uint8Array): number => control[FIELD.VERSION] ?? 0;

// Parameter block: function code 2, rule array (2-byte length including itself), then more blocks.

/** Start of a parameter block: function and rule array (8 characters a rule). */
export function encodeFunction(functionCode: string, rules: readonly string[]): Uint8Array {
  const out = fresh(4 + 8 * rules.length);
  out.set(ascii(functionCode, 2));
  putU16(out, 2, out.length - 2);
  for (const [n, rule] of rules.entries()) out.set(ascii(rule, 8), 4 + 8 * n);
  return out;
}

export interface CcaFunction {
  readonly functionCode: string;
  /** Trailing blanks removed. */
  readonly rules: readonly string[];
  /** What follows the rule array. */
  readonly rest: Uint8Array;
}

export function decodeFunction(parameters: Uint8Array): CcaFunction | undefined {
  if (parameters.length < 4) return undefined;
  const end = 2 + u16(parameters, 2);
  if (end < 4 || end > parameters.length) return undefined;
  const rules: string[] = [];
  for (let at = 4; at + 8 <= end; at += 8) {
    rules.push(text(parameters.subarray(at, at + 8)).trimEnd());
  }
  return {
    functionCode: text(parameters.subarray(0, 2)),
    rules,
    rest: parameters.subarray(end),
  };
}

/** A block with a 2-byte length that counts itself. */
export function lengthBlock(content: Uint8Array): readonly Uint8Array[] {
  const length = fresh(2);
  putU16(length, 0, 2 + content.length);
  return [length, content];
}

/** Content of the block at `at` and where the next one starts; undefined: does not fit. */
export function readLengthBlock(bytes: Uint8Array, at = 0): { content: Uint8Array; next: number } | undefined {
  const length = u16(bytes, at);
  if (at + 2 > bytes.length || length < 2 || at + length > bytes.length) return undefined;
  return { content: bytes.subarray(at + 2, at + length), next: at + length };
}

// RSA: function PK (rule MRP) or PD (rule ZERO-PAD), vud block = input, key block.

const KEY = { TOKEN_EXT: 0x1e, SECTION_PUBLIC: 0x04, SECTION_CRT: 0x08, FORMAT_CRT: 0x40 } as const;
/** Key block header: blen, ulen, flags; then the token header of 8. */
const KEY_BLOCK_HEADER = 6;
const TOKEN_HEADER = 8;
const PUBLIC_SECTION = 12;
const CRT_SECTION = 132;

/** An empty rule array. */
export const NO_RULES: Uint8Array = encodeFunction('', []).subarray(2);

/** What follows the function in the answer to an RSA request: no rules, the result, an empty key block. */
export const rsaBlocks = (result: Uint8Array): readonly Uint8Array[] => [
  NO_RULES,
  ...lengthBlock(result),
  ...lengthBlock(EMPTY),
];

/** Parameter block of an RSA request to a CCA card. */
export function encodeRsaParameters(rsa: RsaModExpo | RsaCrt): readonly Uint8Array[] {
  const isMe = rsa.kind === 'me';
  const head = encodeFunction(isMe ? 'PK' : 'PD', [isMe ? 'MRP' : 'ZERO-PAD']);
  return [head, ...lengthBlock(rsa.input), ...keyBlock(isMe ? encodePublicKey(rsa) : encodeCrtKey(rsa))];
}

function keyBlock(token: readonly Uint8Array[]): readonly Uint8Array[] {
  const head = fresh(KEY_BLOCK_HEADER + TOKEN_HEADER);
  const length = head.length + lengthOf(token);
  putU16(head, 0, length);
  putU16(head, 2, length - 2);
  head[KEY_BLOCK_HEADER] = KEY.TOKEN_EXT;
  putU16(head, KEY_BLOCK_HEADER + 2, length - KEY_BLOCK_HEADER);
  return [head, ...token];
}

function publicSection(exponent: Uint8Array, modulus: Uint8Array): readonly Uint8Array[] {
  const head = fresh(PUBLIC_SECTION);
  head[0] = KEY.SECTION_PUBLIC;
  putU16(head, 2, PUBLIC_SECTION + exponent.length + modulus.length);
  putU16(head, 6, exponent.length);
  putU16(head, 8, 8 * modulus.length);
  putU16(head, 10, modulus.length);
  return [head, exponent, modulus];
}

function encodePublicKey(rsa: RsaModExpo): readonly Uint8Array[] {
  const length = rsa.input.length;
  return publicSection(rightAlign(rsa.exponent, length), rightAlign(rsa.modulus, length));
}

/** Private section 08: p, q, dp, dq, u, padding to 8, modulus of FF bytes; then the public section. */
function encodeCrtKey(rsa: RsaCrt): readonly Uint8Array[] {
  const short = (rsa.input.length + 1) >> 1;
  const long = short + 8;
  const pad = -(3 * long + 2 * short) & 7;
  const section = fresh(CRT_SECTION);
  section[0] = KEY.SECTION_CRT;
  section[28] = KEY.FORMAT_CRT;
  section[50] = 0x80;
  const lengths = [long, short, long, short, long, rsa.input.length];
  for (const [n, length] of lengths.entries()) putU16(section, 54 + 2 * n, length);
  putU16(section, 70, pad);
  const parts = [
    rightAlign(rsa.p, long),
    rightAlign(rsa.q, short),
    rightAlign(rsa.dp, long),
    rightAlign(rsa.dq, short),
    rightAlign(rsa.u, long),
    new Uint8Array(pad),
    new Uint8Array(rsa.input.length).fill(0xff),
  ];
  putU16(section, 2, CRT_SECTION + lengthOf(parts));
  const exponent = Uint8Array.of(1, 0, 1);
  return [section, ...parts, ...publicSection(exponent, EMPTY)];
}

/** undefined: not the blocks of an RSA request. `rest`: what follows the rule array. */
export function decodeRsaParameters(rest: Uint8Array): RsaModExpo | RsaCrt | undefined {
  const vud = readLengthBlock(rest);
  if (!vud) return undefined;
  const section = rest.subarray(vud.next + KEY_BLOCK_HEADER + TOKEN_HEADER);
  if (section[0] === KEY.SECTION_PUBLIC) {
    const exponentEnd = PUBLIC_SECTION + u16(section, 6);
    const end = exponentEnd + u16(section, 10);
    if (end > section.length) return undefined;
    return {
      kind: 'me',
      exponent: section.subarray(PUBLIC_SECTION, exponentEnd),
      modulus: section.subarray(exponentEnd, end),
      input: vud.content,
    };
  }
  if (section[0] !== KEY.SECTION_CRT || section[28] !== KEY.FORMAT_CRT) return undefined;
  const fields: Uint8Array[] = [];
  let at = CRT_SECTION;
  for (let n = 0; n < 5; n++) {
    const length = u16(section, 54 + 2 * n);
    if (at + length > section.length) return undefined;
    fields.push(section.subarray(at, at + length));
    at += length;
  }
  const [p, q, dp, dq, u] = fields;
  return { kind: 'crt', p: p!, q: q!, dp: dp!, dq: dq!, u: u!, input: vud.content };
}

// Facility query: function FQ, rule STATICSA or STATICSB, empty data block, empty key block.

/** Room for the answer that the kernel sends along as the vud block of an FQ request. */
export const FQ_DATA_SIZE = 4096;

export type FacilityQuery = 'STATICSA' | 'STATICSB';

/** Parameter block of the request: 4112 bytes. */
export function encodeFacilityQuery(keyword: FacilityQuery): Uint8Array {
  const head = encodeFunction('FQ', [keyword]);
  return concat(head, ...lengthBlock(new Uint8Array(FQ_DATA_SIZE)), ...lengthBlock(EMPTY));
}

/** Rule and data array of a reply's parameter block; undefined: does not fit. */
export function decodeFacilityReply(parameters: Uint8Array): { rules: Uint8Array; data: Uint8Array } | undefined {
  const rules = readLengthBlock(parameters, 2);
  const data = rules && readLengthBlock(parameters, rules.next);
  return data && { rules: rules.content, data: data.content };
}

/** State of a master key register, the character in the rule array. */
export const MK_STATE = { EMPTY: '1', PARTIAL: '2', FULL: '3', INVALID: '1', VALID: '2' } as const;

/**
 * Where a facility answer holds the registers NEW, CUR, OLD of one master key:
 * `rules`: index of the 8-byte rule with the state; `data`: offset of the pattern.
 * (zcrypt_ccamisc.c)
 */
export interface MasterKeyPlace {
  readonly query: FacilityQuery;
  readonly length: number;
  readonly rules: { readonly new: number; readonly cur: number; readonly old: number };
  readonly data: { readonly new: number; readonly cur: number; readonly old: number };
}

export const MASTER_KEY_PLACES: Readonly<Record<'AES' | 'APKA' | 'ASYM', MasterKeyPlace>> = {
  ASYM: {
    query: 'STATICSA',
    length: 16,
    rules: { new: 4, cur: 5, old: 6 },
    data: { old: 64, cur: 84, new: 104 },
  },
  AES: {
    query: 'STATICSA',
    length: 8,
    rules: { new: 7, cur: 8, old: 9 },
    data: { old: 172, cur: 184, new: 196 },
  },
  APKA: {
    query: 'STATICSB',
    length: 8,
    rules: { new: 10, cur: 11, old: 12 },
    data: { old: 208, cur: 220, new: 232 },
  },
};

/** Least number of rules and data bytes that the kernel accepts of each answer. */
export const FACILITY_SIZES: Readonly<Record<FacilityQuery, { rules: number; data: number }>> = {
  STATICSA: { rules: 10, data: 204 },
  STATICSB: { rules: 13, data: 240 },
};

// Random numbers: function RL, rule RANDOM, data in the reply's data block.

/** Bytes that the hwrng asks for at a time. */
export const RNG_BLOCK = 4096;

/** Parameter block of an RL request: two empty blocks follow the rule. */
export const RANDOM_PARAMETERS: Uint8Array = concat(
  encodeFunction('RL', ['RANDOM']),
  ...lengthBlock(EMPTY),
  ...lengthBlock(EMPTY),
);
