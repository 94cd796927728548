/**
 * Machines from elsewhere: read, understood, written as a machine file.
 */
import { checkDescription } from '../../lib/description/check.js';
import type { MachineDescription } from '../../lib/description/description.js';
import { pathText } from '../../lib/description/problem.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { anonymized } from './anonymize.js';
import { machineOf } from './machine.js';
import { Notes } from './notes.js';
import { type Picture, SOURCE_NAMES } from './picture.js';
import { printImported } from './print.js';

export { ImportError } from '../record/format.js';
export { readBytes, readSource } from './source.js';

export interface ImportOptions {
  readonly kernel?: KernelVersion | undefined;
  readonly anonymize?: boolean | undefined;
}

export interface Imported {
  readonly description: MachineDescription;
  /** The machine file. */
  readonly text: string;
  /** What the source did not tell, or what a machine file cannot say. */
  readonly notes: readonly string[];
}

export function importMachine(picture: Picture, { kernel, anonymize }: ImportOptions = {}): Imported {
  const notes = new Notes();
  const found = machineOf(picture, notes, kernel);
  const description = anonymize ? anonymized(found) : found;
  // The machine may have been in a state that cannot be made: better said now than at the mount.
  for (const { severity, path, text } of checkDescription(description))
    if (severity === 'error') notes.add(`this has to be mended before a mount: ${pathText(path)}: ${text}`);
  const source = anonymize ? SOURCE_NAMES[picture.kind] : `${SOURCE_NAMES[picture.kind]}, ${picture.name}`;
  const lines = notes.lines();
  return { description, notes: lines, text: printImported(description, source, lines) };
}
