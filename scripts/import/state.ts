/**
 * What was done to a system since it came up: where it differs from how it
 * would be after boot.
 */
import type {
  BusState,
  CardState,
  QueueState,
  StateDescription,
  ZcryptNodeState,
} from '../../lib/description/description.js';
import { Mask } from '../../lib/text/bitmap.js';
import { idsInMask } from '../show/ids.js';
import { type SeenCard, type SeenQueue, wasConfigured } from './adapters.js';
import { oneOrAll } from './master-keys.js';
import type { Notes } from './notes.js';
import type { Picture } from './picture.js';

/** What the machine has at boot, as far as it decides who gets what. */
export interface AtBoot {
  readonly apmask: Mask;
  readonly aqmask: Mask;
  /** Default domain of the command line. */
  readonly domain: number | undefined;
  readonly pollThread: boolean;
  readonly pollTimeout: number;
  readonly modules: ReadonlySet<string>;
  readonly usage: readonly number[];
}

const MOST_SCANS = 1000;

export function stateOf(
  picture: Picture,
  cards: readonly SeenCard[],
  boot: AtBoot,
  notes: Notes,
): StateDescription | undefined {
  const bus = busState(picture, boot, notes);
  const adapters = cardStates(picture, cards, boot);
  const queues = queueStates(picture, cards, boot, bus, notes);
  const zcryptNodes = nodeStates(picture, notes);
  const state: StateDescription = {
    ...(Object.keys(bus).length > 0 && { bus }),
    ...(adapters.length > 0 && { adapters }),
    ...(queues.length > 0 && { queues }),
    ...(zcryptNodes.length > 0 && { zcryptNodes }),
  };
  return Object.keys(state).length > 0 ? state : undefined;
}

const maskIn = (picture: Picture, path: string): Mask | undefined => {
  const text = picture.read(path);
  return text?.startsWith('0x') ? Mask.of(...idsInMask(text)) : undefined;
};

function busState(picture: Picture, boot: AtBoot, notes: Notes): BusState {
  const apmask = maskIn(picture, 'bus/ap/apmask');
  const aqmask = maskIn(picture, 'bus/ap/aqmask');
  const configTime = picture.number('bus/ap/config_time');
  const pollThread = picture.flag('bus/ap/poll_thread');
  const pollTimeout = picture.number('bus/ap/poll_timeout');
  return {
    ...(apmask && !apmask.equals(boot.apmask) && { apmask: `${apmask}` }),
    ...(aqmask && !aqmask.equals(boot.aqmask) && { aqmask: `${aqmask}` }),
    ...domainState(picture, boot, notes),
    ...(configTime !== undefined && configTime !== 30 && { configTime }),
    ...(pollThread !== undefined && pollThread !== boot.pollThread && { pollThread }),
    ...(pollTimeout !== undefined && pollTimeout !== boot.pollTimeout && { pollTimeout }),
    ...(picture.flag('bus/ap/drivers_autoprobe') === false && { autoprobe: false }),
    ...scanState(picture, notes),
  };
}

function domainState(picture: Picture, { domain, aqmask, usage }: AtBoot, notes: Notes): BusState {
  const now = picture.number('bus/ap/ap_domain');
  const atBoot = domain ?? usage.find((id) => aqmask.has(id));
  if (now === undefined || now === atBoot) return {};
  if (now >= 0) return { domain: now };
  if (usage.length > 0 && atBoot !== undefined) notes.add('why there is no default domain (ap_domain is -1)');
  return {};
}

function scanState(picture: Picture, notes: Notes): BusState {
  const scans = picture.number('bus/ap/scans');
  if (scans === undefined || scans <= 1) return {};
  if (scans <= MOST_SCANS) return { scans };
  notes.add(`scans of the bus: there were ${scans}, they are counted anew`);
  return {};
}

/** A driver for cards of that type exists. */
const served = ({ type }: SeenCard): boolean => type >= 10;

function cardStates(picture: Picture, cards: readonly SeenCard[], { modules }: AtBoot): CardState[] {
  const found = new Map<string, number[]>();
  for (const card of cards) {
    const { path, id } = card;
    const what: Omit<CardState, 'id'> = {
      ...(modules.has('zcrypt_cex4') && served(card) && unbound(picture, card) && { driver: 'none' as const }),
      ...(switchedOff(picture, path) && { online: false }),
      ...(wasConfigured(picture, card) && { configured: false }),
    };
    if (Object.keys(what).length === 0) continue;
    const text = JSON.stringify(what);
    found.set(text, [...(found.get(text) ?? []), id]);
  }
  return [...found].map(([text, ids]) => ({ id: oneOrAll(ids), ...(JSON.parse(text) as Omit<CardState, 'id'>) }));
}

/** lszcrypt and umockdev do not tell of a card without a driver that it has none. */
const unbound = (picture: Picture, { path }: SeenCard): boolean =>
  picture.link(`${path}/driver`) === undefined && picture.read(`${path}/type`) === undefined;

