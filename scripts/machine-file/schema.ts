/**
 * The published schema (schema.json), and the validator made of it.
 *
 * Keywords that begin with `ap-` are for values that a plain schema cannot
 * describe with a message for people; editors do not mind them:
 * ap-number: a number may be a text (0x1b) too; minimum and maximum count.
 * ap-words: one of these words, or such a number.
 * ap-ids: a list of ids and ranges, 0 to 255.
 * ap-duration: a duration (values.ts), or one of these words.
 * ap-register: see values.ts.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ErrorObject, JSONType, SchemaValidateFunction, ValidateFunction } from 'ajv';
import { didYouMean } from '../../lib/description/nearest.js';
import {
  type BadId,
  BadValue,
  numberOf,
  parseDuration,
  parseIds,
  parseNumber,
  parseRegister,
  shown,
} from './values.js';

/** As much of a schema as this package's own has. */
export interface Schema {
  readonly $ref?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly items?: Schema;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly definitions?: Readonly<Record<string, Schema>>;
  readonly 'ap-number'?: true;
  readonly 'ap-words'?: readonly string[];
  readonly 'ap-ids'?: 'list' | 'one-or-several';
  readonly 'ap-duration'?: true | readonly string[];
  readonly 'ap-register'?: readonly string[];
}

/** Where the schema is, for editors. */
export const SCHEMA_URL = new URL('../../../scripts/machine-file/schema.json', import.meta.url);

let schema: Schema | undefined;

export function machineSchema(): Schema {
  schema ??= JSON.parse(readFileSync(SCHEMA_URL, 'utf8')) as Schema;
  return schema;
}

/** What a `$ref` stands for; fields beside it count more. */
export function resolve(part: Schema): Schema {
  const name = /^#\/definitions\/(.+)$/.exec(part.$ref ?? '')?.[1];
  const target = name === undefined ? undefined : machineSchema().definitions?.[name];
  if (!target) return part;
  const { $ref: _, ...own } = part;
  return { ...resolve(target), ...own };
}

let validator: ValidateFunction | undefined;

/** Everything that is wrong with the form of a machine file's contents. */
export function formErrors(value: unknown): readonly ErrorObject[] {
  validator ??= newValidator();
  return validator(value) ? [] : (validator.errors ?? []);
}

/** What is wrong with a value, as a keyword's error tells it in its `params`. */
export type ValueFault = BadId;

/** Looks at values of its types. */
interface Keyword {
  readonly type: JSONType | JSONType[];
  readonly faults: (value: unknown, schema: Schema) => readonly ValueFault[];
}

/** From a parser that gives a BadValue, or anything else if the value is fine. */
const faultsOf =
  (parse: (value: unknown, schema: Schema) => unknown): Keyword['faults'] =>
  (value, schema) => {
    const result = parse(value, schema);
    return result instanceof BadValue ? [{ text: result.text }] : [];
  };

const numberIn = (value: unknown, { minimum = 0, maximum = Number.MAX_SAFE_INTEGER }: Schema): unknown =>
  parseNumber(value, minimum, maximum);

function word(value: string, schema: Schema): unknown {
  const words = schema['ap-words'] ?? [];
  if (words.includes(value)) return value;
  if (numberOf(value) !== undefined) return numberIn(value, schema);
  return new BadValue(`${shown(value)} is none of ${words.join(', ')}, and no number${didYouMean(value, words)}`);
}

/** A duration, or a word that stands where one could. */
export function durationOrWord(value: string, schema: Schema): number | string | BadValue {
  const words = schema['ap-duration'];
  return Array.isArray(words) && words.includes(value) ? value : parseDuration(value);
}

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  'ap-number': { type: 'string', faults: faultsOf(numberIn) },
  'ap-words': { type: 'string', faults: faultsOf((value, schema) => word(String(value), schema)) },
  'ap-ids': { type: ['string', 'integer', 'array'], faults: (value) => parseIds(value).faults },
  'ap-duration': { type: 'string', faults: faultsOf((value, schema) => durationOrWord(String(value), schema)) },
  'ap-register': {
    type: 'string',
    faults: faultsOf((value, schema) => parseRegister(String(value), schema['ap-register'] ?? [])),
  },
};

function newValidator(): ValidateFunction {
  // Only who has a file to check waits for the package; that the schema is one is for a test to say.
  const { Ajv } = createRequire(import.meta.url)('ajv') as typeof import('ajv');
  const ajv = new Ajv({
    ...{ allErrors: true, verbose: true, allowUnionTypes: true, strictTypes: false },
    ...{ meta: false, validateSchema: false },
  });
  for (const [keyword, { type, faults }] of Object.entries(KEYWORDS)) {
    const validate: SchemaValidateFunction = (_: unknown, value: unknown, parent?: unknown) => {
      const found = faults(value, (parent ?? {}) as Schema);
      if (found.length === 0) return true;
      validate.errors = found.map((fault) => ({ keyword, message: fault.text, params: fault }));
      return false;
    };
    ajv.addKeyword({ keyword, type, validate });
  }
  return ajv.compile(machineSchema());
}
