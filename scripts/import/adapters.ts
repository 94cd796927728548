/**
 * Adapters from the cards and queues of a picture.
 */
import type { AdapterDomainEntry, AdapterEntry, AdapterMode } from '../../lib/description/description.js';
import { EP11_OP_MODES, type Ep11OpMode, opModesMask } from '../../lib/description/names.js';
import {
  DEFAULT_DEPTH,
  DEFAULT_FAC,
  defaultSerial,
  EP11_DEFAULTS,
  EP11_SERIAL_TAIL,
} from '../../lib/hardware/made-up.js';
import { cardKeys, hasKeys, keysOf, oneOrAll } from './master-keys.js';
import type { Notes } from './notes.js';
import type { Picture } from './picture.js';

const CARD = /^card([0-9a-f]{2})$/;
const QUEUE = /^([0-9a-f]{2})\.([0-9a-f]{4})$/;

/** A card as the picture has it. */
export interface SeenCard {
  readonly id: number;
  readonly name: string;
  /** Below /sys. */
  readonly path: string;
  readonly mode: AdapterMode;
  /** As TAPQ reports it. */
  readonly type: number;
  readonly queues: readonly SeenQueue[];
}

export interface SeenQueue {
  readonly name: string;
  readonly apid: number;
  readonly apqi: number;
  readonly path: string;
  readonly driver: string | undefined;
}

/** Cards with their queues; what is no card of a known kind is noted and left out. */
export function seenCards(picture: Picture, notes: Notes): SeenCard[] {
  const cards: SeenCard[] = [];
  const queueless = picture.list('devices/ap').filter((name) => CARD.test(name));
  for (const name of queueless) {
    const path = `devices/ap/${name}`;
    const id = Number.parseInt(CARD.exec(name)?.[1] ?? '', 16);
    const mode = modeOf(picture, path);
    const type = typeOf(picture, path);
    if (mode === undefined || type === undefined) notes.of('left out, since type or mode is not told: %s', name);
    else cards.push({ id, name, path, mode, type, queues: seenQueues(picture, path) });
  }
  return cards;
}

function seenQueues(picture: Picture, path: string): SeenQueue[] {
  return picture.list(path).flatMap((name) => {
    const [, card = '', domain = ''] = QUEUE.exec(name) ?? [];
    if (domain === '') return [];
    const queue = `${path}/${name}`;
    return [
      {
        name,
        apid: Number.parseInt(card, 16),
        apqi: Number.parseInt(domain, 16),
        path: queue,
        driver: picture.link(`${queue}/driver`),
      },
    ];
  });
}

const LETTERS: Readonly<Record<string, AdapterMode>> = { A: 'accel', C: 'cca', P: 'ep11' };
const TYPE = /^CEX(\d+)([ACP])$/;

/** By the type's letter, the event key MODE or the function bits; accelerator before CCA before EP11, as the kernel. */
function modeOf(picture: Picture, path: string): AdapterMode | undefined {
  const letter = TYPE.exec(picture.read(`${path}/type`) ?? '')?.[2];
  if (letter !== undefined) return LETTERS[letter];
  const key = /^MODE=(\w+)$/m.exec(picture.raw(`${path}/uevent`) ?? '')?.[1];
  if (key === 'accel' || key === 'cca' || key === 'ep11') return key;
  const functions = picture.number(`${path}/ap_functions`) ?? 0;
  if (functions & 0x08000000) return 'accel';
  if (functions & 0x10000000) return 'cca';
  return functions & 0x04000000 ? 'ep11' : undefined;
}

function typeOf(picture: Picture, path: string): number | undefined {
  const generation = TYPE.exec(picture.read(`${path}/type`) ?? '')?.[1];
  return (
    picture.number(`${path}/raw_hwtype`) ??
    picture.number(`${path}/hwtype`) ??
    (generation === undefined ? undefined : Number(generation) + 6)
  );
}

const typeName = (type: number): string | number => (type >= 10 && type <= 14 ? `cex${type - 6}` : type);

/** @param hidesOne the kernel shows depth less one (6.1) */
export function adapterEntries(
  picture: Picture,
  cards: readonly SeenCard[],
  hidesOne: boolean,
  notes: Notes,
): AdapterEntry[] {
  const groups = new Map<string, { ids: number[]; entry: Omit<AdapterEntry, 'id'> }>();
  for (const card of cards) {
    const entry = entryOf(picture, card, hidesOne, notes);
    const text = JSON.stringify(entry);
    const group = groups.get(text);
    if (group) group.ids.push(card.id);
    else groups.set(text, { ids: [card.id], entry });
  }
  return [...groups.values()].map(({ ids, entry }) => ({ id: oneOrAll(ids), ...entry }));
}

