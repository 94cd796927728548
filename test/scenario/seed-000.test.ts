/**
 * Acceptance checks of seed 000: the removal of AP queue devices
 * (spec/seeds-map.md 1).
 */
import t from 'tap';
import type { ApQueue } from '../../lib/ap/queue.js';
import { Requests } from '../support/requests.js';
import { B, boot, bootWithMdev, KERNELS, type Scenario, SIM } from '../support/scenario.js';

const ONE_QUEUE = 'card 5 add cex8 cca; domain 4 add; cdomain 4 add';
const CEX4QUEUE = `${B}/drivers/cex4queue`;
const VFIO_AP = `${B}/drivers/vfio_ap`;

/** A message that nobody waits for, straight to the queue. */
const offer = (aq: ApQueue): unknown =>
  aq.queueMessage({
    psmid: 1n,
    bytes: new Uint8Array(8),
    special: false,
    requestId: 0,
    rc: undefined,
    receive: () => {},
  });

const steps = (...queues: string[]): string[] =>
  queues.flatMap((q) => [`${q} prepare`, `${q} driver`, `ZAPQ ${q}`, `${q} zapq`, `${q} inactive`]);

/** Removal steps and ZAPQs, without what those answered. */
const removal = (s: Scenario): string[] =>
  s.story(/ZAPQ|prepare|driver|zapq|inactive/).map((line) => line.replace(/ ->.*/, ''));

t.test('0-1 a removal has three steps in a fixed order, whatever causes it', async (t) => {
  const s = await boot();
  const states: string[] = [];
  s.removalSteps((aq, step) =>
    states.push(`${step}: state ${aq.devState}, ${s.ap.active.has(aq) ? 'active' : 'not active'}`),
  );
  await s.put('05.0004', `${CEX4QUEUE}/unbind`);
  t.same(removal(s), steps('05.0004'), 'unbind');
  t.same(states, [
    'prepare: state 2, active',
    'driver: state 2, active',
    'zapq: state 0, active',
    'inactive: state 0, not active',
  ]);
  await s.put('05.0004', `${CEX4QUEUE}/bind`);
  await s.put('-5', `${B}/apmask`);
  t.same(removal(s), steps('05.0004', '05.00ab'), 'mask change');
  await s.hw('card 6 apm off');
  t.same(removal(s), steps('06.0004', '06.00ab'), 'device removal');
  await s.hw('card 6 apm on');
  t.equal(await s.control('modules', 'unload zcrypt_cex4'), 'ok');
  t.same(removal(s), steps('06.00ab', '06.0004'), 'module unload: latest binding first');
  t.equal(await s.control('modules', 'unload vfio_ap'), 'ok');
  t.same(
    removal(s),
    // Step 2 of vfio_ap resets the queue itself.
    ['05.00ab', '05.0004'].flatMap((q) => {
      const [prepare = '', ...rest] = steps(q);
      return [prepare, `ZAPQ ${q}`, ...rest];
    }),
    'unload of vfio_ap',
  );
  s.sound(t);
});

t.test('0-2 all requests come back with EAGAIN before the driver is removed, pending ones first', async (t) => {
  const s = await boot({ hardware: ONE_QUEUE.replace('cca', 'cca depth=3') });
  const requests = await Requests.open(s);
  await s.hw('queue 05.0004 hold');
  const results = Promise.all(Array.from({ length: 5 }, () => requests.rsa()));
  await s.m.settle();
  t.same(
    [await s.read(s.queue('05.0004', 'pendingq_count')), await s.read(s.queue('05.0004', 'requestq_count'))],
    ['3\n', '2\n'],
  );
  const aq = s.apQueue('05.0004');
  const received: string[] = [];
  const expected = [...aq.pendingq, ...aq.requestq].map((m) => `${m.requestId} EAGAIN no reply`);
  for (const message of [...aq.pendingq, ...aq.requestq]) {
    const { receive } = message;
    message.receive = (queue, m, reply) => {
      received.push(`${m.requestId} ${m.rc} ${reply ? 'reply' : 'no reply'}`);
      receive.call(message, queue, m, reply);
    };
  }
  s.removalSteps((_queue, step) => received.push(step));
  s.onDriverRemove('cex4queue', () => received.push('driver begins'));
  t.equal(await s.put('05.0004', `${CEX4QUEUE}/unbind`), 'ok');
  t.same(received, [...expected, 'prepare', 'driver begins', 'driver', 'zapq', 'inactive']);
  t.same(await results, Array(5).fill('ENODEV'), 'no other queue is there');
  requests.close();
  s.sound(t);
});

