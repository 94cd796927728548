/**
 * Options of the commands that are run by hand: texts with defaults. Whoever
 * asks for help, or mistypes, is told how it goes.
 */
import { parseArgs } from 'node:util';

type Texts = Record<string, { readonly type: 'string'; readonly default?: string }>;

/** The values of `options`; ends with 0 after --help, with 2 after a wrong word. */
export function optionsOf<const T extends Texts>(
  usage: string,
  options: T,
): ReturnType<typeof parseArgs<{ options: T }>>['values'] {
  try {
    const help = process.argv.includes('--help') || process.argv.includes('-h');
    if (!help) return parseArgs({ options }).values;
    process.stdout.write(usage);
    process.exit(0);
  } catch (e) {
    process.stderr.write(`${(e as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}
