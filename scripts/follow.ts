/**
 * A listing that grows: print it, and go on with what comes next.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from './exit-status.js';
import { Failure } from './failure.js';
import { NoMachineThere } from './mounts/control.js';

const LOOK_EVERY_MS = 250;

/** Lines, each with what tells it from all others. */
export type Lines = readonly { readonly line: string; readonly id: string | number }[];

/**
 * Ends with the machine: with a word on stderr if it was unmounted, with the
 * failure of the read if its daemon has died.
 * @param read what is there now, oldest first; old lines may have been dropped or cleared
 * @param onward whether to go on, until the machine goes away
 * @throws Failure
 */
export async function follow(read: () => Lines, onward: boolean, show: (line: string) => void): Promise<void> {
  if (onward) process.once('SIGINT', () => process.exit(EXIT.ok));
  let lines = read();
  let before: ReadonlySet<string | number> = new Set();
  for (;;) {
    for (const { line, id } of lines) if (!before.has(id)) show(line);
    if (!onward) return;
    before = new Set(lines.map(({ id }) => id));
    await sleep(LOOK_EVERY_MS);
    const next = await readOn(read);
    if (next === undefined) return;
    lines = next;
  }
}

/**
 * What there is by now; undefined, and a word on stderr, if the machine was unmounted.
 * @throws Failure its daemon has died
 */
export async function readOn<T>(read: () => T): Promise<T | undefined> {
  try {
    return await readCalmly(read);
  } catch (e) {
    if (!(e instanceof NoMachineThere)) throw e;
    process.stderr.write(`ap-sysfs: ${e.mountPoint} was unmounted\n`);
    return undefined;
  }
}

/** How often a tree that is being taken away is asked again before its words count. */
const MOST_TRIES = 10;

/** A tree that is being taken away says many things meanwhile: the second answer counts, and of errors what lasts. */
export async function readCalmly<T>(read: () => T): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return read();
    } catch (e) {
      if (tries === MOST_TRIES || (tries > 1 && e instanceof Failure)) throw e;
    }
    await sleep(LOOK_EVERY_MS);
  }
}
