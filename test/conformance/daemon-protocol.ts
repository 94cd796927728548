/**
 * What the runner asks of the daemon, over the IPC channel of child_process.
 */
import type { BootOptions, Change, KmsgLine } from './recording.js';

export interface BootRequest extends BootOptions {
  /** Mount the tree here; without it the daemon only answers questions. */
  readonly mountPoint?: string;
  /** A directory that is /dev in the replay: gets the device nodes. */
  readonly devDir?: string;
}

export interface Requests {
  boot: { in: BootRequest; out: { uevents: string[][] } };
  /**
   * Waits until the machine is quiet and its time is `until` (seconds); then
   * what has happened since the last call.
   */
  collect: { in: { notapq: boolean; snapshot: boolean; until?: number }; out: Collected };
  /** Lets machine time pass. */
  advance: { in: { ms: number }; out: null };
  /** Is somebody waiting inside the kernel? */
  state: { in: null; out: { pending: number; answered: number } };
  /** A fatal signal for whoever waits inside the kernel. */
  interrupt: { in: null; out: null };
  /** One command of the hardware or guest vocabulary, without a shell. */
  control: { in: { file: string; line: string }; out: { stdout: string; stderr: string; rc: number } };
  /** A write to a file below /sys, without a shell: undefined or the errno. */
  write: { in: { path: string; text: string }; out: string | null };
  /** The whole tree as a dump. */
  dump: { in: null; out: [string, unknown][] };
  exit: { in: null; out: null };
}

export interface Collected {
  readonly uevents: string[][];
  readonly kmsg: KmsgLine[];
  readonly changes: Change[];
  /** Bugs of the model, hanging shows: they make a step different. */
  readonly bugs: string[];
}

export type RequestName = keyof Requests;

export interface RequestMessage {
  readonly id: number;
  readonly name: RequestName;
  readonly arg: unknown;
}

export interface ReplyMessage {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}
