/**
 * Which machines are mounted: one small JSON file a mount, where their user may write.
 *
 * The folder is /run/ap-sysfs for root (all may read it), $XDG_RUNTIME_DIR/ap-sysfs
 * for others, else /tmp/ap-sysfs-UID; AP_SYSFS_RUNTIME_DIR is asked first. Root of a
 * user name space has no say in /run: it is the user who made the name space. An entry
 * is believed as long as its process lives (the same process: its start time is
 * noted too) and its tree is mounted; what is left of a daemon that was killed
 * is cleaned by whoever meets it.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isMounted } from '../../fs-tree/transport/mount-point.js';
import { Failure } from '../failure.js';

/** What a daemon notes about itself. */
export interface MountEntry {
  readonly mountPoint: string;
  readonly pid: number;
  /** Start time of the process in the system's ticks: tells it from a later one with the same number. */
  readonly pidStart: string;
  readonly uid: number;
  readonly machine: string;
  /** Release of the simulated kernel. */
  readonly kernel: string;
  readonly transport: string;
  /** Wall-clock time of the mount, ISO 8601. */
  readonly started: string;
  /** Where the daemon's words go, if it is one. */
  readonly log?: string;
}

/**
 * live: mounted, and its process is there; dead: the process is gone, the
 * mount is still there; elsewhere: mounted where we do not see it (another
 * mount name space).
 */
export type MountState = 'live' | 'dead' | 'elsewhere';

export interface FoundMount extends MountEntry {
  readonly state: MountState;
  /** It belongs to the run that we are in, and is noted nowhere. */
  readonly run?: true;
}

const SYSTEM_FOLDER = '/run/ap-sysfs';

/** Where the machine of the run around us is; undefined: we are in none. */
export function ownRunPath({ AP_SYSFS_RUN: run, AP_SYSFS: sys }: NodeJS.ProcessEnv = process.env): string | undefined {
  return (run && sys) || undefined;
}

/** Where the machines of this user are noted. */
export function registryFolder(env: NodeJS.ProcessEnv = process.env): string {
  const uid = process.getuid?.() ?? 0;
  if (env.AP_SYSFS_RUNTIME_DIR) return env.AP_SYSFS_RUNTIME_DIR;
  if (uid === 0 && mayWriteSystemFolder()) return SYSTEM_FOLDER;
  const { XDG_RUNTIME_DIR: runtime } = env;
  // It may be left over from another user (su), or not be there (containers).
  if (runtime && lstatSync(runtime, { throwIfNoEntry: false })?.uid === uid) return join(runtime, 'ap-sysfs');
  return join(tmpdir(), `ap-sysfs-${outerUid(uid)}`);
}

/** False for root of a user name space, and where /run cannot be written. */
function mayWriteSystemFolder(): boolean {
  try {
    const there = lstatSync(SYSTEM_FOLDER, { throwIfNoEntry: false }) !== undefined;
    accessSync(there ? SYSTEM_FOLDER : dirname(SYSTEM_FOLDER), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Who a user of this user name space is outside of it: the folder in /tmp is one for both. */
function outerUid(uid: number): number {
  try {
    for (const line of readFileSync('/proc/self/uid_map', 'utf8').split('\n')) {
      const [inside = Number.NaN, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number);
      if (uid >= inside && uid < inside + count) return outside + uid - inside;
    }
  } catch {
    // A kernel without user name spaces.
  }
  return uid;
}

/** The folder, made if need be. @throws Failure it is somebody else's, or cannot be made */
function writableFolder(): string {
  const folder = registryFolder();
  const uid = process.getuid?.() ?? 0;
  const next = 'set AP_SYSFS_RUNTIME_DIR to a directory of yours';
  try {
    mkdirSync(folder, { recursive: true, mode: uid === 0 ? 0o755 : 0o700 });
    const found = lstatSync(folder);
    if (found.isDirectory() && found.uid === uid) return folder;
  } catch (e) {
    throw new Failure(`${folder} cannot be made: ${(e as Error).message}`, { next });
  }
  throw new Failure(`${folder}, where mounts are noted, belongs to somebody else`, { next });
}

/** Name of the files about a mount: readable, and one for each directory. */
function fileName(mountPoint: string): string {
  const hash = createHash('sha256').update(mountPoint).digest('hex').slice(0, 10);
  return `${
    basename(mountPoint)
      .replace(/[^\w.-]/g, '_')
      .slice(0, 60) || 'root'
  }-${hash}`;
}

/** Where the daemon that is to be mounted there writes its words; its folder is made. */
export function logFileFor(directory: string): string {
  return join(writableFolder(), `${fileName(directory)}.log`);
}

/** Start time of a process; undefined: there is none. */
function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the program's name, may have anything in it; fields after it count from 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[22 - 3];
  } catch {
    return undefined;
  }
}

/** True while the very process of that entry lives. */
export const isAlive = ({ pid, pidStart }: MountEntry): boolean => processStart(pid) === pidStart;

/** Notes a mount of this process. @returns takes the note away */
export function register(entry: Omit<MountEntry, 'pid' | 'pidStart' | 'uid'>): () => void {
  const folder = writableFolder();
  const { pid } = process;
  const full: MountEntry = { ...entry, pid, pidStart: processStart(pid) ?? '', uid: process.getuid?.() ?? 0 };
  const path = join(folder, `${fileName(entry.mountPoint)}.json`);
  const draft = `${path}.${pid}`;
  writeFileSync(draft, `${JSON.stringify(full, undefined, 2)}\n`);
  renameSync(draft, path);
  return () => {
    // A later daemon on the same directory may have noted itself there.
    if (readEntry(path)?.pid === pid) rmSync(path, { force: true });
    if (entry.log !== undefined && isEmpty(entry.log)) rmSync(entry.log, { force: true });
  };
}

const isEmpty = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.size === 0;

function readEntry(path: string): MountEntry | undefined {
  try {
    const entry = JSON.parse(readFileSync(path, 'utf8')) as MountEntry;
    return typeof entry.mountPoint === 'string' && typeof entry.pid === 'number' ? entry : undefined;
  } catch {
    return undefined;
  }
}

function stateOf(entry: MountEntry): MountState | undefined {
  const mounted = isMounted(entry.mountPoint);
  if (isAlive(entry)) return mounted ? 'live' : 'elsewhere';
  return mounted ? 'dead' : undefined;
}

/** The machines that are mounted, ours and those that root shows to all, by directory. */
export function mounts(): FoundMount[] {
  const folders = new Set([registryFolder()]);
  if (!process.env.AP_SYSFS_RUNTIME_DIR) folders.add(SYSTEM_FOLDER);
  const found = new Map<string, FoundMount>();
  for (const folder of folders)
    for (const path of entriesIn(folder)) {
      const entry = readEntry(path);
      const state = entry && stateOf(entry);
      if (entry && state) found.set(entry.mountPoint, { ...entry, state });
      else forget(path);
    }
  return [...found.values()].sort((a, b) => (a.mountPoint < b.mountPoint ? -1 : 1));
}

function entriesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function forget(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Somebody else's: he will clean it.
  }
}
