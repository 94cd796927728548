/**
 * From a picture of a sysfs to a machine.
 *
 * Says only what differs from what a machine of which nothing is said has, and
 * notes what the picture does not tell.
 */

import { parseApParameters } from '../../lib/ap/parameters.js';
import type { Domains, Facilities, KernelDescription, MachineDescription } from '../../lib/description/description.js';
import { QCI_FLAGS, type QciFlag } from '../../lib/description/names.js';
import { isKernelError } from '../../lib/errno.js';
import { DEFAULT_MODULES } from '../../lib/kernel.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { DEFAULT_KERNEL, PROFILES } from '../../lib/profile/tables.js';
import { Mask, parseMaskText } from '../../lib/text/bitmap.js';
import { idsInMask } from '../show/ids.js';
import { adapterEntries, type SeenCard, seenCards } from './adapters.js';
import { guestEntries, mdevEntries } from './devices.js';
import type { Notes } from './notes.js';
import { type Picture, SOURCE_NAMES } from './picture.js';
import { stateOf } from './state.js';

const BUS = 'bus/ap';

/** Default of `poll_timeout`, ns; under z/VM. */
const POLL_TIMEOUT = 250_000;
const POLL_TIMEOUT_ZVM = 1_500_000;

/** @param kernel instead of what the picture says */
export function machineOf(picture: Picture, notes: Notes, kernel?: KernelVersion): MachineDescription {
  const cards = seenCards(picture, notes);
  const version = kernel ?? kernelVersion(picture, notes);
  const system = systemOf(picture, notes);
  const hasBus = picture.has(BUS) || cards.length > 0;
  const domains = domainsOf(picture, cards, notes);
  const commandLine = usable(commandLineOf(picture), version, notes);
  const modules = modulesOf(picture, cards, notes);
  const { parameters } = parseApParameters(commandLine, PROFILES[version]);
  const boot = {
    apmask: bootMask(parameters.apmask, version),
    aqmask: bootMask(parameters.aqmask, version),
    domain: parameters.domain,
    pollThread: (parameters.pollThread ?? 0) !== 0,
    pollTimeout: system === 'zvm' ? POLL_TIMEOUT_ZVM : POLL_TIMEOUT,
    modules: closure(modules),
    usage: domains.usage ?? [],
  };
  const state = stateOf(picture, cards, boot, notes);
  const mdevs = mdevEntries(picture, notes);
  const guests = guestEntries(picture, cards, mdevs, notes);
  const secureExecution = picture.flag('firmware/uv/prot_virt_guest') === true || hasFile(picture, cards, 'se_bind');
  const facilities = facilitiesOf(picture, hasBus, parameters.useirq);
  unseenAdapters(picture, cards, notes);
  alwaysUnknown(picture, notes);
  return {
    ...(system !== 'lpar' && { system }),
    ...(secureExecution && { secureExecution }),
    ...(Object.keys(facilities).length > 0 && { facilities }),
    ...limitsOf(picture, facilities),
    ...qciFlagsOf(picture, notes),
    adapters: adapterEntries(picture, cards, !PROFILES[version].depthIsFieldPlusOne, notes),
    domains,
    kernel: kernelOf(picture, cards, version, commandLine, modules),
    ...(state && { state }),
    ...(mdevs.length > 0 && { mdevs }),
    ...(guests.length > 0 && { guests }),
  };
}

const hasFile = (picture: Picture, cards: readonly SeenCard[], file: string): boolean =>
  cards.some(({ queues }) => queues.some(({ path }) => picture.has(`${path}/${file}`)));

/** By files that came with a kernel where cards are to be seen, else by its number. */
function kernelVersion(picture: Picture, notes: Notes): KernelVersion {
  const release = picture.facts.get('release');
  const queue = picture.list('bus/ap/devices').find((name) => name.includes('.'));
  let version: KernelVersion | undefined;
  if (picture.has(`${BUS}/bindings`)) {
    const newest = picture.has(`${BUS}/bindings_complete_count`);
    version = newest ? '7.2' : picture.has(`${BUS}/features`) ? '6.12' : '6.1';
  } else if (queue !== undefined || picture.kind === 'umockdev') {
    const queues = picture
      .list('devices/ap')
      .flatMap((card) => picture.list(`devices/ap/${card}`).map((q) => `${card}/${q}`));
    const has = (file: string): boolean => queues.some((path) => picture.has(`devices/ap/${path}/${file}`));
    version = has('driver_override') ? '7.2' : has('ap_functions') ? '6.12' : queues.length > 0 ? '6.1' : undefined;
  }
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release ?? '') ?? [];
  if (major !== undefined) {
    version ??= nearest(Number(major), Number(minor));
    if (`${major}.${minor}` !== version) notes.add(`kernel ${release} is not known here: ${version} is the nearest`);
  } else
    notes.add(
      `the kernel: ${version === undefined ? `${DEFAULT_KERNEL} is assumed` : `${version} by its files`} (say it with --kernel)`,
    );
  return version ?? DEFAULT_KERNEL;
}

