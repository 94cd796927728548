/**
 * What happened lately: the last entries of a stream, and how many fell out.
 */
export class Ring<T> {
  readonly #entries: T[] = [];
  dropped = 0;

  constructor(readonly capacity: number) {}

  push(entry: T): void {
    this.#entries.push(entry);
    // Trimmed in steps, so that a push costs the same however long the ring is.
    if (this.#entries.length >= this.capacity * 2) this.#trim();
  }

  entries(): readonly T[] {
    if (this.#entries.length > this.capacity) this.#trim();
    return this.#entries;
  }

  clear(): void {
    this.#entries.length = 0;
    this.dropped = 0;
  }

  #trim(): void {
    const surplus = this.#entries.length - this.capacity;
    this.#entries.splice(0, surplus);
    this.dropped += surplus;
  }
}
