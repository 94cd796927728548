/**
 * Where the machine's trace goes: a ring that the control tree shows, with
 * losses counted, and the namespaces `ap:*` of the debug package (environment
 * variable DEBUG, for example `DEBUG=ap:lock:*`).
 *
 * Events are kept as they come; numbers, times and words are put together when
 * somebody reads.
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
  /** The event with number n is at (n - 1) modulo the capacity. */
  readonly #events: (TraceEvent | undefined)[];
  readonly #times: Float64Array;
  readonly #debuggers = new Map<string, createDebug.Debugger>();
  readonly #listeners = new Set<(entry: TraceEntry) => void>();
  /** Number of the latest event, or 0. */
  #seq = 0;
  /** Number of the latest event that was cleared. */
  #cleared = 0;
  /** Machine time; set once there is a clock. */
  now: () => Nanoseconds;

  constructor(options: TraceRingOptions = {}) {
    this.#capacity = options.capacity ?? 8192;
    this.#events = new Array<undefined>(this.#capacity).fill(undefined);
    this.#times = new Float64Array(this.#capacity);
    this.now = options.now ?? (() => 0);
  }

  emit(event: TraceEvent): void {
    const at = this.#seq++ % this.#capacity;
    this.#events[at] = event;
    this.#times[at] = this.now();
    if (createDebug.names.length > 0) this.#debug(event);
    if (this.#listeners.size > 0) this.#tell(this.#entry(this.#seq));
  }

  /** What is kept, oldest first. */
  entries(): TraceEntry[] {
    const entries: TraceEntry[] = [];
    for (let seq = this.dropped + 1; seq <= this.#seq; seq++) entries.push(this.#entry(seq));
    return entries;
  }

  /** Events that were overwritten or cleared. */
  get dropped(): number {
    return Math.max(this.#cleared, this.#seq - this.#capacity);
  }

  clear(): void {
    this.#cleared = this.#seq;
    this.#events.fill(undefined);
  }

  /** Calls back at each event; the result ends that. */
  onEntry(listener: (entry: TraceEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** One that is kept. */
  #entry(seq: number): TraceEntry {
    const at = (seq - 1) % this.#capacity;
    const { kind, text, data } = this.#events[at] as TraceEvent;
    return { kind, text, ...(data && { data }), seq, time: this.#times[at] ?? 0 };
  }

  #tell(entry: TraceEntry): void {
    for (const listener of this.#listeners) listener(entry);
  }

  #debug({ kind, text }: TraceEvent): void {
    let write = this.#debuggers.get(kind);
    if (!write) {
      write = createDebug(`ap:${kind.replaceAll('.', ':')}`);
      this.#debuggers.set(kind, write);
    }
    write(text);
  }
}
