/**
 * Kinds of cards: names, speeds, sizes.
 *
 * Mirrors the tables in zcrypt_cex4.c `zcrypt_cex4_card_probe`. spec/zcrypt.md 2.
 */
import type { ApCard } from '../ap/card.js';
import { FAC } from '../hardware/instructions.js';

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

export interface ZcryptCardType {
  /** CEX8C and the like. */
  readonly typeString: string;
  /** Number in the old status ioctls. */
  readonly userSpaceType: number;
  readonly speedRating: SpeedRating;
  /** Bytes. */
  readonly minModSize: number;
  readonly maxModSize: number;
}

interface Row {
  readonly speed: SpeedRating;
  readonly userSpaceType: number;
}

type Letter = 'A' | 'C' | 'P';

/** By letter, CEX4 to CEX8. */
const TABLE: Readonly<Record<Letter, readonly [Row, Row, Row, Row, Row]>> = {
  A: [
    { speed: [14, 19, 249, 42, 228, 1458, 0, 0], userSpaceType: 10 },
    { speed: [8, 9, 20, 18, 66, 458, 0, 0], userSpaceType: 11 },
    { speed: [6, 9, 20, 17, 65, 438, 0, 0], userSpaceType: 12 },
    { speed: [6, 8, 17, 15, 54, 362, 0, 0], userSpaceType: 12 },
    { speed: [6, 8, 17, 15, 54, 362, 0, 0], userSpaceType: 12 },
  ],
  C: [
    { speed: [59, 69, 308, 83, 278, 2204, 209, 40], userSpaceType: 7 },
    { speed: [24, 31, 50, 37, 90, 479, 27, 10], userSpaceType: 7 },
    { speed: [16, 20, 32, 27, 77, 455, 24, 9], userSpaceType: 7 },
    { speed: [14, 16, 26, 23, 64, 376, 23, 8], userSpaceType: 7 },
    { speed: [14, 16, 26, 23, 64, 376, 23, 8], userSpaceType: 7 },
  ],
  P: [
    { speed: [0, 0, 0, 0, 0, 0, 0, 50], userSpaceType: 10 },
    { speed: [0, 0, 0, 0, 0, 0, 0, 10], userSpaceType: 11 },
    { speed: [0, 0, 0, 0, 0, 0, 0, 9], userSpaceType: 12 },
    { speed: [0, 0, 0, 0, 0, 0, 0, 8], userSpaceType: 12 },
    { speed: [0, 0, 0, 0, 0, 0, 0, 8], userSpaceType: 12 },
  ],
};

const LETTER: Readonly<Record<'accel' | 'cca' | 'ep11', Letter>> = { accel: 'A', cca: 'C', ep11: 'P' };

/** Modulus sizes in bytes. */
const MOD_SIZE = { ACCEL_MIN: 1, COPRO_MIN: 16, MAX_2K: 256, MAX_4K: 512 } as const;

/** What kind of card it is; undefined: no mode bit is set. */
export function cardType(card: ApCard): ZcryptCardType | undefined {
  const mode = card.mode;
  if (!mode) return undefined;
  const letter = LETTER[mode];
  const generation = Math.min(Math.max(card.hwtype, 10), 14) - 6;
  const [cex4, cex5, cex6, cex7, cex8] = TABLE[letter];
  const row = [cex4, cex5, cex6, cex7][generation - 4] ?? cex8;
  const has4k = (card.hwinfo.fac & FAC.MEX4K) !== 0 && (card.hwinfo.fac & FAC.CRT4K) !== 0;
  return {
    typeString: `CEX${generation}${letter}`,
    userSpaceType: row.userSpaceType,
    speedRating: row.speed,
    minModSize: mode === 'accel' ? MOD_SIZE.ACCEL_MIN : MOD_SIZE.COPRO_MIN,
    maxModSize: mode === 'accel' && !has4k ? MOD_SIZE.MAX_2K : MOD_SIZE.MAX_4K,
  };
}
