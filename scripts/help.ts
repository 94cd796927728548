/**
 * What `--help` says besides the options: examples of each command.
 */
import type { Command } from 'commander';
import { colour, terminalWidth } from './output/terminal.js';

/** Command lines, each with what it does. */
export type Examples = readonly (readonly [line: string, what: string])[];

/** Adds examples below the options of a command. */
export function examples(command: Command, list: Examples): Command {
  return command.addHelpText('after', () => `\n${exampleText(list)}`);
}

/** Aligned where both halves fit into a line, else one below the other. */
export function exampleText(list: Examples): string {
  const width = Math.max(...list.map(([line]) => line.length)) + 2;
  const beside = list.every(([, what]) => width + what.length + 2 <= terminalWidth());
  const lines = list.map(([line, what]) =>
    beside ? `  ${what === '' ? line : line.padEnd(width)}${colour.dim(what)}` : `  ${line}\n      ${colour.dim(what)}`,
  );
  return `Examples:\n${lines.join('\n')}`;
}
