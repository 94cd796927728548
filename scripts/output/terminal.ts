/**
 * What stdout can show: its width, and whether it has colours.
 *
 * Colours only for a terminal, and never with NO_COLOR or TERM=dumb;
 * FORCE_COLOR asks for them in a pipe too. Whatever is coloured reads the same
 * without.
 */
import pc from 'picocolors';

function wantsColour({ env, stdout }: NodeJS.Process): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0';
  return Boolean(stdout.isTTY) && env.TERM !== 'dumb';
}

export const colour = pc.createColors(wantsColour(process));

/** Columns of the terminal; COLUMNS, else 80, where stdout is none. */
export function terminalWidth(): number {
  const width = process.stdout.columns ?? Number(process.env.COLUMNS);
  return Number.isInteger(width) && width >= 20 ? width : 80;
}

/** Prints; a reader that has gone away (`| head`) is no mistake. */
export function print(text: string): void {
  process.stdout.write(text);
}

let endsWithReader = true;

/** From now on this process has something to do besides printing: a mount must not be left behind. */
export function keepWithoutReader(): void {
  endsWithReader = false;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  if (endsWithReader) process.exit(0);
});
