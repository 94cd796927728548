/**
 * Traffic: programs with an open node, jobs of many requests, and
 * `kernel.zcrypt.send`.
 */
import t from 'tap';
import { LoadJob, type LoadOptions, type LoadResult } from '../../lib/index.js';
import { Latencies } from '../../lib/load/latencies.js';
import { Results } from '../../lib/load/tally.js';
import { errnoOf } from '../support/machine.js';
import { boot, type Scenario } from '../support/scenario.js';

const MS = 1_000_000;
const DEFAULT = 'card 0 add cex8 cca; card 1 add cex8 ep11; card 2 add cex7 accel; card 3 add cex6 cca';
const DOMAINS = [4, 6].map((d) => `domain ${d} add; cdomain ${d} add`).join('; ');

const bootDefault = (): Promise<Scenario> => boot({ hardware: `${DEFAULT}; ${DOMAINS}` });
const start = ({ m }: Scenario, options: LoadOptions): Promise<LoadJob> => LoadJob.start(m.world, options);
const message = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'no error',
    (e: Error) => e.message,
  );

/** What has to be as before when all requests are over. */
async function books(s: Scenario): Promise<unknown[]> {
  const found: unknown[] = [
    s.m.world.kernel.zcrypt.api?.openCount,
    await s.refcnt('zcrypt'),
    await s.refcnt('zcrypt_cex4'),
  ];
  for (const zq of s.m.world.kernel.zcrypt.api?.distributor.queues() ?? [])
    found.push([zq.load, zq.inFlight, zq.queue.pendingq.length, zq.queue.requestq.length]);
  return found;
}

t.test('percentiles are really measured latencies, at most 1.6 % above the exact ones', (t) => {
  const latencies = new Latencies();
  t.equal(latencies.percentiles(), undefined);
  const values = Array.from({ length: 20_000 }, (_, i) => 1 + ((i * 7919) % 20_011) ** 2);
  for (const value of values) latencies.add(value);
  const sorted = [...values].sort((a, b) => a - b);
  const found = latencies.percentiles();
  for (const [name, part] of [
    ['p50', 0.5],
    ['p90', 0.9],
    ['p99', 0.99],
    ['max', 1],
  ] as const) {
    const exact = sorted[Math.ceil(part * sorted.length) - 1] ?? 0;
    const told = found?.[name] ?? 0;
    t.ok(told >= exact && told <= exact * 1.016, `${name}: ${told} for ${exact}`);
    t.ok(values.includes(told), `${name} was measured`);
  }
  const few = new Latencies();
  for (const value of [0, 5, 200, 300]) few.add(value);
  t.same(few.percentiles(), { p50: 5, p90: 300, p99: 300, max: 300 });
  t.end();
});

t.test('the last 8192 results are kept one by one, in order', (t) => {
  const results = new Results();
  const answer = { result: 'ok', apqn: '00.0004', retries: 0, latency: 1, time: 1 } as const;
  for (let request = 1; request <= 10_000; request++) results.add({ ...answer, request });
  const kept = results.since(0);
  t.equal(kept.length, 8192);
  t.same([kept[0]?.seq, kept.at(-1)?.seq, kept.at(-1)?.request], [1809, 10_000, 10_000]);
  t.same(
    results.since(9998).map(({ seq }) => seq),
    [9999, 10_000],
  );
  t.equal(results.since(0, 3).length, 3);
  t.equal(results.tally().ok, 10_000, 'the sums know all of them');
  t.end();
});

t.test('programs send when they are answered; every request is counted once and the books are as before', async (t) => {
  const s = await bootDefault();
  const before = await books(s);
  for (const kind of ['rsa1024', 'crt1024', 'cca', 'ep11', 'rng'] as const) {
    const results: LoadResult[] = [];
    const job = await start(s, { kind, concurrency: 5, count: 42, onResult: (r) => results.push(r) });
    t.equal(s.m.world.kernel.zcrypt.api?.openCount, 5, 'each program has the node open');
    const summary = await job.done;
    t.match(
      summary,
      { state: 'ended', started: 42, inFlight: 0, ok: 42, wrong: 0, failed: 0, retries: 0, late: 0 },
      kind,
    );
    t.equal(
      Object.values(summary.byQueue).reduce((sum, n) => sum + n, 0),
      42,
      'each answer has its queue',
    );
    t.same(
      results.map(({ seq }) => seq),
      Array.from({ length: 42 }, (_, i) => i + 1),
    );
    t.equal(new Set(results.map(({ request }) => request)).size, 42, 'numbers of the trace are unique');
    t.ok(results.every(({ latency }) => latency > 0 && latency <= (summary.latency?.max ?? 0)));
    const modes = { rsa: /^0[023]/, crt: /^0[023]/, cca: /^0[03]/, ep1: /^01/, rng: /^0[03]/ };
    const wanted = modes[kind.slice(0, 3) as keyof typeof modes];
    t.ok(
      Object.keys(summary.byQueue).every((queue) => wanted.test(queue)),
      `${kind} on ${Object.keys(summary.byQueue)}`,
    );
  }
  t.same(await books(s), before);
  s.sound(t);
});

