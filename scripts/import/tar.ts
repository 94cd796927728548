/**
 * Members of a tar archive: names, contents, link targets.
 *
 * ustar with the extensions of GNU and pax for long names, which is what
 * dump2tar and tar write. Nothing is unpacked: an archive from somewhere else
 * cannot put a file anywhere. Leaves out sparse files and multi-volume archives.
 */
import { gunzipSync } from 'node:zlib';

export interface TarMember {
  readonly name: string;
  readonly type: 'file' | 'link' | 'dir';
  readonly target: string;
  /** Bytes as a latin1 string. */
  readonly content: string;
}

/** A damaged archive. */
export class TarError extends Error {}

const BLOCK = 512;
const GZIP = [0x1f, 0x8b];

export const isGzip = (bytes: Buffer): boolean => bytes[0] === GZIP[0] && bytes[1] === GZIP[1];

/** It has the magic word of a tar header. */
export const isTar = (bytes: Buffer): boolean => bytes.toString('latin1', 257, 262) === 'ustar';

/** @throws TarError */
export function gunzip(bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes);
  } catch (e) {
    throw new TarError(`it cannot be uncompressed (${e instanceof Error ? e.message : String(e)})`);
  }
}

const text = (block: Buffer, start: number, length: number): string =>
  block.toString('latin1', start, start + length).replace(/\0[\s\S]*$/, '');

/** Octal digits, or with the top bit set a binary number. @throws TarError */
function number(block: Buffer, start: number, length: number): number {
  if ((block[start] ?? 0) & 0x80) return Number(block.readBigUInt64BE(start + length - 8));
  const digits = text(block, start, length).trim();
  if (!/^[0-7]*$/.test(digits)) throw new TarError(`a number of a header is damaged: "${digits}"`);
  return Number.parseInt(digits || '0', 8);
}

function checkSum(block: Buffer): void {
  let sum = 8 * 0x20;
  for (const [i, byte] of block.entries()) if (i < 148 || i >= 156) sum += byte;
  if (sum !== number(block, 148, 8)) throw new TarError('a header is damaged');
}

/** `27 path=sys/bus/..` lines of a pax header. */
function pax(content: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, key = '', value = ''] of content.matchAll(/^\d+ ([^=]+)=(.*)$/gm)) found.set(key, value);
  return found;
}

/** All members. @throws TarError it is damaged or cut off */
export function* tarMembers(archive: Buffer): Generator<TarMember> {
  let longName: string | undefined;
  let longTarget: string | undefined;
  let extra = new Map<string, string>();
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return;
    checkSum(header);
    const size = Number(extra.get('size') ?? number(header, 124, 12));
    const end = at + BLOCK + size;
    if (end > archive.length) throw new TarError('it is cut off');
    const content = archive.toString('latin1', at + BLOCK, end);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const type = String.fromCharCode(header[156] ?? 0);
    if (type === 'L') longName = content.replace(/\0.*$/s, '');
    else if (type === 'K') longTarget = content.replace(/\0.*$/s, '');
    else if (type === 'x') extra = pax(content);
    else if (type !== 'g') {
      const prefix = isTar(header) && header[263] === 0x30 ? text(header, 345, 155) : '';
      const short = prefix === '' ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`;
      const name = extra.get('path') ?? longName ?? short;
      const target = extra.get('linkpath') ?? longTarget ?? text(header, 157, 100);
      if (type === '0' || type === '\0' || type === '7') yield { name, type: 'file', target: '', content };
      else if (type === '2') yield { name, type: 'link', target, content: '' };
      else if (type === '5') yield { name, type: 'dir', target: '', content: '' };
      longName = undefined;
      longTarget = undefined;
      extra = new Map();
    }
  }
  throw new TarError('it is cut off');
}
