/**
 * What the runner asks of the daemon, over the IPC channel of child_process.
 */

import type { TransportChoice } from '../../fs-tree/transport/transport.js';
import type { BootOptions, Change, KmsgLine, PathState } from './recording.js';

export interface BootRequest extends BootOptions {
  /** Mount the tree here; without it the daemon only answers questions. */
  readonly mountPoint?: string;
  readonly transport?: TransportChoice;
  /** A directory that is /dev in the replay: gets the device nodes. */
  readonly devDir?: string;
}

export interface Requests {
  boot: { in: BootRequest; out: { uevents: string[][] } };
  /** Waits until all is quiet and machine time is `until` (seconds), or `least` ms have passed. */
  pause: { in: { until: number; least: number }; out: null };
  /** What has happened since the last call, and the tree if it is to be looked at in memory. */
  collect: { in: { notapq: boolean; snapshot: boolean }; out: Collected };
  /** Lets machine time pass. */
  advance: { in: { ms: number }; out: null };
  /** The process whose descendants are the programs of the replay. */
  watch: { in: { pid: number }; out: null };
  /** Waits until all programs wait (or never will). `since`: what had entered the kernel by then does not count. */
  state: { in: { since: number }; out: ProgramState };
  /** Lets machine time pass until something happens, `most` ns at most; the result says how many. */
  next: { in: { most: number }; out: number };
  /** A fatal signal for whoever waits inside the kernel. */
  interrupt: { in: null; out: null };
  /** One command of the hardware or guest vocabulary, without a shell. */
  control: { in: { file: string; line: string }; out: { stdout: string; stderr: string; rc: number } };
  /** A write to a file below /sys, without a shell: undefined or the errno. */
  write: { in: { path: string; text: string }; out: string | null };
  /** The whole tree as a dump; or as a step's snapshot sees it. */
  dump: { in: { step?: { notapq: boolean } }; out: [string, PathState][] };
  /** Takes everything down; true: another machine can be booted. */
  end: { in: null; out: boolean };
}

export interface ProgramState {
  readonly quiet: boolean;
  /** Somebody waits inside the kernel who entered it since then. */
  readonly inside: boolean;
  /** The number of the last one who has entered it. */
  readonly entered: number;
  /** Somebody waits for machine time. */
  readonly sleeps: boolean;
  /** Somebody waits for real time: a program that is not of this replay. */
  readonly dozes: boolean;
}

export interface Collected {
  readonly uevents: string[][];
  readonly kmsg: KmsgLine[];
  readonly changes: Change[];
  /** Scans by the 30 s timer. */
  readonly timedScans: number;
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
