/**
 * Guests that run a kernel: both sides of the wall, and what must hold between
 * them at every moment.
 */
import type { Guest } from '../../lib/guest/guest.js';
import type { Kernel } from '../../lib/kernel.js';
import type { Scenario } from './scenario.js';
import { SIM, U1 } from './scenario.js';

export class GuestSide {
  constructor(
    readonly s: Scenario,
    readonly name: string,
  ) {}

  get guest(): Guest {
    const guest = this.s.m.world.vmms.byName(this.name)?.guest;
    if (!guest) throw new Error(`${this.name} runs no kernel`);
    return guest;
  }

  get kernel(): Kernel {
    const kernel = this.s.m.world.guestKernel(this.name);
    if (!kernel) throw new Error(`${this.name} is switched off`);
    return kernel;
  }

  /** A path in its own /sys. */
  path(file = ''): string {
    return `${SIM}/guests/${this.name}/sys/${file}`;
  }

  read(file: string): Promise<string> {
    return this.s.read(this.path(file));
  }

  put(words: string | number, file: string): Promise<string> {
    return this.s.put(words, this.path(file));
  }

  /** Its queue devices as `matrix` would list them. */
  queues(): string {
    const names = this.s.m.sh.ls(this.path('bus/ap/devices')).filter((name) => /^..\.....$/.test(name));
    return names
      .sort()
      .map((name) => `${name}\n`)
      .join('');
  }

  /** Its log. */
  log(): Promise<string> {
    return this.s.read(`${SIM}/guests/${this.name}/kmsg`);
  }
}

/** Starts a guest with a kernel and lets it come to rest. */
export async function startGuest(s: Scenario, words = '', uuid: string = U1): Promise<GuestSide> {
  await s.guest(`start ${uuid}${words && ` ${words}`}`);
  await s.m.settle();
  return new GuestSide(s, s.vmm(uuid).name);
}

/**
 * What the host holds for interrupts of guests must be what queues, pins and
 * references say of each other, at every moment outside vfio_ap's own sections.
 * @returns what is wrong
 */
export function interruptFaults(s: Scenario): string[] {
  const faults: string[] = [];
  for (const mdev of s.va.mdevs) {
    const held = mdev.queuesInTableOrder().filter((q) => q.savedIsc !== undefined || q.savedIova !== undefined);
    if (!mdev.kvm && held.length > 0)
      faults.push(`${mdev.uuid}: ${held.map((q) => q.name)} hold something without a VM`);
    const pins = [...(mdev.vfioDevice?.pins.values() ?? [])].reduce((sum, n) => sum + n, 0);
    if (pins !== held.filter((q) => q.savedIova !== undefined).length)
      faults.push(`${mdev.uuid}: ${pins} pins, ${held.length} queues`);
    const references = [0, 1, 2, 3, 4, 5, 6, 7].map((isc) => mdev.kvm?.gisa?.references(isc) ?? 0);
    const counted = references.map((_, isc) => held.filter((q) => q.savedIsc === isc).length);
    if (mdev.kvm && references.join() !== counted.join())
      faults.push(`${mdev.uuid}: alerts ${references}, queues ${counted}`);
  }
  return faults;
}
