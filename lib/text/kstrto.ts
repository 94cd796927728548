/**
 * Number parsers of the kernel, as strict and as odd as the originals.
 *
 * Mirrors lib/kstrtox.c and the %d, %i, %llu conversions of lib/vsprintf.c.
 * Vectors: spec/attributes.md B.1 to B.3. A text is a string of bytes
 * (latin1); a NUL ends it, as it does for the C routines.
 */
import { KernelError } from '../errno.js';

/** What a C routine sees of a buffer: up to the first NUL. */
export function cString(text: string): string {
  const nul = text.indexOf('\0');
  return nul < 0 ? text : text.slice(0, nul);
}

const ULONG_MAX = (1n << 64n) - 1n;
const UINT_MAX = (1n << 32n) - 1n;

function kstrtou(text: string, max: bigint): bigint {
  let s = cString(text);
  if (s.startsWith('+')) s = s.slice(1);
  let digits: RegExp;
  let prefix = '';
  if (/^0[xX][0-9a-fA-F]/.test(s)) {
    prefix = '0x';
    s = s.slice(2);
    digits = /^[0-9a-fA-F]+/;
  } else if (/^0./s.test(s) && !/^0\n/.test(s)) {
    prefix = '0o';
    digits = /^[0-7]+/;
  } else digits = /^[0-9]+/;
  const number = digits.exec(s)?.[0];
  if (number === undefined) throw new KernelError('EINVAL');
  const value = BigInt(prefix + number);
  if (value > ULONG_MAX) throw new KernelError('ERANGE');
  const rest = s.slice(number.length);
  if (rest !== '' && rest !== '\n') throw new KernelError('EINVAL');
  if (value > max) throw new KernelError('ERANGE');
  return value;
}

/** `kstrtoul(text, 0, ...)` on a 64-bit machine. @throws EINVAL, ERANGE */
export const kstrtoul = (text: string): bigint => kstrtou(text, ULONG_MAX);

/** `kstrtouint(text, 0, ...)`. @throws EINVAL, ERANGE */
export const kstrtouint = (text: string): number => Number(kstrtou(text, UINT_MAX));

const INT_MAX = (1n << 31n) - 1n;

/** `kstrtoint(text, 0, ...)`: as kstrtouint, and a minus may stand in front. @throws EINVAL, ERANGE */
export function kstrtoint(text: string): number {
  const negative = text.startsWith('-');
  // A sign behind the minus is none.
  if (negative && text[1] === '+') throw new KernelError('EINVAL');
  return Number(negative ? -kstrtou(text.slice(1), INT_MAX + 1n) : kstrtou(text, INT_MAX));
}

/** `kstrtobool`: looks at the first one or two characters only. @throws EINVAL */
export function kstrtobool(text: string): boolean {
  const s = cString(text);
  if (/^[1yYtTeE]/.test(s) || /^[oO][nN]/.test(s)) return true;
  if (/^[0nNfFdD]/.test(s) || /^[oO][fF]/.test(s)) return false;
  throw new KernelError('EINVAL');
}

/** How vsscanf takes a number beyond 64 bits. */
export type ScanOverflow = 'saturate' | 'wrap';

/** The white space of lib/ctype.c: blank, \t..\r and 0xA0. */
const SPACE = /^[ \t\n\v\f\r\xa0]*/;

function scan(text: string, base: 10 | 0, overflow: ScanOverflow): bigint | undefined {
  let s = cString(text).replace(SPACE, '');
  const negative = s.startsWith('-');
  if (negative) s = s.slice(1);
  if (!/^[0-9]/.test(s)) return undefined;
  let digits = /^[0-9]+/;
  let prefix = '';
  if (base === 0 && /^0[xX][0-9a-fA-F]/.test(s)) {
    digits = /^[0-9a-fA-F]+/;
    prefix = '0x';
    s = s.slice(2);
  } else if (base === 0 && s.startsWith('0')) {
    digits = /^[0-7]+/;
    prefix = '0o';
  }
  let value = BigInt(prefix + (digits.exec(s)?.[0] ?? '0'));
  if (value > ULONG_MAX) value = overflow === 'saturate' ? ULONG_MAX : value & ULONG_MAX;
  return negative ? -value : value;
}

/**
 * `sscanf("%d")`: leading white space, optional `-`, decimal digits, anything
 * behind. Truncated to 32 bit. Undefined where nothing was converted.
 */
export function scanD(text: string, overflow: ScanOverflow): number | undefined {
  const value = scan(text, 10, overflow);
  return value === undefined ? undefined : Number(BigInt.asIntN(32, value));
}

/** `sscanf("%i")`: as `%d`, with 0x and 0 prefixes. */
export function scanI(text: string, overflow: ScanOverflow): number | undefined {
  const value = scan(text, 0, overflow);
  return value === undefined ? undefined : Number(BigInt.asIntN(32, value));
}

/** `sscanf("%llu")`: decimal digits, no sign. */
export function scanU64(text: string, overflow: ScanOverflow): bigint | undefined {
  const s = cString(text).replace(SPACE, '');
  return /^[0-9]/.test(s) ? scan(s, 10, overflow) : undefined;
}
