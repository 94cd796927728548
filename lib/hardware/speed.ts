/**
 * How fast cards are.
 *
 * The numbers are the "normalized speed ratings" of zcrypt_cex4.c (spec/zcrypt.md
 * 2): relative, but close to the microseconds that a card needs for one
 * operation, and taken as such here. So the load that zcrypt keeps of a card
 * is the time for which it has work. CCA and EP11 functions count as zcrypt
 * weighs them: rating of a secure-key operation by weight of the function.
 */
import { type Nanoseconds, USEC } from '../ports.js';
import type { AdapterDescription } from './adapter.js';
import { u16 } from './bytes.js';
import type { AdapterMode } from './made-up.js';
import {
  CPRBX_LENGTH,
  decodeCprbx,
  decodeEp11Cprb,
  decodeFunction,
  decodePayload,
  decodeRsaParameters,
  decodeType6,
  decodeType50,
  octetNumber,
  type RsaCrt,
  type RsaModExpo,
} from './messages.js';
import { speedIndexCca, speedIndexEp11 } from './speed-index.js';

/** Index into the speed ratings. */
export const SPEED = {
  MEX_1K: 0,
  MEX_2K: 1,
  MEX_4K: 2,
  CRT_1K: 3,
  CRT_2K: 4,
  CRT_4K: 5,
  RNG: 6,
  SECKEY: 7,
} as const;

export type SpeedIndex = (typeof SPEED)[keyof typeof SPEED];

/** Smaller is faster; in the order of SPEED. */
export type SpeedRating = readonly [number, number, number, number, number, number, number, number];

type ByGeneration = readonly [SpeedRating, SpeedRating, SpeedRating, SpeedRating, SpeedRating];

/** CEX4 to CEX8. */
const RATINGS: Readonly<Record<AdapterMode, ByGeneration>> = {
  accel: [
    [14, 19, 249, 42, 228, 1458, 0, 0],
    [8, 9, 20, 18, 66, 458, 0, 0],
    [6, 9, 20, 17, 65, 438, 0, 0],
    [6, 8, 17, 15, 54, 362, 0, 0],
    [6, 8, 17, 15, 54, 362, 0, 0],
  ],
  cca: [
    [59, 69, 308, 83, 278, 2204, 209, 40],
    [24, 31, 50, 37, 90, 479, 27, 10],
    [16, 20, 32, 27, 77, 455, 24, 9],
    [14, 16, 26, 23, 64, 376, 23, 8],
    [14, 16, 26, 23, 64, 376, 23, 8],
  ],
  ep11: [
    [0, 0, 0, 0, 0, 0, 0, 50],
    [0, 0, 0, 0, 0, 0, 0, 10],
    [0, 0, 0, 0, 0, 0, 0, 9],
    [0, 0, 0, 0, 0, 0, 0, 8],
    [0, 0, 0, 0, 0, 0, 0, 8],
  ],
};

/** 4 to 8; cards older and newer than these count as the nearest. */
export const generationOf = (type: number): number => Math.min(Math.max(type, 10), 14) - 6;

/** Ratings of a card of this type number (10 is CEX4). */
export function speedRating(mode: AdapterMode, type: number): SpeedRating {
  const [cex4, cex5, cex6, cex7, cex8] = RATINGS[mode];
  return [cex4, cex5, cex6, cex7][generationOf(type) - 4] ?? cex8;
}

/** `get_rsa_modex_fc`, `get_rsa_crt_fc`: by the length of the modulus in bytes. */
export function rsaSpeed(length: number, smallest: typeof SPEED.MEX_1K | typeof SPEED.CRT_1K): SpeedIndex {
  const size = length <= 128 ? 0 : length <= 256 ? 1 : 2;
  return (smallest + size) as SpeedIndex;
}

/** What the card works on this request. A message that it does not understand costs as little as anything. */
export function processingTime(card: AdapterDescription, request: Uint8Array): Nanoseconds {
  const rating = speedRating(card.mode, card.type);
  return weight(card.mode, rating, request) * USEC;
}

function weight(mode: AdapterMode, rating: SpeedRating, request: Uint8Array): number {
  switch (mode) {
    case 'accel': {
      const decoded = decodeType50(request);
      return decoded ? rsaWeight(rating, decoded.rsa, decoded.slot) : rating[SPEED.MEX_1K];
    }
    case 'cca':
      return ccaWeight(rating, request);
    case 'ep11': {
      const cprb = decodeEp11Cprb(decodeType6(request)?.control ?? new Uint8Array(0));
      const fn = decodePayload(cprb?.payload ?? new Uint8Array(0))?.[0];
      return speedIndexEp11(fn ? octetNumber(fn) & 0xffff : 1) * rating[SPEED.SECKEY];
    }
  }
}

function rsaWeight(rating: SpeedRating, rsa: RsaModExpo | RsaCrt, length: number): number {
  return rating[rsaSpeed(length, rsa.kind === 'me' ? SPEED.MEX_1K : SPEED.CRT_1K)];
}

function ccaWeight(rating: SpeedRating, request: Uint8Array): number {
  const control = decodeType6(request)?.control;
  const cprb = control && decodeCprbx(control);
  const call = cprb && decodeFunction(control.subarray(CPRBX_LENGTH, CPRBX_LENGTH + cprb.reqParml));
  if (!call) return rating[SPEED.MEX_1K];
  if (call.functionCode === 'RL') return rating[SPEED.RNG];
  const rsa = call.functionCode === 'PK' || call.functionCode === 'PD' ? decodeRsaParameters(call.rest) : undefined;
  if (rsa) return rsaWeight(rating, rsa, rsa.input.length);
  return speedIndexCca(u16(control, CPRBX_LENGTH)) * rating[SPEED.SECKEY];
}
