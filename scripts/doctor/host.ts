/**
 * What `doctor` looks at, so that a test can show it another system.
 */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export interface Host {
  readonly uid: number;
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
}

/**
 * This system.
 * @param root a directory to look into as if it were /; the addon is then not loaded
 */
export function thisHost(root = process.env.AP_SYSFS_DOCTOR_ROOT ?? '/'): Host {
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
    addonProblem: () => (root === '/' ? loadAddon() : undefined),
  };
}

function loadAddon(): string | undefined {
  try {
    createRequire(import.meta.url)('fuse-native');
    return undefined;
  } catch (e) {
    return (e instanceof Error ? e.message : String(e)).split('\n')[0];
  }
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
