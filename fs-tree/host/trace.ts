/**
 * Where the machine's trace goes: a ring that the control tree shows, with
 * losses counted, and the namespaces `ap:*` of the debug package (environment
 * variable DEBUG, for example `DEBUG=ap:lock:*`).
 */
import createDebug from 'debug';
import type { Nanoseconds, Trace, TraceEvent } from '../../lib/ports.js';

export interface TraceEntry extends TraceEvent {
  /** Counts all events since the machine was made, from 1. */
  readonly seq: number;
  /** Machine time. */
  readonly time: Nanoseconds;
}

export interface TraceRingOptions {
  /** Events that are kept. */
  readonly capacity?: number;
  /** Machine time; 0 unless given. */
  readonly now?: () => Nanoseconds;
}

export class TraceRing implements Trace {
  readonly enabled = true;
  readonly #capacity: number;
  readonly #ring: TraceEntry[] = [];
  readonly #debuggers = new Map<string, createDebug.Debugger>();
  readonly #listeners = new Set<(entry: TraceEntry) => void>();
  #seq = 0;
  #first = 0;
  /** Machine time; set once there is a clock. */
  now: () => Nanoseconds;

  constructor(options: TraceRingOptions = {}) {
    this.#capacity = options.capacity ?? 8192;
    this.now = options.now ?? (() => 0);
  }

  emit(event: TraceEvent): void {
    const entry: TraceEntry = { ...event, seq: ++this.#seq, time: this.now() };
    if (this.#ring.length < this.#capacity) this.#ring.push(entry);
    else {
      this.#ring[this.#first] = entry;
      this.#first = (this.#first + 1) % this.#capacity;
    }
    this.#debugger(event.kind)(event.text);
    for (const listener of this.#listeners) listener(entry);
  }

  /** What is kept, oldest first. */
  entries(): TraceEntry[] {
    return [...this.#ring.slice(this.#first), ...this.#ring.slice(0, this.#first)];
  }

  /** Events that were overwritten or cleared. */
  get dropped(): number {
    return this.#seq - this.#ring.length;
  }

  clear(): void {
    this.#ring.length = 0;
    this.#first = 0;
  }

  /** Calls back at each event; the result ends that. */
  onEntry(listener: (entry: TraceEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #debugger(kind: string): createDebug.Debugger {
    let write = this.#debuggers.get(kind);
    if (!write) {
      write = createDebug(`ap:${kind.replaceAll('.', ':')}`);
      this.#debuggers.set(kind, write);
    }
    return write;
  }
}
