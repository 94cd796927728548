/**
 * The host's side of the machine's clock (lib/clock.ts), in two kinds: Node's
 * time and timers, and a source that stands still, with which an `auto` clock
 * is fully virtual.
 */
// The global of that name is looked for anew each time, and this is asked for each event of a trace.
import { performance } from 'node:perf_hooks';
import type { ClockHost } from '../../lib/clock.js';

/** The longest that Node's timers can wait, in ms; the clock looks again when they fire early. */
const LONGEST_TIMER = 0x7fff_ffff;

function whenIdle(fn: () => void): void {
  // Promises settle before immediates run: at that point every task waits for a timer or for the outside.
  setImmediate(fn);
}

/** Real time. */
export const hostClock: ClockHost = {
  monotonicNs: () => Math.round(performance.now() * 1e6),
  setTimer(ms, fire) {
    const timer = setTimeout(fire, Math.min(ms, LONGEST_TIMER));
    return { cancel: () => clearTimeout(timer) };
  },
  whenIdle,
};

/** Time that only moves when the machine's clock jumps or is advanced. */
export const standingClock: ClockHost = {
  monotonicNs: () => 0,
  setTimer: () => ({ cancel: () => undefined }),
  whenIdle,
};
