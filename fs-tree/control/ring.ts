/**
 * What happened lately: the last entries of a stream, and how many fell out.
 */
export class Ring<T> {
  readonly #entries: (T | undefined)[];
  /** Entries pushed since the last clear. */
  #pushed = 0;

  constructor(readonly capacity: number) {
    this.#entries = new Array<undefined>(capacity).fill(undefined);
  }

  /** Entries that were overwritten. */
  get dropped(): number {
    return Math.max(0, this.#pushed - this.capacity);
  }

  push(entry: T): void {
    this.#entries[this.#pushed++ % this.capacity] = entry;
  }

  /** Oldest first. */
  entries(): readonly T[] {
    const first = this.#pushed > this.capacity ? this.#pushed % this.capacity : 0;
    const kept = [...this.#entries.slice(first), ...this.#entries.slice(0, first)];
    return kept.slice(0, Math.min(this.#pushed, this.capacity)) as T[];
  }

  clear(): void {
    this.#entries.fill(undefined);
    this.#pushed = 0;
  }
}