/** The newest that is not newer, else the oldest. */
function nearest(major: number, minor: number): KernelVersion {
  if (major > 7 || (major === 7 && minor >= 2)) return '7.2';
  return major > 6 || (major === 6 && minor >= 12) ? '6.12' : '6.1';
}

function systemOf(picture: Picture, notes: Notes): 'lpar' | 'zvm' | 'kvm' {
  const program = picture.sysinfo.find((line) => line.startsWith('VM00 Control Program:'));
  if (program !== undefined) return /KVM/.test(program) ? 'kvm' : 'zvm';
  if (picture.flag('firmware/uv/prot_virt_guest') === true) return 'kvm';
  if (picture.number(`${BUS}/poll_timeout`) === POLL_TIMEOUT_ZVM) return 'zvm';
  if (
    picture
      .list('devices/ap')
      .some((card) => picture.list(`devices/ap/${card}`).some((q) => picture.has(`devices/ap/${card}/${q}/se_bind`)))
  )
    return 'kvm';
  if (picture.sysinfo.length === 0) notes.add('what the system runs in: an LPAR is assumed (system)');
  return 'lpar';
}

function facilitiesOf(picture: Picture, hasBus: boolean, useirq: number | undefined): Facilities {
  const interrupts = picture.flag(`${BUS}/ap_interrupts`);
  return {
    ...(!hasBus && { ap: false }),
    ...(picture.read(`${BUS}/ap_usage_domain_mask`)?.includes('not') && { qci: false }),
    ...(interrupts === false && useirq !== 0 && { interrupts: false }),
  };
}

function limitsOf(picture: Picture, { qci = true }: Facilities): Pick<MachineDescription, 'limits'> {
  const adapter = picture.number(`${BUS}/ap_max_adapter_id`);
  const domain = picture.number(`${BUS}/ap_max_domain_id`);
  const told = (id: number | undefined): id is number => qci && id !== undefined && id !== 255;
  if (!told(adapter) && !told(domain)) return {};
  return { limits: { ...(told(adapter) && { adapter }), ...(told(domain) && { domain }) } };
}

const isQciFlag = (word: string): word is QciFlag => Object.hasOwn(QCI_FLAGS, word);

function qciFlagsOf(picture: Picture, notes: Notes): Pick<MachineDescription, 'qciFlags'> {
  const text = picture.read(`${BUS}/features`);
  if (text === undefined) notes.add('what the AP configuration can do (qci-flags): all is assumed');
  if (text === undefined || text === '-') return {};
  const words = text.toLowerCase().split(/\s+/).filter(isQciFlag);
  return words.length === Object.keys(QCI_FLAGS).length ? {} : { qciFlags: words };
}

function domainsOf(picture: Picture, cards: readonly SeenCard[], notes: Notes): Domains {
  const mask = (which: string): number[] | undefined => {
    const text = picture.read(`${BUS}/ap_${which}_domain_mask`);
    return text?.startsWith('0x') ? idsInMask(text) : undefined;
  };
  const seen = [...new Set(cards.flatMap(({ queues }) => queues.map(({ apqi }) => apqi)))].sort((a, b) => a - b);
  const usage = mask('usage');
  const control = mask('control');
  if (!usage) notes.add('usage domains: those of the queues are taken');
  if (!control) notes.add('control domains: the usage domains are taken');
  const same = control === undefined || String(control) === String(usage ?? seen);
  return { usage: usage ?? seen, ...(!same && { control }) };
}

/** Adapters that the configuration lists but the system does not see. */
function unseenAdapters(picture: Picture, cards: readonly SeenCard[], notes: Notes): void {
  const text = picture.read(`${BUS}/ap_adapter_mask`);
  if (!text?.startsWith('0x')) return;
  const seen = new Set(cards.map(({ id }) => id));
  for (const id of idsInMask(text))
    if (!seen.has(id) && !picture.has(`devices/ap/card${id.toString(16).padStart(2, '0')}`))
      notes.of('adapters that are configured but did not answer (left out): %s', id.toString(16).padStart(2, '0'));
}

const PARAMETERS = ['apmask', 'aqmask', 'domain', 'poll_thread', 'useirq'];

