/**
 * The tree of a world, for whoever shows it: by a mount, or in memory.
 */
import type { World } from '../../lib/world.js';
import type { About } from '../control/about.js';
import { Ops, type OpsOptions } from '../ops.js';
import { StoreTrace } from '../stores.js';
import { worldTree } from '../world-tree.js';
import { besideOf } from './create-world.js';

export type Owner = NonNullable<OpsOptions['owner']>;

const stores = new WeakMap<World, StoreTrace>();

/** One log of stores a world, however many trees it is shown by. */
function storesOf(world: World): StoreTrace {
  let found = stores.get(world);
  if (!found) {
    const { tree, uevents } = world.kernel.core;
    stores.set(world, (found = new StoreTrace({ trace: besideOf(world).trace, tree, uevents })));
  }
  return found;
}

/** @param onBug told of what is no error of a kernel; its caller got EIO */
export function opsOf(world: World, owner: Owner, about: About, onBug: (error: unknown) => void): Ops {
  const { trace, faults } = besideOf(world);
  const { core, profile } = world.kernel;
  core.onBug = (_task, error) => onBug(error);
  return new Ops({
    root: worldTree(world, trace, about, { faults }),
    faults,
    stores: storesOf(world),
    now: Date.now,
    owner,
    changes: core.tree,
    lseekNeedsNode: profile.lseekAfterRemovalFails,
    onBug,
  });
}
