/**
 * The guests of a world, and the command that starts and drives them.
 *
 * Texts and exit statuses are those of `vfioguest` in the recordings.
 * Vocabulary: traces/README.md.
 */
import { KernelError } from '../errno.js';
import type { Guest } from '../guest/guest.js';
import type { Machine } from '../hardware/machine.js';
import type { Kernel } from '../kernel.js';
import { PAGE_SIZE } from '../kvm/vm.js';
import type { Task } from '../sync/task.js';
import { VFIO_IOCTL } from '../vfio-ap/device.js';
import type { UserStruct } from '../vfio-ap/user.js';
import { startOptions } from './start-options.js';
import { strerror } from './strerror.js';
import { CallFailed, call, Vmm, type VmmOptions } from './vmm.js';
import { badIoctls, badIrqs, rawCalls } from './wrong-calls.js';

/** What a command printed, and its exit status. */
export interface GuestCommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly rc: number;
}

export class Vmms {
  readonly kernel: Kernel;
  readonly machine: Machine;
  /** Running guests by the UUID of their mdev, in order of start. */
  readonly guests = new Map<string, Vmm>();
  /** Those that are not among them yet; their names are taken. */
  readonly #starting = new Set<Vmm>();
  readonly #kernelListeners = new Set<(guest: Guest, kernel: Kernel) => void>();

  constructor(kernel: Kernel, machine: Machine) {
    this.kernel = kernel;
    this.machine = machine;
  }

  /**
   * Starts a guest; one with a kernel has then booted.
   * @throws CallFailed; EADDRINUSE a guest of that mdev, or of that name, runs
   */
  async start(uuid: string, options: VmmOptions = {}): Promise<Vmm> {
    const vmm = new Vmm(this, uuid, options);
    if (this.#nameTaken(vmm, options.guest?.name !== undefined)) throw new CallFailed('bind', 'EADDRINUSE');
    this.#starting.add(vmm);
    try {
      await vmm.run(() => vmm.start());
      if (this.guests.has(uuid)) {
        await vmm.run(() => vmm.exit());
        throw new CallFailed('bind', 'EADDRINUSE');
      }
      this.guests.set(uuid, vmm);
    } finally {
      this.#starting.delete(vmm);
    }
    await vmm.guest?.booted;
    return vmm;
  }

  /** Names and UUIDs are one name space. Who is called like his mdev finds that busy if another one has it. */
  #nameTaken({ name, uuid }: Vmm, given: boolean): boolean {
    return [...this.guests.values(), ...this.#starting].some(
      (other) => (other.name === name || other.uuid === name) && (given || other.uuid !== uuid),
    );
  }

  /** The running guest of that name, or with the mdev of that UUID. */
  byName(name: string): Vmm | undefined {
    for (const vmm of this.guests.values()) if (vmm.name === name) return vmm;
    return this.guests.get(name);
  }

  /** Called with each kernel that a guest starts, before it does anything; the result ends that. */
  onGuestKernel(listener: (guest: Guest, kernel: Kernel) => void): () => void {
    this.#kernelListeners.add(listener);
    return () => this.#kernelListeners.delete(listener);
  }

