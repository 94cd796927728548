/**
 * The parameters of the module `ap`, from the kernel command line: the bus is
 * built in.
 *
 * Mirrors the module_param_named lines of ap_bus.c, and of kernel/params.c
 * `parse_args`, `param_set_int`, `param_set_charp`. Dashes and underscores in
 * names are the same. spec/attributes.md I.
 */
import { KernelError } from '../errno.js';
import type { Profile } from '../profile/profile.js';
import { commandLineWords } from '../text/command-line.js';
import { kstrtoint, kstrtouint } from '../text/kstrto.js';

/** Module parameters of `ap`; what is not there was not given. */
export interface ApParameters {
  readonly domain?: number;
  readonly pollThread?: number;
  readonly useirq?: number;
  readonly apmask?: string;
  readonly aqmask?: string;
  readonly msgpoolMinItems?: number;
}

/** A word `ap.*` that has no effect. */
export interface IgnoredApWord {
  /** As written, without `ap.`. */
  readonly name: string;
  readonly value: string | undefined;
  /** Where the word begins in the command line. */
  readonly at: number;
  /** What the kernel says; undefined: nothing, as to any parameter of a built-in module that it has not. */
  readonly log: string | undefined;
}

export interface ApCommandLine {
  readonly parameters: ApParameters;
  readonly ignored: readonly IgnoredApWord[];
}

/** `param_set_charp`: no longer than that. */
const LONGEST_TEXT = 1024;

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Setter = (into: Writable<ApParameters>, value: string) => void;

/** @throws ENOSPC */
function charp(value: string): string {
  if (value.length > LONGEST_TEXT) throw new KernelError('ENOSPC');
  return value;
}

const SETTERS: Readonly<Record<string, Setter>> = {
  domain: (into, value) => {
    into.domain = kstrtoint(value);
  },
  poll_thread: (into, value) => {
    into.pollThread = kstrtoint(value);
  },
  useirq: (into, value) => {
    into.useirq = kstrtoint(value);
  },
  apmask: (into, value) => {
    into.apmask = charp(value);
  },
  aqmask: (into, value) => {
    into.aqmask = charp(value);
  },
};

const MESSAGE_POOL: Readonly<Record<string, Setter>> = {
  msgpool_min_items: (into, value) => {
    into.msgpoolMinItems = kstrtouint(value);
  },
};

const setters = (profile: Profile): Readonly<Record<string, Setter>> =>
  profile.hasMessagePools ? { ...SETTERS, ...MESSAGE_POOL } : SETTERS;

/** Names of the parameters that this kernel has. */
export const apParameterNames = (profile: Profile): readonly string[] => Object.keys(setters(profile));

/** The `ap.*` words of a command line; the last of a kind wins. */
export function parseApParameters(commandLine: string, profile: Profile): ApCommandLine {
  const known = setters(profile);
  const parameters: Writable<ApParameters> = {};
  const ignored: IgnoredApWord[] = [];
  for (const { name: full, value, at } of commandLineWords(commandLine)) {
    if (!full.startsWith('ap.')) continue;
    const name = full.slice('ap.'.length);
    const plain = name.replaceAll('-', '_');
    const set = Object.hasOwn(known, plain) ? known[plain] : undefined;
    const log = set ? complaint(full, value, () => set(parameters, value ?? '')) : undefined;
    if (!set || log !== undefined) ignored.push({ name, value, at, log });
  }
  return { parameters, ignored };
}

/** What `parse_args` logs of a value that its parameter does not take. */
function complaint(name: string, value: string | undefined, set: () => void): string | undefined {
  try {
    if (value === undefined) throw new KernelError('EINVAL');
    set();
    return undefined;
  } catch (e) {
    if (!(e instanceof KernelError)) throw e;
    const what = e.errno === 'ENOSPC' ? 'too large' : 'invalid';
    return `Booting kernel: \`${value ?? ''}' ${what} for parameter \`${name}'`;
  }
}
