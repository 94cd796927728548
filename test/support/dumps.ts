/**
 * Trees of real kernels (test/conformance/recordings/dumps) as records.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EntryKind, MachineRecord, RecordEntry } from '../../scripts/record/format.js';
import { PROJECT } from './mounted.js';

const DUMPS = join(PROJECT, 'test/conformance/recordings/dumps');

interface DumpLine {
  readonly path: string;
  readonly type: 'file' | 'dir' | 'link' | 'chr';
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly size?: number;
  readonly rdev?: string;
  readonly target?: string;
  readonly content?: string;
  readonly read_errno?: string;
}

const KINDS: Readonly<Record<DumpLine['type'], EntryKind>> = { file: 'file', dir: 'dir', link: 'link', chr: 'char' };

/** `7.2-3-mdev-assigned`, .. */
export const dumpNames = (): string[] => readdirSync(DUMPS).map((name) => name.replace(/\.jsonl$/, ''));

export function dumpedRecord(name: string): MachineRecord {
  const lines = readFileSync(join(DUMPS, `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n');
  const entries = lines.map((line) => entryOf(JSON.parse(line) as DumpLine));
  return { facts: [['release', `${name.split('-')[0]}.0`]], entries };
}

function entryOf({ path, type, mode, uid, gid, size, rdev, target, content, read_errno }: DumpLine): RecordEntry {
  const bits = Number.parseInt(mode, 8);
  return {
    kind: KINDS[type],
    path,
    mode: bits,
    uid,
    gid,
    size: rdev ?? size ?? 0,
    ...(target !== undefined && { target }),
    ...(type === 'file' && bits & 0o444 && { content: content ?? '' }),
    ...(read_errno !== undefined && { error: read_errno }),
  };
}