  /** @internal */
  onKernel(guest: Guest, kernel: Kernel): void {
    for (const listener of this.#kernelListeners) listener(guest, kernel);
  }

  /** Ends a guest. */
  async exit(vmm: Vmm): Promise<void> {
    await vmm.run(() => vmm.exit());
    if (this.guests.get(vmm.uuid) === vmm) this.guests.delete(vmm.uuid);
  }

  /** The running guests, one a line. */
  describe(): string {
    return [...this.guests.values()].map(describe).join('');
  }
}

function describe(vmm: Vmm): string {
  const words = [
    vmm.uuid,
    `pid ${vmm.task.pid}`,
    `device ${vmm.device ? 'open' : 'closed'}`,
    `vcpus ${vmm.vm?.vcpus.length ?? 0}`,
    ...(vmm.vm ? [] : ['no VM']),
    ...(vmm.autoclose ? ['autoclose'] : []),
    ...(vmm.name === vmm.uuid ? [] : [`name ${vmm.name}`]),
    ...(vmm.guest ? [`kernel ${vmm.guest.version} ${vmm.guest.state}`] : []),
  ];
  return `${words.join(' ')}\n`;
}

/**
 * A command for the monitors of guests. Failing calls are text on stderr and
 * status 1. The task only waits; a guest works in its own. With the word
 * `vfioguest` in front it is the program of the recordings: its guests have no
 * virtual CPU that runs.
 * @throws KernelError EINVAL for words that make no command; EINTR
 */
export async function runGuestCommand(vmms: Vmms, task: Task, words: readonly string[]): Promise<GuestCommandResult> {
  const recorded = words[0] === 'vfioguest';
  const rest = recorded ? words.slice(1) : words;
  try {
    const stdout = await interruptible(task, dispatch(vmms, rest, recorded));
    return { stdout, stderr: '', rc: 0 };
  } catch (e) {
    if (!(e instanceof CallFailed)) throw e;
    return { stdout: '', stderr: `${e.call}: ${strerror(e.errno)} (${e.errno})\n`, rc: 1 };
  }
}

/** Waits as long as no signal comes; the work goes on without its client. */
async function interruptible<T>(task: Task, work: Promise<T>): Promise<T> {
  const { signal } = task;
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new KernelError('EINTR'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

const usage = (detail: string): KernelError => new KernelError('EINVAL', `vfioguest: ${detail}`);

async function dispatch(vmms: Vmms, words: readonly string[], recorded: boolean): Promise<string> {
  const [verb, uuid, ...args] = words;
  if (uuid === undefined) throw usage('start|raw|cmd UUID ...');
  switch (verb) {
    case 'start': {
      await vmms.start(uuid, startOptions(recorded ? [...args, 'nokernel'] : args));
      return `guest ${uuid} running\n`;
    }
    case 'raw':
      return rawCalls(vmms.kernel, vmms.kernel.core.newTask('vfioguest'), uuid);
    case 'cmd': {
      const [command, argument, second] = args;
      const run = command !== undefined && Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
      if (!run) throw usage(`cmd: unknown command (known: ${Object.keys(COMMANDS).join(' ')})`);
      const vmm = await call('connect', () => {
        // A UUID is the mdev's, also where another guest is called so.
        const running = vmms.guests.get(uuid) ?? vmms.byName(uuid);
        if (!running) throw new KernelError('ENOENT');
        return running;
      });
      const reply = await vmm.run(() => {
        // Ended by a command before this one: nobody listens any more, and nothing may be opened again.
        if (vmm.exited) throw new CallFailed('connect', 'ENOENT');
        return run(vmm, argument, vmms, second);
      });
      await vmm.guest?.booted;
      return reply;
    }
    default:
      throw usage(`unknown verb ${verb} (known: start raw cmd)`);
  }
}

type Command = (vmm: Vmm, argument: string | undefined, vmms: Vmms, second: string | undefined) => Promise<string>;

/** A word `off`, or nothing. */
function isOn(argument: string | undefined): boolean {
  if (argument !== undefined && argument !== 'on' && argument !== 'off') throw usage(`not on or off: ${argument}`);
  return argument !== 'off';
}

/** Guest addresses; a page unless a size is given. */
function memoryRange(address = '', size = `${PAGE_SIZE}`): { address: number; size: number } {
  const [from, length] = [address, size].map((text) =>
    /^(?:0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : undefined,
  );
  if (from === undefined || length === undefined) throw usage('map|unmap UUID ADDRESS [SIZE]');
  return { address: from, size: length };
}

const COMMANDS: Readonly<Record<string, Command>> = {
  info: async (vmm) => {
    const info: UserStruct = { argsz: 24 };
    await vmm.ioctl('VFIO_DEVICE_GET_INFO', VFIO_IOCTL.GET_INFO, info);
    const flags = info.flags ?? 0;
    const bits = `(AP=${(flags >> 5) & 1} RESET=${flags & 1})`;
    return `argsz ${info.argsz} flags 0x${flags.toString(16)} ${bits} num_regions ${info.num_regions} num_irqs ${info.num_irqs}\n`;
  },
  irqinfo: async (vmm) => {
    let text = '';
    for (const index of [0, 1, 2]) text += await irqInfo(vmm, index);
    return text;
  },
  regioninfo: async (vmm) => {
    await vmm.ioctl('VFIO_DEVICE_GET_REGION_INFO', VFIO_IOCTL.GET_REGION_INFO, { argsz: 32 });
    return 'region ok\n';
  },
  reset: async (vmm) => {
    await vmm.reset();
    return 'reset ok\n';
  },
  reqirq: async (vmm, argument) => {
    await vmm.setIrq('REQUEST', isOn(argument));
    return 'reqirq ok\n';
  },
  cfgirq: async (vmm, argument) => {
    await vmm.setIrq('CONFIG_CHANGE', isOn(argument));
    return 'cfgirq ok\n';
  },
  events: async (vmm) => {
    const { req, cfg } = vmm.takeEvents();
    return `req ${req} cfg ${cfg}\n`;
  },
  close: async (vmm) => {
    await vmm.closeDevice();
    return 'device fd closed\n';
  },
  open: async (vmm) => {
    await vmm.openDevice();
    return 'device fd opened\n';
  },
  open2: async (vmm) => {
    await vmm.openTwice();
    return 'second open ok\n';
  },
  closegroup: async (vmm) => {
    await vmm.closeGroup();
    return 'group closed\n';
  },
  attach: async (vmm, uuid) => {
    if (uuid === undefined) throw usage('attach UUID');
    await vmm.attach(uuid);
    return `attached ${uuid}\n`;
  },
  map: async (vmm, address, _vmms, size) => {
    const range = memoryRange(address, size);
    await call('VFIO_IOMMU_MAP_DMA', () => vmm.mapMemory(range.address, range.size));
    return 'mapped\n';
  },
  unmap: async (vmm, address, _vmms, size) => {
    const range = memoryRange(address, size);
    await call('VFIO_IOMMU_UNMAP_DMA', () => vmm.unmapMemory(range.address, range.size));
    return 'unmapped\n';
  },
  badirq: (vmm) => badIrqs(vmm),
  badioctl: (vmm) => badIoctls(vmm),
  autoclose: async (vmm, argument) => {
    vmm.autoclose = isOn(argument);
    return `autoclose ${vmm.autoclose ? 1 : 0}\n`;
  },
  vcpu: async (vmm) => {
    await call('KVM_CREATE_VCPU', () => {
      if (!vmm.vm) throw new KernelError('EBADF');
      vmm.vm.createVcpu();
    });
    return 'vcpu created\n';
  },
  apie: async (vmm, argument) => {
    const on = isOn(argument);
    await call('KVM_SET_DEVICE_ATTR', async () => {
      if (!vmm.vm) throw new KernelError('EBADF');
      await vmm.vm.setApie(vmm.task, on);
    });
    return 'apie ok\n';
  },
  exit: async (vmm, _argument, vmms) => {
    await vmm.exit();
    vmms.guests.delete(vmm.uuid);
    return 'bye\n';
  },
};

/** What can be asked of a running guest. */
export const GUEST_COMMANDS: readonly string[] = Object.keys(COMMANDS);

async function irqInfo(vmm: Vmm, index: number): Promise<string> {
  const info: UserStruct = { argsz: 16, index };
  try {
    await vmm.ioctl('VFIO_DEVICE_GET_IRQ_INFO', VFIO_IOCTL.GET_IRQ_INFO, info);
    return `index ${index} flags 0x${(info.flags ?? 0).toString(16)} count ${info.count}\n`;
  } catch (e) {
    if (!(e instanceof CallFailed)) throw e;
    return `index ${index}: ${e.call}: ${strerror(e.errno)} (${e.errno})\n`;
  }
}
