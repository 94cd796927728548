/**
 * What a source did not tell, or what a machine file cannot say.
 */

/** Collects, so that a list of cards is one line. */
export class Notes {
  readonly #plain: string[] = [];
  readonly #lists = new Map<string, string[]>();

  add(text: string): void {
    if (!this.#plain.includes(text)) this.#plain.push(text);
  }

  /** @param text with `%s` where the names go */
  of(text: string, name: string): void {
    const names = this.#lists.get(text) ?? [];
    if (!names.includes(name)) names.push(name);
    this.#lists.set(text, names);
  }

  lines(): string[] {
    return [...this.#plain, ...[...this.#lists].map(([text, names]) => text.replace('%s', few(names)))];
  }
}

const MANY = 6;

const few = (names: readonly string[]): string =>
  names.length <= MANY
    ? names.join(', ')
    : `${names.slice(0, MANY - 1).join(', ')} and ${names.length - MANY + 1} more`;
