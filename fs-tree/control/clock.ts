/**
 * `clock`: whose time the machine lives by.
 *
 * Write `real`, `auto`, `manual`, `advance 30s` (ns, us, ms, s, min), or
 * `settle`, which returns when only background timers (the bus scan) are
 * pending. Read: mode, machine time, what is pending.
 */
import type { SimClock } from '../../lib/clock.js';
import { KernelError } from '../../lib/errno.js';
import { type Outcome, printed } from './verbs.js';

const UNIT: Record<string, number> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, min: 60e9 };

export function describeClock(clock: SimClock): string {
  const seconds = (ns: number): string => (ns / 1e9).toFixed(6);
  const pending = clock
    .pendingTimers()
    .map(({ name, expires, background }) => `${seconds(expires)} ${name}${background ? ' (background)' : ''}\n`);
  return `mode ${clock.mode}\nnow ${seconds(clock.now())}\n${pending.join('')}`;
}

export async function runClockCommand(clock: SimClock, line: string): Promise<Outcome> {
  const [verb, argument, ...more] = line.trim().split(/\s+/);
  const none = argument === undefined;
  if ((verb === 'real' || verb === 'auto' || verb === 'manual') && none) clock.mode = verb;
  else if (verb === 'settle' && none) await clock.settle();
  else if (verb === 'advance' && argument !== undefined && more.length === 0) await clock.advance(duration(argument));
  else throw new KernelError('EINVAL', `clock: "${line}": expected real, auto, manual, settle or advance DURATION`);
  return printed('');
}

/** `30s`, `1.5ms`, `40us`: nanoseconds. @throws EINVAL */
export function duration(text: string): number {
  const m = /^(\d+(?:\.\d+)?)(ns|us|ms|s|min)$/.exec(text);
  const unit = m?.[2] === undefined ? undefined : UNIT[m[2]];
  if (!m || unit === undefined)
    throw new KernelError('EINVAL', `clock: "${text}" is no duration (30s, 40ms, 5us, 2min)`);
  return Math.round(Number(m[1]) * unit);
}
