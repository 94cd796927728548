/**
 * Assigning to and unassigning from a matrix, one id at a time.
 *
 * Mirrors `assign_adapter_store` … `unassign_control_domain_store` and the hot
 * unplug of several ids that `ap_config` shares with them. Locks come first,
 * even before the number is parsed. spec/vfio-ap.md 4.1 to 4.3.
 */
import { KernelError } from '../errno.js';
import { mkQid } from '../hardware/instructions.js';
import type { Task } from '../sync/task.js';
import { Mask } from '../text/bitmap.js';
import { kstrtoul } from '../text/kstrto.js';
import { filterControlDomains, filterMatrix } from './filter.js';
import { updateGuestApcb } from './guest.js';
import { freeAqicResources } from './irq.js';
import { getAssignLocks, holding } from './locks.js';
import type { MatrixMdev } from './matrix.js';
import type { VfioApQueue } from './queue.js';
import { resetList, resetQueuesForApids } from './reset.js';
import { validateMasks } from './validate.js';

export type Kind = 'adapter' | 'domain';

/** Where a kind of id is kept, and the other one. */
const MASK = { adapter: 'apm', domain: 'aqm' } as const;
const OTHER = { adapter: 'aqm', domain: 'apm' } as const;
const MAXIMUM = { adapter: 'apmMax', domain: 'aqmMax' } as const;

/** @throws EINVAL, ERANGE no number; ENODEV above the maximum */
function parseId(written: string, maximum: number): number {
  const id = kstrtoul(written);
  if (id > BigInt(maximum)) throw new KernelError('ENODEV');
  return Number(id);
}

/** The APQNs of an id with all assigned ids of the other kind. */
function* partners(mdev: MatrixMdev, kind: Kind, id: number): Generator<readonly [apid: number, apqi: number]> {
  for (const other of mdev.matrix[OTHER[kind]].bits()) yield kind === 'adapter' ? [id, other] : [other, id];
}

/** Puts the queues of an id into the table (`vfio_ap_mdev_link_adapter`, `_link_domain`). */
export function linkId(mdev: MatrixMdev, kind: Kind, id: number): void {
  for (const [apid, apqi] of partners(mdev, kind, id)) mdev.linkApqn(apid, apqi);
}

/**
 * assign_adapter, assign_domain.
 * @throws EINVAL, ERANGE; ENODEV above the maximum; EADDRNOTAVAIL, EADDRINUSE of the validation
 */
export async function assignStore(task: Task, mdev: MatrixMdev, kind: Kind, written: string): Promise<void> {
  await holding(await getAssignLocks(task, mdev.va, mdev), async () => {
    const { matrix } = mdev;
    const mask = MASK[kind];
    const id = parseId(written, matrix[MAXIMUM[kind]]);
    if (matrix[mask].has(id)) return;
    matrix[mask].set(id);
    try {
      validateMasks(task, mdev);
    } catch (e) {
      matrix[mask].clear(id);
      throw e;
    }
    linkId(mdev, kind, id);
    const filtered = Mask.zeros();
    if (!filterMatrix(mdev, filtered)) return;
    updateGuestApcb(task, mdev);
    await resetQueuesForApids(mdev, filtered);
  });
}

/** unassign_adapter, unassign_domain. No filter run: what had been filtered stays so. @throws EINVAL, ERANGE; ENODEV */
export async function unassignStore(task: Task, mdev: MatrixMdev, kind: Kind, written: string): Promise<void> {
  await mdev.updating(task, async () => {
    const { matrix } = mdev;
    const mask = MASK[kind];
    const id = parseId(written, matrix[MAXIMUM[kind]]);
    if (!matrix[mask].has(id)) return;
    matrix[mask].clear(id);
    await hotUnplug(task, mdev, kind, Mask.of(id));
  });
}

/** Unlinks the queues of these ids, takes the ids from the guest with one update, and resets what it had. */
export async function hotUnplug(task: Task, mdev: MatrixMdev, kind: Kind, ids: Mask): Promise<void> {
  const { shadowApcb } = mdev;
  const mask = MASK[kind];
  const unlinked: VfioApQueue[] = [];
  const plugged: VfioApQueue[] = [];
  let changed = false;
  for (const id of ids.bits()) {
    for (const [apid, apqi] of partners(mdev, kind, id)) {
      const q = mdev.queue(mkQid(apid, apqi));
      if (!q) continue;
      mdev.unlink(q);
      unlinked.push(q);
      if (shadowApcb.has(apid, apqi)) plugged.push(q);
    }
    if (!shadowApcb[mask].has(id)) continue;
    shadowApcb[mask].clear(id);
    changed = true;
  }
  if (changed) updateGuestApcb(task, mdev);
  await resetList(plugged);
  for (const q of unlinked) {
    // What the guest had set up on a filtered queue would have no owner any more.
    freeAqicResources(q);
    q.owner = undefined;
  }
}

/** assign_control_domain: neither validated nor exclusive. @throws EINVAL, ERANGE; ENODEV */
export async function assignControlDomain(task: Task, mdev: MatrixMdev, written: string): Promise<void> {
  await mdev.updating(task, () => {
    const { matrix } = mdev;
    const id = parseId(written, matrix.admMax);
    if (matrix.adm.has(id)) return;
    matrix.adm.set(id);
    if (filterControlDomains(mdev)) updateGuestApcb(task, mdev);
  });
}

/** unassign_control_domain. @throws EINVAL, ERANGE; ENODEV */
export async function unassignControlDomain(task: Task, mdev: MatrixMdev, written: string): Promise<void> {
  await mdev.updating(task, () => {
    const { matrix, shadowApcb } = mdev;
    const id = parseId(written, matrix.admMax);
    if (!matrix.adm.has(id)) return;
    matrix.adm.clear(id);
    if (!shadowApcb.adm.has(id)) return;
    shadowApcb.adm.clear(id);
    updateGuestApcb(task, mdev);
  });
}
