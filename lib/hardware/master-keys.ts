/**
 * Master (wrapping) key registers of an adapter's domains.
 *
 * What a card answers when it is asked for them. A register that nobody
 * described is as the recorded cards had it: NEW empty, CURRENT valid with a
 * made-up pattern, OLD invalid. spec/attributes.md F (mkvps).
 */
import type { AdapterDescription } from './adapter.js';
import { PATTERN_LENGTH, type PatternKind, verificationPattern } from './made-up.js';

export type RegisterName = 'new' | 'current' | 'old';

/** NEW of CCA: empty, partial, full; of EP11: empty, uncommitted, committed. CURRENT and OLD: valid, invalid. */
export type KeyState = 'empty' | 'partial' | 'full' | 'uncommitted' | 'committed' | 'valid' | 'invalid';

export interface MasterKeyRegister<S extends KeyState = KeyState> {
  readonly state: S;
  /** Verification pattern, `0x` and hex digits (AES, APKA 16, ASYM 32, WK 64); left out: a made-up one. */
  readonly pattern?: string;
}

/** Registers that are described, by kind of key. */
export type MasterKeys = Partial<Record<PatternKind, Partial<Record<RegisterName, MasterKeyRegister>>>>;

/** A register as a card answers it. */
export interface RegisterContent {
  readonly state: KeyState;
  /** Zeros unless the register holds a whole key. */
  readonly pattern: Uint8Array;
}

const USUAL: Readonly<Record<RegisterName, MasterKeyRegister>> = {
  new: { state: 'empty' },
  current: { state: 'valid' },
  old: { state: 'invalid' },
};

/** States in which a register holds a key. */
const HOLDS: ReadonlySet<KeyState> = new Set(['full', 'uncommitted', 'committed', 'valid']);

/** What is in a register: the domain's own description, the card's, or the usual. */
export function registerContent(
  card: AdapterDescription,
  apid: number,
  domain: number,
  kind: PatternKind,
  name: RegisterName,
): RegisterContent {
  const own = card.domains?.get(domain)?.masterKeys?.[kind]?.[name];
  const { state, pattern } = own ?? card.masterKeys?.[kind]?.[name] ?? USUAL[name];
  if (!HOLDS.has(state)) return { state, pattern: new Uint8Array(PATTERN_LENGTH[kind]) };
  return { state, pattern: pattern === undefined ? verificationPattern(apid, domain, kind, name) : bytes(pattern) };
}

function bytes(pattern: string): Uint8Array {
  const digits = pattern.replace(/^0x/i, '');
  return Uint8Array.from({ length: digits.length >> 1 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}
