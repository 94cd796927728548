/**
 * The format of the recordings, and how they are found.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const KERNELS = ['7.2', '6.12', '6.1'] as const;
export type RecordedKernel = (typeof KERNELS)[number];

/** What the recorder says of one path. */
export interface PathState {
  readonly type: string;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly size?: number;
  readonly nlink?: number;
  readonly target?: string;
  readonly content?: string;
  readonly rdev?: string;
  readonly skipped?: boolean;
  readonly open_errno?: string;
  readonly read_errno?: string;
}

export interface Change {
  readonly path: string;
  readonly before: PathState | null;
  readonly after: PathState | null;
}

export interface KmsgLine {
  readonly level: number;
  readonly text: string;
}

/** What a step did, recorded or replayed. */
export interface Effects {
  readonly rc: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timeout: boolean;
  readonly changes: readonly Change[];
  readonly uevents: readonly (readonly string[])[];
  readonly kmsg: readonly KmsgLine[];
}

export interface Step extends Effects {
  readonly cmd: string;
  readonly ms: number;
  /** Why this is not what a recorder wrote. */
  readonly fault?: string;
}

export interface Recording {
  readonly scenario: string;
  readonly title: string;
  readonly kernel: string;
  readonly hw: string;
  readonly append: string;
  readonly se: boolean;
  readonly steps: readonly Step[];
  readonly dmesg: string;
  /** Where it was read from, without directory and `.json`. */
  readonly name: string;
}

/** What the recorder puts into a machine when nothing else is said (recordings/README.md). */
export const DEFAULT_HARDWARE = [
  ...['0 add cex8 cca', '1 add cex8 ep11', '2 add cex7 accel', '3 add cex6 cca'].map((card) => `card ${card}`),
  ...['0x04', '0x06', '0x1b', '0x47'].map((id) => `domain ${id} add`),
  ...['0x04', '0x06', '0x1b', '0x47', '0x55', '0xab'].map((id) => `cdomain ${id} add`),
].join('; ');

const NOTHING: Step = {
  cmd: '',
  ms: 0,
  rc: 0,
  stdout: '',
  stderr: '',
  timeout: false,
  changes: [],
  uevents: [],
  kmsg: [],
};

/** Reads a recording; what is not in it is as usual. @throws Error no recording */
export function loadRecording(file: string, name: string): Recording {
  const raw = parse(file) as Partial<Record<keyof Recording, unknown>> | null;
  if (!Array.isArray(raw?.steps)) throw new Error(`${file}: no steps`);
  const textOf = (key: keyof Recording, separator: string): string =>
    [raw[key] ?? ''].flat().map(String).join(separator);
  return {
    scenario: textOf('scenario', ' ') || name,
    title: textOf('title', ' '),
    kernel: textOf('kernel', ' '),
    hw: textOf('hw', '; ') || DEFAULT_HARDWARE,
    append: textOf('append', ' '),
    se: Boolean(raw.se ?? false),
    dmesg: textOf('dmesg', '\n'),
    steps: raw.steps.map(readStep),
    name,
  };
}

