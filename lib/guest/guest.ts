/**
 * A virtual machine that runs a kernel of its own.
 *
 * The same Kernel classes as the host's, over instructions that the guest's
 * APCB filters: own driver core, log, events, locks and modules. The monitor
 * switches it on and off; configuration changes come from the monitor,
 * interrupts from the machine by way of the guest's interruption state area.
 * spec/vfio-ap.md 10, 11.
 */
import type { ApInterruptHandler } from '../hardware/instructions.js';
import type { Machine } from '../hardware/machine.js';
import type { HardwareQueue } from '../hardware/queue.js';
import { Kernel, type KernelOptions } from '../kernel.js';
import type { PqapOutcome, PqapRegisters } from '../kvm/pqap.js';
import { PAGE_SIZE, type Vm } from '../kvm/vm.js';
import type { KernelVersion } from '../profile/profile.js';
import { DEFAULT_KERNEL, PROFILES } from '../profile/tables.js';
import type { Task } from '../sync/task.js';
import { GuestInstructions, type GuestPlatform } from './instructions.js';
import { type GuestClock, guestPorts } from './ports.js';
import { SecureQueues } from './secure-queues.js';
import { Vcpus } from './vcpus.js';

/** A guest has no use for the module that hands queues to guests. */
export const GUEST_MODULES = ['zcrypt_cex4'] as const;

/** Where the first guest's kernel keeps its indicator; each virtual machine of a host has a page of its own. */
const FIRST_INDICATOR = 0x0840_0000;
const INDICATOR_PAGES = 8192;
/** Behind the byte of the thin interrupt for channels. */
const INDICATOR_OFFSET = 8;

export interface GuestOptions extends Pick<KernelOptions, 'commandLine' | 'modules' | 'debugAttributes'> {
  readonly version?: KernelVersion;
  /** A secure-execution guest (default false). */
  readonly protectedGuest?: boolean;
}

export type GuestState = 'off' | 'booting' | 'running' | 'crashed';

/** What a virtual machine gets from the host that it runs on. */
export interface GuestHost {
  readonly kernel: Kernel;
  readonly machine: Machine;
  /** Called with each kernel that starts in it, before it does anything. */
  onKernel?(guest: Guest, kernel: Kernel): void;
}

export class Guest implements GuestPlatform {
  readonly name: string;
  readonly vm: Vm;
  readonly options: GuestOptions;
  readonly indicator: number;
  readonly #host: GuestHost;
  #state: GuestState = 'off';
  #hasAp = false;
  /** The kernel that runs; undefined while it is switched off. */
  kernel: Kernel | undefined;
  #clock: GuestClock | undefined;
  #vcpus: Vcpus;
  #booted: Promise<void> = Promise.resolve();
  readonly #interruptHandlers = new Set<ApInterruptHandler>();
  readonly #configHandlers = new Set<() => void>();
  readonly #offListeners = new Set<() => void>();
  #dropInterrupts: (() => void) | undefined;
  #secureQueues: SecureQueues | undefined;

  constructor(host: GuestHost, name: string, vm: Vm, options: GuestOptions = {}) {
    this.#host = host;
    this.name = name;
    this.vm = vm;
    this.options = options;
    this.indicator = FIRST_INDICATOR + (vm.number % INDICATOR_PAGES) * PAGE_SIZE + INDICATOR_OFFSET;
    this.#vcpus = this.#newVcpus();
    if (options.protectedGuest) {
      vm.protectedGuest = true;
      // Its kernel keeps interrupt indicators in memory that the host may write to.
      vm.sharedPages.add(Math.floor(this.indicator / PAGE_SIZE));
    }
  }

  /** Of its kernel. */
  get version(): KernelVersion {
    return this.options.version ?? DEFAULT_KERNEL;
  }

  get state(): GuestState {
    return this.#state;
  }

  get on(): boolean {
    return this.#state === 'booting' || this.#state === 'running';
  }

  get hasAp(): boolean {
    return this.#hasAp;
  }

  get aiv(): boolean {
    return this.vm.gisa !== undefined && this.vm.vcpus.every((vcpu) => vcpu.aiv);
  }

  get protectedGuest(): boolean {
    return this.options.protectedGuest ?? false;
  }

