/**
 * Adapter and domain ids as text, and masks as the kernel writes them.
 */

export const hex2 = (id: number): string => id.toString(16).padStart(2, '0');
export const hex4 = (id: number): string => id.toString(16).padStart(4, '0');
export const apqn = (adapter: number, domain: number): string => `${hex2(adapter)}.${hex4(domain)}`;

/** `00 04-0f 47`; `-` if there are none. */
export function idRanges(ids: Iterable<number>): string {
  const sorted = [...new Set(ids)].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    const [first, last] = [sorted[i] ?? 0, sorted[end] ?? 0];
    // Two neighbours read better as two.
    if (end - i === 1) parts.push(hex2(first), hex2(last));
    else parts.push(end === i ? hex2(first) : `${hex2(first)}-${hex2(last)}`);
    i = end + 1;
  }
  return parts.length > 0 ? parts.join(' ') : '-';
}

/** Ids in a mask `0x80..`, whose first bit is id 0. */
export function idsInMask(mask: string): number[] {
  const digits = mask.trim().replace(/^0x/, '');
  const ids: number[] = [];
  for (let i = 0; i < digits.length; i++) {
    const nibble = Number.parseInt(digits[i] ?? '0', 16);
    for (let bit = 0; bit < 4; bit++) if (nibble & (8 >> bit)) ids.push(4 * i + bit);
  }
  return ids;
}

/** Neighbours that are alike, by a key. */
export interface Run<T> {
  readonly first: T;
  readonly last: T;
  readonly length: number;
}

/** Long lists in fewer lines: neighbours with the same key as one. Lists of up to `atLeast` stay as they are. */
export function runs<T>(list: readonly T[], atLeast: number, key: (item: T) => string): Run<T>[] {
  const found: { first: T; last: T; length: number; key: string }[] = [];
  for (const item of list) {
    const top = found.at(-1);
    const its = list.length > atLeast ? key(item) : '';
    if (top && list.length > atLeast && top.key === its) {
      top.last = item;
      top.length++;
    } else found.push({ first: item, last: item, length: 1, key: its });
  }
  return found;
}

/** `05`, or `05-0f`. */
export const runName = ({ first, last }: Run<{ readonly id: number }>): string =>
  first === last ? hex2(first.id) : `${hex2(first.id)}-${hex2(last.id)}`;
