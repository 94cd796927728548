/**
 * The story of a request, as the trace tells it, and traffic by control files.
 */
import t from 'tap';
import type { JobView, ResultView } from '../../fs-tree/control/load-jobs.js';
import type { TracePart } from '../../fs-tree/control/trace.js';
import { B, boot, KERNELS, type Scenario, SIM } from '../support/scenario.js';

const CEX4QUEUE = `${B}/drivers/cex4queue`;
const ONE_QUEUE_EACH = 'card 0 add cex8 cca; card 3 add cex8 cca; domain 6 add; cdomain 6 add';

interface Reply<T> {
  readonly stdout: string;
  readonly stderr: string;
  readonly rc: number;
  readonly data: T;
}

async function json<T>(s: Scenario, file: string, command: string): Promise<Reply<T>> {
  return JSON.parse(await s.m.sh.ask(`${SIM}/${file}`, `json ${command}`)) as Reply<T>;
}

const load = (s: Scenario, command: string): Promise<string> => s.m.sh.ask(`${SIM}/load`, command);

/** Two cards alike, of which the first one takes the next request: it has answered none yet. */
async function bootTwo(options: Parameters<typeof boot>[0] = {}): Promise<Scenario> {
  const s = await boot({ hardware: ONE_QUEUE_EACH, ...options });
  await s.put(0, 'devices/ap/card00/request_count');
  return s;
}

/** What the trace says of a part, without numbers and times. */
async function story(s: Scenario, words: string): Promise<string[]> {
  const { data } = await json<TracePart>(s, 'trace', `show ${words}`);
  return data.entries.map(({ kind, text }) => `${kind}: ${text}`);
}

for (const kernel of KERNELS)
  t.test(`a request whose queue is removed: its whole way, in order (${kernel})`, async (t) => {
    const s = await bootTwo({ kernel });
    await s.control('trace', 'clear');
    await s.hw('queue 00.0006 hold');
    t.equal(await load(s, 'run rsa1024 count=1 as victim'), '1\n');
    await s.m.settle();
    const [first] = await story(s, 'kind=zcrypt.request');
    const [, number, pid] = /request (\d+) created: .*\[(\d+)\]$/.exec(first ?? '') ?? [];
    await s.put('00.0006', `${CEX4QUEUE}/unbind`);
    await s.m.settle();
    const r = `request ${number}`;
    t.same(await story(s, `request=${number}`), [
      `zcrypt.request: ${r} created: ICARSAMODEXPO on z90crypt by victim[${pid}]`,
      `zcrypt.pick: ${r} selected 00.0006 weight 14`,
      `ap.request: ${r} queued 00.0006`,
      `ap.request: ${r} sent 00.0006 (NQAP)`,
      `ap.request: ${r} flushed 00.0006 (EAGAIN, step 1 of the removal)`,
      `zcrypt.done: ${r} 00.0006 EAGAIN`,
      `zcrypt.pick: ${r} retried on 03.0006 weight 14`,
      `ap.request: ${r} queued 03.0006`,
      `ap.request: ${r} sent 03.0006 (NQAP)`,
      `ap.request: ${r} answered 03.0006 (DQAP)`,
      (await story(s, `request=${number} kind=zcrypt.received`))[0],
      `zcrypt.done: ${r} 03.0006 ok`,
      `zcrypt.end: ${r} ended: ok after 2 tries`,
    ]);
    t.match((await story(s, 'kind=zcrypt.received'))[0], /received \d+ bytes from 03\.0006$/);
    const removed = await story(s, 'queue=00.0006');
    const order = [
      `ap.request: ${r} flushed`,
      'ap.remove: 00.0006 prepare',
      'ap.remove: 00.0006 driver',
      'ap.instr: ZAPQ',
    ];
    const places = order.map((step) => removed.findIndex((line) => line.startsWith(step)));
    t.ok(
      places.every((place, i) => place > (places[i - 1] ?? -1)),
      `${places}: flush, then the three steps`,
    );
    t.notOk(
      removed.some((line) => line.includes('03.0006')),
      'nothing of the other queue',
    );
    const { data } = await json<ResultView[]>(s, 'load', 'each 1');
    t.match(data, [{ seq: 1, request: Number(number), result: 'ok', apqn: '03.0006', retries: 1 }]);
    s.sound(t);
  });

