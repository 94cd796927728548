/**
 * Master key registers from the files mkvps.
 */
import type {
  AdapterDomainEntry,
  AdapterMode,
  MasterKeyRegister,
  MasterKeysDescription,
} from '../../lib/description/description.js';
import { PATTERN_LENGTH, type PatternKind, verificationPattern } from '../../lib/hardware/made-up.js';

const LINE = /^(AES|APKA|ASYM|WK) (NEW|CUR|OLD): (\S+)(?: (\S+))?$/;

const REGISTERS = { NEW: 'new', CUR: 'current', OLD: 'old' } as const;
const USUAL = { new: 'empty', current: 'valid', old: 'invalid' } as const;
const HOLDS = new Set(['full', 'uncommitted', 'committed', 'valid']);

type Keys = Record<string, Record<string, MasterKeyRegister>>;

/** What a queue's file says that is not as usual; undefined: it does not tell. */
export function keysOf(apid: number, apqi: number, mkvps: string | undefined): MasterKeysDescription | undefined {
  const keys: Keys = {};
  let told = false;
  for (const line of (mkvps ?? '').split('\n')) {
    const [, kind, which, state = '', pattern] = LINE.exec(line) ?? [];
    if (kind === undefined || state === '-') continue;
    told = true;
    const name = REGISTERS[which as keyof typeof REGISTERS];
    const register = registerOf(apid, apqi, kind as PatternKind, name, state, pattern);
    if (!register) continue;
    const kinds = (keys[kind.toLowerCase()] ??= {});
    kinds[name] = register;
  }
  return told ? (keys as MasterKeysDescription) : undefined;
}

/** Undefined: it is what a register has of which nothing is said. */
function registerOf(
  apid: number,
  apqi: number,
  kind: PatternKind,
  name: 'new' | 'current' | 'old',
  state: string,
  pattern: string | undefined,
): MasterKeyRegister | undefined {
  const known = state as MasterKeyRegister['state'];
  const digits = 2 * PATTERN_LENGTH[kind];
  const whole = HOLDS.has(state) && new RegExp(`^0x[0-9a-f]{${digits}}$`, 'i').test(pattern ?? '');
  const madeUp = `0x${Buffer.from(verificationPattern(apid, apqi, kind, name)).toString('hex')}`;
  const said = whole && pattern?.toLowerCase() !== madeUp ? pattern?.toLowerCase() : undefined;
  if (said === undefined && state === USUAL[name]) return undefined;
  return { state: known, ...(said !== undefined && { pattern: said }) };
}

/** A card's keys, and where single domains have others. */
export interface CardKeys {
  readonly masterKeys?: MasterKeysDescription;
  readonly domains: readonly AdapterDomainEntry[];
}

/** Domains alike as one; what all have is the card's. @param perDomain undefined: not told */
export function cardKeys(perDomain: ReadonlyMap<number, MasterKeysDescription | undefined>): CardKeys {
  const groups = new Map<string, number[]>();
  for (const [domain, keys] of perDomain)
    if (keys) {
      const text = JSON.stringify(keys);
      groups.set(text, [...(groups.get(text) ?? []), domain]);
    }
  const [only, ...others] = groups.keys();
  const parse = (text: string): MasterKeysDescription => JSON.parse(text) as MasterKeysDescription;
  if (only !== undefined && others.length === 0)
    return only === '{}' ? { domains: [] } : { masterKeys: parse(only), domains: [] };
  const domains = [...groups]
    .filter(([text]) => text !== '{}')
    .map(([text, ids]) => ({ id: oneOrAll(ids), masterKeys: parse(text) }));
  return { domains };
}

export const oneOrAll = (ids: readonly number[]): number | readonly number[] =>
  ids.length === 1 ? (ids[0] as number) : ids;

/** What there is to know of the keys of a card of this mode. */
export const hasKeys = (mode: AdapterMode): boolean => mode !== 'accel';