t.test('0-3 a queue being removed is SHUTDOWN and takes no message', async (t) => {
  const s = await boot({ debugAttributes: true });
  const seen: unknown[] = [];
  const card = s.apQueue('05.0004').card;
  const before = [card.totalRequestCount, s.apQueue('05.0004').totalRequestCount];
  s.removalSteps((aq, step) => {
    if (step === 'prepare' || step === 'driver') seen.push(step, offer(aq), aq.requestq.length, aq.pendingq.length);
  });
  await s.put('05.0004', `${CEX4QUEUE}/unbind`);
  t.same(seen, ['prepare', 'ENODEV', 0, 0, 'driver', 'ENODEV', 0, 0]);
  t.same([card.totalRequestCount, s.apQueue('05.0004').totalRequestCount], before, 'nothing is counted');
  t.equal(await s.read(s.queue('05.0004', 'states')), 'UNINITIATED\n');

  await s.put('-6', `${B}/apmask`);
  s.standStill();
  const unbind = s.put('06.0004', `${VFIO_AP}/unbind`);
  await s.pass(5);
  t.match(await s.read(s.queue('06.0004', 'states')), /^SHUTDOWN /, 'while the driver waits for its reset');
  await s.pass(100);
  t.equal(await unbind, 'ok');
  t.equal(await s.read(s.queue('06.0004', 'states')), 'UNINITIATED\n');
  s.sound(t);
});

t.test('0-4 the request timer is stopped before the driver is removed', async (t) => {
  const s = await boot({ hardware: ONE_QUEUE });
  const requests = await Requests.open(s);
  await s.hw('queue 05.0004 hold');
  const result = requests.rsa();
  await s.m.settle();
  const clock = (): Promise<string> => s.read(`${SIM}/clock`);
  t.match(await clock(), /ap_request_timeout 05\.0004/);
  const timers: boolean[] = [];
  s.removalSteps((aq) => timers.push(aq.requestTimer?.pending ?? false));
  await s.put('05.0004', `${CEX4QUEUE}/unbind`);
  t.same(timers, [false, false, false, false]);
  t.notMatch(await clock(), /ap_request_timeout 05\.0004/);
  t.equal(await result, 'ENODEV');
  s.instructions();
  await s.pass(901_000);
  t.same(s.instructions(/RAPQ/), [], 'no timeout resets the queue');
  s.sound(t);
});

t.test('0-5 after its remove the driver is not called and touches the queue no more', async (t) => {
  const s = await boot({ hardware: ONE_QUEUE });
  const requests = await Requests.open(s);
  await s.hw('queue 05.0004 hold');
  const result = requests.rsa();
  await s.m.settle();
  s.story();
  await s.put('05.0004', `${CEX4QUEUE}/unbind`);
  await s.hw('queue 05.0004 release');
  await result;
  await s.pass(2000);
  const after = s.story(/05\.0004/).map((line) => line.replace(/ ->.*/, ''));
  const rest = after.slice(after.indexOf('05.0004 driver') + 1);
  t.same(
    rest.filter((line) => !line.startsWith('TAPQ')),
    ['ZAPQ 05.0004', '05.0004 zapq', '05.0004 inactive'],
    'one ZAPQ by the bus, and what scans ask',
  );

  const v = await bootWithMdev();
  v.story();
  await v.put('05.0004', `${VFIO_AP}/unbind`);
  await v.pass(2000);
  const lines = v.story(/05\.0004/).map((line) => line.replace(/ ->.*/, ''));
  t.same(lines.slice(lines.indexOf('05.0004 driver') + 1), ['ZAPQ 05.0004', '05.0004 zapq', '05.0004 inactive']);
  s.sound(t);
  v.sound(t);
});

for (const kernel of KERNELS)
  t.test(`0-6 the last step of a removal is one ZAPQ, and the queue is UNINITIATED (${kernel})`, async (t) => {
    const s = await boot({ kernel });
    s.standStill();
    await s.m.sh.write(`${SIM}/hw`, 'queue 05.0004 reset-ms 500');
    t.equal(await s.put('05.0004', `${CEX4QUEUE}/unbind`), 'ok', 'the reset is not waited for');
    t.equal(await s.resets(), '05.0004 zapq=1\n');
    const counts = ['request_count', 'requestq_count', 'pendingq_count'].map((f) => s.read(s.queue('05.0004', f)));
    t.same(await Promise.all(counts), ['-\n', '0\n', '0\n']);
    await s.m.sh.write(`${SIM}/hw`, 'queue 05.00ab inject zapq 0x07');
    t.equal(await s.put('05.00ab', `${CEX4QUEUE}/unbind`), 'ok', 'the response code does not matter');
    t.equal(await s.read(s.queue('05.00ab', 'request_count')), '-\n');
    t.equal(await s.resets(), '05.00ab zapq=1\n');
    s.sound(t);
  });