/** Not because it is deconfigured or check-stopped: then nobody knows the switch. */
function switchedOff(picture: Picture, path: string): boolean {
  const there = picture.flag(`${path}/config`) !== false && picture.flag(`${path}/chkstop`) !== true;
  return there && picture.flag(`${path}/online`) === false;
}

type OfQueue = Omit<QueueState, 'adapters' | 'domains'>;

function queueStates(
  picture: Picture,
  cards: readonly SeenCard[],
  boot: AtBoot,
  bus: BusState,
  notes: Notes,
): QueueState[] {
  const masks = { apm: maskOf(bus.apmask, boot.apmask), aqm: maskOf(bus.aqmask, boot.aqmask) };
  /** What, then which adapter, then its domains. */
  const found = new Map<string, Map<number, number[]>>();
  for (const card of cards)
    for (const queue of card.queues) {
      const what = queueState(picture, card, queue, boot, masks, notes);
      if (Object.keys(what).length === 0) continue;
      const text = JSON.stringify(what);
      const adapters = found.get(text) ?? new Map<number, number[]>();
      adapters.set(queue.apid, [...(adapters.get(queue.apid) ?? []), queue.apqi]);
      found.set(text, adapters);
    }
  return [...found].flatMap(([text, adapters]) => rectangles(adapters, JSON.parse(text) as OfQueue));
}

const maskOf = (text: string | undefined, otherwise: Mask): Mask =>
  text === undefined ? otherwise : Mask.of(...idsInMask(text));

function queueState(
  picture: Picture,
  card: SeenCard,
  { path, driver, apid, apqi, name }: SeenQueue,
  { modules }: AtBoot,
  { apm, aqm }: { apm: Mask; aqm: Mask },
  notes: Notes,
): OfQueue {
  const override = picture.read(`${path}/driver_override`);
  const host = apm.has(apid) && aqm.has(apqi);
  const wanted = override ?? (host ? 'cex4queue' : 'vfio_ap');
  const loaded = wanted === 'cex4queue' ? modules.has('zcrypt_cex4') : modules.has(wanted);
  const usual = served(card) && loaded ? wanted : 'none';
  const now = driver ?? 'none';
  // An override acts at the next probe: whoever wrote it has mostly asked for that too.
  const changed = now !== usual || (override !== undefined && now !== (host ? 'cex4queue' : 'vfio_ap'));
  const known = now === 'cex4queue' || now === 'vfio_ap' || now === 'none';
  if (changed && !known) notes.of(`queues with a driver that is not known here: %s`, `${name} (${now})`);
  const cardOff = switchedOff(picture, card.path);
  return {
    ...(override !== undefined && { driverOverride: override }),
    ...(changed && known && { driver: now }),
    ...secureState(picture, path),
    ...(!cardOff && switchedOff(picture, path) && { online: false }),
  };
}

/** In a secure-execution guest. */
function secureState(picture: Picture, path: string): OfQueue {
  const secret = /^associated (\d+)$/.exec(picture.read(`${path}/se_associate`) ?? '')?.[1];
  return {
    ...(picture.read(`${path}/se_bind`) === 'bound' && { seBind: true }),
    ...(secret !== undefined && { seAssociate: Number(secret) }),
  };
}

/** Adapters with the same domains as one. */
function rectangles(adapters: ReadonlyMap<number, readonly number[]>, what: OfQueue): QueueState[] {
  const byDomains = new Map<string, number[]>();
  for (const [apid, domains] of adapters) {
    const text = JSON.stringify(domains);
    byDomains.set(text, [...(byDomains.get(text) ?? []), apid]);
  }
  return [...byDomains].map(([text, ids]) => ({ adapters: ids, domains: JSON.parse(text) as number[], ...what }));
}

const NODES = 'class/zcrypt';
const NODE_MASKS = ['ioctlmask', 'apmask', 'aqmask', 'admask'] as const;

/** Nodes in the order of their minor numbers. */
function nodeStates(picture: Picture, notes: Notes): ZcryptNodeState[] {
  const names = picture.list(NODES).filter((name) => name !== 'create' && name !== 'destroy');
  const nodes = names.map((name) => {
    const path = `devices/virtual/zcrypt/${name}`;
    return { name, path, minor: Number((picture.read(`${path}/dev`) ?? '').split(':')[1]) };
  });
  nodes.sort((a, b) => a.minor - b.minor);
  const first = nodes[0]?.minor ?? 0;
  if (nodes.some(({ minor }, i) => minor - first !== i) || (first !== 0 && first < 256 && nodes.length > 0))
    notes.add('zcrypt nodes that are gone: minor numbers of the others are different');
  return nodes.map(({ name, path }) => {
    const node: { -readonly [K in keyof ZcryptNodeState]: ZcryptNodeState[K] } = { name: name.replaceAll('!', '/') };
    for (const which of NODE_MASKS) {
      const mask = maskIn(picture, `${path}/${which}`);
      if (mask && !mask.isEmpty) node[which] = `${mask}`;
    }
    return node;
  });
}
