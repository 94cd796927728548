/**
 * Guests: what KVM keeps of a virtual machine, as far as AP is concerned.
 *
 * Mirrors struct kvm, its crypto control block and `kvm_arch_crypto_set_masks`,
 * `kvm_arch_crypto_clear_masks` (arch/s390/kvm/kvm-s390.c). Knows nothing of
 * vfio_ap: the hook that serves an intercepted PQAP(AQIC) is a function.
 * spec/vfio-ap.md 5.3, 10.1, 11.
 */
import type { DriverCore } from '../driver-core/core.js';
import { KernelError } from '../errno.js';
import { Mutex, RwSemaphore } from '../sync/mutex.js';
import type { Task } from '../sync/task.js';
import { Mask } from '../text/bitmap.js';
import { Gisa } from './gisa.js';
import type { Kvm } from './kvm.js';
import type { PqapHook } from './pqap.js';

/** What a guest may use of AP. */
export interface Apcb {
  readonly apm: Mask;
  readonly aqm: Mask;
  readonly adm: Mask;
}

export interface VmOptions {
  /** It has a crypto control block (default true; false: no AP virtualisation at all). */
  readonly crycb?: boolean;
  /** AP interpretation, ECA.28 (default true). */
  readonly apie?: boolean;
  /** It has an interruption state area (default true). */
  readonly gisa?: boolean;
  /** Guest memory, bytes from address 0 (default 256 MiB). */
  readonly memory?: number;
  /** Descriptor of the VM in its creator; shows in STATS_PATH. */
  readonly fd?: number;
}

export interface Vcpu {
  readonly id: number;
  readonly vm: Vm;
  /** Adapter interrupts are delivered without the host (ECA_AIV). */
  readonly aiv: boolean;
  readonly gisa: Gisa | undefined;
}

const DEFAULT_MEMORY = 256 * 1024 * 1024;
export const PAGE_SIZE = 4096;
/** KVM_MAX_VCPUS with the extended system control area. */
export const MAX_VCPUS = 248;

/** The old format of the control block holds 64 adapters and 16 domains. */
const OLD_ADAPTERS = 64;
const OLD_DOMAINS = 16;

export class Vm {
  readonly kvm: Kvm;
  /** Process that created it. */
  readonly pid: number;
  readonly fd: number;
  /** The how many-th VM of its host this is, from 1. */
  readonly number: number;
  /** `kvm->lock`. */
  readonly lock: Mutex;
  /** Guards the hook. */
  readonly hookSemaphore: RwSemaphore;
  /** Serves PQAP(AQIC); undefined: no driver passes queues through. */
  pqapHook: PqapHook | undefined;
  readonly hasCrycb: boolean;
  /** The control block has 256-bit masks (format 2). */
  readonly apxa: boolean;
  apie: boolean;
  readonly gisa: Gisa | undefined;
  /** A protected guest: the host sees only pages that it shares. */
  protectedGuest = false;
  /** Page numbers that a protected guest shares. */
  readonly sharedPages = new Set<number>();
  readonly memory: number;
  readonly vcpus: Vcpu[] = [];
  #apcb: Apcb = { apm: Mask.zeros(), aqm: Mask.zeros(), adm: Mask.zeros() };
  /** How often the masks were set or cleared so far. */
  apcbUpdates = 0;
  readonly #watchers = new Set<() => void>();
  #references = 1;

  /** @internal by Kvm.createVm */
  constructor(core: DriverCore, kvm: Kvm, pid: number, apxa: boolean, number: number, options: VmOptions) {
    this.kvm = kvm;
    this.pid = pid;
    this.fd = options.fd ?? 7;
    this.number = number;
    this.lock = new Mutex(core.lockdep, 'kvm->lock');
    this.hookSemaphore = new RwSemaphore(core.lockdep, 'pqap_hook_rwsem');
    this.hasCrycb = options.crycb ?? true;
    this.apxa = apxa;
    this.apie = options.apie ?? true;
    this.gisa = (options.gisa ?? true) ? new Gisa(number) : undefined;
    this.memory = options.memory ?? DEFAULT_MEMORY;
  }

  /** The masks that the guest runs with. */
  get apcb(): Apcb {
    return this.#apcb;
  }

  /** Called after each change of the masks: the guest's view of AP is another one. */
  onApcbChanged(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** `kvm_arch_crypto_set_masks`: all vCPUs leave guest mode while the masks are copied. */
  setMasks(task: Task, apcb: Apcb): void {
    this.lock.assertHeld(task);
    this.#apcb = {
      apm: this.#fit(apcb.apm, OLD_ADAPTERS),
      aqm: this.#fit(apcb.aqm, OLD_DOMAINS),
      adm: this.#fit(apcb.adm, OLD_DOMAINS),
    };
    this.#changed('set');
  }

  /** `kvm_arch_crypto_clear_masks`. */
  clearMasks(task: Task): void {
    this.lock.assertHeld(task);
    this.#apcb = { apm: Mask.zeros(), aqm: Mask.zeros(), adm: Mask.zeros() };
    this.#changed('clear');
  }

  /** KVM_S390_VM_CRYPTO_{ENABLE,DISABLE}_APIE. */
  async setApie(task: Task, on: boolean): Promise<void> {
    await this.lock.with(task, () => {
      this.apie = on;
    });
  }

  /** KVM_CREATE_VCPU. @throws EINVAL it has as many as it can */
  createVcpu(aiv = true): Vcpu {
    if (this.vcpus.length >= MAX_VCPUS) throw new KernelError('EINVAL');
    const vcpu: Vcpu = { id: this.vcpus.length, vm: this, aiv, gisa: this.gisa };
    this.vcpus.push(vcpu);
    return vcpu;
  }

  /** True if the guest address is backed by memory. */
  isMemory(address: number): boolean {
    return address >= 0 && address < this.memory;
  }

  /** `kvm_get_kvm`. */
  get(): this {
    this.#references++;
    return this;
  }

  /** `kvm_put_kvm`: the last one ends the VM. */
  put(): void {
    if (this.#references <= 0) throw new Error('VM reference count below zero');
    if (--this.#references === 0) this.kvm.destroyed(this);
  }

  get alive(): boolean {
    return this.#references > 0;
  }

  /** The masks as lines of text, for the control tree. */
  apcbText(): string {
    return `apm ${this.#apcb.apm}\naqm ${this.#apcb.aqm}\nadm ${this.#apcb.adm}\n`;
  }

  #fit(mask: Mask, bits: number): Mask {
    return this.apxa ? mask.copy() : Mask.of(...mask.bits(bits - 1));
  }

  #changed(what: 'set' | 'clear'): void {
    this.apcbUpdates++;
    const { apm, aqm, adm } = this.#apcb;
    this.kvm.trace('kvm.apcb', `${this.pid}-${this.fd} ${what} apm ${apm} aqm ${aqm} adm ${adm}`);
    for (const watcher of [...this.#watchers]) watcher();
  }
}
