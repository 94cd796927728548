/**
 * What the validator complains of, in words, with its place.
 */
import type { ErrorObject } from 'ajv';
import { didYouMean } from '../../lib/description/nearest.js';
import type { FieldPath } from '../../lib/description/problem.js';
import type { Schema, ValueFault } from './schema.js';
import { shown } from './values.js';

/** A complaint about the form of a field. */
export interface FormProblem {
  /** With the names of the file. */
  readonly path: FieldPath;
  /** The field that is meant is this one's own key: an unknown one. */
  readonly key?: string;
  /** Of a text: the character where the fault begins. */
  readonly character?: number;
  readonly text: string;
}

/** What people write instead. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  online: 'configured',
  operational: 'configured',
  offline: 'standby',
  deconfigured: 'standby',
  reserved: 'standby',
  accelerator: 'accel',
  coprocessor: 'cca',
  'z/vm': 'zvm',
};

const TYPE_WORDS: Readonly<Record<string, string>> = {
  object: 'a group of fields',
  array: 'a list',
  string: 'a text',
  integer: 'a whole number',
  boolean: 'true or false',
};

/** `/adapters/2/mode` as a path; `parent` tells positions in lists from names. */
export function pointerPath(pointer: string, root: unknown): FieldPath {
  const path: (string | number)[] = [];
  let at: unknown = root;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    const key = Array.isArray(at) ? Number(name) : name;
    path.push(key);
    at = (at as Record<string | number, unknown> | undefined)?.[key];
  }
  return path;
}

/** All complaints, one a field. */
export function formProblems(errors: readonly ErrorObject[], root: unknown): FormProblem[] {
  const seen = new Set<string>();
  const problems: FormProblem[] = [];
  for (const error of errors) {
    const problem = formProblem(error, pointerPath(error.instancePath, root));
    // A value of a wrong type can break several rules: the first says enough.
    const { path, key, character } = problem;
    const id = JSON.stringify([path, key, character, error.keyword === 'required' ? problem.text : '']);
    if (seen.has(id)) continue;
    seen.add(id);
    problems.push(problem);
  }
  return problems;
}

function formProblem(error: ErrorObject, path: FieldPath): FormProblem {
  const schema = (error.parentSchema ?? {}) as Schema;
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(error.params.additionalProperty);
      const known = Object.keys(schema.properties ?? {});
      const hint = didYouMean(key, known) || ` (known: ${known.join(', ')})`;
      return { path, key, text: `unknown field "${key}"${hint}` };
    }
    case 'required':
      return { path, text: `${error.params.missingProperty} is missing` };
    case 'enum':
      return {
        path,
        text: `${shown(error.data)} is none of ${schema.enum?.join(', ')}${hint(error.data, schema.enum)}`,
      };
    case 'type':
      return { path, text: `${shown(error.data)} is not ${typeWords(schema)}${booleanHint(error.data, schema)}` };
    case 'minimum':
    case 'maximum':
      return { path, text: `${shown(error.data)} is not in ${schema.minimum}..${schema.maximum}` };
    case 'pattern':
      return { path, text: `${shown(error.data)} has not the form that is wanted${exampleWords(schema)}` };
    case 'ap-ids': {
      const { index, character } = error.params as ValueFault;
      const at = index === undefined ? path : [...path, index];
      return { path: at, ...(character !== undefined && { character }), text: error.message ?? error.keyword };
    }
    default:
      return { path, text: error.message ?? error.keyword };
  }
}

function typeWords(schema: Schema): string {
  if (schema['ap-ids']) return 'an id, a range of ids or a list of them';
  if (schema['ap-number'] && !schema.items) return 'a whole number';
  return [schema.type ?? []]
    .flat()
    .filter((type) => !(schema['ap-number'] && type === 'string'))
    .map((type) => TYPE_WORDS[type] ?? type)
    .join(' or ');
}

function hint(data: unknown, words: readonly string[] = []): string {
  if (typeof data !== 'string') return '';
  const other = OTHER_WORDS[data.toLowerCase()];
  return other !== undefined && words.includes(other) ? ` (did you mean ${other}?)` : didYouMean(data, words);
}

/** Words that other versions of YAML take for true and false. */
function booleanHint(data: unknown, schema: Schema): string {
  if (schema.type !== 'boolean' || typeof data !== 'string') return '';
  if (/^(?:yes|on|1|y)$/i.test(data)) return ' (did you mean true?)';
  return /^(?:no|off|0|n)$/i.test(data) ? ' (did you mean false?)' : didYouMean(data, ['true', 'false']);
}

function exampleWords({ examples, default: usual }: Schema): string {
  const example = examples?.[0] ?? usual;
  return example === undefined ? '' : `, such as ${String(example)}`;
}
