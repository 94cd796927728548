/**
 * The bytes of a machine file as text: not too many, UTF-8, and nothing in
 * them that no editor shows.
 */
import { fileError, MachineFileError, positionIn } from './problem.js';

/** 256 adapters that are all described one by one, each with all its keys, take a quarter of that. */
export const MOST_BYTES = 1 << 20;

/** What texts may not have: control characters, and ends of lines that YAML does not know. */
const UNSEEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)/;

/**
 * @param file its name, for messages
 * @throws MachineFileError it is no text, or too long
 */
export function machineText(bytes: Buffer, file: string): string {
  const start = { line: 1, column: 1 };
  const fail = (at: typeof start, text: string): MachineFileError => new MachineFileError([fileError(file, at, text)]);
  if (bytes.length > MOST_BYTES)
    throw fail(start, `a machine file has at most ${MOST_BYTES >> 20} MiB; several adapters alike are one: id: 0-255`);
  if (/^(?:\xff\xfe|\xfe\xff|.\0.\0|\0.\0.)/s.test(bytes.toString('latin1', 0, 4)))
    throw fail(start, 'this is UTF-16: save it as UTF-8');
  const bad = firstBadByte(bytes);
  if (bad !== undefined) {
    const byte = (bytes[bad] ?? 0).toString(16);
    const before = bytes.toString('utf8', 0, bad);
    throw fail(positionIn(before, before.length), `the byte 0x${byte} is no UTF-8: save the file as UTF-8`);
  }
  const text = bytes.toString('utf8').replace(/^\ufeff/, '');
  const unseen = UNSEEN.exec(text);
  if (unseen) throw fail(positionIn(text, unseen.index), describeUnseen(unseen[0]));
  return text;
}

function describeUnseen(character: string): string {
  if (character === '\0') return 'a NUL byte: this is no text file';
  if (character === '\r') return 'a carriage return without a newline: lines end with a newline';
  const code = character.charCodeAt(0).toString(16).padStart(2, '0');
  return `the control character 0x${code}: this is no text file`;
}

/** Offset of what is no UTF-8; undefined: there is none. */
function firstBadByte(bytes: Buffer): number | undefined {
  const decodes = (from: number, to: number): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(from, to));
      return true;
    } catch {
      return false;
    }
  };
  if (decodes(0, bytes.length)) return undefined;
  // The line, then the character: a newline is never part of another one.
  let line = 0;
  for (let end = 0; end < bytes.length; line = end) {
    const newline = bytes.indexOf(0x0a, line);
    end = newline < 0 ? bytes.length : newline + 1;
    if (!decodes(line, end)) break;
  }
  for (let at = line; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => at + count <= bytes.length && decodes(at, at + count));
    if (length === undefined) return at;
    at += length;
  }
  return bytes.length;
}
