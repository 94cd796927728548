/**
 * Checks of the adapters of a description: ids, and what a card of its mode has.
 */
import { PATTERN_LENGTH } from '../hardware/made-up.js';
import type { MasterKeyRegister } from '../hardware/master-keys.js';
import { idsOf } from './build.js';
import type { AdapterDomainEntry, AdapterEntry, MachineDescription, MasterKeysDescription } from './description.js';
import { typeNumber } from './names.js';
import type { FieldPath } from './problem.js';
import { idText, type Problems } from './problems.js';

const KEYS_OF_MODE = { cca: ['aes', 'apka', 'asym'], ep11: ['wk'], accel: [] } as const;
const KIND = { aes: 'AES', apka: 'APKA', asym: 'ASYM', wk: 'WK' } as const;
const EP11_ONLY = ['firmware', 'apiOrdinal', 'opModes'] as const;

export function checkAdapters(problems: Problems, description: MachineDescription): void {
  const { adapters = [], limits = {}, domains = {} } = description;
  const owner = new Map<number, number>();
  for (const [i, entry] of adapters.entries()) {
    const path = ['adapters', i];
    const ids = idsOf(entry.id);
    problems.above([...path, 'id'], 'adapter', ids, limits.adapter ?? 255);
    const taken = ids.filter((id) => owner.has(id));
    const first = owner.get(taken[0] ?? -1);
    if (first !== undefined)
      problems.error([...path, 'id'], `there is an adapter ${idText(taken)} already, in adapters[${first}]`);
    problems.twice([...path, 'id'], ids);
    for (const id of ids) if (!owner.has(id)) owner.set(id, i);
    checkEntry(problems, path, entry);
    checkDomains(problems, path, entry, new Set(domains.usage ?? []));
  }
}

function checkEntry(problems: Problems, path: FieldPath, entry: AdapterEntry): void {
  const { mode, serial, type } = entry;
  if (typeNumber(type) === undefined)
    problems.error([...path, 'type'], `"${type}" is no type: cex4 to cex9, or a number`);
  if (mode !== 'ep11')
    for (const field of EP11_ONLY)
      if (entry[field] !== undefined)
        problems.error([...path, field], `only an EP11 card has this (mode: ep11, not ${mode})`);
  if (serial !== undefined) {
    const most = mode === 'ep11' ? 16 : 8;
    if (serial.length > most) problems.error([...path, 'serial'], `"${serial}" has more than ${most} characters`);
    const count = idsOf(entry.id).length;
    if (count > 1) problems.warning([...path, 'serial'], `${count} adapters have the same serial number`);
  }
  checkKeys(problems, [...path, 'masterKeys'], entry, entry.masterKeys);
}

function checkDomains(problems: Problems, path: FieldPath, entry: AdapterEntry, usage: ReadonlySet<number>): void {
  const seen = new Set<number>();
  for (const [i, domain] of (entry.domains ?? []).entries()) {
    const at = [...path, 'domains', i];
    const ids = idsOf(domain.id);
    const taken = ids.filter((id) => seen.has(id));
    if (taken.length > 0) problems.error([...at, 'id'], `domain ${idText(taken)} of this adapter is described already`);
    for (const id of ids) seen.add(id);
    const absent = ids.filter((id) => !usage.has(id));
    if (absent.length > 0) problems.warning([...at, 'id'], `${idText(absent)} is not among domains.usage`);
    checkDomain(problems, at, entry, domain);
  }
}

function checkDomain(problems: Problems, path: FieldPath, entry: AdapterEntry, domain: AdapterDomainEntry): void {
  if (domain.opModes !== undefined && entry.mode !== 'ep11')
    problems.error([...path, 'opModes'], `only an EP11 card has this (mode: ep11, not ${entry.mode})`);
  checkKeys(problems, [...path, 'masterKeys'], entry, domain.masterKeys);
}

function checkKeys(
  problems: Problems,
  path: FieldPath,
  { mode }: AdapterEntry,
  keys: MasterKeysDescription = {},
): void {
  const had: readonly string[] = KEYS_OF_MODE[mode] ?? [];
  for (const kind of ['aes', 'apka', 'asym', 'wk'] as const) {
    const registers = keys[kind];
    if (!registers) continue;
    if (!had.includes(kind)) {
      const what = had.length > 0 ? `has the keys ${had.join(', ')}` : 'has no master keys';
      problems.error([...path, kind], `a card of mode ${mode} ${what}`);
      continue;
    }
    for (const [name, register] of Object.entries(registers))
      checkPattern(problems, [...path, kind, name], PATTERN_LENGTH[KIND[kind]], register);
  }
}

function checkPattern(problems: Problems, path: FieldPath, bytes: number, register: MasterKeyRegister): void {
  const { pattern, state } = register;
  if (pattern === undefined) return;
  const digits = pattern.replace(/^0x/i, '');
  if (digits.length !== 2 * bytes)
    problems.error(path, `the pattern has ${digits.length} hex digits; it must have ${2 * bytes}`);
  else if (['empty', 'partial', 'invalid'].includes(state) && /[^0]/.test(digits))
    problems.warning(path, `a register that is ${state} shows no pattern`);
}
