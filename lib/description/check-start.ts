/**
 * Checks of what happens at boot and after it: command line, mdevs, guests.
 */
import { isKernelError } from '../errno.js';
import { queueName } from '../hardware/queue.js';
import { DEFAULT_MODULES } from '../kernel.js';
import { DEFAULT_KERNEL, PROFILES } from '../profile/tables.js';
import { Mask, parseMaskText } from '../text/bitmap.js';
import { idsOf } from './build.js';
import type { MachineDescription, MdevDescription } from './description.js';
import { didYouMean, nearest } from './nearest.js';
import type { FieldPath } from './problem.js';
import { idText, type Problems } from './problems.js';

const MASKS = ['apmask', 'aqmask'] as const;
const NUMBERS = ['domain', 'poll_thread', 'useirq'] as const;
const COMMAND_LINE: FieldPath = ['kernel', 'commandLine'];

/** The `ap.*` words of the command line; the last of a kind wins. */
function* apWords({ kernel = {} }: MachineDescription): Generator<readonly [name: string, value: string | undefined]> {
  for (const word of (kernel.commandLine ?? '').split(/\s+/)) {
    const match = /^ap\.([^=]*)(?:=(.*))?$/.exec(word);
    if (match) yield [match[1] ?? '', match[2]];
  }
}

/** The kernel ignores what it does not understand, without a word. */
export function checkCommandLine(problems: Problems, description: MachineDescription): void {
  const known: readonly string[] = [...MASKS, ...NUMBERS];
  for (const [name, value] of apWords(description)) {
    if (!known.includes(name))
      problems.warning(COMMAND_LINE, `the module ap has no parameter "${name}"${didYouMean(name, known)}`);
    else if (value === undefined || value === '') problems.warning(COMMAND_LINE, `ap.${name} has no value`);
    else if (MASKS.some((mask) => mask === name)) {
      if (!parseMask(description, value))
        problems.warning(COMMAND_LINE, `ap.${name}=${value} cannot be read as a mask: the kernel then has all zeros`);
    } else if (!/^[+-]?(?:0x[0-9a-f]+|[0-9]+)$/i.test(value))
      problems.warning(COMMAND_LINE, `ap.${name}=${value} is no number: the kernel ignores it`);
  }
}

/** Undefined: it has a mistake. */
function parseMask({ kernel = {} }: MachineDescription, text: string, before = Mask.zeros()): Mask | undefined {
  try {
    return parseMaskText(before, text, PROFILES[kernel.version ?? DEFAULT_KERNEL].maskNumberOverflow);
  } catch (e) {
    if (isKernelError(e)) return undefined;
    throw e;
  }
}

/** What the host's drivers have from boot on, or since a mask was written. */
function hostMask(description: MachineDescription, which: (typeof MASKS)[number]): Mask {
  let text: string | undefined;
  for (const [name, value] of apWords(description)) if (name === which) text = value ?? '';
  const boot = text === undefined ? Mask.ones() : (parseMask(description, text) ?? Mask.zeros());
  const written = description.state?.bus?.[which];
  return written === undefined ? boot : (parseMask(description, written, boot) ?? boot);
}

/** Queues that a driver_override gives away, whatever the masks say. */
function overridden({ state = {} }: MachineDescription): ReadonlySet<number> {
  const qids = new Set<number>();
  for (const { adapters, domains, driverOverride } of state.queues ?? [])
    if (driverOverride !== undefined)
      for (const apid of adapters) for (const apqi of domains) qids.add(apid * 256 + apqi);
  return qids;
}

export function checkDevices(problems: Problems, description: MachineDescription): void {
  const { mdevs = [], guests = [], kernel = {} } = description;
  const modules: readonly string[] = kernel.modules ?? DEFAULT_MODULES;
  if (mdevs.length > 0 && !modules.includes('vfio_ap'))
    problems.error(['mdevs'], 'mediated devices need the module vfio_ap (kernel.modules)');
  const uuids = new Map<string, number>();
  const owners = new Map<number, number>();
  for (const [i, mdev] of mdevs.entries()) {
    const uuid = mdev.uuid.toLowerCase();
    const first = uuids.get(uuid);
    if (first !== undefined) problems.error(['mdevs', i, 'uuid'], `mdevs[${first}] has this UUID already`);
    else uuids.set(uuid, i);
    checkMatrix(problems, description, mdev, ['mdevs', i]);
    checkOwners(problems, description, mdev, i, owners);
  }
  const started = new Map<string, number>();
  for (const [i, { mdev, autostart = true }] of guests.entries()) {
    const uuid = mdev.toLowerCase();
    const meant = nearest(uuid, uuids.keys());
    if (!uuids.has(uuid))
      problems.error(
        ['guests', i, 'mdev'],
        `no mdev has this UUID${meant === undefined ? '' : ` (did you mean ${meant}?)`}`,
      );
    const first = started.get(uuid);
    if (autostart && first !== undefined)
      problems.error(['guests', i, 'mdev'], `guests[${first}] has this mdev already`);
    if (autostart && first === undefined) started.set(uuid, i);
  }
}

/** Ids above the limits are refused; ids that are not there are taken, and the guest does not get them. */
function checkMatrix(
  problems: Problems,
  description: MachineDescription,
  mdev: MdevDescription,
  path: FieldPath,
): void {
  const { limits = {}, domains = {}, adapters = [] } = description;
  const plugged = adapters.flatMap(({ id }) => idsOf(id));
  const { usage = [], control = usage } = domains;
  const FIELDS = [
    ['adapters', 'adapter', 'adapter', plugged, limits.adapter],
    ['domains', 'domain', 'usage domain', usage, limits.domain],
    ['controlDomains', 'domain', 'control domain', control, limits.domain],
  ] as const;
  for (const [field, kind, words, there, limit = 255] of FIELDS) {
    const ids = mdev[field] ?? [];
    problems.above([...path, field], kind, ids, limit);
    problems.twice([...path, field], ids);
    const known = new Set(there);
    const absent = ids.filter((id) => id <= limit && !known.has(id));
    if (absent.length > 0)
      problems.warning([...path, field], `the machine has no ${words} ${idText(absent)}; a guest will not get it`);
  }
}

/** A queue belongs to the host or to one mdev. */
function checkOwners(
  problems: Problems,
  description: MachineDescription,
  mdev: MdevDescription,
  index: number,
  owners: Map<number, number>,
): void {
  const apmask = hostMask(description, 'apmask');
  const aqmask = hostMask(description, 'aqmask');
  const elsewhere = overridden(description);
  const hosts: number[] = [];
  const taken: number[] = [];
  for (const apid of new Set(mdev.adapters ?? []))
    for (const apqi of new Set(mdev.domains ?? [])) {
      const qid = apid * 256 + apqi;
      if (apmask.has(apid) && aqmask.has(apqi) && !elsewhere.has(qid)) hosts.push(qid);
      if (owners.has(qid)) taken.push(qid);
      else owners.set(qid, index);
    }
  const names = (qids: readonly number[]): string =>
    `${queueName(qids[0] ?? 0)}${qids.length > 1 ? ` and ${qids.length - 1} more` : ''}`;
  if (hosts.length > 0) {
    const way = 'take its adapter out of ap.apmask, or its domain out of ap.aqmask (kernel.command-line)';
    problems.error(['mdevs', index], `the host keeps queue ${names(hosts)}: ${way}`);
  }
  if (taken.length > 0) {
    const first = owners.get(taken[0] ?? 0);
    problems.error(['mdevs', index], `queue ${names(taken)} is in mdevs[${first}] already`);
  }
}
