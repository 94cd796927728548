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
  return Uint8Array.from(text.padEnd(length).slice(0, length), (c) => c.charCodeAt(0));
}

/** Bytes to text, one character each. */
export const text = (b: Uint8Array): string => String.fromCharCode(...b);

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Right-aligned in `length` bytes: shorter values get leading zeros, longer ones lose their first bytes. */
export function rightAlign(b: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
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

export function toBigInt(b: Uint8Array): bigint {
  let value = 0n;
  for (const byte of b) value = (value << 8n) | BigInt(byte);
  return value;
}

/** Big endian in exactly `length` bytes. */
export function fromBigInt(value: bigint, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let at = length - 1; at >= 0; at--, value >>= 8n) out[at] = Number(value & 0xffn);
  return out;
}
