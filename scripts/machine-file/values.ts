/**
 * The little languages inside a machine file: numbers, ids and ranges,
 * durations, master key registers.
 *
 * Each parser gives a value, or a text that says what is wrong.
 */
import { didYouMean } from '../../lib/description/nearest.js';
import type { KeyState } from '../../lib/hardware/master-keys.js';

/** What is wrong with a value, for people. */
export class BadValue {
  constructor(readonly text: string) {}
}

/** Something wrong in a list of ids. */
export interface BadId {
  readonly text: string;
  /** Which item, if it is a list. */
  readonly index?: number;
  /** Where in the text it begins. */
  readonly character?: number;
}

const NUMBER = /^(?:0x[0-9a-f]+|[0-9]+)$/i;

/** `27` or `0x1b`; undefined: no number. */
export function numberOf(text: string): number | undefined {
  return NUMBER.test(text) ? Number(text) : undefined;
}

/** A number in a range. */
export function parseNumber(value: unknown, minimum: number, maximum: number): number | BadValue {
  const number = typeof value === 'string' ? numberOf(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number))
    return new BadValue(`${shown(value)} is not a whole number`);
  if (number < minimum || number > maximum) return new BadValue(`${shown(value)} is not in ${minimum}..${maximum}`);
  return number;
}

const GREATEST_ID = 255;

/** As many as a list of 256 ids may say by mistake, each twice. */
const MOST_IDS = 2 * (GREATEST_ID + 1);

/** Ids as a number, as `0-3, 0x1b`, or as a list of both; in their order. All that is wrong with them is in `faults`. */
export function parseIds(value: unknown): { readonly ids: readonly number[]; readonly faults: readonly BadId[] } {
  const ids: number[] = [];
  const faults: BadId[] = [];
  for (const [i, item] of (Array.isArray(value) ? value : [value]).entries()) {
    const where = Array.isArray(value) ? { index: i } : {};
    const words = typeof item === 'string' ? [...item.matchAll(/[^\s,]+/g)] : [[item] as const];
    if (words.length === 0) faults.push({ ...where, text: `${shown(item)} has no id in it` });
    for (const match of words) {
      const found = idsOfWord(match[0]);
      const character = 'index' in match ? { character: match.index } : {};
      if (found instanceof BadValue) faults.push({ ...where, ...character, text: found.text });
      else ids.push(...found);
      if (ids.length > MOST_IDS)
        return { ids, faults: [...faults, { ...where, ...character, text: 'these are more ids than there can be' }] };
    }
  }
  return { ids, faults };
}

/** `5`, `0x1b` or `4-7`. */
function idsOfWord(word: unknown): number[] | BadValue {
  const range = typeof word === 'string' ? /^([0-9a-fx]+)-([0-9a-fx]+)$/i.exec(word) : null;
  const from = parseNumber(range ? range[1] : word, 0, GREATEST_ID);
  const to = range ? parseNumber(range[2], 0, GREATEST_ID) : from;
  for (const end of [from, to])
    if (end instanceof BadValue)
      return end.text.includes('whole') ? new BadValue(`${shown(word)} is neither an id nor a range of ids`) : end;
  if (from > to) return new BadValue(`${shown(word)} goes backwards`);
  return Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => Number(from) + i);
}

const UNIT: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
const DAY = 86_400e9;

/** `30ms`, `1.5s`, `200 us`: nanoseconds. */
export function parseDuration(value: string): number | BadValue {
  const match = /^([0-9]+(?:\.[0-9]+)?) ?(ns|us|ms|s)$/.exec(value);
  if (value === '0') return 0;
  if (!match) return new BadValue(`${shown(value)} is no duration, such as 200us, 30ms or 1.5s`);
  const ns = Math.round(Number(match[1]) * (UNIT[match[2] ?? ''] ?? 0));
  return ns > DAY ? new BadValue(`${shown(value)} is longer than a day`) : ns;
}

/** `valid`, or `valid 0x0123456789abcdef`. */
export function parseRegister(
  value: string,
  states: readonly string[],
): { readonly state: KeyState; readonly pattern?: string } | BadValue {
  const [state = '', pattern, ...more] = value.trim().split(/\s+/);
  const known = states.find((word) => word === state);
  if (known === undefined)
    return new BadValue(`${shown(state)} is none of ${states.join(', ')}${didYouMean(state, states)}`);
  if (pattern === undefined) return { state: known as KeyState };
  if (more.length > 0 || !/^0x[0-9a-f]+$/i.test(pattern))
    return new BadValue(`${shown(value)} is not a state and a pattern, such as ${known} 0x0123456789abcdef`);
  return { state: known as KeyState, pattern: pattern.toLowerCase() };
}

const LONGEST = 60;

/** A value as a message shows it. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 3)}...` : text;
}
