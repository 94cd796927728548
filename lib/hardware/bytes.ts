/**
 * Big-endian fields in byte arrays, for the message layouts.
 */
export const u16 = (b: Uint8Array, at: number): number => ((b[at] ?? 0) << 8) | (b[at + 1] ?? 0);

export const u32 = (b: Uint8Array, at: number): number => ((u16(b, at) << 16) | u16(b, at + 2)) >>> 0;

export const u64 = (b: Uint8Array, at: number): bigint => (BigInt(u32(b, at)) << 32n) | BigInt(u32(b, at + 4));

export function putU16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value;
}

export function putU32(b: Uint8Array, at: number, value: number): void {
  putU16(b, at, value >>> 16);
  putU16(b, at + 2, value & 0xffff);
}

export function putU64(b: Uint8Array, at: number, value: bigint): void {
  putU32(b, at, Number((value >> 32n) & 0xffffffffn));
  putU32(b, at + 4, Number(value & 0xffffffffn));
}

/** ASCII text to bytes, padded with blanks to `length` if given. */
export function ascii(text: string, length = text.length): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = i < text.length ? text.charCodeAt(i) : 0x20;
  return out;
}

/** Bytes to text, one character each. */
export function text(b: Uint8Array): string {
  let out = '';
  for (let i = 0; i < b.length; i++) out += String.fromCharCode(b[i] ?? 0);
  return out;
}

export const EMPTY = new Uint8Array(0);

/** Memory for messages is taken in pieces of this size, and cut up. */
const SLAB = 1 << 16;
let slab = new ArrayBuffer(SLAB);
let used = 0;

/**
 * Zeroed bytes for something that does not live long: a message or a part of
 * one. An array buffer of its own costs several times as much as a message's
 * content; of this, the whole piece stays as long as anything in it.
 */
export function fresh(length: number): Uint8Array {
  if (length > SLAB >> 3) return new Uint8Array(length);
  if (used + length > SLAB) {
    slab = new ArrayBuffer(SLAB);
    used = 0;
  }
  const out = new Uint8Array(slab, used, length);
  used += (length + 7) & ~7;
  return out;
}

/** A copy that does not live long. */
export function copied(b: Uint8Array): Uint8Array {
  const out = fresh(b.length);
  out.set(b);
  return out;
}

/** Bytes in one piece, or in pieces that follow each other. */
export type Parts = Uint8Array | readonly Uint8Array[];

export function lengthOf(parts: Parts): number {
  if (parts instanceof Uint8Array) return parts.length;
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

/** Writes all parts to `out`, the first one at `at`. */
export function putParts(out: Uint8Array, at: number, parts: Parts): void {
  if (parts instanceof Uint8Array) {
    out.set(parts, at);
    return;
  }
  let next = at;
  for (const part of parts) {
    out.set(part, next);
    next += part.length;
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = fresh(lengthOf(parts));
  putParts(out, 0, parts);
  return out;
}

/**
 * Right-aligned in `length` bytes: shorter values get leading zeros, longer ones lose their first bytes. The same
 * bytes, not a copy, where nothing is to be done.
 */
export function rightAlign(b: Uint8Array, length: number): Uint8Array {
  if (b.length === length) return b;
  const out = fresh(length);
  const tail = b.length > length ? b.subarray(b.length - length) : b;
  out.set(tail, length - tail.length);
  return out;
}

/** Without leading zero bytes (all zeros: empty). */
export function stripZeros(b: Uint8Array): Uint8Array {
  let at = 0;
  while (at < b.length && b[at] === 0) at++;
  return b.subarray(at);
}

/** As many bytes as a number holds exactly. */
const CHUNK = 6;

export function toBigInt(b: Uint8Array): bigint {
  let value = 0n;
  let at = 0;
  while (at < b.length) {
    const end = Math.min(b.length, at + CHUNK);
    const bits = BigInt(8 * (end - at));
    let chunk = 0;
    for (; at < end; at++) chunk = chunk * 256 + (b[at] ?? 0);
    value = (value << bits) | BigInt(chunk);
  }
  return value;
}

/** Big endian in exactly `length` bytes; what is too long loses its first bytes. */
export function fromBigInt(value: bigint, length: number): Uint8Array {
  const out = new Uint8Array(length);
  const digits = BigInt.asUintN(8 * length, value).toString(16);
  let end = digits.length;
  for (let at = length - 1; at >= 0 && end > 0; at--, end -= 2)
    out[at] = Number.parseInt(digits.slice(Math.max(0, end - 2), end), 16);
  return out;
}

/** Which of two numbers without leading zeros is greater: below 0 the second, 0 neither, above 0 the first. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length;
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
