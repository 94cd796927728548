/**
 * A mutant: one rule of the model broken in one place, and the test that must notice.
 */
export interface Mutant {
  /** The acceptance check whose rule is broken, as numbered in the tests' names ("0-6"). */
  readonly check: string;
  /** What the broken model does, in words. */
  readonly name: string;
  /** Source file, from the root of the project. */
  readonly file: string;
  /** Text that occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Test file, from the root of the project. */
  readonly test: string;
}

/** A mutant as one line of a table. */
export type Row = readonly [check: string, name: string, file: string, find: string, replace: string];