  /** Virtual CPUs that stand in an intercepted instruction. */
  get standing(): number {
    return this.#vcpus.standing;
  }

  /** Until its kernel has booted, or it is off again. */
  get booted(): Promise<void> {
    return this.#booted;
  }

  /** Switches it on. It boots by itself: `booted` says when that is over. */
  powerOn(): void {
    if (this.on) return;
    const { machine, kernel: host } = this.#host;
    this.#vcpus = this.#newVcpus();
    this.#hasAp = this.vm.hasCrycb && this.vm.apie;
    this.#state = 'booting';
    if (this.vm.gisa)
      this.#dropInterrupts = machine.onGisaInterrupt(this.vm.gisa.designation, (queue) => this.#interruption(queue));
    if (this.protectedGuest && this.#hasAp) this.#secureQueues = new SecureQueues(machine, this.vm);
    const ports = guestPorts(host.core.ports, this.name);
    this.#clock = ports.clock;
    const kernel = new Kernel(ports, new GuestInstructions(machine, this), PROFILES[this.version], {
      modules: GUEST_MODULES,
      ...this.options,
      numberedWith: host.core.tree,
    });
    this.kernel = kernel;
    kernel.core.onBug = (task, error) => host.core.onBug(task, error);
    this.#host.onKernel?.(this, kernel);
    this.#booted = this.#boot(kernel);
  }

  async #boot(kernel: Kernel): Promise<void> {
    const off = new Promise<void>((resolve) => this.#offListeners.add(resolve));
    const up = kernel.boot().then(() => {
      if (this.kernel === kernel && this.#state === 'booting') this.#state = 'running';
    });
    await Promise.race([up, off]);
  }

  /** Switches it off, in the middle of whatever it does. Resolves when no virtual CPU is inside the host any more. */
  async powerOff(): Promise<void> {
    this.#halt('off');
    await this.#vcpus.stop();
  }

  /** Called when it is switched off or crashes: for those who run programs in it. */
  onPowerOff(listener: () => void): () => void {
    this.#offListeners.add(listener);
    return () => this.#offListeners.delete(listener);
  }

  /** Machine event "AP configuration changed", raised by the monitor. */
  configChanged(): void {
    if (this.on) for (const handler of [...this.#configHandlers]) handler();
  }

  /** A program exception in its kernel. */
  crash(why: string): void {
    if (!this.on) return;
    this.kernel?.core.log.print('err', `Kernel panic - not syncing: Fatal exception: ${why}`);
    this.#halt('crashed');
  }

  #halt(state: 'off' | 'crashed'): void {
    if (!this.on) {
      this.#state = state;
      return;
    }
    this.#state = state;
    this.#clock?.stop();
    this.#dropInterrupts?.();
    this.#dropInterrupts = undefined;
    this.#secureQueues?.release();
    this.#secureQueues = undefined;
    this.#interruptHandlers.clear();
    this.#configHandlers.clear();
    this.kernel?.powerOff();
    this.kernel = undefined;
    const listeners = [...this.#offListeners];
    this.#offListeners.clear();
    for (const listener of listeners) listener();
  }

  // What its instructions and the machine need.

  intercepted(registers: PqapRegisters): Promise<PqapOutcome | undefined> {
    return this.#vcpus.pqap(registers);
  }

  onAdapterInterrupt(handler: ApInterruptHandler): () => void {
    return register(this.#interruptHandlers, handler);
  }

  onConfigChanged(handler: () => void): () => void {
    return register(this.#configHandlers, handler);
  }

  /**
   * A queue that is enabled for this guest has replies: the indicator byte is
   * set and the sub class pending; where it is watched a virtual CPU takes it.
   */
  #interruption(queue: HardwareQueue): void {
    const { gisa } = this.vm;
    const target = queue.interruptTarget;
    if (!gisa || !target) return;
    if (!gisa.pend(target.gisc) || target.indicator !== this.indicator) return;
    gisa.take(target.gisc);
    for (const handler of [...this.#interruptHandlers]) handler();
  }

  #newVcpus(): Vcpus {
    return new Vcpus(this.vm, (comm: string): Task => this.#host.kernel.core.newTask(comm));
  }
}

function register<T>(handlers: Set<T>, handler: T): () => void {
  handlers.add(handler);
  return () => {
    handlers.delete(handler);
  };
}
