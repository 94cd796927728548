/**
 * What a benchmark is, and how one is measured.
 *
 * Costs are CPU time of this process, not time on the wall: machines are
 * shared. A benchmark is run several times; the median counts.
 */

/** One line of the table. */
export interface Benchmark {
  /** Chosen by `--only`; dotted: `requests.one-at-a-time`. */
  readonly name: string;
  /** What one operation is, in a few words. */
  readonly what: string;
  /** CPU microseconds that one operation may cost; undefined: only told. */
  readonly limit?: number;
  /** Another benchmark whose figure this one is compared with. */
  readonly against?: string;
  prepare(): Promise<Runnable>;
}

/** A benchmark that has what it needs. */
export interface Runnable {
  /** Operations that one run makes. */
  readonly operations: number;
  run(): Promise<void>;
  close?(): Promise<void> | void;
}

export interface Measured {
  readonly name: string;
  readonly what: string;
  readonly limit?: number;
  readonly against?: string;
  readonly operations: number;
  readonly runs: number;
  /** CPU microseconds an operation. */
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface MeasureOptions {
  /** Measured runs, after one that only warms up. */
  readonly runs: number;
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

export async function measure(benchmark: Benchmark, { runs }: MeasureOptions): Promise<Measured> {
  const { name, what, limit, against } = benchmark;
  const ready = await benchmark.prepare();
  const costs: number[] = [];
  try {
    await ready.run();
    for (let n = 0; n < runs; n++) {
      const before = cpuMicroseconds();
      await ready.run();
      costs.push((cpuMicroseconds() - before) / ready.operations);
    }
  } finally {
    await ready.close?.();
  }
  costs.sort((a, b) => a - b);
  return {
    name,
    what,
    ...(limit !== undefined && { limit }),
    ...(against !== undefined && { against }),
    operations: ready.operations,
    runs,
    median: median(costs),
    least: costs[0] ?? 0,
    most: costs.at(-1) ?? 0,
  };
}

/** Of sorted numbers. */
function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
