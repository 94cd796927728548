/**
 * Names of bits and numbers that a description may be written with.
 */
import { QCI } from '../hardware/instructions.js';
import { cexType } from '../hardware/made-up.js';

/** Flags of the QCI block. */
export const QCI_FLAGS = {
  apsc: QCI.APSC,
  apxa: QCI.APXA,
  qact: QCI.QACT,
  rc8a: QCI.RC8A,
  apsb: QCI.APSB,
} as const;
export type QciFlag = keyof typeof QCI_FLAGS;

/** Bit numbers of the EP11 modes of operation (spec/attributes.md E). */
export const EP11_OP_MODES = {
  FIPS2009: 0,
  BSI2009: 1,
  FIPS2011: 2,
  BSI2011: 3,
  'SIGG-IMPORT': 4,
  SIGG: 5,
  BSICC2017: 6,
  FIPS2021: 7,
  FIPS2024: 8,
} as const;
export type Ep11OpMode = keyof typeof EP11_OP_MODES;

/** The flags word of a list of names. */
export function qciFlagsWord(flags: number | readonly QciFlag[]): number {
  if (typeof flags === 'number') return flags;
  return flags.reduce((word, name) => (word | QCI_FLAGS[name]) >>> 0, 0);
}

/** The bit mask of a list of names. */
export function opModesMask(modes: number | readonly Ep11OpMode[]): bigint {
  if (typeof modes === 'number') return BigInt(modes);
  return modes.reduce((mask, name) => mask | (1n << BigInt(EP11_OP_MODES[name])), 0n);
}

/** The type number of `cex8`; undefined: no such name. */
export function typeNumber(type: string | number): number | undefined {
  if (typeof type === 'number') return type;
  const generation = /^cex([4-9])$/.exec(type)?.[1];
  return generation === undefined ? undefined : cexType(Number(generation));
}
