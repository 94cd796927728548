/**
 * What the trace tells of every queue at boot and at every change of driver:
 * put into words when it is read.
 */
import type { TraceEvent } from '../ports.js';
import { DevState, SmState } from './queue-sm.js';

/** What happens to a queue that loses its driver, in order. */
export type RemovalStep = 'prepare' | 'driver' | 'zapq' | 'inactive';

/** The state machine has gone on. */
export class StateEvent implements TraceEvent {
  constructor(
    readonly queue: string,
    readonly before: SmState,
    readonly after: SmState,
    readonly device: DevState,
  ) {}

  get kind(): string {
    return 'ap.state';
  }

  get text(): string {
    return `${this.queue} ${SmState[this.before]} -> ${SmState[this.after]} (${DevState[this.device]})`;
  }

  get data(): { queue: string } {
    return { queue: this.queue };
  }
}

/** A step of the removal is done. */
export class RemovalEvent implements TraceEvent {
  constructor(
    readonly queue: string,
    readonly step: RemovalStep,
  ) {}

  get kind(): string {
    return 'ap.remove';
  }

  get text(): string {
    return `${this.queue} ${this.step}`;
  }

  get data(): { queue: string; step: RemovalStep } {
    return { queue: this.queue, step: this.step };
  }
}
