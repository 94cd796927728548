/**
 * A command of the vocabulary as words, and what it does when it is run.
 *
 * Wrong words throw CommandError; vocabulary.ts makes an EINVAL of it.
 */
import type { Machine } from './machine.js';

/** Does a command; returns what it prints, or 'changed' if the machine's AP configuration is another one now. */
export type Run = (machine: Machine) => string;

/** What is wrong with a command. */
export class CommandError extends Error {}

/** A C number: decimal, 0x.. or 0.. octal, with optional minus; undefined: none. */
export function cNumber(word: string): number | undefined {
  const match = /^(-?)(?:0x([0-9a-f]+)|(0[0-7]*)|([1-9][0-9]*))$/i.exec(word);
  if (!match) return undefined;
  const [, minus, hex, octal, decimal] = match;
  const value =
    hex !== undefined ? parseInt(hex, 16) : octal !== undefined ? parseInt(octal, 8) : parseInt(decimal!, 10);
  return minus ? -value : value;
}

export class Words {
  readonly #words: string[];

  constructor(text: string) {
    this.#words = text.split(/\s+/).filter((word) => word !== '');
  }

  get left(): number {
    return this.#words.length;
  }

  /** Takes the next word if it is this one. */
  skip(word: string): boolean {
    if (this.#words[0] !== word) return false;
    this.#words.shift();
    return true;
  }

  word(what: string): string {
    const word = this.#words.shift();
    if (word === undefined) throw new CommandError(`${what} is missing`);
    return word;
  }

  number(what: string, min: number, max: number): number {
    return parseNumber(this.word(what), what, min, max);
  }

  /** A number if another word follows. */
  optionalNumber(what: string, min: number, max: number, otherwise: number): number {
    return this.left > 0 ? this.number(what, min, max) : otherwise;
  }

  oneOf<T extends string>(...choices: readonly T[]): T {
    const word = this.word(choices.join('|'));
    const choice = choices.find((c) => c === word);
    if (choice === undefined) throw new CommandError(`"${word}" is not one of ${choices.join(', ')}`);
    return choice;
  }

  onOff(): boolean {
    return this.oneOf('on', 'off') === 'on';
  }

  end(): void {
    if (this.left > 0) throw new CommandError(`too much: "${this.#words.join(' ')}"`);
  }
}

export function parseNumber(word: string, what: string, min: number, max: number): number {
  const value = cNumber(word);
  if (value === undefined) throw new CommandError(`${what}: "${word}" is not a number`);
  if (value < min || value > max) throw new CommandError(`${what}: ${word} is not in ${min}..${max}`);
  return value;
}
