/**
 * The /dev of a run: the host's, with the nodes of the simulated kernel in it.
 *
 * It is a tmpfs of the run. The host's nodes are bound into it; ours come and
 * go with those of the simulated devtmpfs, before the store that makes or
 * removes them is answered. Nobody can open ours: the tmpfs is mounted nodev,
 * for their numbers may be those of something else on the host. Root makes them
 * with their own number; who may not (a user name space) makes them 0:0, which
 * is a character device too, and the only one that the kernel allows.
 */
import { spawnSync } from 'node:child_process';
import {
  constants,
  type Dirent,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { DriverCore } from '../../lib/driver-core/core.js';
import type { DevNode } from '../../lib/driver-core/devtmpfs.js';
import type { Bind } from './real-sys.js';

/** What every program may want. */
const BASIC = ['null', 'zero', 'full', 'random', 'urandom', 'tty', 'console', 'pts', 'shm', 'mqueue'];

/** The simulated kernel's, also while it has no such node. */
const isOurs = (name: string): boolean => /^(?:z90crypt|zcrypt_.*|zcrypt|vfio)$/.test(name);

/**
 * Puts the host's /dev into an empty directory: links as they are, and places for the rest.
 * @param apart for programs that change the nodes that they find (udev): only basic ones, and those anew in this
 *   directory, which allows devices; undefined: all, and the host's own
 * @returns the mounts that fill the places
 */
export function hostNodes(directory: string, apart: string | undefined, dev = '/dev'): Bind[] {
  const binds: Bind[] = [];
  for (const entry of readdirSync(dev, { withFileTypes: true })) {
    const { name } = entry;
    const to = join(directory, name);
    // What is there already is the run's own; the host is a run too then.
    if (isOurs(name) || existsSync(to)) continue;
    if (entry.isSymbolicLink()) symlinkSync(readlinkSync(join(dev, name)), to);
    else if (name === 'ptmx') binds.push(...pseudoTerminals(directory, dev));
    else if (apart === undefined || BASIC.includes(name)) {
      makePlace(entry, to);
      binds.push({ from: join(dev, name), to });
    }
  }
  for (const [name, target] of Object.entries(STANDARD_LINKS)) linkIfMissing(target, join(directory, name));
  return apart === undefined ? binds : binds.map(({ from, to }) => ({ from: anew(from, apart), to }));
}

/** /dev/ptmx makes a terminal in the `pts` beside it, in the same mount: it is used where it was made. */
function pseudoTerminals(directory: string, dev: string): Bind[] {
  const whole = '.host';
  mkdirSync(join(directory, whole));
  symlinkSync(join(whole, 'ptmx'), join(directory, 'ptmx'));
  return [{ from: dev, to: join(directory, whole) }];
}

/** A device's node once more, if this user may make it; who may not, may not change the host's either. */
function anew(node: string, directory: string): string {
  const { rdev, mode } = statSync(node);
  if ((mode & constants.S_IFMT) !== constants.S_IFCHR) return node;
  const copy = join(directory, basename(node));
  const [major, minor] = [(rdev >>> 8) & 0xfff, (rdev & 0xff) | ((rdev >>> 12) & 0xfff00)];
  const words = ['-m', (mode & 0o777).toString(8), copy, 'c', String(major), String(minor)];
  const { status } = spawnSync('mknod', words, { stdio: 'ignore' });
  return status === 0 ? copy : node;
}

/** udev makes these, or whoever makes a container; programs count on them. */
const STANDARD_LINKS = { fd: '/proc/self/fd', stdin: 'fd/0', stdout: 'fd/1', stderr: 'fd/2' };

function makePlace(entry: Dirent, path: string): void {
  if (entry.isDirectory()) mkdirSync(path);
  else writeFileSync(path, '');
}

function linkIfMissing(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch {
    // The host has it.
  }
}

export class SimulatedNodes {
  readonly #made = new Map<string, DevNode>();

  /** @param directory a directory that only programs of the run see as /dev */
  constructor(
    private readonly core: DriverCore,
    private readonly directory: string,
  ) {}

  /** From now on the directory follows the simulated kernel: each node goes in front of its event, as there. */
  start(): void {
    this.#update();
    this.core.uevents.subscribe(() => this.#update());
  }

  #update(): void {
    const { nodes } = this.core.devtmpfs;
    for (const path of this.#made.keys()) if (!nodes.has(path)) this.#remove(path);
    const missing = [...nodes].filter(([path]) => !this.#made.has(path));
    if (missing.length > 0) this.#make(missing);
  }

  #make(missing: readonly (readonly [string, DevNode])[]): void {
    const words: string[] = [];
    for (const [path, node] of missing) {
      this.#made.set(path, node);
      mkdirSync(dirname(join(this.directory, path)), { recursive: true });
      words.push(join(this.directory, path), node.mode.toString(8), String(node.major), String(node.minor));
    }
    spawnSync('/bin/sh', ['-c', MAKE, 'mknod', ...words], { cwd: '/', stdio: ['ignore', 'inherit', 'inherit'] });
  }

  #remove(path: string): void {
    this.#made.delete(path);
    rmSync(join(this.directory, path), { force: true });
    const parent = dirname(path);
    if (parent === '.') return;
    try {
      rmdirSync(join(this.directory, parent));
    } catch {
      // There are others in it.
    }
  }
}

/** PATH MODE MAJOR MINOR ..; what the host has under that name stays. Kernels before 5.8 make no 0:0 for users: a file. */
const MAKE = `while [ $# -ge 4 ]; do
  [ -e "$1" ] || mknod -m "$2" "$1" c "$3" "$4" 2>/dev/null || mknod -m "$2" "$1" c 0 0 2>/dev/null ||
    { : >"$1" && chmod "$2" "$1"; }
  shift 4
done`;
