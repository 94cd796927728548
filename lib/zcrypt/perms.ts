/**
 * What may be used through a device node.
 *
 * Mirrors struct ap_perms (ap_bus.h). `/dev/z90crypt` and in-kernel senders go
 * by the bus's own set, read live; each zcdn node has one of its own.
 * spec/zcrypt.md 6.
 */
import type { ApBus } from '../ap/bus.js';
import { Mask } from '../text/bitmap.js';

export interface ApPerms {
  /** Name of the device node that they belong to. */
  readonly name: string;
  readonly ioctlm: Mask;
  readonly apm: Mask;
  readonly aqm: Mask;
  readonly adm: Mask;
  /** The bus's set: CCA and EP11 requests are not looked at for administration. */
  readonly isBus: boolean;
}

/** The permission set of the bus; without AP instructions everything is allowed and nothing is there. */
export function busPerms(ap: ApBus | undefined): ApPerms {
  const ones = Mask.ones();
  const zeros = Mask.zeros();
  return {
    name: 'z90crypt',
    isBus: true,
    get ioctlm() {
      return ap?.ioctlm ?? ones;
    },
    get apm() {
      return ap?.apm ?? ones;
    },
    get aqm() {
      return ap?.aqm ?? ones;
    },
    adm: zeros,
  };
}
