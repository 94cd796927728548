/**
 * The machine that a user names, as text: a preset, or a file. Light: the
 * command that starts a daemon reads the file, for it may be a pipe or the
 * standard input, which the daemon has not.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { didYouMean } from '../../lib/description/nearest.js';
import { isPreset, PRESETS } from './presets.js';
import { type FileProblem, fileError, MachineFileError } from './problem.js';
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
  if (nameOrFile === STDIN) return handedOver('stdin');
  let bytes: Buffer;
  try {
    bytes = readFile(nameOrFile);
  } catch (e) {
    throw new MachineFileError([unreadable(nameOrFile, e)]);
  }
  return { name: nameOrFile, text: machineText(bytes, nameOrFile) };
}

/** What comes in by the standard input. @param name what it is called where it comes from */
export const handedOver = (name: string): MachineSource => ({ name, text: machineText(readAtMost(0), name) });

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