function parse(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (e) {
    throw new Error(`${file}: ${(e as Error).message}`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** What a field must look like where it is there. */
const FIELDS: Readonly<Record<Exclude<keyof Step, 'fault'>, (value: unknown) => boolean>> = {
  cmd: (value) => typeof value === 'string',
  ms: (value) => typeof value === 'number',
  rc: (value) => typeof value === 'number',
  stdout: (value) => typeof value === 'string',
  stderr: (value) => typeof value === 'string',
  timeout: (value) => typeof value === 'boolean',
  changes: (value) => listOf(value, (one) => isObject(one) && typeof one.path === 'string'),
  uevents: (value) => listOf(value, (one) => listOf(one, (key) => typeof key === 'string')),
  kmsg: (value) => listOf(value, (one) => isObject(one) && typeof one.text === 'string'),
};

const listOf = (value: unknown, fits: (one: unknown) => boolean): boolean => Array.isArray(value) && value.every(fits);

/** A field that is null is one that is not there; one that cannot be read makes the step a different one. */
function readStep(step: unknown): Step {
  if (!isObject(step)) return { ...NOTHING, fault: 'the recorded step is no object' };
  const said = Object.entries(step).filter(([, value]) => value !== null && value !== undefined);
  const fits = ([key, value]: [string, unknown]): boolean => FIELDS[key as keyof typeof FIELDS]?.(value) ?? true;
  const wrong = said.filter((entry) => !fits(entry)).map(([key]) => key);
  if (typeof step.cmd !== 'string' && !wrong.includes('cmd')) wrong.push('cmd');
  return {
    ...NOTHING,
    ...Object.fromEntries(said.filter(fits)),
    ...(wrong.length > 0 && { fault: `the recorded step cannot be read: ${wrong.join(', ')}` }),
  };
}

/** The directory of a kernel's recordings: `7.2`, or its full version. */
export function kernelDirectory(dir: string, kernel: RecordedKernel): string | undefined {
  const fits = new RegExp(`^(?:linux-)?${kernel.replace('.', '\\.')}(?:$|[.+_-])`, 'i');
  const names = readdirSync(dir, { withFileTypes: true })
    .filter((entry) => !entry.isFile() && fits.test(entry.name))
    .map(({ name }) => name)
    .sort((a, b) => a.length - b.length);
  return names[0] === undefined ? undefined : join(dir, names[0]);
}

/** The scenarios of a kernel, by number. `glob` knows `*` and `?`, and matches the name or its number. */
export function findRecordings(dir: string, kernel: RecordedKernel, glob?: string): string[] {
  const place = kernelDirectory(dir, kernel);
  if (place === undefined) return [];
  const wanted = glob === undefined ? () => true : scenarioMatcher(glob);
  return readdirSync(place)
    .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    .map((name) => name.slice(0, -'.json'.length))
    .filter(wanted)
    .sort((a, b) => numberOf(a) - numberOf(b) || (a < b ? -1 : 1));
}

/** Scenarios without a number come last. */
const numberOf = (name: string): number => {
  const number = Number.parseInt(name, 10);
  return Number.isNaN(number) ? Number.MAX_SAFE_INTEGER : number;
};

/** Whether a scenario's name, or its number alone, fits. */
export function scenarioMatcher(glob: string): (name: string) => boolean {
  const wanted = globs(glob);
  return (name) => wanted.test(name) || wanted.test(name.split('-')[0] ?? '');
}

/** Several patterns are separated with commas. */
function globs(text: string): RegExp {
  const one = (pattern: string): string =>
    pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
  return new RegExp(`^(?:${text.split(',').map(one).join('|')})$`);
}

/** Scenarios change this machine; everything is the recorder's default unless `hw` says otherwise. */
export interface BootOptions {
  readonly kernel: RecordedKernel;
  readonly hw: string;
  /** Kernel command line without the recorder's own words. */
  readonly commandLine: string;
  readonly se: boolean;
  readonly novfio: boolean;
  readonly nozcrypt: boolean;
  /** Events since before the modules are written to /run/boot-uevents. */
  readonly bootUevents: boolean;
  /** Seconds of machine time at which the first step begins. */
  readonly start: number;
  /** How long the kernel had been ticking at time 0, in seconds. */
  readonly uptime: number;
}

export function bootOptions(
  recording: Recording,
  kernel: RecordedKernel,
  { start, uptime }: Pick<BootOptions, 'start' | 'uptime'>,
): BootOptions {
  const words = recording.append.split(/\s+/).filter((word) => word !== '');
  return {
    kernel,
    hw: recording.hw,
    commandLine: words.filter((word) => !word.startsWith('oracle.')).join(' '),
    se: recording.se,
    novfio: words.includes('oracle.novfio'),
    nozcrypt: words.includes('oracle.nozcrypt'),
    bootUevents: words.includes('oracle.uevents'),
    start,
    uptime,
  };
}
