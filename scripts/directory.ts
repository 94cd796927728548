/**
 * Names of directories as arguments and options.
 */
import { InvalidArgumentError } from 'commander';

/** An argument parser for commander. An unset variable in a script must not mean the working directory. */
export function directoryName(written: string): string {
  if (written === '') throw new InvalidArgumentError('It is empty.');
  return written;
}
