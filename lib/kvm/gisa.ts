/**
 * The guest interruption state area: which sub classes the host watches.
 *
 * Mirrors the gisc part of arch/s390/kvm/interrupt.c
 * (`kvm_s390_gisc_register`, `kvm_s390_gisc_unregister`): a reference count
 * for each of the eight sub classes; a counted one has its alert bit set. The
 * machine sets the pending bit; with the alert bit on somebody is told.
 */
import { KernelError } from '../errno.js';

/** The host's sub class for alerts of guests (GAL_ISC). */
export const GAL_ISC = 5;

const MAX_ISC = 7;

export class Gisa {
  readonly #references = new Array<number>(MAX_ISC + 1).fill(0);

  /** `designation` stands for the area's address, as AQIC takes it; never 0. */
  constructor(readonly designation: number) {}

  /** Sub classes with the alert bit on, bit 0 leftmost in 8 bits. */
  get alertMask(): number {
    return this.#references.reduce((mask, count, isc) => (count > 0 ? mask | (0x80 >> isc) : mask), 0);
  }

  references(isc: number): number {
    return this.#references[isc] ?? 0;
  }

  /** Sub classes that an interruption is pending for, bit 0 leftmost in 8 bits. */
  pendingMask = 0;

  /** The machine makes a sub class pending. @returns whether it is watched */
  pend(isc: number): boolean {
    this.pendingMask |= 0x80 >> isc;
    return this.references(isc) > 0;
  }

  /** A virtual CPU takes the interruption. */
  take(isc: number): void {
    this.pendingMask &= ~(0x80 >> isc);
  }

  /** One more user of a sub class. @returns the host's sub class @throws ERANGE above 7 */
  register(isc: number): number {
    this.#references[checked(isc)] = this.references(isc) + 1;
    return GAL_ISC;
  }

  /** One user less. @throws ERANGE above 7; EINVAL it has none */
  unregister(isc: number): void {
    if (this.references(checked(isc)) === 0) throw new KernelError('EINVAL');
    this.#references[isc] = this.references(isc) - 1;
  }
}

function checked(isc: number): number {
  if (isc < 0 || isc > MAX_ISC) throw new KernelError('ERANGE');
  return isc;
}
