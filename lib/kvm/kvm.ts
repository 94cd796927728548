/**
 * The module kvm while it is loaded: /dev/kvm and the virtual machines.
 *
 * Mirrors virt/kvm/kvm_main.c as far as it is seen from outside: the misc
 * device, the number of VMs and the events that tell of them.
 * spec/vfio-ap.md 10.1, spec/sysfs-tree.md 10.
 */
import type { DriverCore } from '../driver-core/core.js';
import type { Device } from '../driver-core/device.js';
import type { MiscClass } from '../driver-core/misc.js';
import type { Module } from '../driver-core/module.js';
import { KernelError } from '../errno.js';
import { type ApInstructions, QCI } from '../hardware/instructions.js';
import type { Task } from '../sync/task.js';
import { handlePqap, type PqapOutcome, type PqapRegisters } from './pqap.js';
import { type Vcpu, Vm, type VmOptions } from './vm.js';

export class Kvm {
  readonly #core: DriverCore;
  readonly #hw: ApInstructions;
  readonly #module: Module;
  #device: Device | undefined;
  readonly #vms = new Set<Vm>();
  /** VMs made since the module was loaded. */
  #created = 0;

  constructor(core: DriverCore, hw: ApInstructions, module: Module) {
    this.#core = core;
    this.#hw = hw;
    this.#module = module;
  }

  async init(task: Task, misc: MiscClass): Promise<void> {
    this.#device = await misc.register(task, { name: 'kvm', minor: 232 });
  }

  async exit(task: Task, misc: MiscClass): Promise<void> {
    if (this.#device) await misc.unregister(task, this.#device);
  }

  /** VMs that exist, in order of creation. */
  get vms(): ReadonlySet<Vm> {
    return this.#vms;
  }

  /** KVM_CREATE_VM. @throws ENODEV the module is going */
  createVm(task: Task, options: VmOptions = {}): Vm {
    if (!this.#module.tryGet()) throw new KernelError('ENODEV');
    this.#created++;
    const vm = new Vm(this.#core, this, task.pid, this.#apxaInstalled(), this.#created, options);
    this.#vms.add(vm);
    this.#event('create', vm);
    return vm;
  }

  /** Its last reference is gone (`kvm_destroy_vm`). @internal */
  destroyed(vm: Vm): void {
    this.#vms.delete(vm);
    this.#event('destroy', vm);
    this.#module.put();
  }

  /** A vCPU issues PQAP and the machine hands it to the host. */
  pqap(task: Task, vcpu: Vcpu, registers: PqapRegisters): Promise<PqapOutcome> {
    return handlePqap(task, vcpu, this.#hw, registers);
  }

  trace(kind: string, text: string): void {
    const { trace } = this.#core.ports;
    if (trace.enabled) trace.emit({ kind, text });
  }

  /** `kvm_s390_apxa_installed`. */
  #apxaInstalled(): boolean {
    return this.#hw.available && ((this.#hw.qci()?.flags ?? 0) & QCI.APXA) !== 0;
  }

  /** `kvm_uevent_notify_change`. */
  #event(what: 'create' | 'destroy', vm: Vm): void {
    this.#device?.sendUevent('change', [
      `CREATED=${this.#created}`,
      `COUNT=${this.#vms.size}`,
      `EVENT=${what}`,
      `PID=${vm.pid}`,
      `STATS_PATH=/kvm/${vm.pid}-${vm.fd}`,
    ]);
  }
}
