/**
 * Kinds of cards: names, sizes; how fast they are is in lib/hardware/speed.ts.
 *
 * Mirrors the tables in zcrypt_cex4.c `zcrypt_cex4_card_probe`. spec/zcrypt.md 2.
 */
import type { ApCard } from '../ap/card.js';
import { FAC } from '../hardware/instructions.js';
import { generationOf, type SpeedRating, speedRating } from '../hardware/speed.js';

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

type Letter = 'A' | 'C' | 'P';

/** By letter, CEX4 to CEX8. */
const USER_SPACE_TYPE: Readonly<Record<Letter, readonly [number, number, number, number, number]>> = {
  A: [10, 11, 12, 12, 12],
  C: [7, 7, 7, 7, 7],
  P: [10, 11, 12, 12, 12],
};

const LETTER: Readonly<Record<'accel' | 'cca' | 'ep11', Letter>> = { accel: 'A', cca: 'C', ep11: 'P' };

/** Modulus sizes in bytes. */
const MOD_SIZE = { ACCEL_MIN: 1, COPRO_MIN: 16, MAX_2K: 256, MAX_4K: 512 } as const;

/** What kind of card it is; undefined: no mode bit is set. */
export function cardType(card: ApCard): ZcryptCardType | undefined {
  const mode = card.mode;
  if (!mode) return undefined;
  const letter = LETTER[mode];
  const generation = generationOf(card.hwtype);
  const has4k = (card.hwinfo.fac & FAC.MEX4K) !== 0 && (card.hwinfo.fac & FAC.CRT4K) !== 0;
  return {
    typeString: `CEX${generation}${letter}`,
    userSpaceType: USER_SPACE_TYPE[letter][generation - 4] ?? 0,
    speedRating: speedRating(mode, card.hwtype),
    minModSize: mode === 'accel' ? MOD_SIZE.ACCEL_MIN : MOD_SIZE.COPRO_MIN,
    maxModSize: mode === 'accel' && !has4k ? MOD_SIZE.MAX_2K : MOD_SIZE.MAX_4K,
  };
}
