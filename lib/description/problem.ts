/**
 * What is wrong with a description, and where.
 */

/** Names of fields and positions in lists, from the outside: `['adapters', 2, 'mode']`. */
export type FieldPath = readonly (string | number)[];

export interface Problem {
  /** A warning: the machine can be built, but hardly as it was meant. */
  readonly severity: 'error' | 'warning';
  readonly path: FieldPath;
  readonly text: string;
  /** Where the field is a text: the character of it that this is about. */
  readonly character?: number;
}

/** A path as people write it, with the names of a machine file: `adapters[2].master-keys`. */
export function pathText(path: FieldPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += `${text === '' ? '' : '.'}${kebabCase(part)}`;
  }
  return text;
}

/** `masterKeys` as files write it: `master-keys`. */
export const kebabCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The other way round. */
export const camelCase = (name: string): string =>
  name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** A description that no machine can be made of, or whose mdevs and guests the kernel refused. */
export class DescriptionError extends Error {
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(({ path, text }) => `${pathText(path)}: ${text}`).join('\n'));
    this.name = 'DescriptionError';
  }
}
