/**
 * Faults of single files: what a rule says, and what makes sense.
 *
 * They act on file operations, above the drivers: for tests of programs that
 * must live with a read that fails or takes long. What hardware does wrong is
 * described below the drivers (hardware/vocabulary).
 */
import { ERRNO, type Errno } from '../errno.js';
import type { Nanoseconds } from '../ports.js';

/**
 * `read`: each making of a file's content (a read at its beginning, not those
 * that take the rest of it). `write`: each store. `open`: each open that would
 * have succeeded.
 */
export type FaultOp = 'read' | 'write' | 'open';

export const FAULT_OPS: readonly FaultOp[] = ['read', 'write', 'open'];

export interface FaultDescription {
  /** A pattern of paths below /sys, with `*`, `?`, `[..]` and `**`. */
  readonly path: string;
  readonly op: FaultOp;
  /** The first call that is hit, counted from 1 over all files of the pattern (default 1). */
  readonly nth?: number;
  /** How many calls are hit from there on (default: one if `nth` is given, else all). */
  readonly count?: number;
  /** The call fails; the driver does not learn of it. */
  readonly errno?: Errno;
  /** Machine time that passes first. A signal ends it with EINTR. */
  readonly delay?: Nanoseconds;
  /**
   * Instead of what the file shows, or of what was written. As `echo -e` writes
   * it: `\n` and `\xHH` are understood, a newline is added, and none after `\c`.
   */
  readonly value?: string;
}

export const isErrno = (name: string): name is Errno => Object.hasOwn(ERRNO, name);

/** How many calls a rule hits from the nth on. */
export const callsHit = ({ nth, count }: Pick<FaultDescription, 'nth' | 'count'>): number =>
  count ?? (nth === undefined ? Number.POSITIVE_INFINITY : 1);

/** What is wrong with a rule as a whole; undefined: nothing. */
export function faultProblem({
  op,
  errno,
  delay,
  value,
}: Pick<FaultDescription, 'op' | 'errno' | 'delay' | 'value'>): string | undefined {
  if (errno === undefined && delay === undefined && value === undefined)
    return 'it does not say what happens: errno, delay or value';
  if (errno !== undefined && value !== undefined) return 'errno and value exclude each other';
  if (op === 'open' && errno === undefined) return 'an open can only fail: errno';
  if (op === 'open' && delay !== undefined) return 'an open does not take long; delay the read or the write';
  return undefined;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '\\': '\\' };

/** The bytes that a `value` stands for. */
export function valueText(value: string): string {
  let text = '';
  for (const [, hex, letter, plain] of value.matchAll(/\\x([0-9a-f]{2})|\\(.)|([^\\]|\\$)/gis)) {
    if (letter === 'c') return text;
    if (hex !== undefined) text += String.fromCharCode(Number.parseInt(hex, 16));
    else if (letter !== undefined) text += ESCAPES[letter] ?? `\\${letter}`;
    else text += plain;
  }
  return `${text}\n`;
}
