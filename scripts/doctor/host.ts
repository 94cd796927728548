/**
 * What `doctor` looks at, so that a test can show it another system.
 */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { namespaceProblem } from '../run/namespace.js';

export interface Host {
  readonly uid: number;
  readonly gid: number;
  /** Of this user; undefined: the system knows none. */
  readonly userName: string | undefined;
  readonly nodeVersion: string;
  exists(path: string): boolean;
  /** May this user read and write it? */
  usable(path: string): boolean;
  /** Undefined if it cannot be read. */
  read(path: string): string | undefined;
  /** Names in a directory; none if there is no such. */
  list(path: string): readonly string[];
  /** Where programs are. */
  readonly path: readonly string[];
  /** What loading the addon fuse-native says; undefined: it loads. */
  addonProblem(): string | undefined;
  /** What making name spaces for a run says; undefined: they can be had. */
  namespaceProblem(): string | undefined;
}

/**
 * This system.
 *
 * With AP_SYSFS_DOCTOR_ROOT: a directory to look into as if it were /; the
 * addon is then not loaded, and no name space made.
 * @param addonProblem tells what loading the addon says
 */
export function thisHost(addonProblem: Host['addonProblem'] = () => undefined): Host {
  const root = process.env.AP_SYSFS_DOCTOR_ROOT ?? '/';
  const at = (path: string): string => join(root, path);
  const tried = <T>(body: () => T): T | undefined => {
    try {
      return body();
    } catch {
      return undefined;
    }
  };
  return {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    userName: root === '/' ? tried(() => userInfo().username) : nameIn(at('/etc/passwd'), process.getuid?.() ?? 0),
    nodeVersion: process.versions.node,
    exists: (path) => existsSync(at(path)),
    usable: (path) =>
      tried(() => {
        accessSync(at(path), constants.R_OK | constants.W_OK);
        return true;
      }) ?? false,
    read: (path) => tried(() => readFileSync(at(path), 'utf8')),
    list: (path) => tried(() => readdirSync(at(path))) ?? [],
    path: [...new Set([...(process.env.PATH ?? '').split(':'), '/bin', '/usr/bin', '/sbin', '/usr/sbin'])].filter(
      Boolean,
    ),
    addonProblem: () => (root === '/' ? addonProblem() : undefined),
    namespaceProblem: () => (root === '/' ? namespaceProblem() : undefined),
  };
}

/** The name of a user in a file like /etc/passwd. */
function nameIn(file: string, uid: number): string | undefined {
  if (!existsSync(file)) return undefined;
  const users = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  return users.find(([, , id]) => id === String(uid))?.[0];
}

export const hasProgram = (host: Host, name: string): boolean => host.path.some((dir) => host.exists(join(dir, name)));

/** Looks where the dynamic linker looks on the usual distributions. */
export function hasLibrary(host: Host, name: string): boolean {
  const folders = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', '/usr/local/lib'];
  const multiarch = ['/lib', '/usr/lib'].flatMap((dir) =>
    host
      .list(dir)
      .filter((entry) => entry.includes('-linux-gnu'))
      .map((entry) => join(dir, entry)),
  );
  return [...folders, ...multiarch].some((dir) => host.exists(join(dir, name)));
}
