/**
 * A machine file read, checked and made a description; all that is wrong with
 * it at once, each with its line.
 */
import { checkDescription } from '../../lib/description/check.js';
import type { MachineDescription } from '../../lib/description/description.js';
import { type DescriptionError, kebabCase, type Problem, pathText } from '../../lib/description/problem.js';
import { toDescription, withoutFaults } from './convert.js';
import { type FieldKinds, type Position, SourceDocument } from './document.js';
import { formErrors, machineSchema, resolve, type Schema } from './schema.js';
import { formProblems } from './words.js';

/** Something wrong with a file. */
export interface FileProblem extends Position {
  readonly severity: Problem['severity'];
  readonly file: string;
  /** As in `adapters[2].mode`; empty: the file as a whole. */
  readonly path: string;
  /** What is wrong, without its place. */
  readonly text: string;
}

/** `machine.yaml:12:5: adapters[2].mode: "ccx" is none of accel, cca, ep11 (did you mean cca?)` */
export function problemLine({ file, line, column, path, text, severity }: FileProblem): string {
  const what = severity === 'warning' ? 'warning: ' : '';
  return `${file}:${line}:${column}: ${what}${path === '' ? '' : `${path}: `}${text}`;
}

/** A file that describes no machine. */
export class MachineFileError extends Error {
  constructor(readonly problems: readonly FileProblem[]) {
    super(problems.map(problemLine).join('\n'));
    this.name = 'MachineFileError';
  }
}

export interface MachineFile {
  readonly description: MachineDescription;
  /** What is hardly meant, in the order of the lines. */
  readonly warnings: readonly FileProblem[];
  /** The places of what the kernel refused when the machine was started. */
  explain(error: DescriptionError): FileProblem[];
}

/**
 * Reads a machine file.
 * @param text YAML, or JSON
 * @param file its name, for messages
 * @throws MachineFileError with every error that is in it
 */
export function parseMachineFile(text: string, file: string): MachineFile {
  const source = new SourceDocument(text, fieldKinds());
  const problems: FileProblem[] = source.problems.map(({ at, text: what }) => ({
    ...at,
    severity: 'error',
    file,
    path: '',
    text: what,
  }));
  if (!source.readable) throw new MachineFileError(problems);
  // Most likely not what was meant: a pipe that nobody reads, a file that was emptied.
  if (source.value === undefined) {
    const text =
      'nothing is described here; `ap-sysfs machine` prints a file to start from, {} is a machine without adapters';
    throw new MachineFileError([{ line: 1, column: 1, severity: 'error', file, path: '', text }]);
  }
  const contents = source.value;
  const form = formProblems(formErrors(contents), contents);
  for (const { path, key, text: what } of form)
    problems.push({ ...source.locate(path, key), severity: 'error', file, path: pathText(path), text: what });
  const description = toDescription(form.length > 0 ? withoutFaults(contents, form) : contents);
  const place = ({ severity, path, text: what }: Problem): FileProblem => {
    const names = path.map((part) => (typeof part === 'string' ? kebabCase(part) : part));
    return { ...source.locate(names), severity, file, path: pathText(path), text: what };
  };
  const checked = checkDescription(description).map(place);
  const errors = [...problems, ...checked.filter(({ severity }) => severity === 'error')].sort(byPlace);
  if (errors.length > 0) throw new MachineFileError(errors);
  return { description, warnings: checked.sort(byPlace), explain: (error) => error.problems.map(place) };
}

const byPlace = (a: Position, b: Position): number => a.line - b.line || a.column - b.column;

let kinds: FieldKinds | undefined;

function fieldKinds(): FieldKinds {
  if (!kinds) {
    const types = new Map(fieldsOf(machineSchema()));
    kinds = { isText: (field) => types.get(field) === 'string', isKnown: (field) => types.has(field) };
  }
  return kinds;
}

function* fieldsOf(part: Schema): Generator<[name: string, type: Schema['type']]> {
  for (const [name, field] of Object.entries(part.properties ?? {})) {
    const schema = resolve(field);
    yield [name, schema.type];
    yield* fieldsOf(schema);
    if (schema.items) yield* fieldsOf(resolve(schema.items));
  }
}
