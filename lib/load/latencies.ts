/**
 * How long requests took: percentiles in little memory, however many there are.
 *
 * A histogram whose steps are 1/64 of a power of two wide; each remembers the
 * longest that fell into it, so that what is told was really measured, and is
 * at most 1.6 % above the exact percentile.
 */
import type { Nanoseconds } from '../ports.js';

const STEPS = 64;

export interface Percentiles {
  readonly p50: Nanoseconds;
  readonly p90: Nanoseconds;
  readonly p99: Nanoseconds;
  readonly max: Nanoseconds;
}

export class Latencies {
  readonly #steps = new Map<number, { count: number; longest: Nanoseconds }>();
  #count = 0;

  add(latency: Nanoseconds): void {
    const at = stepOf(latency);
    const step = this.#steps.get(at);
    if (step) {
      step.count++;
      step.longest = Math.max(step.longest, latency);
    } else this.#steps.set(at, { count: 1, longest: latency });
    this.#count++;
  }

  /** Undefined: nothing was measured. */
  percentiles(): Percentiles | undefined {
    if (this.#count === 0) return undefined;
    const sorted = [...this.#steps].sort(([a], [b]) => a - b).map(([, step]) => step);
    const atMost = (part: number): Nanoseconds => {
      let left = Math.ceil(part * this.#count);
      for (const { count, longest } of sorted) {
        left -= count;
        if (left <= 0) return longest;
      }
      return 0;
    };
    return { p50: atMost(0.5), p90: atMost(0.9), p99: atMost(0.99), max: atMost(1) };
  }
}

/** Rises with the latency; exact below 64 ns. */
function stepOf(latency: Nanoseconds): number {
  if (latency < STEPS) return Math.max(0, Math.floor(latency));
  const power = Math.floor(Math.log2(latency));
  return (power - 5) * STEPS + Math.floor((latency / 2 ** power - 1) * STEPS);
}
