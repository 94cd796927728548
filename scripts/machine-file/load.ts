/**
 * The machine that a user names: a preset, or a file.
 */
import { readFileSync } from 'node:fs';
import type { MachineDescription } from '../../lib/description/description.js';
import { didYouMean } from '../../lib/description/nearest.js';
import type { DescriptionError } from '../../lib/description/problem.js';
import { type FileProblem, type MachineFile, MachineFileError, parseMachineFile, problemLine } from './parse.js';
import { isPreset, PRESETS, printPreset } from './presets.js';

/** Descriptions remember which file they are from, so that later problems have a line too. */
const files = new WeakMap<MachineDescription, MachineFile>();

/**
 * Loads a machine. A word that is a preset's name is that preset; `./default` is a file.
 * @param warn receives what is hardly meant, one line each
 * @throws MachineFileError it cannot be read, or has mistakes
 */
export function loadMachine(nameOrFile: string, warn: (line: string) => void = () => {}): MachineDescription {
  const machine = isPreset(nameOrFile)
    ? parseMachineFile(printPreset(nameOrFile), `preset ${nameOrFile}`)
    : parseMachineFile(contents(nameOrFile), nameOrFile);
  for (const warning of machine.warnings) warn(problemLine(warning));
  files.set(machine.description, machine);
  return machine.description;
}

/** What the kernel refused when a loaded machine was started, one line each. */
export function explainStart(description: MachineDescription, error: DescriptionError): string[] {
  return files.get(description)?.explain(error).map(problemLine) ?? error.message.split('\n');
}

function contents(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (e) {
    throw new MachineFileError([unreadable(file, e)]);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'you may not read it',
  EISDIR: 'this is a directory',
};

function unreadable(file: string, error: unknown): FileProblem {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const presets = Object.keys(PRESETS);
  const hint = file.includes('/') || file.includes('.') ? '' : `, and no such preset${didYouMean(file, presets)}`;
  const known = hint === '' ? '' : `; presets: ${presets.join(', ')}`;
  const text = `${REASONS[code] ?? String(error)}${code === 'ENOENT' ? hint + known : ''}`;
  return { severity: 'error', file, line: 1, column: 1, path: '', text };
}
