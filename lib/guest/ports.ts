/**
 * What a guest's kernel gets of the world outside: the machine's time, counted
 * from its own start and ending with it, and a trace that bears its name.
 */
import type { Clock, Nanoseconds, Ports, Timer, TimerOptions, Trace, TraceEvent } from '../ports.js';

/** A timer of a clock that does not run any more. */
const NEVER: Timer = { expires: Number.POSITIVE_INFINITY, pending: false, cancel: () => false };

/** Machine time while one virtual machine is switched on. */
export class GuestClock implements Clock {
  readonly #clock: Clock;
  readonly #name: string;
  readonly #start: Nanoseconds;
  readonly #timers = new Set<Timer>();
  #stopped = false;

  constructor(clock: Clock, name: string) {
    this.#clock = clock;
    this.#name = name;
    this.#start = clock.now();
  }

  now(): Nanoseconds {
    return this.#clock.now() - this.#start;
  }

  after(delay: Nanoseconds, fire: () => void, options: TimerOptions = {}): Timer {
    if (this.#stopped) return NEVER;
    const timer = this.#clock.after(
      delay,
      () => {
        this.#timers.delete(timer);
        fire();
      },
      { ...options, name: `${this.#name}: ${options.name ?? 'timer'}` },
    );
    this.#timers.add(timer);
    const start = this.#start;
    return {
      expires: timer.expires - start,
      get pending(): boolean {
        return timer.pending;
      },
      cancel: () => {
        this.#timers.delete(timer);
        return timer.cancel();
      },
    };
  }

  /** Nothing fires any more. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}

/** Says whose story it is. */
function named(trace: Trace, name: string): Trace {
  return {
    get enabled(): boolean {
      return trace.enabled;
    },
    emit: (event: TraceEvent) => trace.emit(new GuestEvent(name, event)),
  };
}

/** What happened in a guest. */
class GuestEvent implements TraceEvent {
  readonly #name: string;
  readonly #event: TraceEvent;

  constructor(name: string, event: TraceEvent) {
    this.#name = name;
    this.#event = event;
  }

  get kind(): string {
    return this.#event.kind;
  }

  get text(): string {
    return `${this.#name}: ${this.#event.text}`;
  }

  get data(): NonNullable<TraceEvent['data']> {
    return { ...this.#event.data, guest: this.#name };
  }
}

export function guestPorts(ports: Ports, name: string): Ports & { readonly clock: GuestClock } {
  return { ...ports, clock: new GuestClock(ports.clock, name), trace: named(ports.trace, name) };
}
