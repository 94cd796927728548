/**
 * A machine for a test: described by a plain object, booted with seeded random numbers and a clock of its own.
 */
import { SimClock } from '../../lib/clock.js';
import type { MachineDescription } from '../../lib/description/description.js';
import { worldFromDescription } from '../../lib/description/world.js';
import { DEFAULT_HARDWARE, type World, createWorld as worldOf } from '../../lib/world.js';
import { describedFaults, Faults } from '../faults/faults.js';
import { hostClock, standingClock } from '../host/clock-host.js';
import { hostCrypto } from '../host/crypto.js';
import { SeededRandom } from '../host/random.js';
import { TraceRing } from '../host/trace.js';

/** What the kit keeps beside a world of its own. */
export interface Beside {
  readonly trace: TraceRing;
  /** Rules for files that fail; of all trees of this world. */
  readonly faults: Faults;
}

const beside = new WeakMap<World, Beside>();

/** That of a world that was made elsewhere is made when it is first asked for. */
export function besideOf(world: World): Beside {
  let found = beside.get(world);
  if (!found) {
    const { trace } = world.ports;
    found = { trace: trace instanceof TraceRing ? trace : new TraceRing(), faults: new Faults(world.ports) };
    beside.set(world, found);
  }
  return found;
}

/**
 * Boots a machine. Resolves when it is up: first scan done, drivers bound, queues idle, mdevs and guests there.
 *
 * Its time is not this host's, unless the description says `clock: 'real'`: waits, such as those for a reset, are over
 * at once, and what a timer does in the background (the bus scan every 30 s) happens when `world.clock` is advanced.
 * @param description as a machine file, with names in camel case; without one, the default machine of the command
 * @throws DescriptionError with all that is wrong with it, or that the kernel refused
 */
export async function createWorld(description?: MachineDescription): Promise<World> {
  const clock = new SimClock(description?.clock === 'real' ? hostClock : standingClock, 'auto');
  const trace = new TraceRing({ now: () => clock.now() });
  const ports = { clock, random: new SeededRandom(description?.seed ?? 1), crypto: hostCrypto, trace };
  const faults = describedFaults(ports, description?.faults);
  const world = description
    ? await worldFromDescription(ports, description)
    : await worldOf(ports, { hardware: DEFAULT_HARDWARE });
  beside.set(world, { trace, faults });
  return world;
}
