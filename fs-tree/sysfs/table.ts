/**
 * Attribute tables: one row, one file.
 *
 * A table belongs to a group of files that the model adds to a kobject by
 * name. Reading a table from top to bottom is reading the ABI of that
 * directory: name, since which kernel, what it shows, what it takes. The mode
 * follows from which of the two are there (0644, 0444, 0200) unless a row says
 * otherwise. Texts end with a newline unless the kernel's does not.
 */
import type { Kobject } from '../../lib/driver-core/kobject.js';
import type { Kernel } from '../../lib/kernel.js';
import type { Profile } from '../../lib/profile/profile.js';
import type { Soon } from '../../lib/sync/soon.js';
import type { IoContext } from '../kernfs/node.js';

export interface AttrContext extends Pick<IoContext, 'task' | 'caller'> {
  readonly kernel: Kernel;
}

export interface Attr<K extends Kobject> {
  readonly name: string;
  /** Which kernels have it; all unless given. */
  readonly since?: (profile: Profile) => boolean;
  /** Permission bits that do not follow from show and store. */
  readonly mode?: number | ((profile: Profile) => number);
  readonly show?: (kobj: K, ctx: AttrContext) => Soon<string>;
  /** One whole write. Returning means that all of it was taken. */
  readonly store?: (kobj: K, text: string, ctx: AttrContext) => void | Promise<void>;
  /** Hides the row on some devices (`is_visible`). */
  readonly visible?: (kobj: K, kernel: Kernel) => boolean;
}

export interface AttrTable {
  /** Name of the file group in the model. */
  readonly group: string;
  readonly rows: readonly Attr<Kobject>[];
}

/** A table whose kobjects are of class `type`: rows get them typed, anything else is a bug. */
export function table<K extends Kobject>(
  group: string,
  // biome-ignore lint/suspicious/noExplicitAny: any constructor of that class
  type: abstract new (...args: any[]) => K,
  rows: readonly Attr<K>[],
): AttrTable {
  for (const row of rows)
    if (!row.show && !row.store && row.mode === undefined) throw new Error(`${group}: ${row.name}`);
  const check = (kobj: Kobject): void => {
    if (!(kobj instanceof type)) throw new Error(`group ${group} on ${kobj.devpath}, which is no ${type.name}`);
  };
  const first = rows[0];
  if (!first) throw new Error(`${group} is empty`);
  return { group, rows: rows.map((row) => guarded(row as unknown as Attr<Kobject>, check)) };
}

function guarded(row: Attr<Kobject>, check: (kobj: Kobject) => void): Attr<Kobject> {
  const { show, store } = row;
  return {
    ...row,
    ...(show && {
      show: (kobj, ctx) => {
        check(kobj);
        return show(kobj, ctx);
      },
    }),
    ...(store && {
      store: (kobj, text, ctx) => {
        check(kobj);
        return store(kobj, text, ctx);
      },
    }),
  };
}

/** The permission bits of a row. */
export function modeOf(row: Attr<Kobject>, profile: Profile): number {
  if (typeof row.mode === 'function') return row.mode(profile);
  if (row.mode !== undefined) return row.mode;
  return (row.show ? 0o444 : 0) | (row.store ? 0o200 : 0);
}

/** `0` or `1` and a newline. */
export const flag = (on: boolean): string => (on ? '1\n' : '0\n');

/** A number in decimal and a newline. */
export const decimal = (n: number | bigint): string => `${n}\n`;

/** `0x%08X` and a newline. */
export const hex32 = (n: number): string => `0x${(n >>> 0).toString(16).toUpperCase().padStart(8, '0')}\n`;
