/**
 * When each step of a recording began, in seconds of its machine.
 *
 * What a kernel does by timers (the scan every 30 s, rate limits) depends on
 * when a step is run, so a replay runs it at the same time. Log lines carry the
 * time: a step that logs is dated by its first line, and those between two
 * dated ones by how long steps took and an even pause after each. Zero is the
 * start of the AP bus, which is linked right behind the channel subsystem: from
 * there to the scans that are between two dated steps it is what the 30 s timer
 * takes (test/conformance/jiffies.ts).
 */
import type { RecordedKernel, Recording } from './recording.js';

/** What recorders needed between two steps, on average: snapshots until nothing changed. */
const BETWEEN: Readonly<Record<RecordedKernel, number>> = { '7.2': 0.644, '6.12': 0.513, '6.1': 0.533 };

/** Other pauses mean that a line was taken for one of another step. */
const SHORTEST = 0.2;
const LONGEST = 1.2;

/** The last line before the AP bus starts, and by how much. */
const BEFORE_AP_BUS = 'cio: Channel measurement facility';
const UNTIL_AP_BUS = 0.05;

/** Where that line is missing: from the start of the AP bus until the kernel frees its initial memory. */
const BEFORE_FREEING = 2;

/** Fewer steps between two dates say nothing of the recording's own pace. */
const FEWEST = 5;

/** From the last line of the last module to the first step, on average over the recordings. */
const LAST_MODULE = 'vfio_ap matrix: MDEV: Registered';
const UNTIL_FIRST: Readonly<Record<RecordedKernel, number>> = { '7.2': 2.8, '6.12': 2.6, '6.1': 2.9 };

/** How much of the shortest step it takes until the shell does something. */
const SHELL_SHARE = 0.75;

/** The last look is the second of two, at least, between two steps. */
const LOOK_SHARE = 0.4;

/** From the start of a step to its first line in the log. */
const UNTIL_LINE = 0.1;

/** A step that takes no longer began shortly before its first line. */
const SHORT_MS = 1000;

/** Lines without a newline are read with the next one: the first line of a step may be of a step before. */
const READ_LATE = /^Waited \d+ms for reset/;

/** When no line tells, in seconds. */
const USUAL_UPTIME = 3.5;

/** The first step when no line tells. */
const USUAL_START = 6;

const FREEING = 'Freeing unused kernel image';

interface Line {
  readonly time: number;
  readonly text: string;
}

/** Starts that are known, by the number of the step. */
type Dates = readonly (readonly [step: number, time: number])[];

function logLines(dmesg: string): Line[] {
  return dmesg.split('\n').flatMap((line) => {
    const m = /^\[ *(\d+\.\d+)\] (.*)$/.exec(line);
    return m?.[1] && m[2] !== undefined ? [{ time: Number(m[1]), text: m[2] }] : [];
  });
}

/** When the AP bus started, in the log's time. */
function zeroOf(lines: readonly Line[]): number | undefined {
  const before = lines.find((line) => line.text.startsWith(BEFORE_AP_BUS));
  if (before) return before.time + UNTIL_AP_BUS;
  const freeing = lines.find((line) => line.text.startsWith(FREEING));
  return freeing && freeing.time - BEFORE_FREEING;
}

/** How long the kernel had been ticking when the AP bus started, in seconds. */
export function uptime({ dmesg }: Recording): number {
  const lines = logLines(dmesg);
  const ticking = lines.find((line) => line.text.startsWith('clocksource: tod'))?.time;
  const zero = zeroOf(lines);
  return zero === undefined || ticking === undefined ? USUAL_UPTIME : zero - ticking;
}

/** What is done when, in seconds. */
export interface StepTimes {
  /** The shell is there and does the first thing. */
  readonly begin: number;
  /** The recorder looks at the trees for the last time before the next step. */
  readonly look: number;
}

export function timeline(recording: Recording, kernel: RecordedKernel): StepTimes[] {
  const lines = logLines(recording.dmesg);
  const took = recording.steps.map((step) => step.ms / 1000);
  const starts = spread(took, plausible(took, dates(recording, kernel, lines)), BETWEEN[kernel]);
  const shell = SHELL_SHARE * Math.min(...took);
  return took.map((ms, at) => {
    const next = starts[at + 1] ?? 0;
    const between = next - (starts[at] ?? 0) - ms;
    return { begin: (starts[at] ?? 0) + shell, look: next - LOOK_SHARE * between };
  });
}

function dates({ steps, append }: Recording, kernel: RecordedKernel, lines: readonly Line[]): Dates {
  const zero = zeroOf(lines) ?? -BEFORE_FREEING;
  const found = new Map<number, number>();
  const ready = append.includes('oracle.') ? undefined : lines.find((line) => line.text.startsWith(LAST_MODULE));
  if (ready) found.set(0, ready.time - zero + UNTIL_FIRST[kernel]);
  // What the modules logged may come again in a step.
  let from = lines.findIndex((line) => line.text.startsWith(FREEING));
  for (const [at, { kmsg, ms }] of steps.entries()) {
    let first: number | undefined;
    for (const [nth, { text }] of kmsg.entries()) {
      const start = text.split('\\x')[0]?.slice(0, 50) ?? '';
      const line = from < 0 ? -1 : lines.findIndex((one, n) => n >= from && one.text.startsWith(start));
      if (line < 0) continue;
      from = line + 1;
      if (nth > 0 || !READ_LATE.test(text)) first ??= lines[line]?.time;
    }
    // In a long step the line may come at any time.
    if (first !== undefined && ms < SHORT_MS) found.set(at, first - zero - UNTIL_LINE);
  }
  return [...found].sort(([a], [b]) => a - b);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** The pause after each step between two dates. */
function pause(took: readonly number[], [a, from]: Dates[number], [b, to]: Dates[number]): number {
  return (to - from - sum(took.slice(a, b))) / (b - a);
}

/** Leaves out dates that would mean that the recorder was too fast or too slow; the first step's own line counts most. */
function plausible(took: readonly number[], found: Dates): Dates {
  const kept: Dates[number][] = [];
  for (const date of found) {
    const last = kept.at(-1);
    const between = last && pause(took, last, date);
    if (between === undefined || (between >= SHORTEST && between <= LONGEST)) kept.push(date);
  }
  return kept;
}

/** Starts of all steps, and one more; before the first and after the last known one at the pace of the whole. */
function spread(took: readonly number[], known: Dates, usual: number): number[] {
  const [first, last] = [known[0], known.at(-1)];
  const pace = first && last && last[0] - first[0] >= FEWEST ? pause(took, first, last) : usual;
  const from = first ? first[1] - sum(took.slice(0, first[0])) - first[0] * pace : USUAL_START;
  const starts = [Math.max(1, from)];
  for (const at of took.keys()) {
    const before = known.findLast(([step]) => step <= at);
    const after = known.find(([step]) => step > at);
    const between = before && after ? pause(took, before, after) : pace;
    const next = (starts.at(-1) ?? 0) + (took[at] ?? 0) + between;
    starts.push(after?.[0] === at + 1 ? after[1] : next);
  }
  return starts;
}