/** As it was given; else what the parameters of the module show. */
function commandLineOf(picture: Picture): string {
  const given = picture.facts.get('cmdline');
  if (given !== undefined)
    return given
      .split(/\s+/)
      .filter((word) => PARAMETERS.some((name) => word.startsWith(`ap.${name}=`)))
      .join(' ');
  const shown = (name: string): string | undefined => picture.read(`module/ap/parameters/${name}`);
  const words: string[] = [];
  for (const mask of ['apmask', 'aqmask']) {
    const text = shown(mask);
    if (text !== undefined && text !== '(null)') words.push(`ap.${mask}=${text}`);
  }
  if (shown('poll_thread') === '1') words.push('ap.poll_thread=1');
  if (shown('useirq') === '0') words.push('ap.useirq=0');
  return words.join(' ');
}

/** Words that the kernel did not take either, a machine file may not have. */
function usable(commandLine: string, version: KernelVersion, notes: Notes): string {
  const { ignored } = parseApParameters(commandLine, PROFILES[version]);
  const useless = new Set(ignored.map(({ name, value }) => `ap.${name}${value === undefined ? '' : `=${value}`}`));
  const words = commandLine.split(' ').filter((word) => !useless.has(word));
  for (const word of useless) notes.of('left out of the command line, as the kernel did: %s', word);
  return words
    .map((word) => {
      const [, name, text] = /^ap\.(ap|aq)mask=(.*)$/.exec(word) ?? [];
      if (text === undefined || parsedMask(text, version)) return word;
      notes.of('masks of the command line that cannot be read, all zeros to the kernel: %s', word);
      return `ap.${name}mask=0x0`;
    })
    .join(' ');
}

/** Undefined: it has a mistake. */
function parsedMask(text: string, version: KernelVersion): Mask | undefined {
  try {
    return parseMaskText(Mask.zeros(), text, PROFILES[version].maskNumberOverflow);
  } catch (e) {
    if (isKernelError(e)) return undefined;
    throw e;
  }
}

function bootMask(text: string | undefined, version: KernelVersion): Mask {
  return text === undefined ? Mask.ones() : (parsedMask(text, version) ?? Mask.zeros());
}

/** Modules, each after those that it loads by itself. */
const LOADS: Readonly<Record<string, readonly string[]>> = {
  zcrypt: [],
  zcrypt_cex4: ['zcrypt'],
  vfio: [],
  vfio_iommu_type1: ['vfio'],
  mdev: [],
  kvm: [],
  vfio_ap: ['vfio', 'vfio_iommu_type1', 'mdev', 'kvm'],
};

function closure(modules: readonly string[]): Set<string> {
  const all = new Set<string>();
  const add = (name: string): void => {
    all.add(name);
    for (const needed of LOADS[name] ?? []) add(needed);
  };
  for (const name of modules) add(name);
  return all;
}

function modulesOf(picture: Picture, cards: readonly SeenCard[], notes: Notes): readonly string[] {
  if (!picture.has('module')) {
    const drivers = new Set(cards.flatMap(({ queues }) => queues.map(({ driver }) => driver)));
    if (!drivers.has('vfio_ap')) notes.add(`which modules are loaded: ${DEFAULT_MODULES.join(' and ')} are assumed`);
    return DEFAULT_MODULES;
  }
  if (picture.has('class/mdev_bus') && !picture.has('module/vfio_ap'))
    notes.add('what was there before vfio_ap was unloaded: traces of it (class mdev_bus) are not made');
  const there = Object.keys(LOADS).filter((name) => picture.has(`module/${name}`));
  return there.filter((name) => !there.some((other) => other !== name && closure([other]).has(name)));
}

function kernelOf(
  picture: Picture,
  cards: readonly SeenCard[],
  version: KernelVersion,
  commandLine: string,
  modules: readonly string[],
): KernelDescription {
  const usual = String(modules) === String(DEFAULT_MODULES);
  return {
    version,
    ...(commandLine !== '' && { commandLine }),
    ...(!usual && { modules }),
    ...(hasFile(picture, cards, 'states') && { debugAttributes: true }),
  };
}

function alwaysUnknown(picture: Picture, notes: Notes): void {
  notes.add('how long resets and replies take (timing), whether changes are told (facilities.change-events)');
  notes.add('request counters: they start anew; requests in flight');
  if (picture.kind === 'umockdev' || picture.kind === 'lszcrypt')
    notes.add(`masks of the host's drivers, mdevs and zcrypt nodes: ${SOURCE_NAMES[picture.kind]} does not have them`);
}
