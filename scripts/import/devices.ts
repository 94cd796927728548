/**
 * Mediated devices, and who uses them.
 */
import type { GuestDescription, MdevDescription } from '../../lib/description/description.js';
import { idsInMask } from '../show/ids.js';
import type { SeenCard } from './adapters.js';
import type { Notes } from './notes.js';
import type { Picture } from './picture.js';

const MATRIX = 'devices/vfio_ap/matrix';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Bytes at which the kernel ends a listing. */
const PAGE_END = 4095;

/** In the order in which they were made, as their IOMMU groups tell it. */
export function mdevEntries(picture: Picture, notes: Notes): MdevDescription[] {
  const uuids = picture.list(MATRIX).filter((name) => UUID.test(name));
  const group = (uuid: string): number => Number(picture.link(`${MATRIX}/${uuid}/iommu_group`) ?? Number.NaN);
  const numbered = uuids.map((uuid) => ({ uuid, group: group(uuid) }));
  for (const { uuid, group } of numbered)
    if (Number.isNaN(group)) notes.of('mdevs without a driver (made with one): %s', uuid);
  numbered.sort((a, b) => (a.group || 0) - (b.group || 0));
  if (numbered.some(({ group }, i) => !Number.isNaN(group) && group !== i))
    notes.add('IOMMU groups that are gone or not of an mdev: the numbers of the others are different');
  return numbered.map(({ uuid }) => ({ uuid, ...assigned(picture, `${MATRIX}/${uuid}`, uuid, notes) }));
}

type Assigned = Omit<MdevDescription, 'uuid'>;

function assigned(picture: Picture, path: string, uuid: string, notes: Notes): Assigned {
  const [apm, aqm, adm] = (picture.read(`${path}/ap_config`) ?? '').split(',');
  if (apm && aqm && adm) return named(idsInMask(apm), idsInMask(aqm), idsInMask(adm));
  const matrix = picture.raw(`${path}/matrix`) ?? '';
  if (matrix.length >= PAGE_END) notes.of('the end of a matrix that is longer than a page: %s', uuid);
  const adapters = new Set<number>();
  const domains = new Set<number>();
  for (const line of matrix.split('\n')) {
    const [, adapter, domain] = /^([0-9a-f]{2})?\.([0-9a-f]{4})?$/.exec(line) ?? [];
    if (adapter !== undefined) adapters.add(Number.parseInt(adapter, 16));
    if (domain !== undefined) domains.add(Number.parseInt(domain, 16));
  }
  const control = (picture.read(`${path}/control_domains`) ?? '').split('\n').filter((line) => line !== '');
  return named(
    [...adapters],
    [...domains],
    control.map((line) => Number.parseInt(line, 16)),
  );
}

const named = (adapters: number[], domains: number[], controlDomains: number[]): Assigned => ({
  ...(adapters.length > 0 && { adapters }),
  ...(domains.length > 0 && { domains }),
  ...(controlDomains.length > 0 && { controlDomains }),
});

/**
 * Mdevs with a queue that is in use: a guest has it. One that has enabled no
 * interrupt of its queues does nothing with them: its virtual CPUs stand.
 */
export function guestEntries(
  picture: Picture,
  cards: readonly SeenCard[],
  mdevs: readonly MdevDescription[],
  notes: Notes,
): GuestDescription[] {
  /** The file `interrupt` of queues in use. */
  const used = new Map<number, string>();
  for (const { queues } of cards)
    for (const { apid, apqi, path } of queues)
      if (picture.read(`${path}/status`) === 'in use')
        used.set(apid * 256 + apqi, picture.read(`${path}/interrupt`) ?? '');
  const guests: GuestDescription[] = [];
  for (const { uuid, adapters = [], domains = [] } of mdevs) {
    const interrupts = adapters
      .flatMap((apid) => domains.map((apqi) => used.get(apid * 256 + apqi)))
      .filter((text) => text !== undefined);
    if (interrupts.length === 0) continue;
    const idle = interrupts.every((text) => text === 'Interrupts disabled.');
    guests.push({ mdev: uuid, ...(idle && { vcpus: 0 }) });
  }
  if (guests.length > 0)
    notes.add(
      'virtual CPUs of the guests (0 where no interrupt is enabled), and whether they give a device back when asked',
    );
  return guests;
}
