/**
 * The adapters' arithmetic: modular exponentiation on big integers, with a
 * window of four bits. Any modulus, odd or even, unlike what TLS libraries
 * offer. Not constant in time: these keys are not worth a secret.
 */
import type { CryptoPort } from '../../lib/ports.js';

function toBig(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function toBytes(value: bigint, length: number): Uint8Array {
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex'));
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  const table = [1n % modulus];
  for (let i = 1; i < 16; i++) table.push(((table[i - 1] ?? 0n) * base) % modulus);
  let result = 1n % modulus;
  for (const digit of exponent.toString(16)) {
    for (let i = 0; i < 4; i++) result = (result * result) % modulus;
    const nibble = Number.parseInt(digit, 16);
    if (nibble > 0) result = (result * (table[nibble] ?? 0n)) % modulus;
  }
  return result;
}

export const hostCrypto: CryptoPort = {
  modExp(base, exponent, modulus) {
    const m = toBig(modulus);
    if (m === 0n) throw new RangeError('modulus is zero');
    return toBytes(power(toBig(base) % m, toBig(exponent), m), modulus.length);
  },
};
