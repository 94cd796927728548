/**
 * Numbers that are given out lowest first and taken back.
 *
 * Mirrors lib/idr.c `ida_alloc`, `ida_free`.
 */
export class Ida {
  readonly #used = new Set<number>();

  alloc(): number {
    let id = 0;
    while (this.#used.has(id)) id++;
    this.#used.add(id);
    return id;
  }

  free(id: number): void {
    this.#used.delete(id);
  }
}