function entryOf(picture: Picture, card: SeenCard, hidesOne: boolean, notes: Notes): Omit<AdapterEntry, 'id'> {
  const { path, mode, type, name } = card;
  const functions = picture.number(`${path}/ap_functions`);
  const shown = picture.number(`${path}/depth`);
  const depth = shown === undefined ? undefined : shown + (hidesOne ? 1 : 0);
  if (shown === undefined) notes.of('how many requests a queue holds: %s', name);
  const limit = (picture.number(`${path}/max_msg_size`) ?? 12288) / 4096;
  return {
    type: typeName(type),
    mode,
    ...(picture.flag(`${path}/config`) === false && !wasConfigured(picture, card) && { state: 'standby' as const }),
    ...(picture.flag(`${path}/chkstop`) === true && { checkstop: true }),
    ...(depth !== undefined && depth !== DEFAULT_DEPTH && depth >= 1 && depth <= 16 && { depth }),
    ...(limit !== 3 && Number.isInteger(limit) && limit <= 15 && { messageLimit: limit }),
    ...(functions !== undefined && functions !== DEFAULT_FAC[mode] && { functions }),
    ...serialOf(picture, card, notes),
    ...(mode === 'ep11' && firmwareOf(picture, card, notes)),
    ...domainsOf(picture, card, notes),
  };
}

/** It is deconfigured now, but its queues have been reset since boot. */
export const wasConfigured = (picture: Picture, { path, queues }: SeenCard): boolean =>
  picture.flag(`${path}/config`) === false &&
  queues.some(({ path }) => /^No Reset Timer/.test(picture.read(`${path}/reset`) ?? ''));

function serialOf(picture: Picture, { id, path, mode, name }: SeenCard, notes: Notes): { serial?: string } {
  if (mode === 'accel') return {};
  const serial = picture.read(`${path}/serialnr`);
  if (serial === undefined) notes.of('serial numbers (made up instead): %s', name);
  const usual = defaultSerial(id) + (mode === 'ep11' ? EP11_SERIAL_TAIL : '');
  // lszcrypt prints the first eight characters of all.
  if (serial === undefined || serial === usual || usual.startsWith(serial)) return {};
  return { serial: serial.slice(0, mode === 'ep11' ? 16 : 8) };
}

type Firmware = Pick<AdapterEntry, 'firmware' | 'apiOrdinal' | 'opModes'>;

function firmwareOf(picture: Picture, { path, name }: SeenCard, notes: Notes): Firmware {
  const firmware = picture.read(`${path}/FW_version`);
  const apiOrdinal = picture.number(`${path}/API_ordinalnr`);
  const opModes = opModesIn(picture.read(`${path}/op_modes`));
  if (firmware === undefined || apiOrdinal === undefined)
    notes.of('firmware and API of EP11 (made up instead): %s', name);
  const usual = `${EP11_DEFAULTS.firmwareMajor}.${EP11_DEFAULTS.firmwareMinor}`;
  return {
    ...(firmware !== undefined && firmware !== usual && { firmware }),
    ...(apiOrdinal !== undefined && apiOrdinal !== EP11_DEFAULTS.apiOrdinal && { apiOrdinal }),
    ...(opModes && opModesMask(opModes) !== EP11_DEFAULTS.opModes && { opModes }),
  };
}

const isOpMode = (word: string): word is Ep11OpMode => Object.hasOwn(EP11_OP_MODES, word);

function opModesIn(text: string | undefined): Ep11OpMode[] | undefined {
  return text?.split(/\s+/).filter(isOpMode);
}

type OfDomains = Pick<AdapterEntry, 'masterKeys' | 'domains'>;

/** Master keys, and modes of operation of single domains. */
function domainsOf(picture: Picture, { path, mode, queues }: SeenCard, notes: Notes): OfDomains {
  if (!hasKeys(mode)) return {};
  const keys = new Map(queues.map(({ apid, apqi, path }) => [apqi, keysOf(apid, apqi, picture.raw(`${path}/mkvps`))]));
  for (const { apqi, name } of queues) if (!keys.get(apqi)) notes.of('master keys (made up instead): %s', name);
  const { masterKeys, domains } = cardKeys(keys);
  const others = mode === 'ep11' ? otherModes(picture, path, queues) : new Map<number, readonly Ep11OpMode[]>();
  const all = withModes(domains, others);
  return { ...(masterKeys && { masterKeys }), ...(all.length > 0 && { domains: all }) };
}

/** Domains whose modes of operation are not the card's. */
function otherModes(picture: Picture, card: string, queues: readonly SeenQueue[]): Map<number, readonly Ep11OpMode[]> {
  const usual = picture.read(`${card}/op_modes`);
  const others = new Map<number, readonly Ep11OpMode[]>();
  for (const { apqi, path } of queues) {
    const text = picture.read(`${path}/op_modes`);
    const modes = opModesIn(text);
    if (modes && usual !== undefined && text !== usual) others.set(apqi, modes);
  }
  return others;
}

function withModes(
  domains: readonly AdapterDomainEntry[],
  modes: ReadonlyMap<number, readonly Ep11OpMode[]>,
): readonly AdapterDomainEntry[] {
  if (modes.size === 0) return domains;
  const single = domains.flatMap(({ id, ...rest }) => [id].flat().map((one) => ({ id: one, ...rest })));
  const byId = new Map<number, AdapterDomainEntry>(single.map((entry) => [entry.id, entry]));
  for (const [id, opModes] of modes) byId.set(id, { ...byId.get(id), id, opModes });
  return [...byId.values()];
}
