/**
 * What is compared: the host's own sysfs, C programs on libfuse3, and this
 * project over its two transports. All have a file four names deep.
 */
import { constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mayAccess } from '../../../fs-tree/transport/access.js';
import { Missing, Served } from '../mounts.js';
import { buildTree } from './build.js';

export const OPERATIONS = ['open', 'pread', 'stat', 'readdir', 'write'] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface System {
  readonly name: SystemName;
  /** What the operation is done on; undefined: it cannot be done. */
  path(operation: Operation): string | undefined;
  /** Of the process that serves it; 0: the kernel does. */
  readonly pid: number;
  pin(cpus: string): Promise<void>;
}

export const SYSTEMS = [
  'sysfs',
  'C single',
  'C multi',
  'C cached',
  'C multi cached',
  'fuse-native',
  'dev-fuse',
] as const;
export type SystemName = (typeof SYSTEMS)[number];

/** So many files as a card of the default machine has entries. */
const FILES = 20;
/** For ever, as far as a benchmark goes. */
const CACHED_SECONDS = 100_000;

const C_PROGRAM: Partial<Record<SystemName, readonly [seconds: number, threads: string]>> = {
  'C single': [0, 'single'],
  'C multi': [0, 'multi'],
  'C cached': [CACHED_SECONDS, 'single'],
  'C multi cached': [CACHED_SECONDS, 'multi'],
};

/** @throws Missing */
export async function start(name: SystemName): Promise<System> {
  if (name === 'sysfs') return hostSysfs();
  if (name === 'fuse-native' || name === 'dev-fuse') return ours(name, await Served.machine('default', name));
  const [seconds, threads] = C_PROGRAM[name] ?? [0, 'single'];
  const served = await Served.start(await buildTree(), ['DIR', String(seconds), threads, String(FILES)]);
  const directory = join(served.directory, 'devices/ap/card00');
  const path = (operation: Operation): string => (operation === 'readdir' ? directory : join(directory, 'file3'));
  return { name, path, pid: served.pid, pin: (cpus) => served.pin(cpus) };
}

function ours(name: SystemName, served: Served): System {
  const below = (path: string): string => join(served.directory, path);
  return {
    name,
    pid: served.pid,
    pin: (cpus) => served.pin(cpus),
    path(operation) {
      if (operation === 'readdir') return below('devices/ap/card00');
      return below(operation === 'write' ? 'devices/ap/card00/request_count' : 'devices/ap/card00/type');
    },
  };
}

/** Files of a kernel that take their own value back and do nothing then. */
const HARMLESS = ['/sys/module/printk/parameters/time', '/sys/module/kernel/parameters/panic'];

function hostSysfs(): System {
  const file = '/sys/devices/system/cpu/online';
  try {
    readFileSync(file);
  } catch {
    throw new Missing(`there is no ${file}`);
  }
  return {
    name: 'sysfs',
    pid: 0,
    pin: () => Promise.resolve(),
    path(operation) {
      if (operation === 'readdir') return '/sys/devices/system/cpu';
      return operation === 'write' ? HARMLESS.find(writable) : file;
    },
  };
}

const writable = (path: string): boolean => mayAccess(path, constants.W_OK);
