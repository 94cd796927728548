/**
 * What is wrong with a machine file, and where: one line each.
 */
import type { Problem } from '../../lib/description/problem.js';

export interface Position {
  readonly line: number;
  readonly column: number;
}

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

/** More lines than that help nobody. */
const MOST_LINES = 100;

/** A file that describes no machine. */
export class MachineFileError extends Error {
  constructor(readonly problems: readonly FileProblem[]) {
    const lines = problems.slice(0, MOST_LINES).map(problemLine);
    const more = problems.length - lines.length;
    const file = problems[0]?.file ?? '';
    super([...lines, ...(more > 0 ? [`${file}: and ${more} mistakes more`] : [])].join('\n'));
    this.name = 'MachineFileError';
  }
}

/** An error of the file as a whole, at a place of it. */
export const fileError = (file: string, { line, column }: Position, text: string): FileProblem => ({
  severity: 'error',
  file,
  line,
  column,
  path: '',
  text,
});

/** Where an offset is, without help of a parser. */
export function positionIn(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}
