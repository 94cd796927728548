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

export function loadRecording(file: string, name: string): Recording {
  return { ...(JSON.parse(readFileSync(file, 'utf8')) as Omit<Recording, 'name'>), name };
}

/** The scenarios of a kernel, by number. `glob` knows `*` and `?`, and matches the name or its number. */
export function findRecordings(dir: string, kernel: RecordedKernel, glob?: string): string[] {
  let names: string[];
  try {
    names = readdirSync(join(dir, kernel));
  } catch {
    return [];
  }
  const wanted = glob === undefined ? undefined : globs(glob);
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .filter((name) => !wanted || wanted.test(name) || wanted.test(name.split('-')[0] ?? ''))
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1));
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
}

export function bootOptions(recording: Recording, kernel: RecordedKernel, start: number): BootOptions {
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
  };
}
