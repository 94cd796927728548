/**
 * Tables of writes to one file.
 */
import type { Test } from 'tap';
import type { Scenario } from './scenario.js';

/** Permission bits, as `0644`. */
export function modeOf({ m: { sh } }: Scenario, path: string): string {
  return (sh.ops.getattr(sh.caller, sh.node(path)).mode & 0o777).toString(8).padStart(4, '0');
}

/** What is written in one write, 'ok' or the errno, and, if given, what the file reads then. */
export type WriteRow = readonly [text: string, result: string, content?: string];

export async function tryAll(
  t: Pick<Test, 'equal'>,
  s: Scenario,
  path: string,
  rows: readonly WriteRow[],
): Promise<void> {
  for (const [text, result, content] of rows) {
    t.equal(await s.write(text, path), result, `${path.split('/').at(-1)} <- ${JSON.stringify(text).slice(0, 60)}`);
    if (content !== undefined) t.equal(await s.read(path), content, `reads ${content.trimEnd()}`);
  }
}
