/**
 * Who has which queue, and how it does: one letter for the owner, one sign for its state.
 */
import { colour } from '../output/terminal.js';
import { apqn, idsInMask } from './ids.js';
import type { GuestView, MachineView, MatrixView, MdevView, QueueView } from './read.js';

/** An mdev with its letter, its guest, and what is kept from it. */
export interface MdevSummary {
  readonly mdev: MdevView;
  /** `a`, `b`, ...; `#` when letters run out. */
  readonly letter: string;
  /** The guest that has it open, running. */
  readonly guest: GuestView | undefined;
  /** What a guest has, or would have. */
  readonly gets: MatrixView;
  /** Adapters that are assigned, but kept from the guest, with the reason. */
  readonly filtered: readonly { readonly adapter: number; readonly reason: string }[];
  /** Domains likewise. */
  readonly filteredDomains: readonly number[];
}

export interface Cell {
  /** `Z` zcrypt, `v` vfio_ap, a letter for an mdev, `-` no driver, ` ` no queue. */
  readonly owner: string;
  /** What is remarkable, or a blank. */
  readonly state: string;
}

const LETTERS = 'abcdefghijklmnopqrstuwxy';

export function summarise(view: MachineView): MdevSummary[] {
  const queues = new Map(view.queues.map((queue) => [apqn(queue.adapter, queue.domain), queue]));
  return view.mdevs.map((mdev, i) => {
    const guest = view.guests?.find(({ uuid, open }) => uuid === mdev.uuid && open);
    const apcb = guest?.apcb;
    const gets = apcb ? { adapters: idsInMask(apcb.apm), domains: idsInMask(apcb.aqm) } : mdev.guest;
    const domains = mdev.assigned.domains.filter((domain) => view.usageDomains?.includes(domain) ?? true);
    return {
      mdev,
      letter: LETTERS[i] ?? '#',
      guest,
      gets,
      filtered: mdev.assigned.adapters
        .filter((adapter) => !gets.adapters.includes(adapter))
        .map((adapter) => ({ adapter, reason: whyFiltered(view, queues, adapter, domains) })),
      filteredDomains: mdev.assigned.domains.filter((domain) => !domains.includes(domain)),
    };
  });
}

/** The rule is vfio_ap's: an adapter goes as a whole when one of its queues is not to be had. */
function whyFiltered(
  view: MachineView,
  queues: ReadonlyMap<string, QueueView>,
  adapter: number,
  domains: readonly number[],
): string {
  if (view.hostAdapters && !view.hostAdapters.includes(adapter)) return 'the host has no such adapter';
  const lost = domains.flatMap((domain) => {
    const name = apqn(adapter, domain);
    const queue = queues.get(name);
    if (!queue) return [`${name} does not exist`];
    if (queue.driver === 'vfio_ap') return [];
    return [queue.driver === undefined ? `${name} has no driver` : `${name} is bound to ${queue.driver}`];
  });
  if (lost.length > 2) return `${lost[0]}, and ${lost.length - 1} more like it`;
  return lost.join(', ') || 'the last reset of one of its queues failed (ap-sysfs dmesg)';
}

/** The signs, and what each means; a legend shows those that occur. */
export const OWNERS: Readonly<Record<string, string>> = {
  Z: 'the host, zcrypt',
  v: 'vfio_ap, for guests',
  '-': 'no driver',
};
export const STATES: Readonly<Record<string, string>> = {
  '*': 'in a running guest',
  '~': 'assigned, but kept from the guest',
  o: 'offline',
  d: 'deconfigured',
  '!': 'check-stopped',
};

/** Computes cells by adapter and domain. */
export function cellsOf(view: MachineView, mdevs: readonly MdevSummary[]): ReadonlyMap<string, Cell> {
  const cards = new Map(view.cards.map((card) => [card.id, card]));
  const sets = mdevs.map(({ mdev, gets }) => ({
    assigned: { adapters: new Set(mdev.assigned.adapters), domains: new Set(mdev.assigned.domains) },
    gets: { adapters: new Set(gets.adapters), domains: new Set(gets.domains) },
  }));
  const cells = new Map<string, Cell>();
  for (const { adapter, domain, driver, online } of view.queues) {
    const card = cards.get(adapter);
    const at = sets.findIndex(({ assigned }) => assigned.adapters.has(adapter) && assigned.domains.has(domain));
    const mdev = driver === 'cex4queue' ? undefined : mdevs[at];
    let owner = driver === undefined ? '-' : driver === 'vfio_ap' ? 'v' : 'Z';
    if (mdev && driver === 'vfio_ap') owner = mdev.letter;
    let state = ' ';
    if (card && !card.configured) state = 'd';
    else if (card?.checkstopped) state = '!';
    else if (online === false || (driver === 'cex4queue' && card?.online === false)) state = 'o';
    else if (mdev) {
      const got = sets[at]?.gets;
      if (!got?.adapters.has(adapter) || !got.domains.has(domain)) state = '~';
      else if (mdev.guest) state = '*';
    }
    cells.set(apqn(adapter, domain), { owner, state });
  }
  return cells;
}

/** In colours that say the same as the signs. */
export function paint({ owner, state }: Cell, text: string): string {
  if (state === '!') return colour.red(text);
  if (state === 'd' || state === 'o') return colour.yellow(text);
  if (state === '~') return colour.magenta(text);
  if (owner === '-') return colour.dim(text);
  if (owner === 'Z') return colour.green(text);
  return owner === 'v' ? colour.cyan(text) : state === '*' ? colour.bold(colour.cyan(text)) : colour.cyan(text);
}
