/**
 * Checks of what is made after boot: mdevs, guests.
 */
import { DEFAULT_MODULES } from '../kernel.js';
import { idsOf } from './build.js';
import { QueueOwners } from './check-owners.js';
import type { GuestDescription, MachineDescription, MdevDescription } from './description.js';
import { didYouMean } from './nearest.js';
import type { FieldPath } from './problem.js';
import { idText, type Problems } from './problems.js';

/** Comparing each UUID with each takes the square of the time. */
const FEW_PAIRS = 10_000;

export function checkDevices(problems: Problems, description: MachineDescription): void {
  const { mdevs = [], guests = [], kernel = {} } = description;
  const modules: readonly string[] = kernel.modules ?? DEFAULT_MODULES;
  if (mdevs.length > 0 && !modules.includes('vfio_ap'))
    problems.error(['mdevs'], 'mediated devices need the module vfio_ap (kernel.modules)');
  const uuids = new Map<string, number>();
  const owners = new QueueOwners(description);
  const there = idsThere(description);
  for (const [i, mdev] of mdevs.entries()) {
    const uuid = mdev.uuid.toLowerCase();
    const first = uuids.get(uuid);
    if (first !== undefined) problems.error(['mdevs', i, 'uuid'], `mdevs[${first}] has this UUID already`);
    else uuids.set(uuid, i);
    checkMatrix(problems, there, mdev, ['mdevs', i]);
    owners.add(problems, mdev, i);
  }
  const started = new Map<string, number>();
  for (const [i, guest] of guests.entries()) {
    const { mdev, autostart = true } = guest;
    const uuid = mdev.toLowerCase();
    const near = guests.length * uuids.size > FEW_PAIRS ? [] : uuids.keys();
    if (!uuids.has(uuid)) problems.error(['guests', i, 'mdev'], `no mdev has this UUID${didYouMean(uuid, near)}`);
    const first = started.get(uuid);
    if (autostart && first !== undefined)
      problems.error(['guests', i, 'mdev'], `guests[${first}] has this mdev already`);
    if (autostart && first === undefined) started.set(uuid, i);
    checkGuestKernel(problems, guest, ['guests', i]);
  }
}

/** Without a virtual CPU nothing runs that could have a kernel or be told of anything. */
function checkGuestKernel(problems: Problems, guest: GuestDescription, path: FieldPath): void {
  if (guest.vcpus !== 0) return;
  for (const field of ['name', 'kernel', 'protected'] as const)
    if (guest[field] !== undefined)
      problems.warning([...path, field], 'a guest without virtual CPUs has no use for it');
}

type MatrixField = 'adapters' | 'domains' | 'controlDomains';
type IdsThere = Readonly<Record<MatrixField, { words: string; ids: ReadonlySet<number>; limit: number }>>;

function idsThere({ limits = {}, domains = {}, adapters = [] }: MachineDescription): IdsThere {
  const { usage = [], control = usage } = domains;
  const { adapter = 255, domain = 255 } = limits;
  return {
    adapters: { words: 'adapter', ids: new Set(adapters.flatMap(({ id }) => idsOf(id))), limit: adapter },
    domains: { words: 'usage domain', ids: new Set(usage), limit: domain },
    controlDomains: { words: 'control domain', ids: new Set(control), limit: domain },
  };
}

/** Ids above the limits are refused; ids that are not there are taken, and the guest does not get them. */
function checkMatrix(problems: Problems, there: IdsThere, mdev: MdevDescription, path: FieldPath): void {
  for (const field of ['adapters', 'domains', 'controlDomains'] as const) {
    const { words, ids: known, limit } = there[field];
    const ids = mdev[field] ?? [];
    problems.above([...path, field], field === 'adapters' ? 'adapter' : 'domain', ids, limit);
    problems.twice([...path, field], ids);
    const absent = ids.filter((id) => id <= limit && !known.has(id));
    if (absent.length > 0)
      problems.warning([...path, field], `the machine has no ${words} ${idText(absent)}; a guest will not get it`);
  }
}
