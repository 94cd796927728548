/**
 * Is this directory fit to mount on, and is the host fit to mount at all?
 *
 * Looks at /proc/self/mountinfo before it touches the directory: a directory
 * behind a dead or stuck daemon must not be asked. A mount whose daemon has
 * crashed (ENOTCONN) is taken away.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { mayAccess, mayUseFuse } from './access.js';
import { MountError } from './transport.js';

/** File system type in mountinfo: the kernel's `fuse.` and this subtype. */
export const FS_SUBTYPE = 'ap-sysfs';

/** How long a foreign daemon may take to answer whether it lives. */
const PROBE_TIMEOUT_MS = 3000;

interface MountInfo {
  /** Minor number of its device. */
  readonly minor: string;
  readonly path: string;
  readonly type: string;
  readonly source: string;
}

const OURS = `fuse.${FS_SUBTYPE}`;

/** All mounts that this process sees. */
function mountTable(): MountInfo[] {
  const plain = (text: string): string =>
    text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [left, right] = line.split(' - ');
      const [, , device, , at] = left?.split(' ') ?? [];
      const [type, source] = right?.split(' ') ?? [];
      return at && type
        ? [{ minor: device?.split(':')[1] ?? '', path: plain(at), type, source: plain(source ?? '') }]
        : [];
    });
}

/** What is mounted exactly there; the last line is on top. */
const mountsAt = (path: string): MountInfo[] => mountTable().filter((mount) => mount.path === path);

/** Where our trees are mounted, whoever has mounted them. */
export const mountedTrees = (): string[] =>
  mountTable()
    .filter(({ type }) => type === OURS)
    .map(({ path }) => path);

/** True while one of our trees is mounted exactly there. */
export function isMounted(path: string): boolean {
  return mountsAt(path).some(({ type }) => type === OURS);
}

/** What /sys/fs/fuse/connections calls the one that is mounted there. */
export function connectionOf(path: string): string {
  return mountsAt(path).at(-1)?.minor ?? '';
}

/** The absolute path without symbolic links, found without touching what may be mounted on it. */
function canonical(directory: string): string {
  const absolute = resolve(directory);
  try {
    const full = join(realpathSync(dirname(absolute)), basename(absolute));
    if (mountsAt(full).length > 0) return full;
    return lstatSync(full).isSymbolicLink() ? canonical(realpathSync(full)) : full;
  } catch (e) {
    if (isErrno(e, 'ENOENT')) throw new MountError('missing', `${directory} does not exist: make it with mkdir`);
    if (isErrno(e, 'ENOTDIR')) throw new MountError('not-a-directory', `${directory} is not a directory`);
    throw new MountError('no-permission', `${directory} cannot be looked at: ${text(e)}`);
  }
}

/**
 * Checks the directory and repairs what can be repaired.
 * @param say told of repairs
 * @returns the absolute path to mount on
 * @throws MountError
 */
export async function prepareMountPoint(directory: string, say: (line: string) => void): Promise<string> {
  const path = canonical(directory);
  for (let mounts = mountsAt(path); mounts.length > 0; ) {
    const top = mounts.at(-1) as MountInfo;
    if (!(top.type.startsWith('fuse') && (await isStale(path)))) throw new MountError('busy', describeBusy(path, top));
    say(`${path}: the daemon that was mounted here has died; taking its mount away`);
    const left = detach(path) ? mountsAt(path) : mounts;
    if (left.length >= mounts.length) throw new MountError('stale', staleText(path));
    mounts = left;
  }
  const found = lstatSync(path);
  if (!found.isDirectory()) throw new MountError('not-a-directory', `${path} is not a directory`);
  let content: string[];
  try {
    content = readdirSync(path);
    accessSync(path, constants.W_OK);
  } catch (e) {
    throw new MountError('no-permission', `you may not mount on ${path}: ${text(e)}`);
  }
  if (content.length > 0)
    throw new MountError('not-empty', `${path} is not empty (${content[0]}, ...): mount on an empty directory`);
  return path;
}

function describeBusy(path: string, { type, source }: MountInfo): string {
  const what = type === OURS ? 'another ap-sysfs is mounted on it' : `${source} (${type}) is mounted on it`;
  return `${path} is busy: ${what}; end that first, or choose another directory`;
}

/** True for a FUSE mount whose daemon is gone; false also if it is somebody else's, who lets us not look. */
export async function isStale(path: string): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<boolean>((done) => {
    timer = setTimeout(() => done(false), PROBE_TIMEOUT_MS);
  });
  // What stat says the kernel may remember; a listing it must ask for.
  const probe = opendir(path).then(
    (dir) => dir.close().then(() => false),
    (e: unknown) => isErrno(e, 'ENOTCONN') || isErrno(e, 'ECONNABORTED'),
  );
  try {
    return await Promise.race([probe, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** The command that takes a mount away, whoever still uses it. */
export function detachCommand(path: string): [string, ...string[]] {
  return process.getuid?.() === 0 ? ['umount', '-l', path] : [fusermount() ?? 'fusermount', '-u', '-z', path];
}

function detach(path: string): boolean {
  const [command, ...args] = detachCommand(path);
  return spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], cwd: '/' }).status === 0;
}

function staleText(path: string): string {
  return `${path} is left over from a daemon that died and cannot be taken away: try ${detachCommand(path).join(' ')}`;
}

/** Is /dev/fuse there for us? @throws MountError */
export function checkDevice(): void {
  if (!existsSync('/dev/fuse'))
    throw new MountError('no-device', 'there is no /dev/fuse: load the kernel module with `modprobe fuse` (as root)');
  if (!mayUseFuse())
    throw new MountError('no-permission', 'you may not use /dev/fuse: `chmod 666 /dev/fuse` (as root) allows it');
}

/** Is there what libfuse needs? @throws MountError */
export function checkHost(): void {
  checkDevice();
  // libfuse2 itself starts the older name, which the packages of both have.
  if (process.getuid?.() !== 0 && !findProgram('fusermount'))
    throw new MountError('no-helper', 'the program fusermount is missing: install the package fuse3 (or fuse)');
}

/** The helper that unmounts for ordinary users, and mounts: fuse3 calls it fusermount3, fuse2 fusermount. */
export function fusermount(): string | undefined {
  return findProgram('fusermount3') ?? findProgram('fusermount');
}

/** Its path; undefined: it is not there, or not for this user. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/bin', '/usr/bin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((file) => mayAccess(file, constants.X_OK));
}

function isErrno(e: unknown, code: string): boolean {
  return e instanceof Error && (e as NodeJS.ErrnoException).code === code;
}

function text(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}
