/**
 * A set of adapter or domain ids, 0..255, in the layout of the QCI block.
 *
 * Mirrors the 256-bit masks of AP: bit 0 is the most significant bit of the
 * first byte (spec/ap-bus.md 1). Also fits an APCB's apm, aqm and adm.
 */
export const MAX_IDS = 256;

export class IdMask {
  readonly #bytes = new Uint8Array(MAX_IDS / 8);

  has(id: number): boolean {
    return ((this.#bytes[id >> 3] ?? 0) & (0x80 >> (id & 7))) !== 0;
  }

  /** Sets or clears one bit; true if that changed it. */
  set(id: number, on: boolean): boolean {
    if (this.has(id) === on) return false;
    this.#bytes[id >> 3]! ^= 0x80 >> (id & 7);
    return true;
  }

  /** A copy of the 32 bytes. */
  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }

  /** The ids in the set, ascending. */
  ids(): number[] {
    const out: number[] = [];
    for (let id = 0; id < MAX_IDS; id++) if (this.has(id)) out.push(id);
    return out;
  }
}
