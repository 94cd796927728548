/**
 * Machine time: when timers fire, and when the clock jumps.
 */
import t from 'tap';
import { type ClockHost, SimClock } from '../../lib/clock.js';
import { SEC } from '../../lib/ports.js';

/** A host whose time stands still. */
const still: ClockHost = {
  monotonicNs: () => 0,
  setTimer: () => ({ cancel: () => {} }),
  whenIdle: (fn) => void setImmediate(fn),
};

t.test('auto jumps to what somebody waits for, past background timers, and not to them', async (t) => {
  const clock = new SimClock(still, 'auto');
  const log: string[] = [];
  clock.after(30 * SEC, () => log.push('scan'), { background: true });
  clock.after(60 * SEC, () => log.push('far scan'), { background: true });
  await new Promise<void>((resolve) => clock.after(40 * SEC, resolve));
  t.same(log, ['scan']);
  t.equal(clock.now(), 40 * SEC);
});

t.test('manual stands until it is advanced, and fires in order of time, then of making', async (t) => {
  const clock = new SimClock(still, 'manual');
  const log: string[] = [];
  clock.after(2 * SEC, () => log.push('b'));
  clock.after(1 * SEC, () => {
    log.push('a');
    clock.after(1 * SEC, () => log.push('d'));
  });
  clock.after(2 * SEC, () => log.push('c'));
  const cancelled = clock.after(1 * SEC, () => log.push('never'));
  t.equal(cancelled.cancel(), true);
  t.equal(cancelled.cancel(), false);
  await clock.advance(1.5 * SEC);
  t.same(log, ['a']);
  t.equal(clock.now(), 1.5 * SEC);
  await clock.advance(10 * SEC);
  t.same(log, ['a', 'b', 'c', 'd']);
});

t.test('settle runs until only background timers are left', async (t) => {
  const clock = new SimClock(still, 'manual');
  const log: string[] = [];
  clock.after(30 * SEC, () => log.push('scan'), { background: true });
  clock.after(1 * SEC, () => log.push('work'));
  await clock.settle();
  t.same(log, ['work']);
  t.same(
    clock.pendingTimers().map((timer) => timer.background),
    [true],
  );
});

t.test('a thousand timers with cancellations fire each exactly once, in order', async (t) => {
  const clock = new SimClock(still, 'manual');
  const fired: number[] = [];
  const timers = Array.from({ length: 1000 }, (_, i) => {
    const at = ((i * 7919) % 1000) * SEC;
    return clock.after(at, () => fired.push(at));
  });
  for (let i = 0; i < 1000; i += 3) timers[i]?.cancel();
  await clock.advance(1000 * SEC);
  t.equal(fired.length, 666);
  t.same(
    fired,
    [...fired].sort((a, b) => a - b),
  );
});
