/**
 * Values of options and arguments that must be one of a few words.
 */
import { InvalidArgumentError } from 'commander';
import { didYouMean } from '../lib/description/nearest.js';

/** An argument parser for commander: names the known words, and the nearest. */
export function oneOf<T extends string>(words: readonly T[]): (written: string) => T {
  return (written) => {
    const word = words.find((known) => known === written);
    if (word === undefined)
      throw new InvalidArgumentError(`It is one of ${words.join(', ')}${didYouMean(written, words)}.`);
    return word;
  };
}