t.test('0-7 after a removal nothing is queued in the hardware and interrupts are off', async (t) => {
  const s = await boot({ hardware: ONE_QUEUE });
  const requests = await Requests.open(s);
  t.equal(await s.read(s.queue('05.0004', 'interrupt')), 'Interrupts enabled.\n');
  await s.hw('queue 05.0004 hold; queue 05.0004 reset-ms 100');
  const results = Promise.all([requests.rsa(), requests.rsa()]);
  await s.m.settle();
  t.match(await s.hw('queue 05.0004 status'), /req 2 rep 0/);
  await s.put('05.0004', `${CEX4QUEUE}/unbind`);
  const aq = s.apQueue('05.0004');
  t.same([aq.requestq.length, aq.pendingq.length, aq.queueCount], [0, 0, 0]);
  t.same(await results, ['ENODEV', 'ENODEV']);
  await s.pass(200);
  t.equal(await s.read(s.queue('05.0004', 'interrupt')), 'Interrupts disabled.\n');
  t.match(await s.hw('queue 05.0004 status'), /req 0 rep 0/);
  s.sound(t);
});

for (const kernel of KERNELS)
  t.test(
    `0-8 the queue may go to another driver, which does not initialise it, and come back (${kernel})`,
    async (t) => {
      const s = await boot({ kernel });
      const count = (): Promise<string> => s.read(s.queue('05.0004', 'request_count'));
      t.match(await count(), /^\d+\n$/);
      await s.put('-5', `${B}/apmask`);
      t.equal(s.driver('05.0004'), 'vfio_ap');
      t.equal(await count(), '-\n');
      await s.m.scan();
      t.equal(await count(), '-\n', 'nor does a scan');
      await s.resets();
      await s.put('+5', `${B}/apmask`);
      t.equal(s.driver('05.0004'), 'cex4queue');
      t.match(await count(), /^\d+\n$/);
      t.match(await s.resets(), /^05\.0004 rapq=1 /);
      s.sound(t);
    },
  );

t.test('0-9 a request gives the module back that had the queue when it was sent', async (t) => {
  const s = await boot({ hardware: ONE_QUEUE });
  const requests = await Requests.open(s);
  t.same([await s.refcnt('zcrypt_cex4'), await s.refcnt('vfio_ap')], ['0\n', '0\n']);
  await s.hw('queue 05.0004 hold');
  const result = requests.rsa();
  await s.m.settle();
  t.same([await s.refcnt('zcrypt_cex4'), await s.refcnt('vfio_ap')], ['1\n', '0\n']);
  t.equal(await s.control('modules', 'unload zcrypt_cex4'), 'EAGAIN', 'in use');
  // The sender wakes up late: when its queue belongs to vfio_ap already.
  const [message] = s.apQueue('05.0004').pendingq;
  let wake = (): void => {};
  if (message) {
    const { receive } = message;
    message.receive = (...args) => {
      wake = () => receive.apply(message, args);
    };
  }
  await s.put('-5', `${B}/apmask`);
  t.equal(s.driver('05.0004'), 'vfio_ap');
  t.same([await s.refcnt('zcrypt_cex4'), await s.refcnt('vfio_ap')], ['1\n', '0\n']);
  wake();
  t.equal(await result, 'ENODEV');
  t.same([await s.refcnt('zcrypt_cex4'), await s.refcnt('vfio_ap')], ['0\n', '0\n']);
  requests.close();
  s.sound(t);
});

t.test('0-10 a flushed request is answered by another queue, or fails with ENODEV if there is none', async (t) => {
  const s = await boot();
  const requests = await Requests.open(s);
  await s.put(0, s.queue('05.00ab', 'online'));
  await s.put(0, s.queue('06.00ab', 'online'));
  await s.put(0, s.queue('06.0004', 'online'));
  await s.hw('queue 05.0004 hold');
  const first = requests.rsa();
  await s.m.settle();
  await s.put(1, s.queue('06.0004', 'online'));
  s.story();
  await s.put('05.0004', `${CEX4QUEUE}/unbind`);
  t.equal(await first, 'ok');
  const story = s.story(/request|driver/).map((line) => line.replace(/^request \d+ /, ''));
  t.same(story, [
    'flushed 05.0004 (EAGAIN, step 1 of the removal)',
    '05.0004 driver',
    'queued 06.0004',
    'sent 06.0004 (NQAP)',
    'answered 06.0004 (DQAP)',
  ]);

  await s.hw('queue 06.0004 hold');
  const second = requests.rsa();
  await s.m.settle();
  const scans = Number(await s.read(`${B}/scans`));
  await s.put('06.0004', `${CEX4QUEUE}/unbind`);
  t.equal(await second, 'ENODEV');
  t.equal(Number(await s.read(`${B}/scans`)), scans + 1, 'after one look at the hardware');
  requests.close();
  s.sound(t);
});
