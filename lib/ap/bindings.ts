/**
 * Are all queues bound? The BINDINGS=complete event.
 *
 * Mirrors ap_bus.c `ap_check_bindings_complete`, `bindings_show`,
 * `ap_wait_apqn_bindings_complete`. spec/ap-bus.md 6.
 */
import { KernelError } from '../errno.js';
import type { Nanoseconds } from '../ports.js';
import { Completion } from '../sync/wait.js';
import type { ApBus } from './bus.js';
import type { ApQueue } from './queue.js';

/** Where a check is made; kernels differ in which of them count. */
export type BindingsOccasion = 'scan-end' | 'driver-registered' | 'probed';

export class Bindings {
  readonly #ap: ApBus;
  readonly #completion = new Completion();
  /** The kernel goes over all queues whenever it wants to know; that may be after each probe. */
  #bound = 0;
  #total = 0;
  /** Events sent (`bindings_complete_count`). */
  completeCount = 0;

  constructor(ap: ApBus) {
    this.#ap = ap;
  }

  /** Bound and existing queue devices. A queue being probed or released counts as bound. */
  count(): { bound: number; total: number } {
    return { bound: this.#bound, total: this.#total };
  }

  /** A queue device has come on the list of the bus, or has left it. */
  listed(aq: ApQueue, on: boolean): void {
    this.#total += on ? 1 : -1;
    if (aq.driver) this.#bound += on ? 1 : -1;
  }

  /** A queue device on the list has got a driver, or lost it. */
  driven(aq: ApQueue): void {
    this.#bound += aq.driver ? 1 : -1;
  }

  /** The file `bindings`. */
  get text(): string {
    const { bound, total } = this.count();
    const complete = this.#ap.scan.count >= 1 && bound === total;
    return `${bound}/${total}${complete ? ' (complete)' : ''}\n`;
  }

  /** A probe, or new adapters and domains: the next complete state is news again. */
  rearm(): void {
    if (this.#ap.profile.bindingsCompleteRearmed) this.#completion.reinit();
  }

  check(occasion: BindingsOccasion): void {
    const { profile, scan } = this.#ap;
    if (profile.bindingsCompleteRearmed) {
      if (occasion === 'probed' || this.#completion.done) return;
    } else if (occasion === 'driver-registered' || (occasion === 'scan-end' && scan.count !== 1)) return;
    if (scan.count < 1) return;
    const { bound, total } = this.count();
    if (bound !== total) return;
    this.#completion.completeAll();
    this.completeCount++;
    this.#ap.rootDevice.sendUevent('change', ['BINDINGS=complete', `COMPLETECOUNT=${this.completeCount}`]);
  }

  /** `ap_wait_apqn_bindings_complete`. @throws ETIME */
  async wait(timeout: Nanoseconds): Promise<void> {
    if (!(await this.#completion.waitTimeout(this.#ap.core.ports.clock, timeout, true))) throw new KernelError('ETIME');
  }
}
