/**
 * RSA work to hand to an adapter, with the answer that it must give.
 *
 * The numbers are no keys: any odd modulus will do, and the Chinese remainder
 * form is checked by its own formula. spec/zcrypt.md 7.1.
 */
import type { CryptoPort } from '../../lib/ports.js';
import type { IcaRsaModexpo, IcaRsaModexpoCrt } from '../../lib/zcrypt/user.js';

export interface RsaJob<T> {
  readonly request: T;
  /** Whether the adapter has computed the right thing. */
  readonly right: () => boolean;
}

/** A number of so many bytes, the highest bit set, odd. */
function number(length: number, seed: number): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => (seed + 73 * i + 11 * ((i * i) % 251)) & 0xff);
  bytes[0] = 0x80 | seed;
  bytes[length - 1] = (bytes[length - 1] ?? 0) | 1;
  return bytes;
}

/** Right-aligned in `length` bytes. */
function padded(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes, length - bytes.length);
  return out;
}

const toBig = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** With a modulus of so many bits, and 65537. */
export function modexpoJob(crypto: CryptoPort, bits: number): RsaJob<IcaRsaModexpo> {
  const length = bits / 8;
  const nModulus = number(length, 0x53);
  const inputdata = padded(number(length - 1, 0x21), length);
  const bKey = padded(Uint8Array.of(1, 0, 1), length);
  const outputdata = new Uint8Array(length);
  const request = { inputdata, inputdatalength: length, outputdata, outputdatalength: length, bKey, nModulus };
  return { request, right: () => same(outputdata, crypto.modExp(inputdata, bKey, nModulus)) };
}

/** In Chinese remainder form. */
export function crtJob(crypto: CryptoPort, bits: number): RsaJob<IcaRsaModexpoCrt> {
  const length = bits / 8;
  const half = length / 2;
  const p = number(half, 0x7f);
  const q = number(half, 0x35);
  const dp = number(half, 0x19);
  const dq = number(half, 0x2b);
  const u = number(half, 0x0d);
  const inputdata = padded(number(length - 1, 0x21), length);
  const outputdata = new Uint8Array(length);
  const request = {
    inputdata,
    inputdatalength: length,
    outputdata,
    outputdatalength: length,
    bpKey: padded(dp, half + 8),
    bqKey: dq,
    npPrime: padded(p, half + 8),
    nqPrime: q,
    uMultInv: padded(u, half + 8),
  };
  const right = (): boolean => {
    const [bigP, bigQ] = [toBig(p), toBig(q)];
    const m1 = toBig(crypto.modExp(inputdata, dp, p));
    const m2 = toBig(crypto.modExp(inputdata, dq, q));
    const h = (((toBig(u) * (m1 - m2)) % bigP) + bigP) % bigP;
    return toBig(outputdata) === m2 + h * bigQ;
  };
  return { request, right };
}
