/**
 * From the contents of a machine file to a description, led by the schema:
 * names in camel case, numbers as numbers, ranges written out.
 */
import type { MachineDescription } from '../../lib/description/description.js';
import { camelCase, type FieldPath } from '../../lib/description/problem.js';
import { durationOrWord, machineSchema, resolve, type Schema } from './schema.js';
import { BadValue, numberOf, parseIds, parseRegister } from './values.js';

/** Contents that fit the schema. */
export const toDescription = (value: unknown): MachineDescription =>
  convert(machineSchema(), value) as MachineDescription;

function convert(part: Schema, value: unknown): unknown {
  const schema = resolve(part);
  if (schema['ap-ids']) return ids(schema['ap-ids'], value);
  if (Array.isArray(value)) return value.map((item) => convert(schema.items ?? {}, item));
  if (typeof value === 'object' && value !== null) return group(schema, value);
  return typeof value === 'string' ? fromText(schema, value) : value;
}

function group(schema: Schema, value: object): Record<string, unknown> {
  const fields = Object.entries(value).map(([name, item]) => [
    camelCase(name),
    convert(schema.properties?.[name] ?? {}, item),
  ]);
  return Object.fromEntries(fields);
}

/** One id is a number where there may be one or several. */
function ids(kind: Schema['ap-ids'], value: unknown): unknown {
  const { ids: list, faults } = parseIds(value);
  if (faults[0]) throw new TypeError(faults[0].text);
  return kind === 'one-or-several' && list.length === 1 ? list[0] : list;
}

function fromText(schema: Schema, text: string): unknown {
  if (schema['ap-duration']) return good(durationOrWord(text, schema));
  if (schema['ap-register']) return good(parseRegister(text, schema['ap-register']));
  if (schema['ap-number'] || schema['ap-words']) return numberOf(text) ?? text;
  return text;
}

function good<T>(value: T | BadValue): T {
  if (value instanceof BadValue) throw new TypeError(value.text);
  return value;
}

/** What stands in for an item of a list that could not be read, so that the others keep their places. */
const PLACEHOLDER: Readonly<Record<string, object>> = {
  adapters: { id: [], type: 'cex8', mode: 'accel' },
  mdevs: { uuid: '' },
  guests: { mdev: '', autostart: false },
  faults: { path: '*', op: 'read', errno: 'EIO' },
};

/**
 * A copy of the contents without what is wrong: so that what fits can be
 * looked at all the same.
 */
export function withoutFaults(value: unknown, faults: readonly { path: FieldPath; key?: string }[]): object {
  const root = structuredClone(value);
  if (!isGroup(root)) return {};
  for (const { path, key } of faults) {
    const full: FieldPath = key === undefined ? path : [...path, key];
    const [list, index] = full;
    const items = typeof list === 'string' ? root[list] : undefined;
    if (full.length === 0) continue;
    if (typeof list === 'string' && typeof index === 'number' && Array.isArray(items) && list in PLACEHOLDER) {
      if (key === undefined) items[index] = placeholder(list, items[index], full);
      else remove(root, full);
    } else remove(root, full);
  }
  return root;
}

/** The id of a faulty adapter still counts, unless it is the fault. */
function placeholder(list: string, item: unknown, path: FieldPath): object {
  const usual = PLACEHOLDER[list] ?? {};
  const keeps = list === 'adapters' && isGroup(item) && path[2] !== 'id' && item.id !== undefined;
  return keeps ? { ...usual, id: item.id } : usual;
}

function remove(root: Record<string, unknown>, path: FieldPath): void {
  let at: unknown = root;
  for (const part of path.slice(0, -1)) at = (at as Record<string | number, unknown> | undefined)?.[part];
  const last = path.at(-1);
  // A list with a fault in it says nothing.
  if (Array.isArray(at)) remove(root, path.slice(0, -1));
  else if (isGroup(at) && last !== undefined) delete at[last];
}

const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
