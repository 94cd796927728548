/**
 * What the host has in those directories of /sys that a machine of ours shares
 * with it, and the mounts that bring both together.
 *
 * Whatever the simulated kernel can have is its own, also while it has it not:
 * a host with a vfio driver must not show through when the simulated one is
 * unloaded. Read once: buses, classes, modules and numbers that the host gets
 * later are not seen; what happens inside those that it has is.
 */
import { type Dirent, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { DirNode, Node } from '../../fs-tree/kernfs/node.js';
import type { Surroundings } from '../../fs-tree/surroundings.js';

/** Directories below /sys that show both, each behind the one that it is in. */
const SHARED = new Set([
  ...['bus', 'class', 'class/misc', 'devices', 'devices/virtual', 'devices/virtual/misc', 'module'],
  ...['dev', 'dev/char', 'kernel', 'kernel/debug', 'kernel/iommu_groups'],
]);

/** Shared, but /sys keeps its own: only what is in them is put into place. */
const PASSED_THROUGH = new Set(['', 'dev', 'kernel']);

/** Names that are ours though nothing may stand there at boot: they come with a module or a request. */
const OURS: Readonly<Record<string, readonly string[]>> = {
  bus: ['ap', 'matrix', 'mdev'],
  class: ['mdev_bus', 'vfio', 'vfio-dev', 'zcrypt'],
  'class/misc': ['hw_random', 'kvm', 'vfio', 'z90crypt'],
  devices: ['ap', 'vfio_ap'],
  'devices/virtual': ['vfio', 'vfio-dev', 'zcrypt'],
  'devices/virtual/misc': ['hw_random', 'kvm', 'vfio', 'z90crypt'],
};

/** One mount: what, and where. */
export interface Bind {
  readonly from: string;
  readonly to: string;
}

export interface Composition {
  readonly around: Surroundings;
  /** The host's directories and files onto their placeholders in the tree. */
  readonly inward: readonly Bind[];
  /** The directories of the tree onto those of /sys. */
  readonly outward: readonly Bind[];
}

/**
 * @param tree the machine's, as it is after boot
 * @param modules names of all modules that the simulated kernel knows
 * @param mountPoint where the tree will be mounted
 * @param sys the host's
 */
export function composition(tree: DirNode, modules: readonly string[], mountPoint: string, sys = '/sys'): Composition {
  const inward: Bind[] = [];
  const outward: Bind[] = [];
  const ours: Readonly<Record<string, readonly string[]>> = { ...OURS, module: modules };

  const directory = (dir: DirNode, path: string): Surroundings => {
    const within = new Map<string, Surroundings>();
    const foreign = new Map<string, 'dir' | 'file' | { readonly target: string }>();
    for (const entry of listed(join(sys, path))) {
      const { name } = entry;
      const below = join(path, name);
      const own: Node | undefined = dir.lookup(name);
      if (SHARED.has(below) && own?.kind === 'dir') {
        within.set(name, directory(own, below));
        if (PASSED_THROUGH.has(path) && !PASSED_THROUGH.has(below))
          outward.push({ from: join(mountPoint, below), to: join(sys, below) });
        continue;
      }
      if (PASSED_THROUGH.has(path) || own || ours[path]?.includes(name)) continue;
      if (entry.isSymbolicLink()) {
        const target = targetOf(join(sys, below));
        if (target !== undefined) foreign.set(name, { target });
      } else {
        foreign.set(name, entry.isDirectory() ? 'dir' : 'file');
        inward.push({ from: join(sys, below), to: join(mountPoint, below) });
      }
    }
    return { within, foreign };
  };
  return { around: directory(tree, ''), inward, outward };
}

/** Some are for root only: then they are as good as empty. */
function listed(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** Undefined: the link is gone since it was listed, as of a device that was unplugged. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Lines for `mount -a`: one process makes them all. */
export const fstab = (binds: readonly Bind[]): string =>
  binds.map(({ from, to }) => `${escaped(from)} ${escaped(to)} none rbind 0 0\n`).join('');

const escaped = (path: string): string =>
  path.replace(/[\s\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
