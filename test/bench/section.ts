/**
 * A section of the benchmarks: some figures that belong together, and how they
 * are shown.
 */

/** A figure that is promised. */
export interface Target {
  /** What is compared, in a few words. */
  readonly what: string;
  readonly value: number;
  /** It may be at most this, or must be at least this. */
  readonly limit: number;
  readonly atLeast?: boolean;
}

export const isMet = ({ value, limit, atLeast }: Target): boolean => (atLeast ? value >= limit : value <= limit);

export interface Bars {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly { readonly name: string; readonly value: number }[];
}

export interface Report {
  readonly title: string;
  /** Says how it was measured. */
  readonly words: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly targets: readonly Target[];
  /** What could not be measured here, and why. */
  readonly missing: readonly string[];
  readonly charts: readonly Bars[];
}

export interface Effort {
  /** Fewer and shorter runs: a look, not a measurement. */
  readonly quick: boolean;
  /** Runs of which the median counts. */
  readonly runs: number;
  /** Says what goes on, to whoever waits. */
  readonly say: (what: string) => void;
}

export interface Section {
  /** Chosen by `--only`. */
  readonly name: string;
  readonly what: string;
  /** @param only parts of names: the section may leave out what fits none */
  run(effort: Effort, only: readonly string[]): Promise<Report>;
}

/** Of numbers in any order. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