t.test('a rate is kept by the machine’s clock, which may stand', async (t) => {
  const s = await bootDefault();
  s.standStill();
  const begun = s.m.world.clock.now();
  const ends: number[] = [];
  const job = await start(s, { kind: 'rsa1024', rate: 100, count: 5, onResult: ({ time }) => ends.push(time - begun) });
  await s.m.world.clock.idle();
  t.match(job.summary(), { state: 'running', started: 1, inFlight: 1, ok: 0 }, 'the first one is sent at once');
  await s.m.world.clock.idle();
  t.equal(job.summary().ok, 0, 'and waits for time to pass');
  await s.pass(9.999);
  t.match(job.summary(), { started: 1, ok: 1 });
  await s.pass(0.001);
  t.match(job.summary(), { started: 2 }, 'the second one 10 ms later');
  await s.pass(29);
  t.match(job.summary(), { state: 'running', started: 4, ok: 4 });
  await s.pass(2);
  const summary = await job.done;
  t.match(summary, { state: 'ended', started: 5, ok: 5, late: 0 });
  t.same(
    ends.map((time) => Math.floor(time / (10 * MS))),
    [0, 1, 2, 3, 4],
    'one answer in each 10 ms',
  );
  s.sound(t);
});

t.test('a duration ends a job: with the time, not with the next request', async (t) => {
  const s = await bootDefault();
  s.standStill();
  const slow = await start(s, { kind: 'rsa1024', rate: 0.1, duration: 25 * MS });
  const fast = await start(s, { kind: 'rsa1024', concurrency: 2, duration: 25 * MS });
  await s.pass(24.9);
  t.same([slow.state, fast.state], ['running', 'running']);
  await s.pass(1);
  t.same([slow.state, fast.state], ['ended', 'ended']);
  t.equal(slow.summary().ok, 1);
  t.ok(fast.summary().ok > 2 && fast.summary().failed === 0, `${fast.summary().ok} requests`);
  s.sound(t);
});

t.test('a rate goes on when nothing answers, up to its programs; what comes later is counted as late', async (t) => {
  const s = await bootDefault();
  s.standStill();
  await s.m.sh.ask('kernel/debug/ap_sim/hw', 'hold');
  const job = await start(s, { kind: 'ep11', rate: 1000, concurrency: 3, count: 10 });
  await s.pass(8);
  t.match(job.summary(), { started: 3, inFlight: 3, late: 0 });
  await s.m.sh.ask('kernel/debug/ap_sim/hw', 'release');
  await s.pass(200);
  const summary = await job.done;
  t.match(summary, { ok: 10, failed: 0 });
  t.ok(summary.late >= 6 && summary.late <= 7, `late ${summary.late}`);
  s.sound(t);
});

t.test('stop waits for what is in flight; kill ends it with EINTR', async (t) => {
  const s = await bootDefault();
  const before = await books(s);
  await s.hw('hold');
  const stopped = await start(s, { kind: 'rsa1024', concurrency: 4 });
  const killed = await start(s, { kind: 'cca', concurrency: 4 });
  await s.m.settle();
  stopped.stop();
  await s.m.settle();
  t.match(stopped.summary(), { state: 'ending', started: 4, inFlight: 4 });
  killed.kill();
  t.match(await killed.done, { state: 'ended', started: 4, failed: 4, byErrno: { EINTR: 4 }, latency: undefined });
  t.equal(stopped.state, 'ending', 'the other one still waits');
  await s.hw('release');
  t.match(await stopped.done, { state: 'ended', started: 4, ok: 4 });
  t.same(await books(s), before);
  s.sound(t);
});

