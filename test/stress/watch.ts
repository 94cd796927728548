/**
 * Follows every request through the trace and complains when one goes a way
 * that there is not.
 *
 * A request is tried one or several times; a try picks a queue, may be queued
 * there, and then comes back from it exactly once: answered, flushed, refused
 * or cancelled.
 */
import type { TraceEntry } from '../../fs-tree/host/trace.js';

/** What is known of one request. */
export interface Way {
  readonly id: number;
  /** Where it is queued now. */
  queue: string | undefined;
  /** It has a queue, or is on its way to one. */
  picked: boolean;
  tries: number;
  /** Tries that ended with EAGAIN. */
  again: number;
  /** How the last try ended: ok, an errno, or `none` if no queue was found. */
  last: string;
  sent: number;
}

const ENDS: ReadonlySet<string> = new Set(['answered', 'flushed', 'refused', 'cancelled']);

export class Watch {
  readonly #ways = new Map<number, Way>();
  /** Requests the trace told of since the last `expect`. */
  #fresh: Way | undefined;
  readonly complaints: string[] = [];
  /** Events by what happened. */
  readonly counts = new Map<string, number>();

  /** The next request that appears is the caller's; how to look it up afterwards. */
  starting(start: () => Promise<void>): { done: Promise<void>; way: Way | undefined } {
    this.#fresh = undefined;
    const done = start();
    return { done, way: this.#fresh };
  }

  /** The caller knows how its request ended and will not ask again. */
  forget(way: Way): void {
    this.#ways.delete(way.id);
  }

  /** Ways that are open: queued or being picked. */
  open(): Way[] {
    return [...this.#ways.values()].filter((way) => way.picked);
  }

  see({ kind, text, data }: TraceEntry): void {
    if (typeof data?.request !== 'number') return;
    if (kind === 'ap.request') this.#moved(this.#way(data.request), String(data.what), String(data.queue));
    else if (kind.startsWith('zcrypt.')) this.#tried(this.#way(data.request), kind, text);
  }

  #way(id: number): Way {
    let way = this.#ways.get(id);
    if (!way) {
      way = { id, queue: undefined, picked: false, tries: 0, again: 0, last: '', sent: 0 };
      this.#ways.set(id, way);
      this.#fresh = way;
    }
    return way;
  }

  #moved(way: Way, what: string, queue: string): void {
    this.#count(what);
    if (what === 'queued') {
      if (!way.picked || way.queue) this.#complain(way, `queued on ${queue} while ${way.queue ?? 'not picked'}`);
      way.queue = queue;
    } else if (way.queue !== queue) this.#complain(way, `${what} ${queue} while on ${way.queue ?? 'none'}`);
    else if (what === 'sent') way.sent++;
    else if (what === 'requeued')
      return; // The card forgot it: on the same queue, to be sent again.
    else if (ENDS.has(what)) way.queue = undefined;
    else this.#complain(way, `${what}?`);
  }

  #tried(way: Way, kind: string, text: string): void {
    const words = text.split(' ');
    if (kind === 'zcrypt.pick') {
      if (way.picked) this.#complain(way, 'picked twice');
      way.picked = true;
      way.tries++;
    } else if (kind === 'zcrypt.none') way.last = 'none';
    else if (kind === 'zcrypt.done') {
      if (!way.picked) this.#complain(way, 'dropped without a pick');
      if (way.queue) this.#complain(way, `dropped while on ${way.queue}`);
      way.picked = false;
      way.last = words.at(-1) ?? '';
      if (way.last === 'EAGAIN') way.again++;
    }
    this.#count(kind);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #complain(way: Way, what: string): void {
    if (this.complaints.length < 20) this.complaints.push(`request ${way.id}: ${what}`);
  }
}
