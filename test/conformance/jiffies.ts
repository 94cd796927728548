/**
 * The machine's clock as the recorded kernels had it: timers of the timer wheel
 * fire with a jiffy, and long ones late.
 *
 * Mirrors kernel/time/timer.c (calc_wheel_index, calc_index): each level of the
 * wheel is eight times as coarse as the one below, and a timer waits for the
 * next bucket. The recorded kernels have HZ=250. High-resolution timers, and
 * what the hardware does, are exact.
 */
import { type ClockHost, SimClock } from '../../lib/clock.js';
import type { Timer, TimerOptions } from '../../lib/ports.js';

/** 1/HZ in ns. */
export const JIFFY = 4_000_000;
/** Jiffies start shortly before they overflow 32 bits: -300 * HZ. */
const INITIAL_JIFFIES = 2 ** 32 - 300 * 250;
/** Buckets of a level, and how much coarser the next one is. */
const LEVEL_SIZE = 64;
const LEVEL_FACTOR = 8;

/** Timers that these kernels keep in the wheel, by the names that the model gives them. */
const WHEEL = /^(?:ap_scan_bus_timer|ap_request_timeout .*|vfio request .*|vfio_ap .*|wait-timeout|hwrng)$/;

const SCAN_TIMER = 'ap_scan_bus_timer';

/** When a timer fires that is to wait for `delay` jiffies, in jiffies. */
export function wheelExpiry(now: number, delay: number): number {
  let granularity = 1;
  for (let start = LEVEL_SIZE - 1; delay >= start; start *= LEVEL_FACTOR) granularity *= LEVEL_FACTOR;
  return (Math.floor((now + delay) / granularity) + 1) * granularity;
}

export class JiffyClock extends SimClock {
  /** How long the kernel had been ticking at time 0, in ns. */
  readonly #uptime: number;
  /** How often the bus scan timer has fired. */
  timedScans = 0;

  constructor(host: ClockHost, uptime: number) {
    super(host, 'auto');
    this.#uptime = uptime;
  }

  override after(delay: number, fire: () => void, options: TimerOptions = {}): Timer {
    if (delay <= 0 || !WHEEL.test(options.name ?? '')) return super.after(delay, fire, options);
    const ticks = INITIAL_JIFFIES + Math.floor((this.now() + this.#uptime) / JIFFY);
    const expires = wheelExpiry(ticks, Math.ceil(delay / JIFFY)) - INITIAL_JIFFIES;
    const counted = (): void => {
      if (options.name === SCAN_TIMER) this.timedScans++;
      fire();
    };
    return super.after(expires * JIFFY - this.#uptime - this.now(), counted, options);
  }
}
