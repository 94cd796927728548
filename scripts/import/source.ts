/**
 * A file, or a folder, as a picture of a sysfs: which kind it is shows in what
 * it begins with.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ImportError, isRecord, parseRecord } from '../record/format.js';
import { isLszcrypt, readLszcrypt } from './lszcrypt.js';
import { Picture } from './picture.js';
import { gunzip, isGzip, isTar, TarError, type TarMember, tarMembers } from './tar.js';
import { isUmockdev, readUmockdev } from './umockdev.js';

const REASONS: Readonly<Record<string, string>> = { ENOENT: 'there is no such file', EACCES: 'you may not read it' };

/** @throws ImportError it cannot be read, is damaged, or is nothing that is known */
export function readSource(name: string): Picture {
  const picture = isDirectory(name) ? readCopy(name) : readBytes(contents(name), name);
  if (picture.list('devices/ap').length === 0 && !picture.has('bus/ap'))
    throw new ImportError(name, undefined, 'there is no AP bus and no card in it');
  return picture;
}

function isDirectory(name: string): boolean {
  try {
    return lstatSync(name).isDirectory();
  } catch {
    return false;
  }
}

function contents(name: string): Buffer {
  try {
    // 0 is stdin.
    return readFileSync(name === '-' ? 0 : name);
  } catch (e) {
    const { code = '', message } = e as NodeJS.ErrnoException;
    throw new ImportError(name, undefined, REASONS[code] ?? message);
  }
}

/** @param name for messages */
export function readBytes(bytes: Buffer, name: string): Picture {
  try {
    const plain = isGzip(bytes) ? gunzip(bytes) : bytes;
    if (isTar(plain)) return readArchive(plain, name);
    const text = plain.toString('latin1').replaceAll('\r\n', '\n');
    if (isRecord(text)) return readRecord(text, name);
    if (isUmockdev(text)) return readUmockdev(text, name);
    if (isLszcrypt(text)) return readLszcrypt(text, name);
  } catch (e) {
    if (e instanceof TarError) throw new ImportError(name, undefined, e.message);
    throw e;
  }
  throw new ImportError(
    name,
    1,
    'this is none of: a record (ap-sysfs record), a sysfs.tgz of dbginfo.sh, an umockdev description, output of lszcrypt -V',
  );
}

function readRecord(text: string, name: string): Picture {
  const picture = new Picture('record', name);
  const { facts, entries } = parseRecord(text, name);
  for (const [key, value] of facts) {
    if (key === 'sysinfo') picture.sysinfo.push(value);
    else picture.facts.set(key, value);
  }
  picture.addEntries(entries);
  return picture;
}

/** dbginfo.sh packs sysfs.tgz, and that with all else into another archive. */
const INNER = /(?:^|\/)sysfs\.tgz$/;
const BELOW_SYS = /^(?:.*\/)?sys\/(.+?)\/?$/;

function readArchive(archive: Buffer, name: string): Picture {
  const picture = new Picture('archive', name);
  let inner: TarMember | undefined;
  for (const member of tarMembers(archive)) {
    if (INNER.test(member.name)) inner = member;
    const path = BELOW_SYS.exec(member.name)?.[1];
    if (path === undefined) outside(picture, member);
    else if (member.type === 'dir') picture.addDirectory(path);
    else if (member.type === 'link') picture.addLink(path, member.target);
    // Files of 4096 bytes whose rest was filled up with zeros, as tar does.
    else picture.addFile(path, member.content.replace(/\0+$/, ''));
  }
  if (inner && !picture.has('bus')) return readArchive(gunzip(Buffer.from(inner.content, 'latin1')), name);
  return picture;
}

/** What stands beside a sysfs in such archives. */
function outside(picture: Picture, { name, content }: TarMember): void {
  if (/(?:^|\/)proc\/cmdline$/.test(name)) picture.facts.set('cmdline', content.trim());
  if (/(?:^|\/)proc\/sysinfo$/.test(name))
    picture.sysinfo.push(...content.split('\n').map((line) => line.replace(/: +/, ': ')));
  if (/(?:^|\/)proc\/version$/.test(name)) {
    const release = /^Linux version (\S+)/.exec(content)?.[1];
    if (release !== undefined) picture.facts.set('release', release);
  }
}

/** A copy of /sys, or of a folder that has it. Links are not followed. */
function readCopy(folder: string): Picture {
  const picture = new Picture('directory', folder);
  const root = readdirSync(folder).includes('sys') ? join(folder, 'sys') : folder;
  const walk = (path: string): void => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const below = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) {
        picture.addDirectory(below);
        walk(below);
      } else if (entry.isSymbolicLink()) picture.addLink(below, readlinkSync(join(root, below)));
      else if (entry.isFile()) picture.addFile(below, contentOf(join(root, below)));
    }
  };
  for (const top of ['bus', 'class', 'devices', 'module', 'firmware', 'kernel/iommu_groups'])
    if (isDirectory(join(root, top))) {
      picture.addDirectory(top);
      walk(top);
    }
  return picture;
}

/** Unreadable files are there, without a content. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
