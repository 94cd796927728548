/**
 * What the recorded machine made up, in one place: types, function bits,
 * serial numbers, firmware levels and master key verification patterns.
 *
 * The rules were found from the recordings (traces/dumps/*-1-boot.jsonl): every
 * recorded `serialnr`, `mkvps`, `API_ordinalnr`, `FW_version` and `op_modes`
 * follows from them. Everything here is a default of an AdapterDescription.
 */
import { mkQid } from './instructions.js';

/** What a card works as. */
export type AdapterMode = 'cca' | 'accel' | 'ep11';

/** Adapter type number of CEXn: CEX4 is 10 (spec/ap-bus.md 1). */
export const cexType = (generation: number): number => generation + 6;

/** TAPQ facility bits of a fresh card (traces/README.md, "What the emulated hardware decided"). */
export const DEFAULT_FAC: Readonly<Record<AdapterMode, number>> = {
  cca: 0x92800000,
  accel: 0x6a800000,
  ep11: 0x06800000,
};

/** Requests a queue holds. */
export const DEFAULT_DEPTH = 8;
/** Message limit in 4096-byte units; 0 stands for 12 KiB. */
export const DEFAULT_ML = 0;

/** 8 characters: 93AADF and the adapter id. */
export const defaultSerial = (apid: number): string => `93AADF${apid.toString(16).toUpperCase().padStart(2, '0')}`;

/** EP11 serial numbers have 16 characters: the card's 8 and this, the same for all. */
export const EP11_SERIAL_TAIL = '19460083';

/** EP11 firmware as recorded (CEX8P). */
export const EP11_DEFAULTS = {
  apiOrdinal: 6,
  firmwareMajor: 8,
  firmwareMinor: 8,
  /** FIPS2009 (bit 0), FIPS2011 (bit 2), FIPS2021 (bit 7). */
  opModes: 0x85n,
} as const;

/** Which secret a verification pattern belongs to; the numbers are part of the rule. */
export const PATTERN = { ASYM: 1, AES: 2, APKA: 3, WK: 4 } as const;
export type PatternKind = keyof typeof PATTERN;

/** Length of each pattern in bytes. */
export const PATTERN_LENGTH: Readonly<Record<PatternKind, number>> = {
  ASYM: 16,
  AES: 8,
  APKA: 8,
  WK: 32,
};

/** Keys of other registers than the current one start elsewhere. */
const REGISTER = { current: 0, new: 0x10, old: 0x20 } as const;

/**
 * The verification pattern of a master (wrapping) key: xorshift32 (13, 17, 5),
 * the low byte of each state, started from queue number, kind and register.
 */
export function verificationPattern(
  apid: number,
  domain: number,
  kind: PatternKind,
  register: keyof typeof REGISTER = 'current',
): Uint8Array {
  const start = Math.imul(PATTERN[kind] + REGISTER[register], 0x01000193);
  let x = (Math.imul(mkQid(apid, domain) + 1, 0x9e3779b9) + start) >>> 0;
  return Uint8Array.from({ length: PATTERN_LENGTH[kind] }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x & 0xff;
  });
}