t.test('a request that finds no queue ends with ENODEV after one scan', async (t) => {
  const s = await bootTwo();
  for (const queue of ['00.0006', '03.0006']) await s.put(0, s.queue(queue, 'online'));
  await s.control('trace', 'clear');
  await load(s, 'run cca count=1');
  await s.m.settle();
  const [request] = (await json<ResultView[]>(s, 'load', 'each 1')).data;
  t.match(request, { result: 'ENODEV', apqn: null });
  t.same(
    (await story(s, `request=${request?.request}`)).map((line) => line.replace(/request \d+ /, '')),
    [
      'zcrypt.request: created: ZSECSENDCPRB on z90crypt by load[' +
        /\[(\d+)\]/.exec((await story(s, 'kind=zcrypt.request'))[0] ?? '')?.[1] +
        ']',
      'zcrypt.none: no matching queue',
      'zcrypt.rescan: ENODEV: the bus is scanned',
      'zcrypt.end: ended: ENODEV after 1 try',
    ],
  );
  s.sound(t);
});

t.test('the trace says why a queue was flushed', async (t) => {
  for (const [how, why] of [
    [async (s: Scenario) => void (await s.put(0, s.queue('00.0006', 'online'))), 'offline'],
    [async (s: Scenario) => void (await s.put(0, 'devices/ap/card00/online')), 'card offline'],
    [async (s: Scenario) => void (await s.put(1, s.queue('00.0006', 'reset'))), 'reset by a user'],
    [async (s: Scenario) => void (await s.hw('card 0 deconfigure')), 'deconfigured'],
    [async (s: Scenario) => void (await s.hw('card 0 checkstop on; notify now')), 'check-stopped'],
  ] as const) {
    const s = await bootTwo();
    await s.hw('queue 00.0006 hold; queue 03.0006 hold');
    await load(s, 'run cca count=1');
    await s.m.settle();
    await s.control('trace', 'clear');
    await how(s);
    await s.m.settle();
    const flushed = (await story(s, 'kind=ap.request')).filter((line) => line.includes('flushed'));
    t.match(flushed, [new RegExp(`flushed 00\\.0006 \\(EAGAIN, ${why}\\)$`)], why);
    await s.hw('release');
    s.sound(t);
  }
});

t.test('other endings: refused, cancelled, forgotten by the card', async (t) => {
  const s = await boot({ hardware: 'card 0 add cex8 cca; domain 6 add; cdomain 6 add' });
  await s.hw('queue 00.0006 inject nqap 0x15 1');
  await load(s, 'run cca count=1');
  await s.m.settle();
  t.match((await story(s, 'queue=00.0006 kind=ap.request')).at(-1), /refused 00\.0006 \(NQAP\)$/);
  await s.hw('queue 00.0006 hold');
  await load(s, 'run cca count=1');
  await s.m.settle();
  await load(s, 'kill 2');
  t.match((await story(s, 'queue=00.0006 kind=ap.request')).at(-1), /cancelled 00\.0006$/);
  t.match((await story(s, 'kind=zcrypt.end')).at(-1), /ended: EINTR after 1 try$/);
  await s.hw('queue 00.0006 release');
  await s.hw('queue 00.0006 reply lost 1');
  await load(s, 'run cca count=1');
  await s.m.settle();
  await load(s, 'run cca count=1');
  await s.m.settle();
  const ways = (await story(s, 'queue=00.0006 kind=ap.request')).map((line) => line.replace(/^.*request \d+ /, ''));
  t.ok(ways.includes('requeued 00.0006 (the card forgot it)'), ways.slice(-8).join('; '));
  t.match((await json<JobView>(s, 'load', 'status 3')).data, { state: 'ended', ok: 1 });
  t.match((await json<JobView>(s, 'load', 'status 4')).data, { state: 'ended', ok: 1 });
  s.sound(t);
});

t.test('trace: filters, where to go on, what is no filter', async (t) => {
  const s = await boot();
  const { data: all } = await json<TracePart>(s, 'trace', 'show');
  t.equal(all.last, all.entries.at(-1)?.seq);
  t.same((await json<TracePart>(s, 'trace', `show since=${all.last}`)).data, { ...all, entries: [] });
  await load(s, 'run cca adapter=05 domain=0004 count=2');
  await load(s, 'wait 1');
  const { data: fresh } = await json<TracePart>(s, 'trace', `show since=${all.last} queue=05.0004 kind=ap.`);
  t.ok(fresh.entries.length > 4);
  t.ok(fresh.entries.every(({ queue, kind, seq }) => queue === '05.0004' && kind.startsWith('ap.') && seq > all.last));
  t.ok(
    fresh.entries.some(({ kind, text }) => kind === 'ap.instr' && text.startsWith('NQAP 05.0004')),
    'instructions too',
  );
  const text = await s.m.sh.ask(`${SIM}/trace`, 'show request=2 kind=ap.request');
  t.match(text, /^\d+ \[ *\d+\.\d{6}\] ap\.request: request 2 queued .*\n/);
  for (const wrong of ['show request=x', 'show queue=5.4', 'show what=1', 'hide']) {
    t.equal(await s.control('trace', wrong), 'EINVAL', wrong);
    t.match(await s.read(`${SIM}/error`), /^trace: /);
  }
  s.sound(t);
});

