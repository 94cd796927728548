/**
 * The queues of a secure-execution guest: the machine ties them to it.
 *
 * Each queue that its APCB lets through must be bound by the guest before use
 * (spec/attributes.md F); one that it loses, by a change of the APCB or with its
 * end, is nobody's. Left out: secrets, and what the ultravisor does besides.
 */
import type { Qid } from '../hardware/instructions.js';
import { mkQid } from '../hardware/instructions.js';
import type { Machine } from '../hardware/machine.js';
import type { HardwareQueue } from '../hardware/queue.js';
import type { Vm } from '../kvm/vm.js';

export class SecureQueues {
  readonly #machine: Machine;
  readonly #vm: Vm;
  readonly #queues = new Map<Qid, HardwareQueue>();
  readonly #forget: () => void;

  constructor(machine: Machine, vm: Vm) {
    this.#machine = machine;
    this.#vm = vm;
    this.#forget = vm.onApcbChanged(() => this.#follow());
    this.#follow();
  }

  /** The guest has ended. */
  release(): void {
    this.#forget();
    for (const queue of this.#queues.values()) queue.setSecureGuest(false);
    this.#queues.clear();
  }

  #follow(): void {
    const { apm, aqm } = this.#vm.apcb;
    const kept = new Set<Qid>();
    for (const apid of apm.bits())
      for (const apqi of aqm.bits()) {
        const qid = mkQid(apid, apqi);
        const queue = this.#machine.queue(qid);
        if (!queue) continue;
        kept.add(qid);
        this.#queues.set(qid, queue);
        queue.setSecureGuest(true);
      }
    for (const [qid, queue] of this.#queues)
      if (!kept.has(qid)) {
        queue.setSecureGuest(false);
        this.#queues.delete(qid);
      }
  }
}
