/**
 * The words of a kernel command line.
 *
 * Mirrors lib/cmdline.c `next_arg` and where kernel/params.c `parse_args` stops.
 */

export interface CommandLineWord {
  readonly name: string;
  /** Undefined: there is no `=`. */
  readonly value: string | undefined;
  /** Where the word begins in the line. */
  readonly at: number;
}

/** Up to `--`, behind which words are for init. Blanks in double quotes belong to a word; the quotes around it or its value go. */
export function* commandLineWords(line: string): Generator<CommandLineWord> {
  for (const match of line.matchAll(/(?:"[^"]*(?:"|$)|[^\s"])+/g)) {
    const [word] = match;
    const quoted = word.startsWith('"');
    const plain = quoted ? word.slice(1) : word;
    const equals = plain.indexOf('=');
    const name = equals < 0 ? plain : plain.slice(0, equals);
    if (equals < 0) {
      const whole = quoted ? name.replace(/"$/, '') : name;
      if (whole === '--') return;
      yield { name: whole, value: undefined, at: match.index };
    } else {
      const value = plain.slice(equals + 1);
      const inQuotes = quoted || value.startsWith('"');
      const text = value.replace(/^"/, '');
      yield { name, value: inQuotes ? text.replace(/"$/, '') : text, at: match.index };
    }
  }
}
