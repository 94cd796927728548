/**
 * From what a user names to a description.
 */
import type { MachineDescription } from '../../lib/description/description.js';
import type { DescriptionError } from '../../lib/description/problem.js';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { type MachineFile, parseMachineFile } from './parse.js';
import { isPreset, printPreset } from './presets.js';
import { MachineFileError, problemLine } from './problem.js';
import { type MachineSource, readMachine } from './source.js';

/** Descriptions remember which file they are from, so that later problems have a line too. */
const files = new WeakMap<MachineDescription, MachineFile>();

/**
 * Loads a machine.
 * @param source as read; or as named, and then it is read
 * @param warn receives what is hardly meant, one line each
 * @throws MachineFileError it cannot be read, or has mistakes
 */
export function loadMachine(
  source: MachineSource | string,
  warn: (line: string) => void = () => {},
): MachineDescription {
  const { name, text } = typeof source === 'string' ? readMachine(source) : source;
  const machine =
    text === undefined && isPreset(name)
      ? parseMachineFile(printPreset(name), `preset ${name}`, true)
      : parseMachineFile(text ?? '', name);
  for (const warning of machine.warnings) warn(problemLine(warning));
  files.set(machine.description, machine);
  return machine.description;
}

/** Said behind the mistakes. */
export const NO_MACHINE = 'this describes no machine; `ap-sysfs machine` prints one to start from';

/**
 * Mistakes are told before anything is done for the machine: a mount, or the end of another one.
 * @throws Failure
 */
export function mustBeMachine(source: MachineSource | string): void {
  try {
    loadMachine(source);
  } catch (e) {
    if (!(e instanceof MachineFileError)) throw e;
    throw new Failure(`${e.message}\nap-sysfs: ${NO_MACHINE}`, { status: EXIT.usage, verbatim: true });
  }
}

/** What the kernel refused when a loaded machine was started, one line each. */
export function explainStart(description: MachineDescription, error: DescriptionError): string[] {
  return files.get(description)?.explain(error).map(problemLine) ?? error.message.split('\n');
}
