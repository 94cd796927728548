/**
 * The virtual CPUs of a guest, as far as instructions leave them for the host.
 *
 * A virtual CPU whose instruction is intercepted stands still until the host
 * has handled it. With all of them standing, the next one waits for the first
 * that is free. Left out: what else a guest cannot do while its CPUs stand.
 */
import type { PqapOutcome, PqapRegisters } from '../kvm/pqap.js';
import type { Vcpu, Vm } from '../kvm/vm.js';
import type { Task } from '../sync/task.js';
import { WaitQueue } from '../sync/wait.js';

export class Vcpus {
  readonly #vm: Vm;
  readonly #newTask: (comm: string) => Task;
  /** The host's thread of each virtual CPU, from its first exit on. */
  readonly #threads = new Map<Vcpu, Task>();
  readonly #standing = new Set<Vcpu>();
  readonly #changed = new WaitQueue();
  #stopped = false;

  /** @param newTask makes tasks of the host */
  constructor(vm: Vm, newTask: (comm: string) => Task) {
    this.#vm = vm;
    this.#newTask = newTask;
  }

  /** How many stand in an intercepted instruction. */
  get standing(): number {
    return this.#standing.size;
  }

  /** PQAP on one of them, handled by the host; undefined: they were stopped before it could be issued. */
  async pqap(registers: PqapRegisters): Promise<PqapOutcome | undefined> {
    let vcpu = this.#free();
    while (!vcpu) {
      if (this.#stopped) return undefined;
      await this.#changed.until(() => this.#stopped || this.#free() !== undefined);
      vcpu = this.#stopped ? undefined : this.#free();
    }
    this.#standing.add(vcpu);
    try {
      return await this.#vm.kvm.pqap(this.#threadOf(vcpu), vcpu, registers);
    } finally {
      this.#standing.delete(vcpu);
      this.#changed.wakeAll();
    }
  }

  /** Lets none issue anything any more; resolves when the last one has come back from the host. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#changed.wakeAll();
    await this.#changed.until(() => this.#standing.size === 0);
  }

  #free(): Vcpu | undefined {
    return this.#stopped ? undefined : this.#vm.vcpus.find((vcpu) => !this.#standing.has(vcpu));
  }

  #threadOf(vcpu: Vcpu): Task {
    let thread = this.#threads.get(vcpu);
    if (!thread) {
      thread = this.#newTask(`CPU ${vcpu.id}/KVM`);
      this.#threads.set(vcpu, thread);
    }
    return thread;
  }
}
