/**
 * RSA work with answers that are known without an adapter.
 *
 * The numbers are no keys: with 3 as every exponent both kinds of request give
 * the input's third power, which one multiplication checks.
 */
import { fromBigInt, toBigInt } from '../../lib/hardware/bytes.js';
import type { IcaRsaModexpo, IcaRsaModexpoCrt } from '../../lib/zcrypt/user.js';

/** A request, and whether the adapter has computed the right thing. */
export interface Job<T> {
  readonly request: T;
  right(): boolean;
}

/** x with x * n = 1 modulo m; n and m have no common factor. */
export function inverse(n: bigint, m: bigint): bigint {
  let [a, b, x, y] = [n % m, m, 1n, 0n];
  while (a > 1n) {
    const q = b / a;
    [a, b, x, y] = [b % a, a, y - q * x, x];
  }
  return ((x % m) + m) % m;
}

/** An odd number of exactly so many bytes. */
const odd = (length: number, seed: number): bigint =>
  toBigInt(Uint8Array.from({ length }, (_, i) => (i === 0 ? 0xc0 | (seed & 0xf) : (i * 37 + seed * 101 + 11) & 0xff))) |
  1n;

const LENGTH = 128;
const HALF = LENGTH / 2;
const MODULUS = odd(LENGTH, 1);

/** Neighbouring odd numbers have no common factor. */
const Q = odd(HALF, 2);
const P = Q + 2n;

/** Mod-expo with a message of one's own. */
export function modexpoJob(message: bigint): Job<IcaRsaModexpo> {
  const outputdata = new Uint8Array(LENGTH);
  return {
    request: {
      inputdata: fromBigInt(message, LENGTH),
      inputdatalength: LENGTH,
      outputdata,
      outputdatalength: LENGTH,
      bKey: fromBigInt(3n, LENGTH),
      nModulus: fromBigInt(MODULUS, LENGTH),
    },
    right: () => toBigInt(outputdata) === message ** 3n % MODULUS,
  };
}

/** The same by the Chinese remainder theorem. */
export function crtJob(message: bigint): Job<IcaRsaModexpoCrt> {
  const outputdata = new Uint8Array(LENGTH);
  return {
    request: {
      inputdata: fromBigInt(message, LENGTH),
      inputdatalength: LENGTH,
      outputdata,
      outputdatalength: LENGTH,
      bpKey: fromBigInt(3n, HALF + 8),
      bqKey: fromBigInt(3n, HALF),
      npPrime: fromBigInt(P, HALF + 8),
      nqPrime: fromBigInt(Q, HALF),
      uMultInv: fromBigInt(inverse(Q, P), HALF + 8),
    },
    right: () => toBigInt(outputdata) === message ** 3n % (P * Q),
  };
}