t.test('load: jobs by control file', async (t) => {
  const s = await boot();
  t.equal(await load(s, 'run rsa2048 concurrency=4 count=20 as web'), '1\n', 'returns at once');
  t.match(
    await s.read(`${SIM}/load`),
    /^1 web rsa2048 running: 4 of 20, ok 0 wrong 0 failed 0 retries 0 in flight 4\n$/,
  );
  const ended = await load(s, 'wait 1');
  t.match(
    ended,
    /^1 web rsa2048 ended: 20 of 20, ok 20 wrong 0 failed 0 retries 0 in flight 0\n {2}time \d+\.\d{6} s\n/,
  );
  t.match(ended, /^ {2}queue 05\.0004 \d+$/m);
  t.match(ended, /^ {2}latency us p50 [\d.]+ p90 [\d.]+ p99 [\d.]+ max [\d.]+$/m);
  const { stdout, data } = await json<JobView>(s, 'load', 'status 1');
  t.equal(stdout, ended);
  t.match(data, {
    job: 1,
    name: 'web',
    kind: 'rsa2048',
    node: 'z90crypt',
    state: 'ended',
    count: 20,
    ok: 20,
    byErrno: {},
  });
  t.match((await load(s, 'each 1 since=18')).split('\n'), [
    /^19 request \d+ ok 0[56]\.00(04|ab) retries 0 [\d.]+ us$/,
    /^20 request \d+ ok /,
    /^$/,
  ]);
  await s.hw('hold');
  t.equal(await load(s, 'run cca adapter=06 domain=00ab duration=1ms'), '2\n');
  await s.m.settle();
  t.match(await load(s, 'status'), /^1 web .*\n2 load cca ending: 1, ok 0 .* in flight 1\n$/);
  await load(s, 'kill 2');
  await s.m.settle();
  t.match((await json<JobView>(s, 'load', 'status 2')).data, { state: 'ended', byErrno: { EINTR: 1 } });
  await s.hw('release');
  t.equal(await load(s, 'run rng rate=100'), '3\n');
  await s.m.world.clock.advance(45e6);
  await load(s, 'stop 3');
  await s.m.settle();
  t.match((await json<JobView>(s, 'load', 'status 3')).data, { state: 'ended', ok: 5, count: null });
  t.match((await json<JobView[]>(s, 'load', 'status')).data, [{ job: 1 }, { job: 2 }, { job: 3 }]);
  for (const [command, complaint] of [
    ['run', /"" is not one of rsa1024/],
    ['run rsa1025', /"rsa1025" is not one of/],
    ['run cca colour=red', /"colour" is not one of rate, /],
    ['run cca rate', /rate is missing its =VALUE/],
    ['run cca domain=6=7', /domain "6=7" is not a number as in sysfs/],
    ['run cca domain=6 domain=7', /domain is given twice/],
    ['run cca rate=fast', /rate: "fast" is not a number/],
    ['run cca duration=5', /"5" is no duration/],
    ['run cca adapter=zz', /adapter "zz" is not a number as in sysfs/],
    ['run cca as', /one name follows as/],
    ['run rsa1024 adapter=05', /rsa1024 has no address/],
    ['run cca node=nosuch', /there is no zcrypt node nosuch \(known: z90crypt\)/],
    ['stop 99', /there is no job 99/],
    ['wait', /there is no job/],
    ['each 1 before=3', /expected since=SEQ/],
    ['dance', /"dance" is not one of run, status, /],
  ] as const) {
    t.not(await s.control('load', command), 'ok', command);
    t.match(await s.read(`${SIM}/error`), complaint, command);
  }
  t.equal(await load(s, 'open z90crypt'), '4\n', 'programs and jobs are numbered together');
  t.equal(await s.control('load', 'stop 4'), 'EINVAL');
  t.match(await s.read(`${SIM}/error`), /4 is a program/);
  t.equal(await s.control('load', 'request 1 me 1024'), 'EINVAL');
  t.match(await s.read(`${SIM}/error`), /1 is a job/);
  await load(s, 'close 4');
  s.sound(t);
});

