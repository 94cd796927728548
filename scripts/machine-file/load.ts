/**
 * The machine that a user names: a preset, or a file.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { MachineDescription } from '../../lib/description/description.js';
import { didYouMean } from '../../lib/description/nearest.js';
import type { DescriptionError } from '../../lib/description/problem.js';
import { type MachineFile, parseMachineFile } from './parse.js';
import { isPreset, PRESETS, printPreset } from './presets.js';
import { type FileProblem, fileError, MachineFileError, problemLine } from './problem.js';
import { MOST_BYTES, machineText } from './text.js';

/** A machine as it is named, and the text of its file: so that one process can read what another one serves. */
export interface MachineSource {
  /** Preset or file, as messages name it. */
  readonly name: string;
  /** Undefined: a preset. */
  readonly text?: string;
}

/** What stands for the standard input. */
const STDIN = '-';

/**
 * Reads what is named. A word that is a preset's name is that preset; `./default` is a file.
 * @throws MachineFileError it cannot be read, or is no text
 */
export function readMachine(nameOrFile: string): MachineSource {
  if (isPreset(nameOrFile)) return { name: nameOrFile };
  const name = nameOrFile === STDIN ? 'stdin' : nameOrFile;
  let bytes: Buffer;
  try {
    bytes = nameOrFile === STDIN ? readAtMost(0) : readFile(nameOrFile);
  } catch (e) {
    throw new MachineFileError([unreadable(nameOrFile, e)]);
  }
  return { name, text: machineText(bytes, name) };
}

/** Descriptions remember which file they are from, so that later problems have a line too. */
const files = new WeakMap<MachineDescription, MachineFile>();

/**
 * Loads a machine.
 * @param source as read; or as named, and then it is read
 * @param warn receives what is hardly meant, one line each
 * @throws MachineFileError it cannot be read, or has mistakes
 */
export function loadMachine(
  source: MachineSource | string,
  warn: (line: string) => void = () => {},
): MachineDescription {
  const { name, text } = typeof source === 'string' ? readMachine(source) : source;
  const machine =
    text === undefined && isPreset(name)
      ? parseMachineFile(printPreset(name), `preset ${name}`)
      : parseMachineFile(text ?? '', name);
  for (const warning of machine.warnings) warn(problemLine(warning));
  files.set(machine.description, machine);
  return machine.description;
}

/** What the kernel refused when a loaded machine was started, one line each. */
export function explainStart(description: MachineDescription, error: DescriptionError): string[] {
  return files.get(description)?.explain(error).map(problemLine) ?? error.message.split('\n');
}

function readFile(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    return readAtMost(fd);
  } finally {
    closeSync(fd);
  }
}

/** To the end, but not much more than a machine file can have: it may be /dev/zero. */
function readAtMost(fd: number): Buffer {
  const buffer = Buffer.alloc(MOST_BYTES + 1);
  let length = 0;
  for (let count = -1; count !== 0 && length < buffer.length; length += count)
    count = readWaiting(fd, buffer.subarray(length));
  return buffer.subarray(0, length);
}

/** A terminal or pipe that somebody made non-blocking says EAGAIN as long as nothing is there. */
function readWaiting(fd: number, into: Buffer): number {
  for (;;)
    try {
      return readSync(fd, into);
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EAGAIN') throw e;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file: what stands before the last "/" is no directory',
  EACCES: 'you may not read it',
  EISDIR: 'this is a directory',
  ENXIO: 'it cannot be opened',
};

function unreadable(file: string, error: unknown): FileProblem {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const presets = Object.keys(PRESETS);
  const isName = !file.includes('/') && !file.includes('.');
  const hint = isName ? `, and no such preset${didYouMean(file, presets)}; presets: ${presets.join(', ')}` : '';
  const text = `${REASONS[code] ?? String(error)}${code === 'ENOENT' ? hint : ''}`;
  return fileError(file === '' ? '""' : file, { line: 1, column: 1 }, text);
}