t.test('a loop of refusals lets time go on, and ends when told to', async (t) => {
  const s = await boot({ hardware: 'card 0 add cex8 ep11; domain 4 add; cdomain 4 add' });
  s.standStill();
  const job = await start(s, { kind: 'cca', concurrency: 3 });
  for (let n = 0; n < 50; n++) await s.m.world.clock.idle();
  const { failed } = job.summary();
  t.equal(failed, 3, 'each program has been refused once, then the clock stands');
  await s.pass(1);
  t.ok(job.summary().failed > failed);
  t.match(job.summary().byErrno, { ENODEV: job.summary().failed });
  job.stop();
  t.match(await job.done, { state: 'ended', ok: 0 });
  s.sound(t);
});

t.test('a request that has lost its queue says where it was answered and how often it was tried', async (t) => {
  const s = await boot();
  await s.put(0, s.queue('05.00ab', 'online'));
  await s.put(0, s.queue('06.00ab', 'online'));
  await s.hw('queue 05.0004 hold; queue 06.0004 hold');
  const job = await start(s, { kind: 'rsa1024', concurrency: 2, count: 2 });
  await s.m.settle();
  await s.hw('queue 06.0004 release');
  await s.put('05.0004', 'bus/ap/drivers/cex4queue/unbind');
  t.match(await job.done, { ok: 2, failed: 0, retries: 1, byQueue: { '06.0004': 2 } });
  s.sound(t);
});

t.test('a node of its own binds what goes through it', async (t) => {
  const s = await bootDefault();
  await s.m.sh.echo('mine', 'class/zcrypt/create');
  const put = (text: string, mask: string): Promise<string> => s.put(text, `class/zcrypt/mine/${mask}`);
  const refused = await (await start(s, { kind: 'rsa1024', node: 'mine', count: 2 })).done;
  t.match(refused, { failed: 2, byErrno: { EPERM: 2 } }, 'no call is allowed yet');
  await put('+5,+6,+129', 'ioctlmask');
  const blind = await (await start(s, { kind: 'rsa1024', node: '/dev/mine', count: 2 })).done;
  t.match(blind, { byErrno: { ENODEV: 2 } }, 'but no queue');
  await put('+3', 'apmask');
  await put('+6', 'aqmask');
  for (const kind of ['rsa2048', 'crt1024', 'cca', 'rng'] as const)
    t.match(await (await start(s, { kind, node: 'mine', count: 3 })).done, { ok: 3, byQueue: { '03.0006': 3 } }, kind);
  const elsewhere = await (await start(s, { kind: 'cca', node: 'mine', adapter: 0, count: 1 })).done;
  t.match(elsewhere, { byErrno: { ENODEV: 1 } });
  s.sound(t);
});

t.test('the address of CCA, EP11 and random number requests', async (t) => {
  const s = await bootDefault();
  for (const [kind, adapter, domain] of [
    ['cca', 3, 6],
    ['rng', 0, 4],
    ['ep11', 1, 6],
  ] as const) {
    const queue = `0${adapter}.000${domain}`;
    const only = { ok: 3, byQueue: { [queue]: 3 } };
    t.match(await (await start(s, { kind, adapter, domain, count: 3 })).done, only, `${kind} to ${queue}`);
  }
  const { ok, byQueue } = await (await start(s, { kind: 'cca', adapter: 3, count: 8 })).done;
  t.same([ok, Object.keys(byQueue)], [8, ['03.0004', '03.0006']], 'any domain');
  t.match(await (await start(s, { kind: 'ep11', adapter: 0, count: 1 })).done, { byErrno: { ENODEV: 1 } });
  s.sound(t);
});

