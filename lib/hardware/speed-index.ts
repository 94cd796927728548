/**
 * How heavy CCA and EP11 functions are.
 *
 * Mirrors zcrypt_msgtype6.c `speed_idx_cca`, `speed_idx_ep11`. spec/zcrypt.md 3.2.
 */
const LOW = 10;
const MEDIUM = 100;
const HIGH = 500;

const codes = (text: string): ReadonlySet<number> => new Set(text.split(' ').map((hex) => Number.parseInt(hex, 16)));

/** The two characters of a CCA function as one number. */
const CCA_LOW = codes(
  '4142 4149 414D 4341 4344 4354 4358 444B 4558 4643 4651 4C47 4C4B 4C51 4F48 504F 5053 5058 5343 5344 5345 5350',
);
const CCA_HIGH = codes(
  '414B 4345 4349 434D 4847 4849 484D 4850 4851 4954 4958 4B43 4B44 4B45 4B47 4B48 4B49 4B4E 4B50 4B52 4B54 4B58 ' +
    '4D50 4D53 4D56 4D58 5044 5045 5046 5047 5049 504B 504D 5254 5347 5349 534B 534D 5356 5358 5443 544B 5647',
);

export function speedIndexCca(functionCode: number): number {
  if (CCA_LOW.has(functionCode)) return LOW;
  return CCA_HIGH.has(functionCode) ? HIGH : MEDIUM;
}

const within = (n: number, from: number, to: number): boolean => n >= from && n <= to;

export function speedIndexEp11(fn: number): number {
  if (within(fn, 1, 2) || within(fn, 36, 40)) return LOW;
  return within(fn, 17, 22) || fn === 26 || within(fn, 30, 35) ? HIGH : MEDIUM;
}
