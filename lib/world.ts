/**
 * The composition root: one machine, its host kernel, the programs that run
 * guests on it.
 *
 * Two worlds in one process do not know each other.
 */
import type { SimClock } from './clock.js';
import { Machine, type MachineOptions } from './hardware/machine.js';
import { runHardwareCommand } from './hardware/vocabulary.js';
import { Kernel, type KernelOptions } from './kernel.js';
import type { Ports } from './ports.js';
import type { KernelVersion } from './profile/profile.js';
import { DEFAULT_KERNEL, PROFILES } from './profile/tables.js';
import { Vmms } from './vmm/vmms.js';

/**
 * The machine of `npm start`, in the hardware vocabulary: a CCA, an EP11, an
 * accelerator and an older CCA card; four usage domains, two more to control.
 */
export const DEFAULT_HARDWARE = [
  'card 0 add cex8 cca',
  'card 1 add cex8 ep11',
  'card 2 add cex7 accel',
  'card 3 add cex6 cca',
  ...['0x04', '0x06', '0x1b', '0x47'].map((d) => `domain ${d} add`),
  ...['0x04', '0x06', '0x1b', '0x47', '0x55', '0xab'].map((d) => `cdomain ${d} add`),
].join('; ');

export interface WorldPorts extends Ports {
  readonly clock: SimClock;
}

export interface WorldOptions extends KernelOptions {
  readonly kernel?: KernelVersion;
  /** Builds the machine before the kernel boots: commands of the hardware vocabulary, or a function. */
  readonly hardware?: string | ((machine: Machine) => void);
  readonly machine?: MachineOptions;
}

export class World {
  constructor(
    readonly ports: WorldPorts,
    readonly machine: Machine,
    readonly kernel: Kernel,
    readonly vmms: Vmms,
  ) {}

  get clock(): SimClock {
    return this.ports.clock;
  }

  /** The kernel that runs in a guest, by the guest's name or the UUID of its mdev; undefined: none does. */
  guestKernel(name: string): Kernel | undefined {
    return this.vmms.byName(name)?.guest?.kernel;
  }

  /** Ends machine time; nothing happens by itself any more. */
  stop(): void {
    this.clock.stop();
  }
}

/**
 * Builds the machine and boots its kernel. Resolves when the machine is up:
 * first scan done, drivers bound, queues idle, first random block fetched.
 * @throws KernelError EINVAL for hardware commands that make no sense
 */
export async function createWorld(ports: WorldPorts, options: WorldOptions = {}): Promise<World> {
  const machine = new Machine(ports, options.machine);
  const { hardware = DEFAULT_HARDWARE } = options;
  if (typeof hardware === 'string') runHardwareCommand(machine, hardware);
  else hardware(machine);
  const kernel = new Kernel(ports, machine.hostInstructions(), PROFILES[options.kernel ?? DEFAULT_KERNEL], options);
  await kernel.boot();
  await ports.clock.settle();
  return new World(ports, machine, kernel, new Vmms(kernel, machine));
}
