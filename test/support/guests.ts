/**
 * Guests that run a kernel: both sides of the wall, and what must hold between
 * them at every moment.
 */
import type { Guest } from '../../lib/guest/guest.js';
import type { Kernel } from '../../lib/kernel.js';
import type { MatrixMdev } from '../../lib/vfio-ap/matrix.js';
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
 * @param kept how often an enablement of this mdev met a response code after which the kernel forgets to give back
 *   the new page and sub class (spec/vfio-ap.md 11.2, a defect)
 * @returns what is wrong
 */
export function interruptFaults(s: Scenario, kept: (uuid: string) => number = () => 0): string[] {
  const faults: string[] = [];
  for (const { uuid, kvm, vfioDevice, ...mdev } of s.va.mdevs.map(facts)) {
    const held = mdev.queues.filter((q) => q.savedIsc !== undefined || q.savedIova !== undefined);
    if (!kvm && held.length > 0) faults.push(`${uuid}: ${held.map((q) => q.name)} hold something without a VM`);
    const pins = [...(vfioDevice?.pins.values() ?? [])].reduce((sum, n) => sum + n, 0);
    const pinning = held.filter((q) => q.savedIova !== undefined).length;
    if (pins !== pinning + kept(uuid)) faults.push(`${uuid}: ${pins} pins, ${pinning} queues`);
    if (!kvm) continue;
    let alerts = 0;
    for (let isc = 0; isc < 8; isc++) {
      alerts += kvm.gisa?.references(isc) ?? 0;
      alerts -= held.filter((q) => q.savedIsc === isc).length;
    }
    if (alerts !== kept(uuid)) faults.push(`${uuid}: ${alerts} alerts more than queues`);
  }
  return faults;
}

const facts = (mdev: MatrixMdev) => ({
  uuid: mdev.uuid,
  kvm: mdev.kvm,
  vfioDevice: mdev.vfioDevice,
  queues: mdev.queuesInTableOrder(),
});
