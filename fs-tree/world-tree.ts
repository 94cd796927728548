/**
 * A world as one tree: the host kernel's /sys with the control tree in it.
 */
import type { World } from '../lib/world.js';
import type { About } from './control/about.js';
import { controlDir } from './control/tree.js';
import type { Faults } from './faults/faults.js';
import type { TraceRing } from './host/trace.js';
import type { DirNode } from './kernfs/node.js';
import { StaticTree } from './kernfs/static-tree.js';
import { type SysfsView, sysfsRoot } from './sysfs/tree.js';

/** Inode numbers of the control tree lie above those of kobjects. */
const CONTROL_INO = 0xf000_0000;

/**
 * What a mount of this world shows as its root.
 * @param about what the control file of that name tells besides
 * @param view how much of a whole system's sysfs it stands for, and the fault rules that its operations obey
 */
export function worldTree(
  world: World,
  trace: TraceRing,
  about: About = {},
  view: Pick<SysfsView, 'otherDirectories'> & { readonly faults?: Faults } = {},
): DirNode {
  const { faults, ...sysfs } = view;
  const tree = new StaticTree(CONTROL_INO);
  const debug = tree.dir(0o700);
  debug.add('ap_sim', controlDir({ world, trace, tree, about, faults }));
  const { kernelDir } = world.kernel.core;
  return sysfsRoot(world.kernel, { ...sysfs, mounts: new Map([[kernelDir, new Map([['debug', debug]])]]) });
}
