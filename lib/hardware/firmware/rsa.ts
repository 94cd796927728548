/**
 * RSA as adapters do it in silicon: mod-expo, and CRT put together from two of them.
 */
import type { CryptoPort } from '../../ports.js';
import { compare, fromBigInt, rightAlign, stripZeros, toBigInt } from '../bytes.js';
import type { RsaCrt, RsaModExpo } from '../messages.js';

/** Why an operation is refused. */
export type RsaFault = 'even-modulus' | 'operand';

/** The result in `length` bytes, or what is wrong with the operands. */
export function rsa(crypto: CryptoPort, operation: RsaModExpo | RsaCrt, length: number): Uint8Array | RsaFault {
  return operation.kind === 'me' ? modExpo(crypto, operation, length) : chineseRemainder(crypto, operation, length);
}

function modExpo(crypto: CryptoPort, op: RsaModExpo, length: number): Uint8Array | RsaFault {
  const modulus = stripZeros(op.modulus);
  const fault = checkModulus(modulus);
  if (fault) return fault;
  const input = stripZeros(op.input);
  if (compare(input, modulus) >= 0) return 'operand';
  return rightAlign(power(crypto, input, op.exponent, modulus), length);
}

/** m1 = c^dp mod p, m2 = c^dq mod q, h = u (m1 - m2) mod p, result m2 + h q. */
function chineseRemainder(crypto: CryptoPort, op: RsaCrt, length: number): Uint8Array | RsaFault {
  const pBytes = stripZeros(op.p);
  const qBytes = stripZeros(op.q);
  const fault = checkModulus(pBytes) ?? checkModulus(qBytes);
  if (fault) return fault;
  const p = toBigInt(pBytes);
  const q = toBigInt(qBytes);
  const input = toBigInt(op.input);
  if (input >= p * q) return 'operand';
  const half = (prime: bigint, bytes: Uint8Array, exponent: Uint8Array): bigint =>
    toBigInt(power(crypto, fromBigInt(input % prime, bytes.length), exponent, bytes));
  const m1 = half(p, pBytes, op.dp);
  const m2 = half(q, qBytes, op.dq);
  const difference = (((m1 - m2) % p) + p) % p;
  const h = (toBigInt(op.u) * difference) % p;
  return fromBigInt(m2 + h * q, length);
}

function checkModulus(modulus: Uint8Array): RsaFault | undefined {
  const last = modulus[modulus.length - 1];
  if (last === undefined || (modulus.length === 1 && last === 1)) return 'operand';
  return last % 2 === 0 ? 'even-modulus' : undefined;
}

/** All operands of the modulus' length or shorter, as the port wants them. */
function power(crypto: CryptoPort, base: Uint8Array, exponent: Uint8Array, modulus: Uint8Array): Uint8Array {
  const e = stripZeros(exponent);
  if (e.length === 0) return fromBigInt(1n, modulus.length);
  return crypto.modExp(rightAlign(base, modulus.length), e, modulus);
}
