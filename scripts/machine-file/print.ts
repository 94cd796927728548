/**
 * A description as a machine file that says the same.
 */
import { stringify } from 'yaml';
import type { MachineDescription } from '../../lib/description/description.js';
import { kebabCase } from '../../lib/description/problem.js';
import { idText } from '../../lib/description/problems.js';
import type { MasterKeyRegister } from '../../lib/hardware/master-keys.js';
import { machineSchema, resolve, type Schema } from './schema.js';

/** YAML that parseMachineFile reads back to an equal description. */
export const printMachine = (description: MachineDescription): string =>
  stringify(toContents(machineSchema(), description), { lineWidth: 0 });

function toContents(part: Schema, value: unknown): unknown {
  const schema = resolve(part);
  if (schema['ap-ids']) return idsText(value);
  if (schema['ap-duration']) return typeof value === 'string' ? value : durationText(Number(value));
  if (schema['ap-register']) return registerText(value as MasterKeyRegister);
  if (Array.isArray(value)) return value.map((item) => toContents(schema.items ?? {}, item));
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, item]) => {
    const field = kebabCase(name);
    return [field, toContents(schema.properties?.[field] ?? {}, item)];
  });
  return Object.fromEntries(fields);
}

/** Ranges where that keeps the order. */
function idsText(value: unknown): unknown {
  if (!Array.isArray(value) || value.length === 0) return value;
  const rises = value.every((id, i) => i === 0 || id > value[i - 1]);
  return rises ? idText(value) : value;
}

/** In the greatest unit that leaves a whole number. */
function durationText(ns: number): string {
  const UNITS = [
    ['s', 1e9],
    ['ms', 1e6],
    ['us', 1e3],
  ] as const;
  const unit = UNITS.find(([, size]) => ns > 0 && ns % size === 0);
  return unit ? `${ns / unit[1]}${unit[0]}` : `${ns}ns`;
}

const registerText = ({ state, pattern }: MasterKeyRegister): string =>
  pattern === undefined ? state : `${state} ${pattern}`;
