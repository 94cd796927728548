/**
 * A machine file read, checked and made a description; all that is wrong with
 * it at once, each with its line.
 */
import { patternProblems } from '../../fs-tree/faults/faults.js';
import { checkDescription } from '../../lib/description/check.js';
import type { MachineDescription } from '../../lib/description/description.js';
import {
  type DescriptionError,
  type FieldPath,
  kebabCase,
  type Problem,
  pathText,
} from '../../lib/description/problem.js';
import { toDescription, withoutFaults } from './convert.js';
import { type FieldKinds, type Located, SourceDocument } from './document.js';
import { jsonFault } from './json.js';
import { type FileProblem, fileError, MachineFileError, type Position, positionIn } from './problem.js';
import { formErrors, machineSchema, resolve, type Schema } from './schema.js';
import { formProblems } from './words.js';

export interface MachineFile {
  readonly description: MachineDescription;
  /** What is hardly meant, in the order of the lines. */
  readonly warnings: readonly FileProblem[];
  /** The places of what the kernel refused when the machine was started. */
  explain(error: DescriptionError): FileProblem[];
}

/**
 * Reads a machine file.
 * @param text YAML; or JSON, and nothing else if its name ends so
 * @param file its name, for messages
 * @param formIsKnown it is one of ours, whose form a test has checked
 * @throws MachineFileError with every error that is in it
 */
export function parseMachineFile(text: string, file: string, formIsKnown = false): MachineFile {
  const noJson = /\.json$/i.test(file) ? jsonFault(text) : undefined;
  if (noJson) throw new MachineFileError([fileError(file, positionIn(text, noJson.offset), noJson.text)]);
  const source = new SourceDocument(text, fieldKinds());
  const problems = source.problems.map(({ at, text: what }) => fileError(file, at, what));
  if (!source.readable) throw new MachineFileError(problems);
  // Most likely not what was meant: a pipe that nobody reads, a file that was emptied.
  if (source.value === undefined && problems.length === 0) {
    const text =
      'nothing is described here; `ap-sysfs machine` prints a file to start from, {} is a machine without adapters';
    throw new MachineFileError([fileError(file, { line: 1, column: 1 }, text)]);
  }
  const contents = source.value ?? {};
  const at = ({ note, line, column }: Located, path: FieldPath, text: string): Omit<FileProblem, 'severity'> => ({
    file,
    line,
    column,
    path: pathText(path),
    text: note === undefined ? text : `${text} (${note})`,
  });
  const form = formIsKnown ? [] : formProblems(formErrors(contents), contents);
  for (const { path, key, character, text: what } of form)
    problems.push({ severity: 'error', ...at(source.locate(path, key, character), path, what) });
  const description = toDescription(form.length > 0 ? withoutFaults(contents, form) : contents);
  const place = ({ severity, path, character, text: what }: Problem): FileProblem => {
    const names = path.map((part) => (typeof part === 'string' ? kebabCase(part) : part));
    return { severity, ...at(source.locate(names, undefined, character), path, what) };
  };
  const checked = [...checkDescription(description), ...patternProblems(description.faults)].map(place);
  const errors = [...problems, ...checked.filter(({ severity }) => severity === 'error')].sort(byPlace);
  if (errors.length > 0) throw new MachineFileError(errors);
  return { description, warnings: checked.sort(byPlace), explain: (error) => error.problems.map(place) };
}

const byPlace = (a: Position, b: Position): number => a.line - b.line || a.column - b.column;

let kinds: FieldKinds | undefined;

function fieldKinds(): FieldKinds {
  if (!kinds) {
    const fields = [...fieldsOf(machineSchema())];
    const types = new Map(fields.map(([name, { type }]) => [name, type]));
    const most = new Map(fields.flatMap(([name, { maxItems }]) => (maxItems === undefined ? [] : [[name, maxItems]])));
    kinds = {
      isText: (field) => types.get(field) === 'string',
      isKnown: (field) => types.has(field),
      mostItems: (field) => most.get(field),
    };
  }
  return kinds;
}

function* fieldsOf(part: Schema): Generator<[name: string, schema: Schema]> {
  for (const [name, field] of Object.entries(part.properties ?? {})) {
    const schema = resolve(field);
    yield [name, schema];
    yield* fieldsOf(schema);
    if (schema.items) yield* fieldsOf(resolve(schema.items));
  }
}
