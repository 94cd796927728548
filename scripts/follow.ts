/**
 * A listing that grows: print it, and go on with what comes next.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from './exit-status.js';

const LOOK_EVERY_MS = 250;

/** Lines, each with what tells it from all others. */
export type Lines = readonly { readonly line: string; readonly id: string | number }[];

/**
 * @param read what is there now, oldest first; old lines may have been dropped or cleared
 * @param onward whether to go on, until the machine goes away
 */
export async function follow(read: () => Lines, onward: boolean, show: (line: string) => void): Promise<void> {
  let before: ReadonlySet<string | number> = new Set();
  if (onward) process.once('SIGINT', () => process.exit(EXIT.ok));
  for (;;) {
    let lines: Lines;
    try {
      lines = read();
    } catch (e) {
      if (before.size > 0) return;
      throw e;
    }
    for (const { line, id } of lines) if (!before.has(id)) show(line);
    if (!onward) return;
    before = new Set(lines.map(({ id }) => id));
    await sleep(LOOK_EVERY_MS);
  }
}
