/**
 * Checks that no queue has two owners.
 */
import { mkQid } from '../hardware/instructions.js';
import { queueName } from '../hardware/names.js';
import { Mask } from '../text/bitmap.js';
import { hostMask } from './check-command-line.js';
import type { MachineDescription, MdevDescription } from './description.js';
import type { Problems } from './problems.js';

/** A queue belongs to the host or to one mdev; mdevs are added in their order. */
export class QueueOwners {
  readonly #apmask: Mask;
  readonly #aqmask: Mask;
  /** Domains of each adapter whose queues a driver_override gives away, whatever the masks say. */
  readonly #overridden: ReadonlyMap<number, Mask>;
  /** Domains of each adapter that mdevs have. */
  readonly #taken = new Map<number, Mask>();
  readonly #mdevs: { readonly adapters: ReadonlySet<number>; readonly domains: Mask }[] = [];

  constructor(description: MachineDescription) {
    this.#apmask = hostMask(description, 'apmask');
    this.#aqmask = hostMask(description, 'aqmask');
    this.#overridden = overridden(description);
  }

  add(problems: Problems, mdev: MdevDescription, index: number): void {
    const domains = Mask.of(...(mdev.domains ?? []));
    const adapters = new Set(mdev.adapters ?? []);
    const hosts = new Overlap();
    const taken = new Overlap();
    for (const apid of adapters) {
      const before = this.#taken.get(apid) ?? Mask.zeros();
      const elsewhere = this.#overridden.get(apid) ?? Mask.zeros();
      if (this.#apmask.has(apid)) hosts.add(apid, domains.and(this.#aqmask).andNot(elsewhere));
      taken.add(apid, domains.and(before));
      this.#taken.set(apid, before.or(domains));
    }
    if (hosts.first) {
      const way = 'take its adapter out of ap.apmask, or its domain out of ap.aqmask (kernel.command-line)';
      problems.error(['mdevs', index], `the host keeps queue ${hosts}: ${way}`);
    }
    if (taken.first) {
      const { apid, apqi } = taken.first;
      const first = this.#mdevs.findIndex((other) => other.adapters.has(apid) && other.domains.has(apqi));
      problems.error(['mdevs', index], `queue ${taken} is in mdevs[${first}] already`);
    }
    this.#mdevs.push({ adapters, domains });
  }
}

function overridden({ state = {} }: MachineDescription): Map<number, Mask> {
  const found = new Map<number, Mask>();
  for (const { adapters, domains, driverOverride } of state.queues ?? [])
    if (driverOverride !== undefined)
      for (const apid of adapters) found.set(apid, (found.get(apid) ?? Mask.zeros()).or(Mask.of(...domains)));
  return found;
}

/** Queues in a message: the first, and how many there are. */
class Overlap {
  first: { readonly apid: number; readonly apqi: number } | undefined;
  #count = 0;

  add(apid: number, domains: Mask): void {
    if (domains.isEmpty) return;
    for (const apqi of domains.bits()) {
      this.first ??= { apid, apqi };
      this.#count++;
    }
  }

  toString(): string {
    const { apid, apqi } = this.first ?? { apid: 0, apqi: 0 };
    return `${queueName(mkQid(apid, apqi))}${this.#count > 1 ? ` and ${this.#count - 1} more` : ''}`;
  }
}