t.test('load: cryptoload and zcdev as in the recordings', async (t) => {
  const s = await boot({
    hardware: 'card 0 add cex8 cca; card 1 add cex8 ep11; domain 4 add; domain 6 add; cdomain 4 add',
  });
  t.equal(await load(s, 'cryptoload -n 2'), 'mex #0 rc=0 ok\nmex #1 rc=0 ok\n');
  t.equal(await load(s, 'cryptoload -d /dev/z90crypt -b2048 -c -n 1 -p 3'), 'crt #0 rc=0 ok\n'.repeat(3));
  t.match(await json(s, 'load', 'cryptoload -d /dev/n1'), {
    stdout: 'open /dev/n1: No such file or directory (ENOENT)\n',
    rc: 1,
  });
  t.match(await json(s, 'load', 'zcdev /dev/z90crypt cca 0 6'), {
    stdout: /^cca rc 0\/0 domain 6 serial \S{8}\n$/,
    rc: 0,
  });
  t.match(await json(s, 'load', 'zcdev /dev/z90crypt cca any any T2'), {
    stdout: /^cca rc 0\/0 domain [46] serial/,
    rc: 0,
  });
  t.match(await json(s, 'load', 'zcdev /dev/z90crypt cca 1 6'), { stdout: 'ioctl: ENODEV\n', rc: 1 });
  t.match(await json(s, 'load', 'zcdev /dev/z90crypt ep11 1 0x6'), {
    stdout: /^ep11 rc 0 api \d+ firmware \d+\.\d+ serial \S{16}\n$/,
  });
  t.match(await json(s, 'load', 'zcdev z90crypt ep11 0 any'), { stdout: 'ioctl: ENODEV\n', rc: 1 });
  await s.hw('queue 00.0006 reply cca 8 33 1');
  t.match(await json(s, 'load', 'zcdev z90crypt cca 0 6'), { stdout: /^cca rc 8\/33 domain \d+\n$/, rc: 1 });
  t.match(await json(s, 'load', 'zcdev z90crypt totalopen'), { stdout: '1\n', rc: 0 });
  t.match(await load(s, 'zcdev z90crypt errors'), /^outputdatalength < inputdatalength: EINVAL/);
  await s.m.sh.echo('n1', 'class/zcrypt/create');
  t.match(await json(s, 'load', 'zcdev n1 status'), { stdout: 'ioctl: EPERM\n', rc: 1 });
  await s.put('+129', 'class/zcrypt/n1/ioctlmask');
  await s.put('+0', 'class/zcrypt/n1/apmask');
  await s.put('+4,+6', 'class/zcrypt/n1/aqmask');
  t.match(await json(s, 'load', 'zcdev n1 cca 0 6 T2'), { rc: 0 }, 'a usage request');
  t.match(await json(s, 'load', 'zcdev n1 cca 0 6 T3'), { stdout: 'ioctl: ENODEV\n' }, 'administrative: not in admask');
  t.match(await json(s, 'load', 'zcdev n1 cca 0 6 XX'), { stdout: 'ioctl: EOPNOTSUPP\n' }, 'neither');
  await s.put('+6', 'class/zcrypt/n1/admask');
  t.match(await json(s, 'load', 'zcdev n1 cca 0 6 T3'), { rc: 0 });
  t.equal(await load(s, 'open n1 other'), '1\n', 'a node by its name');
  t.equal(await load(s, 'request 1 cca 0 4'), 'ok\n');
  t.match(await load(s, 'reply 1'), /^cca rc 0\/0 domain 4 serial /);
  t.equal(await load(s, 'request 1 ep11 any any'), 'EPERM\n');
  t.equal(await load(s, 'reply 1'), '');
  await load(s, 'close 1');
  for (const wrong of [
    'cryptoload -s',
    'cryptoload -n 1 more',
    'zcdev z90crypt status more',
    'zcdev z90crypt errors more',
    'zcdev z90crypt cca 0 6 T2 more',
    'zcdev z90crypt ep11 1 6 T2',
    'request 1 me 1024 more',
    'cryptoload -x',
    'cryptoload -b 1025',
    'zcdev',
    'zcdev z90crypt nosuch',
    'zcdev z90crypt cca x y',
  ])
    t.equal(await s.control('load', wrong), 'EINVAL', wrong);
  t.equal(s.m.world.kernel.zcrypt.api?.openCount, 0);
  s.sound(t);
});