t.test('options that make no sense are refused before a node is opened', async (t) => {
  const s = await bootDefault();
  for (const [options, why] of [
    [{ kind: 'rsa1024', adapter: 3 }, /^EINVAL: rsa1024 has no address: .*class\/zcrypt\/create/],
    [{ kind: 'crt4096', domain: 4 }, /^EINVAL: crt4096 has no address/],
    [{ kind: 'rsa512' }, /^EINVAL: "rsa512" is not one of rsa1024, /],
    [{ kind: 'cca', adapter: 256 }, /^EINVAL: adapter 256 is not 0 to 255/],
    [{ kind: 'ep11', domain: 1.5 }, /^EINVAL: domain 1.5/],
    [{ kind: 'cca', funcId: 'T' }, /^EINVAL: a function id is two characters/],
    [{ kind: 'rng', funcId: 'T3' }, /goes with cca/],
    [{ kind: 'rsa1024', funcId: 'T3' }, /goes with cca/],
    [{ kind: 'cca', rate: 0 }, /^EINVAL: rate 0/],
    [{ kind: 'cca', concurrency: 5000 }, /^EINVAL: concurrency 5000 is not more than 0 and at most 1024/],
    [{ kind: 'cca', count: 1.5 }, /^EINVAL: count 1.5 is no whole number/],
    [{ kind: 'cca', duration: -1 }, /^EINVAL: duration -1/],
    [{ kind: 'cca', node: 'nosuch' }, /^ENOENT: there is no zcrypt node nosuch \(known: z90crypt\)/],
  ] as const)
    t.match(await message(start(s, options as LoadOptions)), why, JSON.stringify(options));
  t.equal(s.m.world.kernel.zcrypt.api?.openCount, 0);
  await s.control('modules', 'unload zcrypt_cex4');
  await s.control('modules', 'unload zcrypt');
  t.match(await message(start(s, { kind: 'cca' })), /^ENOENT: .*the module zcrypt is not loaded/);
  s.sound(t);
});

t.test('the same seed and the same job give the same results', async (t) => {
  const run = async (): Promise<unknown> => {
    const s = await bootDefault();
    const job = await start(s, { kind: 'rsa1024', rate: 3000, count: 60 });
    await job.done;
    s.m.world.stop();
    return job.resultsSince(0);
  };
  t.same(await run(), await run());
});

t.test('send: one request, its queue, its tries, its time and its answer', async (t) => {
  const s = await bootDefault();
  const { zcrypt } = s.m.world.kernel;
  const rsa = await zcrypt.send({ kind: 'rsa2048' });
  t.match(rsa, { apqn: '02.0004', retries: 0, right: true });
  t.ok(rsa.latency > 0);
  t.equal(rsa.reply.result.length, 256);
  const cca = await zcrypt.send({ kind: 'cca', adapter: 3, domain: 6 });
  t.match(cca, { apqn: '03.0006', right: true, reply: { returnCode: 0, reasonCode: 0, domain: 6 } });
  const rng = await zcrypt.send({ kind: 'rng' });
  t.equal(rng.reply.data.length, 4096);
  t.notSame(rng.reply.data, (await zcrypt.send({ kind: 'rng' })).reply.data, 'random');
  const ep11 = await zcrypt.send({ kind: 'ep11', adapter: 1 });
  t.match(ep11, { apqn: /^01\./, right: true, reply: { returnCode: 0 } });
  t.equal(zcrypt.api?.openCount, 0, 'the node is closed each time');
  s.sound(t);
});

t.test('send: errors are those of the system call, other answers are told', async (t) => {
  const s = await bootDefault();
  const { zcrypt } = s.m.world.kernel;
  t.match(
    await message(zcrypt.send({ kind: 'cca', adapter: 9 })),
    /^ENODEV: request \d+ after 0 retries, last queue none/,
  );
  t.match(await message(zcrypt.send({ kind: 'rsa1024', adapter: 0 })), /^EINVAL: rsa1024 has no address/);
  t.equal(await errnoOf(zcrypt.send({ kind: 'cca', node: 'nosuch' })), 'ENOENT');
  await s.hw('queue 03.0006 reply cca 8 33 1');
  t.match(await zcrypt.send({ kind: 'cca', adapter: 3, domain: 6 }), {
    right: false,
    reply: { returnCode: 8, reasonCode: 33 },
  });
  t.match(await zcrypt.send({ kind: 'cca', adapter: 3, domain: 6 }), { right: true });
  await s.hw('queue 03.0006 hold');
  const abort = new AbortController();
  const held = errnoOf(zcrypt.send({ kind: 'cca', adapter: 3, domain: 6, signal: abort.signal }));
  await s.m.settle();
  abort.abort();
  t.equal(await held, 'EINTR');
  t.equal(await errnoOf(zcrypt.send({ kind: 'cca', signal: abort.signal })), 'EINTR', 'aborted before');
  await s.hw('queue 03.0006 release; queue 03.0006 reply 0x82 0x90 -1; queue 03.0004 reply 0x82 0x90 -1');
  t.match(
    await message(zcrypt.send({ kind: 'cca', adapter: 3 })),
    /^EIO: request \d+ after 9 retries, last queue 03\.000[46]/,
    'after ten tries',
  );
  t.equal(zcrypt.api?.openCount, 0);
  s.sound(t);
});
