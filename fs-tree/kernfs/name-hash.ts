/**
 * Directory order: entries sorted by a hash of their names.
 *
 * Mirrors fs/kernfs/dir.c `kernfs_name_hash` and `kernfs_sd_compare` of a
 * 64-bit kernel, without namespaces. 64-bit words are two 32-bit halves here:
 * BigInt would cost ten times as much on large directories.
 */

/** GOLDEN_RATIO_64 of include/linux/hash.h. */
const GOLDEN_HI = 0x61c88646;
const GOLDEN_LO = 0x80b583eb;
const TWO32 = 0x1_0000_0000;

/** The upper 32 bits of a product of two 32-bit numbers. */
function mulHigh(a: number, b: number): number {
  const aHi = a >>> 16;
  const aLo = a & 0xffff;
  const bHi = b >>> 16;
  const bLo = b & 0xffff;
  const middle = aHi * bLo + Math.floor((aLo * bLo) / 0x10000);
  const middle2 = aLo * bHi + (middle % 0x10000);
  return (aHi * bHi + Math.floor(middle / 0x10000) + Math.floor(middle2 / 0x10000)) >>> 0;
}

/** What was asked for before: attributes have the same few names in thousands of directories. */
const known = new Map<string, number>();
const KNOWN_MOST = 8192;

/** `kernfs_name_hash`: a number from 2 to 2^31 - 2; 0, 1 and INT_MAX are kept for `.`, `..` and the end. */
export function nameHash(name: string): number {
  let hash = known.get(name);
  if (hash !== undefined) return hash;
  hash = hashOf(name);
  if (known.size >= KNOWN_MOST) known.clear();
  known.set(name, hash);
  return hash;
}

function hashOf(name: string): number {
  let hi = 0;
  let lo = 0;
  for (const c of Buffer.from(name)) {
    const sum = lo + (c << 4) + (c >> 4);
    const scaled = (sum % TWO32) * 11;
    hi = ((hi + Math.floor(sum / TWO32)) * 11 + Math.floor(scaled / TWO32)) % TWO32;
    lo = scaled % TWO32;
  }
  const upper = (Math.imul(hi, GOLDEN_LO) + Math.imul(lo, GOLDEN_HI) + mulHigh(lo, GOLDEN_LO)) >>> 0;
  let hash = upper & 0x7fffffff;
  if (hash < 2) hash += 2;
  if (hash >= 0x7fffffff) hash = 0x7ffffffe;
  return hash;
}

/** More entries than a directory has: with a hash of 31 bits in front, a place below it fits into 53. */
const PLACES = 2 ** 22;

/** Sorts as readdir returns. */
export function inDirectoryOrder<T extends { readonly name: string }>(entries: Iterable<T>): T[] {
  const all = Array.isArray(entries) ? (entries as readonly T[]) : [...entries];
  // Numbers are sorted without a call for each comparison.
  const keys = new Float64Array(all.length);
  for (let i = 0; i < all.length; i++) keys[i] = nameHash((all[i] as T).name) * PLACES + i;
  keys.sort();
  const sorted: T[] = [];
  let before = 0;
  for (const key of keys) {
    const hash = Math.floor(key / PLACES);
    if (hash === before) return [...all].sort(byHashAndName);
    before = hash;
    sorted.push(all[key - hash * PLACES] as T);
  }
  return sorted;
}

/** `kernfs_sd_compare`. */
function byHashAndName({ name: a }: { readonly name: string }, { name: b }: { readonly name: string }): number {
  return nameHash(a) - nameHash(b) || (a < b ? -1 : 1);
}
