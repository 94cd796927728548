/**
 * The trace's ring and the ring of events: what is kept, in which order, and
 * when an event is put into words.
 */
import t from 'tap';
import { Ring } from '../../fs-tree/control/ring.js';
import { TraceRing } from '../../fs-tree/host/trace.js';
import { RemovalEvent, StateEvent } from '../../lib/ap/trace.js';
import { guestPorts } from '../../lib/guest/ports.js';
import type { Ports, TraceEvent } from '../../lib/ports.js';
import { bootMachine } from '../support/machine.js';

/** An event that counts how often its words are made. */
class Counted implements TraceEvent {
  readonly kind = 'test';
  made = 0;
  constructor(readonly words: string) {}
  get text(): string {
    this.made++;
    return this.words;
  }
}

t.test('the ring keeps the latest events with their numbers and times, and counts those that it lost', async (t) => {
  let now = 0;
  const trace = new TraceRing({ capacity: 4, now: () => now });
  t.strictSame(trace.entries(), []);
  t.equal(trace.dropped, 0);
  for (let n = 1; n <= 6; n++) {
    now = 100 * n;
    trace.emit({ kind: 'test', text: `event ${n}`, ...(n === 5 && { data: { request: 7 } }) });
  }
  t.strictSame(trace.entries(), [
    { kind: 'test', text: 'event 3', seq: 3, time: 300 },
    { kind: 'test', text: 'event 4', seq: 4, time: 400 },
    { kind: 'test', text: 'event 5', data: { request: 7 }, seq: 5, time: 500 },
    { kind: 'test', text: 'event 6', seq: 6, time: 600 },
  ]);
  t.equal(trace.dropped, 2);
  trace.clear();
  t.strictSame(trace.entries(), []);
  t.equal(trace.dropped, 6);
  trace.emit({ kind: 'test', text: 'event 7' });
  t.strictSame(trace.entries(), [{ kind: 'test', text: 'event 7', seq: 7, time: 600 }]);
  t.equal(trace.dropped, 6);
});

t.test('an event is put into words when somebody reads it, and for a listener at once', async (t) => {
  const trace = new TraceRing({ capacity: 2 });
  const [lost, kept, heard] = [new Counted('lost'), new Counted('kept'), new Counted('heard')];
  trace.emit(lost);
  trace.emit(kept);
  const said: string[] = [];
  const stop = trace.onEntry(({ seq, text }) => said.push(`${seq} ${text}`));
  trace.emit(heard);
  stop();
  t.strictSame(said, ['3 heard']);
  t.strictSame(
    trace.entries().map(({ text }) => text),
    ['kept', 'heard'],
  );
  t.strictSame([lost.made, kept.made], [0, 1]);
});

t.test('what happens in a guest is told with its name, whatever the event is', async (t) => {
  const trace = new TraceRing();
  const { clock, random, crypto } = (await bootMachine()).world.ports;
  const ports: Ports = { clock, random, crypto, trace };
  guestPorts(ports, 'web').trace.emit(new StateEvent('00.0004', 0, 1, 1));
  guestPorts(ports, 'web').trace.emit(new RemovalEvent('00.0004', 'zapq'));
  t.match(trace.entries(), [
    {
      kind: 'ap.state',
      text: 'web: 00.0004 RESET_START -> RESET_WAIT (OPERATING)',
      data: { queue: '00.0004', guest: 'web' },
    },
    { kind: 'ap.remove', text: 'web: 00.0004 zapq', data: { queue: '00.0004', step: 'zapq', guest: 'web' } },
  ]);
});

t.test('a ring of events keeps the latest, oldest first', async (t) => {
  const ring = new Ring<number>(3);
  t.strictSame(ring.entries(), []);
  ring.push(1);
  ring.push(2);
  t.strictSame(ring.entries(), [1, 2]);
  for (const n of [3, 4, 5]) ring.push(n);
  t.strictSame(ring.entries(), [3, 4, 5]);
  t.equal(ring.dropped, 2);
  ring.clear();
  t.strictSame(ring.entries(), []);
  t.equal(ring.dropped, 0);
  ring.push(6);
  t.strictSame(ring.entries(), [6]);
});
