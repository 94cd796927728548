/**
 * Kernel events to user space.
 *
 * Mirrors lib/kobject_uevent.c: a message is a header and keys in a fixed
 * order, numbered by one counter a kernel. spec/sysfs-tree.md 10.
 */
import { KernelError } from '../errno.js';
import type { Kobject } from './kobject.js';

export const UEVENT_ACTIONS = ['add', 'remove', 'change', 'move', 'online', 'offline', 'bind', 'unbind'] as const;
export type UeventAction = (typeof UEVENT_ACTIONS)[number];

export interface Uevent {
  readonly action: UeventAction;
  readonly devpath: string;
  /** KEY=VALUE in the order sent, from ACTION on, without SEQNUM. */
  readonly keys: readonly string[];
  readonly seqnum: number;
}

/** What the event's subsystem adds; undefined drops the event (`uevent_ops->filter`). */
export interface UeventSource {
  readonly subsystem: string;
  /** Keys behind those of the sender. */
  keys(action: UeventAction): string[];
}

export class UeventChannel {
  #seqnum = 0;
  readonly #listeners = new Set<(event: Uevent) => void>();

  /** Number of the latest event. */
  get seqnum(): number {
    return this.#seqnum;
  }

  subscribe(listener: (event: Uevent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** `kobject_uevent_env`. Without a source the filter has dropped it. */
  send(
    kobj: Kobject,
    action: UeventAction,
    source: UeventSource | undefined,
    senderKeys: readonly string[] = [],
  ): void {
    if (!source) return;
    const devpath = kobj.devpath;
    const keys = [
      `ACTION=${action}`,
      `DEVPATH=${devpath}`,
      `SUBSYSTEM=${source.subsystem}`,
      ...senderKeys,
      ...source.keys(action),
    ];
    const event: Uevent = { action, devpath, keys, seqnum: ++this.#seqnum };
    for (const listener of this.#listeners) listener(event);
  }
}

/** A kobject whose events carry nothing but the subsystem (buses, drivers, classes, modules). */
export const plainSource = (subsystem: string): UeventSource => ({ subsystem, keys: () => [] });

const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}/;

/**
 * Parses a write to a `uevent` file (`kobject_synth_uevent`): the action and the sender keys.
 * @throws EINVAL; its detail is the log text behind the devpath
 */
export function parseSyntheticUevent(written: string): { action: UeventAction; keys: string[] } {
  const text = /[\n\0]$/.test(written) ? written.slice(0, -1) : written;
  const blank = text.indexOf(' ');
  const word = blank < 0 ? text : text.slice(0, blank);
  const action = UEVENT_ACTIONS.find((a) => a === word);
  if (!action) throw new KernelError('EINVAL', 'unknown uevent action string');
  if (blank < 0) return { action, keys: ['SYNTH_UUID=0'] };
  const args = text.slice(blank + 1);
  const uuid = UUID.exec(args)?.[0];
  const wrong = (): never => {
    throw new KernelError('EINVAL', 'incorrect uevent action arguments');
  };
  if (!uuid) return wrong();
  const keys = [`SYNTH_UUID=${uuid}`];
  let rest = args.slice(uuid.length);
  while (rest !== '') {
    const pair = /^ ([0-9A-Za-z]+)=([0-9A-Za-z]+)(?= |$)/.exec(rest);
    if (!pair) return wrong();
    keys.push(`SYNTH_ARG_${pair[1]}=${pair[2]}`);
    rest = rest.slice(pair[0].length);
  }
  return { action, keys };
}
