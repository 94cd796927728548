/**
 * When each step of a recording began, in seconds of its machine.
 *
 * What a kernel does by timers (the scan every 30 s, rate limits) depends on
 * when a step is run, so a replay runs it at the same time. Log lines carry the
 * time: a step that logs is dated by its first line, the others by how long
 * steps took. Zero is the start of the AP bus, shortly before the kernel frees
 * its initial memory.
 */
import type { RecordedKernel, Recording } from './recording.js';

/** What recorders needed between two steps, on average: snapshots until nothing changed. */
const BETWEEN: Readonly<Record<RecordedKernel, number>> = { '7.2': 0.644, '6.12': 0.513, '6.1': 0.533 };

/** A recording tells its own pace when so many steps lie between its dates; other results are wrong dates. */
const FEWEST = 3;
const SHORTEST = 0.2;
const LONGEST = 1.2;

/** From the start of the AP bus to the line that is looked for. */
const BEFORE_FREEING = 0.5;

/** From the start of a step to its first line in the log. */
const UNTIL_LINE = 0.1;

/** A step that takes no longer began shortly before its first line. */
const SHORT_MS = 1000;

/** The first step when no line tells. */
const USUAL_START = 6;

interface Line {
  readonly time: number;
  readonly text: string;
}

function logLines(dmesg: string): Line[] {
  return dmesg.split('\n').flatMap((line) => {
    const m = /^\[ *(\d+\.\d+)\] (.*)$/.exec(line);
    return m?.[1] && m[2] !== undefined ? [{ time: Number(m[1]), text: m[2] }] : [];
  });
}

/** One more entry than steps: the last is when the recording ended. */
export function timeline({ steps, dmesg }: Recording, kernel: RecordedKernel): number[] {
  const lines = logLines(dmesg);
  const freeing = lines.findIndex((line) => line.text.startsWith('Freeing unused kernel image'));
  const zero = (lines[freeing]?.time ?? 0) - BEFORE_FREEING;
  const dated = new Map<number, number>();
  let from = lines.findIndex((line) => line.time > zero + 2);
  for (const [at, { kmsg }] of steps.entries())
    for (const { text } of kmsg) {
      if (from < 0) break;
      const start = text.split('\\x')[0]?.slice(0, 50) ?? '';
      const found = lines.findIndex((line, n) => n >= from && line.text.startsWith(start));
      if (found < 0) continue;
      from = found + 1;
      // In a long step the line may come at any time.
      if (!dated.has(at) && (steps[at]?.ms ?? 0) < SHORT_MS)
        dated.set(at, (lines[found]?.time ?? 0) - zero - UNTIL_LINE);
    }
  const ms = steps.map((step) => step.ms / 1000);
  const between = pause(ms, dated) ?? BETWEEN[kernel];
  return spread(
    ms.map((took) => took + between),
    dated,
  );
}

/** What this recorder needed between two steps of this recording, from the dates of its own steps. */
function pause(ms: readonly number[], dated: ReadonlyMap<number, number>): number | undefined {
  const known = [...dated.keys()].sort((a, b) => a - b);
  const [first, last] = [known[0], known.at(-1)];
  if (first === undefined || last === undefined || last - first < FEWEST) return undefined;
  const took = ms.slice(first, last).reduce((a, b) => a + b, 0);
  const one = ((dated.get(last) ?? 0) - (dated.get(first) ?? 0) - took) / (last - first);
  return one > SHORTEST && one < LONGEST ? one : undefined;
}

/** Dates for all steps: from the one dated before, or backwards from the first dated one. */
function spread(takes: readonly number[], dated: ReadonlyMap<number, number>): number[] {
  const first = [...dated.keys()].sort((a, b) => a - b)[0];
  const sum = (from: number, to: number): number => takes.slice(from, to).reduce((a, b) => a + b, 0);
  let now = first === undefined ? USUAL_START : Math.max(1, (dated.get(first) ?? 0) - sum(0, first));
  const starts: number[] = [];
  for (let at = 0; at <= takes.length; at++) {
    now = Math.max(dated.get(at) ?? now, starts.at(-1) ?? 0);
    starts.push(now);
    now += takes[at] ?? 0;
  }
  return starts;
}
