/**
 * Serial numbers and verification patterns of master keys under other names.
 *
 * Numbered in the order in which they appear: the same file gives the same
 * names, what is equal stays equal, what differs stays different, and nothing
 * of the originals is left to be guessed at.
 */
import type { MachineDescription } from '../../lib/description/description.js';

class Names {
  readonly #known = new Map<string, number>();

  number(original: string): number {
    const known = this.#known.get(original);
    if (known !== undefined) return known;
    this.#known.set(original, this.#known.size + 1);
    return this.#known.size;
  }
}

/** `ANON0001`, filled up to the length of the original. */
const serialName = (n: number, length: number): string => `ANON${String(n).padStart(4, '0')}`.padEnd(length, '0');

/** A pattern of the same length that says which it is. */
const patternName = (n: number, pattern: string): string => `0x${n.toString(16).padStart(pattern.length - 2, 'a5')}`;

export function anonymized(description: MachineDescription): MachineDescription {
  const serials = new Names();
  const patterns = new Names();
  const walk = (value: unknown, key: string): unknown => {
    if (Array.isArray(value)) return value.map((item) => walk(item, key));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item, name)]));
    if (typeof value !== 'string') return value;
    if (key === 'serial') return serialName(serials.number(value), value.length);
    if (key === 'pattern' && !/^0x0*$/.test(value)) return patternName(patterns.number(value), value);
    return value;
  };
  const { adapters = [], ...rest } = description;
  return { ...rest, adapters: walk(adapters, 'adapters') as NonNullable<MachineDescription['adapters']> };
}
