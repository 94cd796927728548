/**
 * The table of active queues: those that have a driver, or are being probed.
 *
 * Mirrors the hash table ap_queues of ap_bus.c. A machine can have 65,536
 * queues, and each interrupt looks at all of them; those at rest, to which
 * POLL does nothing, are passed by here.
 */
import type { ApQueue } from './queue.js';
import { SmState } from './queue-sm.js';

export class ActiveQueues implements Iterable<ApQueue> {
  /** With the number of their entry: those that came earlier have smaller ones. */
  readonly #queues = new Map<ApQueue, number>();
  readonly #awake = new Set<ApQueue>();
  #entries = 0;

  /** In order of binding. */
  [Symbol.iterator](): Iterator<ApQueue> {
    return this.#queues.keys();
  }

  has(aq: ApQueue): boolean {
    return this.#queues.has(aq);
  }

  add(aq: ApQueue): void {
    if (!this.#queues.has(aq)) this.#queues.set(aq, ++this.#entries);
    this.look(aq);
  }

  delete(aq: ApQueue): void {
    this.#queues.delete(aq);
    this.#awake.delete(aq);
  }

  /** The queue's state or its list of requests has changed. An idle queue without requests rests. */
  look(aq: ApQueue): void {
    if (aq.smState === SmState.IDLE && aq.requestq.length === 0) this.#awake.delete(aq);
    else if (this.#queues.has(aq)) this.#awake.add(aq);
  }

  /** Queues that POLL does something to, in order of binding. */
  awake(): readonly ApQueue[] {
    const queues = [...this.#awake];
    const order = (aq: ApQueue): number => this.#queues.get(aq) ?? 0;
    return queues.length > 1 ? queues.sort((a, b) => order(a) - order(b)) : queues;
  }

  /** Some queue has requests in the hardware (`ap_pending_requests`). */
  get anySent(): boolean {
    for (const aq of this.#awake) if (aq.queueCount > 0) return true;
    return false;
  }
}
