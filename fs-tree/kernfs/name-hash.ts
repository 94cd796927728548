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

/** `kernfs_name_hash`: a number from 2 to 2^31 - 2; 0, 1 and INT_MAX are kept for `.`, `..` and the end. */
export function nameHash(name: string): number {
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

/** Sorts as readdir returns. */
export function inDirectoryOrder<T extends { readonly name: string }>(entries: Iterable<T>): T[] {
  const hashed = Array.from(entries, (entry) => ({ entry, hash: nameHash(entry.name) }));
  hashed.sort((a, b) => a.hash - b.hash || (a.entry.name < b.entry.name ? -1 : 1));
  return hashed.map(({ entry }) => entry);
}
