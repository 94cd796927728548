/**
 * Replies that are late, too long, too short or lost, and who is chosen then.
 */
import t from 'tap';
import { SEC } from '../../lib/ports.js';
import { ccaRequest } from '../support/cca-request.js';
import { errnoOf, KERNELS, RsaJob, ZcryptMachine } from '../support/zcrypt.js';

const job = new RsaJob(1024);
const ACCELERATOR = 'card 2 add cex7 accel; domain 4 add';
const CCA = 'card 0 add cex8 cca; domain 4 add';

for (const kernel of KERNELS)
  t.test(`a reply longer than the buffer ends its request with EMSGSIZE, not the next one (${kernel})`, async (t) => {
    const m = await ZcryptMachine.boot(kernel, ACCELERATOR);
    const file = await m.open();
    await m.hw('queue 02.0004 reply long 12289; queue 02.0004 hold');
    m.trace.length = 0;
    const first = errnoOf(file.modexpo(m.task(), job.me()));
    const mex = job.me();
    const second = errnoOf(file.modexpo(m.task(), mex));
    await m.clock.settle();
    await m.hw('queue 02.0004 release');
    t.same([await first, await second], ['EMSGSIZE', 'ok']);
    t.same(mex.outputdata, job.expected());
    const fetched = m.trace.filter(({ text }) => text.startsWith('DQAP 02.0004 -> 00'));
    t.equal(fetched.length, 3, 'two parts of the first, and the second');
    t.equal(m.zc(2).load, 0);
    t.ok(m.zq('02.0004').online, 'the queue stays online');
  });

t.test('a reply that is not as long as it says is EMSGSIZE', async (t) => {
  const m = await ZcryptMachine.boot('7.2', CCA);
  const file = await m.open();
  await m.hw('queue 00.0004 reply long 5000 3');
  t.equal(await errnoOf(file.modexpo(m.task(), job.me())), 'EMSGSIZE');
  t.equal(await errnoOf(file.sendCprb(m.task(), ccaRequest())), 'EMSGSIZE');
  const api = m.kernel.zcrypt.api;
  t.equal(await errnoOf(api?.rngBlock(m.task()) ?? Promise.resolve()), 'EMSGSIZE');
  t.equal(await errnoOf(file.modexpo(m.task(), job.me())), 'ok');
});

for (const kernel of KERNELS)
  t.test(`a lost request is sent again when its queue is reset after 900 s (${kernel})`, async (t) => {
    const m = await ZcryptMachine.boot(kernel, ACCELERATOR);
    const file = await m.open();
    await m.hw('queue 02.0004 reply lost');
    const start = m.clock.now();
    const running = errnoOf(file.modexpo(m.task(), job.me()));
    await m.clock.settle();
    t.equal(m.queue('02.0004').pendingq.length, 1);
    m.clock.mode = 'manual';
    m.trace.length = 0;
    await m.clock.advance(899 * SEC);
    t.same(
      m.trace.filter(({ text }) => /RAPQ|NQAP/.test(text)),
      [],
    );
    // 6.1 fetches a reply to see whether the reset is over; that there is none is an error to it, which the next scan mends.
    const errs = kernel === '6.1';
    await m.clock.advance(start + (errs ? 940 : 901) * SEC - m.clock.now());
    m.clock.mode = 'auto';
    t.equal(await running, 'ok');
    t.same(
      m.trace.filter(({ text }) => /^(RAPQ|NQAP)/.test(text)).map(({ text }) => text.slice(0, 12)),
      errs ? ['RAPQ 02.0004', 'RAPQ 02.0004', 'NQAP 02.0004'] : ['RAPQ 02.0004', 'NQAP 02.0004'],
    );
    t.equal(m.counts()['02.0004'], errs ? 2 : 1);
  });

t.test('a lost request comes back with the next one on its queue', async (t) => {
  const m = await ZcryptMachine.boot('7.2', ACCELERATOR);
  const file = await m.open();
  await m.hw('queue 02.0004 reply lost');
  const first = errnoOf(file.modexpo(m.task(), job.me()));
  await m.clock.settle();
  t.same([await errnoOf(file.modexpo(m.task(), job.me())), await first], ['ok', 'ok']);
  t.equal(m.counts()['02.0004'], 2);
});

t.test('a card of several modes counts in the walk for each, and works in the first', async (t) => {
  // Accelerator by its first bit; zcrypt looks at it for CCA requests too, and finds no queue that could.
  const m = await ZcryptMachine.boot('7.2', `${CCA}; card 9 add cex8 accel fac=0x1a800000`);
  const file = await m.open();
  t.equal(m.card(9).mode, 'accel');
  t.equal(m.zc(9).type.typeString, 'CEX8A');
  await m.hw('queue 00.0004 hold');
  const running = errnoOf(file.sendCprb(m.task(), ccaRequest({ userDefined: 0xffffffff })));
  await m.clock.settle();
  t.equal(m.zc(0).load, 0, 'the load is by the rating of the card looked at last: an accelerator has none for keys');
  t.equal(m.queue('00.0004').pendingq.length, 1);
  await m.hw('queue 00.0004 release');
  t.equal(await running, 'ok');
  t.equal(await errnoOf(file.sendCprb(m.task(), ccaRequest({ userDefined: 9 }))), 'ENODEV');
});

for (const boot of ['ap.useirq=0', 'ap.useirq=0 ap.poll_thread=1'])
  t.test(`without interrupts replies are fetched by polling (${boot})`, async (t) => {
    const m = await ZcryptMachine.boot('7.2', ACCELERATOR, { commandLine: boot });
    const file = await m.open();
    const start = m.clock.now();
    t.equal(await errnoOf(file.modexpo(m.task(), job.me())), 'ok');
    const micros = (m.clock.now() - start) / 1000;
    t.ok(micros >= 200 && micros <= 500, `${micros} us`);
    const timers = m.clock.pendingTimers().map(({ name }) => name);
    t.notMatch(timers, ['ap_poll_timer'], 'and nothing polls when nothing is in the hardware');
    t.notMatch(timers, ['appoll']);
  });
