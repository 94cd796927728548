/**
 * A message in a buffer that is used again and again: fields by their places.
 */
import { endianness } from 'node:os';
import type { I32, Inner, U16, U32, U64 } from './protocol.js';

const LITTLE = endianness() === 'LE';
const LOW = LITTLE ? 0 : 4;
const HIGH = LITTLE ? 4 : 0;
const TWO32 = 0x1_0000_0000;
/** So few bytes are written sooner than a function of Node is called. */
const BY_HAND = 32;

export class Message {
  readonly bytes: Buffer;
  readonly #view: DataView;

  constructor(size: number) {
    this.bytes = Buffer.alloc(size);
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, size);
  }

  u32(at: U32): number {
    return this.#view.getUint32(at, LITTLE);
  }

  /** Exact up to 2^53: identifiers are below that. */
  u64(at: U64): number {
    return this.#view.getUint32(at + LOW, LITTLE) + this.#view.getUint32(at + HIGH, LITTLE) * TWO32;
  }

  i64(at: U64): number {
    return this.#view.getUint32(at + LOW, LITTLE) + this.#view.getInt32(at + HIGH, LITTLE) * TWO32;
  }

  /** Bytes as a latin1 string. */
  text(from: number, to: number): string {
    return this.bytes.toString('latin1', from, to);
  }

  /** Bytes up to the next NUL, as a latin1 string. */
  name(from: number): string {
    return this.bytes.toString('latin1', from, this.bytes.indexOf(0, from));
  }

  setU16(at: U16, value: number): void {
    this.#view.setUint16(at, value, LITTLE);
  }

  setU32(at: U32, value: number): void {
    this.#view.setUint32(at, value, LITTLE);
  }

  setI32(at: I32, value: number): void {
    this.#view.setInt32(at, value, LITTLE);
  }

  /** A negative value as two's complement. */
  setU64(at: U64, value: number): void {
    this.#view.setUint32(at + LOW, value, LITTLE);
    this.#view.setUint32(at + HIGH, Math.floor(value / TWO32), LITTLE);
  }

  /** @returns bytes written: one for each character */
  setText(at: number, text: string): number {
    const { length } = text;
    if (length > BY_HAND) return this.bytes.write(text, at, 'latin1');
    for (let i = 0; i < length; i++) this.bytes[at + i] = text.charCodeAt(i);
    return length;
  }

  clear(from: number, to: number): void {
    if (to - from > BY_HAND) this.bytes.fill(0, from, to);
    else for (let i = from; i < to; i++) this.bytes[i] = 0;
  }
}

/** The place of a field when its structure begins at `base`. */
export function from<T extends U16 | U32 | I32 | U64 | Inner>(base: number, at: T): T {
  return (base + at) as T;
}
