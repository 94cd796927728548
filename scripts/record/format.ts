/**
 * Records: the AP part of a sysfs in one text.
 *
 * The format stands in ap-sysfs-record.sh, which writes it on real machines.
 * Contents and names are bytes, as latin1 strings.
 */

export type EntryKind = 'dir' | 'file' | 'link' | 'char' | 'block';

export interface RecordEntry {
  readonly kind: EntryKind;
  /** Absolute: /sys/.., /dev/.. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; `major:minor` of a device node. */
  readonly size: number | string;
  /** Of a link. */
  readonly target?: string;
  /** Of a file that was opened; what came before an error. */
  readonly content?: string;
  /** Errno that reading ended with, `timeout`, or `error` where nobody knows. */
  readonly error?: string;
}

export interface MachineRecord {
  /** Facts in front of the entries, in order; `sysinfo` may be there several times. */
  readonly facts: readonly (readonly [key: string, value: string])[];
  /** In the order of their paths. */
  readonly entries: readonly RecordEntry[];
}

/** What is wrong with a text that should be a record (or something else that can be imported). */
export class ImportError extends Error {
  /** @param line from 1; undefined: the file as a whole */
  constructor(
    readonly file: string,
    readonly line: number | undefined,
    readonly text: string,
  ) {
    super(`${file}:${line === undefined ? '' : `${line}:`} ${text}`);
    this.name = 'ImportError';
  }
}

const MAGIC = 'ap-sysfs-record';
const VERSION = 1;

const escaped = (text: string): string =>
  text.replace(/[^ -~]|\\/g, (c) => (c === '\\' ? '\\\\' : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`));

/** @throws Error with what is wrong */
function unescaped(text: string): string {
  return text.replace(/\\(?:\\|x([0-9a-f]{2}))?/g, (match, hex: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (match === '\\\\') return '\\';
    throw new Error('a \\ that is neither \\\\ nor \\xHH');
  });
}

export const isRecord = (text: string): boolean => text.startsWith(`${MAGIC} `);

/** The text of a record. */
export function printRecord({ facts, entries }: MachineRecord): string {
  const lines = [`${MAGIC} ${VERSION}`, ...facts.map(([key, value]) => `${key}: ${value}`)];
  for (const entry of entries) lines.push(...entryLines(entry));
  lines.push(`end ${entries.length}`);
  return `${lines.join('\n')}\n`;
}

function* entryLines({ kind, path, mode, uid, gid, size, target, content, error }: RecordEntry): Generator<string> {
  yield `${kind} ${mode.toString(8).padStart(4, '0')} ${uid}:${gid} ${size} ${escaped(path)}`;
  if (target !== undefined) yield `>${escaped(target)}`;
  const lines = (content ?? '').split('\n');
  const rest = lines.pop() ?? '';
  for (const line of lines) yield `|${escaped(line)}`;
  if (rest !== '') yield `|${escaped(rest)}\\`;
  if (error !== undefined) yield `!${error}`;
}

const ENTRY = /^(dir|file|link|char|block) ([0-7]{3,4}) (\d+):(\d+) (\d+|\d+:\d+) (\/.*)$/;
const FACT = /^([a-z]+): (.*)$/;

/** Reads a record. @throws ImportError with its line */
export function parseRecord(text: string, file: string): MachineRecord {
  const lines = text.split('\n');
  const [magic, version] = (lines[0] ?? '').split(' ');
  if (magic !== MAGIC) throw new ImportError(file, 1, `this is no record: it does not begin with "${MAGIC}"`);
  if (version !== String(VERSION))
    throw new ImportError(file, 1, `a record of version ${version}; this program knows version ${VERSION}`);
  const reader = new RecordReader(file);
  for (const [i, line] of lines.entries()) {
    if (i === 0) continue;
    if (reader.ended) {
      if (line !== '') throw new ImportError(file, i + 1, 'something follows the end of the record');
    } else if (!(line === '' && i === lines.length - 1)) reader.line(line, i + 1);
  }
  if (!reader.ended) throw new ImportError(file, lines.length, 'the end of the record is missing: it was cut off');
  return reader;
}

type Draft = { -readonly [K in keyof RecordEntry]: RecordEntry[K] };

class RecordReader implements MachineRecord {
  readonly facts: [string, string][] = [];
  readonly entries: Draft[] = [];
  ended = false;

  constructor(readonly file: string) {}

  line(line: string, number: number): void {
    try {
      if (!this.#continues(line)) this.#begins(line);
    } catch (e) {
      throw new ImportError(this.file, number, e instanceof Error ? e.message : String(e));
    }
  }

  #continues(line: string): boolean {
    const sign = line[0];
    if (sign !== '|' && sign !== '>' && sign !== '!') return false;
    const entry = this.entries.at(-1);
    const wanted = sign === '>' ? 'link' : 'file';
    if (entry?.kind !== wanted) throw new Error(`a line with ${sign} does not follow a ${wanted}`);
    const rest = line.slice(1);
    if (sign === '>') entry.target = unescaped(rest);
    else if (sign === '!') entry.error = rest;
    else {
      // A \ that is no half of another one: the newline is not part of the content.
      const open = /(?:^|[^\\])(?:\\\\)*\\$/.test(rest);
      entry.content = `${entry.content ?? ''}${open ? unescaped(rest.slice(0, -1)) : `${unescaped(rest)}\n`}`;
    }
    return true;
  }

  #begins(line: string): void {
    const [, kind, mode = '', uid, gid, size = '', path = ''] = ENTRY.exec(line) ?? [];
    const end = /^end (\d+)$/.exec(line);
    if (kind !== undefined) {
      const before = this.entries.at(-1);
      if (before?.kind === 'link' && before.target === undefined) throw new Error(`${before.path} has no target`);
      this.entries.push({
        kind: kind as EntryKind,
        path: unescaped(path),
        mode: Number.parseInt(mode, 8),
        uid: Number(uid),
        gid: Number(gid),
        size: size.includes(':') ? size : Number(size),
        ...(kind === 'file' && Number.parseInt(mode, 8) & 0o444 && { content: '' }),
      });
    } else if (end) {
      if (Number(end[1]) !== this.entries.length)
        throw new Error(`${end[1]} entries were written, ${this.entries.length} are here: some are missing`);
      this.ended = true;
    } else {
      const fact = this.entries.length === 0 ? FACT.exec(line) : null;
      if (!fact) throw new Error(`"${line.slice(0, 40)}" is no line of a record`);
      this.facts.push([fact[1] ?? '', fact[2] ?? '']);
    }
  }
}
