/**
 * Masks of 256 adapters, domains or ioctl numbers, and their texts.
 *
 * Mirrors the inverted bitmaps of arch/s390/include/asm/bitops.h (bit 0 is the
 * leftmost) and ap_bus.c `ap_hex2bitmap`, `modify_bitmap`,
 * `ap_parse_bitmap_str`. Vectors: spec/attributes.md B.4.
 */
import { KernelError } from '../errno.js';
import { cString } from './kstrto.js';

export const MASK_BITS = 256;
const BYTES = MASK_BITS / 8;

/** 256 bits, bit 0 leftmost, as 32 bytes. Value semantics: operators give new masks. */
export class Mask {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array = new Uint8Array(BYTES)) {
    this.bytes = bytes;
  }

  static zeros(): Mask {
    return new Mask();
  }

  static ones(): Mask {
    return new Mask(new Uint8Array(BYTES).fill(0xff));
  }

  static of(...bits: number[]): Mask {
    const mask = new Mask();
    for (const bit of bits) mask.set(bit);
    return mask;
  }

  has(bit: number): boolean {
    return ((this.bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
  }

  set(bit: number): void {
    this.bytes[bit >> 3] = (this.bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  }

  clear(bit: number): void {
    this.bytes[bit >> 3] = (this.bytes[bit >> 3] ?? 0) & ~(0x80 >> (bit & 7));
  }

  put(bit: number, value: boolean): void {
    if (value) this.set(bit);
    else this.clear(bit);
  }

  copy(): Mask {
    return new Mask(this.bytes.slice());
  }

  and(other: Mask): Mask {
    return new Mask(this.bytes.map((b, i) => b & (other.bytes[i] ?? 0)));
  }

  andNot(other: Mask): Mask {
    return new Mask(this.bytes.map((b, i) => b & ~(other.bytes[i] ?? 0)));
  }

  or(other: Mask): Mask {
    return new Mask(this.bytes.map((b, i) => b | (other.bytes[i] ?? 0)));
  }

  equals(other: Mask): boolean {
    return this.bytes.every((b, i) => b === other.bytes[i]);
  }

  intersects(other: Mask): boolean {
    return this.bytes.some((b, i) => (b & (other.bytes[i] ?? 0)) !== 0);
  }

  get isEmpty(): boolean {
    return this.bytes.every((b) => b === 0);
  }

  get isFull(): boolean {
    return this.bytes.every((b) => b === 0xff);
  }

  /** Set bits, ascending, up to and including `max`. */
  *bits(max = MASK_BITS - 1): Generator<number> {
    for (let byte = 0; byte <= max >> 3; byte++) {
      const value = this.bytes[byte] ?? 0;
      if (value === 0) continue;
      for (let i = 0; i < 8; i++) {
        const bit = byte * 8 + i;
        if (value & (0x80 >> i) && bit <= max) yield bit;
      }
    }
  }

  /** `0x` and 64 lower-case hex digits. */
  toString(): string {
    let hex = '0x';
    for (const b of this.bytes) hex += b.toString(16).padStart(2, '0');
    return hex;
  }
}

/** `ap_hex2bitmap`: absolute form. @throws EINVAL */
export function parseHexMask(text: string): Mask {
  const s = cString(text);
  const m = /^(?:0?x)?([0-9a-fA-F]{0,64})\n?$/.exec(s);
  if (!m || s.endsWith('\n\n')) throw new KernelError('EINVAL');
  const mask = new Mask();
  const digits = m[1] ?? '';
  for (let i = 0; i < digits.length; i++) {
    const nibble = Number.parseInt(digits[i] ?? '0', 16);
    const at = i >> 1;
    mask.bytes[at] = (mask.bytes[at] ?? 0) | (i % 2 === 0 ? nibble << 4 : nibble);
  }
  return mask;
}

/** How numbers of the relative form that do not fit 64 bits are taken. */
export type MaskNumberOverflow = 'reject' | 'wrap';

/** `modify_bitmap`: relative form, applied to a copy of `old`. @throws EINVAL */
export function modifyMask(old: Mask, text: string, overflow: MaskNumberOverflow): Mask {
  const mask = old.copy();
  let s = cString(text);
  const number = (): number => {
    const m = /^(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(s);
    if (!m) throw new KernelError('EINVAL');
    s = s.slice(m[0].length);
    // A leading 0 followed by x without digits leaves the x behind, which no separator rule accepts.
    const digits = m[0];
    let value = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
    if (value >= 1n << 64n) {
      if (overflow === 'reject') throw new KernelError('EINVAL');
      value &= (1n << 64n) - 1n;
    }
    if (value >= BigInt(MASK_BITS)) throw new KernelError('EINVAL');
    return Number(value);
  };
  while (s !== '') {
    const sign = s[0];
    if (sign !== '+' && sign !== '-') throw new KernelError('EINVAL');
    s = s.slice(1);
    const from = number();
    let to = from;
    if (s.startsWith('-')) {
      // "-5-6" is a range, "-5-" and "-5--6" are errors.
      s = s.slice(1);
      to = number();
      if (to < from) throw new KernelError('EINVAL');
    }
    for (let bit = from; bit <= to; bit++) mask.put(bit, sign === '+');
    s = s.replace(/^[,\n]+/, '');
  }
  return mask;
}

/** `ap_parse_bitmap_str`: relative when it begins with a sign, else absolute. @throws EINVAL */
export function parseMaskText(old: Mask, text: string, overflow: MaskNumberOverflow): Mask {
  return /^[+-]/.test(text) ? modifyMask(old, text, overflow) : parseHexMask(text);
}
