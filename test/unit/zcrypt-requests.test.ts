/**
 * Requests of programs through zcrypt: selection, replies, retries. Numbers
 * are those of the recordings 12, 16, 89, 91 and 93 where they have them.
 */
import t from 'tap';
import { concat } from '../../lib/hardware/bytes.js';
import { CPRBX_LENGTH, decodeCprbx, EP11_QUERY, encodeEp11Cprb, encodeXcpQuery } from '../../lib/hardware/messages.js';
import { AUTOSEL_AP, type Ep11Urb } from '../../lib/zcrypt/user.js';
import { ccaRequest } from '../support/cca-request.js';
import { errnoOf, KERNELS, RsaJob, ZcryptMachine } from '../support/zcrypt.js';

const job = new RsaJob(1024);

/** One mod-expo after the other, as `cryptoload -n COUNT`. */
async function load(m: ZcryptMachine, count: number): Promise<string[]> {
  const file = await m.open();
  const results: string[] = [];
  for (let n = 0; n < count; n++) results.push(await errnoOf(file.modexpo(m.task(), job.me())));
  file.close();
  return results;
}

function ep11(over: Partial<Ep11Urb> & { flags?: number; targetId?: number; req?: Uint8Array } = {}): Ep11Urb {
  const { flags = 0, targetId = 0xffff, ...rest } = over;
  const req = rest.req ?? encodeEp11Cprb({ funcId: 'T4', flags, targetId }, encodeXcpQuery(EP11_QUERY.MODULE));
  return {
    targetsNum: 0,
    targets: undefined,
    reqLen: req.length,
    req,
    respLen: 1024,
    resp: new Uint8Array(1024),
    ...rest,
  };
}

t.test('accelerator and CCA card give the right RSA results, both kinds, all sizes', async (t) => {
  for (const bits of [1024, 2048, 4096] as const) {
    const rsa = new RsaJob(bits);
    const m = await ZcryptMachine.boot();
    const file = await m.open();
    for (const apid of [2, 0]) {
      m.resetCounts();
      const me = rsa.me();
      await file.modexpo(m.task(), me);
      t.same(me.outputdata, rsa.expected(), `mod-expo ${bits} on card ${apid}`);
      const crt = rsa.crt();
      await file.modexpoCrt(m.task(), crt);
      t.same(crt.outputdata, rsa.expected(), `CRT ${bits} on card ${apid}`);
      t.equal(m.counts()[`card0${apid}`], 2);
      m.zc(2).onlineStore(m.task(), '0');
    }
    const long = rsa.me({ outputdata: new Uint8Array(1000), outputdatalength: 1000 });
    await file.modexpo(m.task(), long);
    t.equal(long.outputdatalength, bits / 8, 'the real length is written back');
  }
});

t.test('idle queues of one card are used in turn', async (t) => {
  const m = await ZcryptMachine.boot();
  t.same(await load(m, 5), Array(5).fill('ok'));
  t.same(m.counts(), {
    card00: 1,
    '00.0004': 1,
    card02: 5,
    '02.0004': 2,
    '02.0006': 1,
    '02.001b': 1,
    '02.0047': 1,
  });
});

t.test('load, references and statistics of requests in flight (recordings 12 and 93)', async (t) => {
  const m = await ZcryptMachine.boot();
  for (const q of ['04', '06', '1b', '47']) await m.hw(`queue 02.00${q} hold`);
  const file = await m.open();
  t.equal(m.refcnt('zcrypt'), 2);
  const running = Array.from({ length: 6 }, () => errnoOf(file.modexpo(m.task(), job.me())));
  await m.clock.settle();
  t.equal(m.zc(2).loadText(), '48\n', 'the rating of the card evaluated last counts');
  t.equal(m.zq('02.0004').loadText(), '16\n');
  t.equal(m.counts().card02, 3);
  t.equal(m.counts().card00, 4, 'half of them went to the CCA card');
  t.equal(m.refcnt('zcrypt_cex4'), 3);
  t.equal(await errnoOf(m.kernel.core.modules.unload(m.task(), 'zcrypt_cex4')), 'EAGAIN');
  t.equal(file.statistic('Z90STAT_PENDINGQ_COUNT'), 1, 'of the default domain');
  t.equal(file.statistic('Z90STAT_REQUESTQ_COUNT'), 0);
  t.equal(file.statistic('ZCRYPT_QDEPTH_MASK')[2], 1);
  t.equal(file.statistic('Z90STAT_QDEPTH_MASK').length, 64);
  t.same([...file.statistic('ZCRYPT_PERDEV_REQCNT')].slice(0, 4), [1, 0, 1, 0]);
  await m.hw('release');
  t.same(await Promise.all(running), Array(6).fill('ok'));
  t.equal(m.zc(2).load, 0);
  t.equal(m.refcnt('zcrypt_cex4'), 0);
  file.close();
  t.equal(m.refcnt('zcrypt'), 1);
});

t.test('status words and bytes', async (t) => {
  const m = await ZcryptMachine.boot();
  const file = await m.open();
  t.equal(file.statistic('Z90STAT_TOTALOPEN_COUNT'), 1);
  t.equal(file.statistic('Z90STAT_DOMAIN_INDEX'), 4);
  const old = file.statistic('ZDEVICESTATUS');
  t.same(
    [4, 6, 27, 71, 260, 516, 772].map((i) => old[i]?.toString(16).padStart(8, '0')),
    ['0e001320', '0e001b20', '0e006f20', '0e011f20', '0e041208', '0d0812d0', '0c0c1320'],
  );
  const words = file.statistic('ZCRYPT_DEVICE_STATUS');
  t.equal(words[0x0204], 0x0d0204 * 0x100 + 0x80 + 0x1a * 2);
  t.equal(words.filter((w) => w !== 0).length, 16);
  t.same([...file.statistic('ZCRYPT_STATUS_MASK')].slice(0, 5), [7, 12, 12, 7, 0]);
  m.zc(2).onlineStore(m.task(), '0');
  t.equal(file.statistic('Z90STAT_STATUS_MASK')[2], 0x0d);
  t.equal((file.statistic('ZCRYPT_DEVICE_STATUS')[0x0204] ?? 0) & 0x80, 0);
  t.equal(await errnoOf(() => file.unknownIoctl(0x7a00)), 'EPERM');
  t.equal(await errnoOf(() => file.unknownIoctl(0x7a01)), 'ENOTTY');
});

t.test('wrong RSA calls', async (t) => {
  const m = await ZcryptMachine.boot();
  const file = await m.open();
  const me = (over: Parameters<RsaJob['me']>[0]) => errnoOf(file.modexpo(m.task(), job.me(over)));
  m.resetCounts();
  t.equal(await me({ outputdatalength: 127 }), 'EINVAL');
  t.equal(await me({ inputdatalength: 0 }), 'EINVAL');
  t.equal(await me({ inputdatalength: 513, outputdatalength: 600 }), 'ENODEV', 'too long for every card');
  t.equal(await me({ inputdata: undefined }), 'EFAULT');
  t.equal(await me({ nModulus: undefined }), 'EFAULT');
  t.equal(await errnoOf(file.modexpoCrt(m.task(), job.crt({ uMultInv: new Uint8Array(10) }))), 'EFAULT');
  t.same(m.counts(), {}, 'counted nowhere');
  t.equal(await me({ outputdata: undefined }), 'EFAULT');
  t.equal(await me({ inputdata: new Uint8Array(128).fill(0xff) }), 'EINVAL', 'input >= modulus');
  t.equal(
    await me({ nModulus: job.me().nModulus?.map((b, i) => (i === 127 ? b & 0xfe : b)) }),
    'EINVAL',
    'even modulus',
  );
  const mex = job.me({ outputdatalength: 200, nModulus: undefined });
  await errnoOf(file.modexpo(m.task(), mex));
  t.equal(mex.outputdatalength, 200, 'unchanged on errors');
});

t.test('bad replies of an accelerator (recording 89)', async (t) => {
  const m = await ZcryptMachine.boot();
  const task = m.task();
  m.zc(0).onlineStore(task, '0');
  m.zc(3).onlineStore(task, '0');
  for (const q of ['02.0006', '02.001b', '02.0047']) m.zq(q).onlineStore(task, '0');
  const count = () => m.counts()['02.0004'];
  m.takeEvents();
  m.takeLog();

  await m.hw('queue 02.0004 reply 0x82 0x80');
  t.same(await load(m, 1), ['EINVAL']);
  await m.hw('queue 02.0004 reply 0x82 0x40');
  t.same(await load(m, 1), ['EINVAL']);
  await m.hw('queue 02.0004 reply 0x82 0x90 3');
  t.same(await load(m, 1), ['ok']);
  t.equal(count(), 6);
  await m.hw('queue 02.0004 reply 0x82 0x90 -1');
  t.same(await load(m, 1), ['EIO']);
  t.equal(count(), 16, 'ten tries');
  t.equal(m.ap.scan.count, 1, 'no scan for it');
  await m.hw('queue 02.0004 reply 0x88 0x20 1');
  t.same(await load(m, 1), ['ok']);

  for (const [reply, line] of [
    ['0x80 0x12', 'code=0x12 => online=0'],
    ['0x99 0', 'unknown response type 0x99 => online=0'],
    ['0x87 0x20', 'unknown response type 0x87 => online=0'],
  ] as const) {
    t.same(m.takeEvents(), []);
    const scans = m.ap.scan.count;
    await m.hw(`queue 02.0004 reply ${reply}`);
    t.same(await load(m, 1), ['ENODEV']);
    t.equal(m.ap.scan.count, scans + 1);
    t.same(m.takeLog(), [`zcrypt: Crypto dev=02.0004 ${line} rc=EAGAIN`]);
    t.same(m.takeEvents(), ['change@/devices/ap/card02/02.0004 ONLINE=0']);
    m.zq('02.0004').onlineStore(task, '1');
    m.takeEvents();
  }
  t.same(await load(m, 1), ['ok']);
});

t.test('others take over, by the penalties (recording 89, steps 25 to 34)', async (t) => {
  const m = await ZcryptMachine.boot();
  const task = m.task();
  m.zc(3).onlineStore(task, '0');
  m.card(2).totalRequestCount = 24;
  m.queue('02.0004').totalRequestCount = 24;
  await m.hw('queue 02.0004 reply 0x99 0 -1; queue 02.0006 reply 0x82 0x90 -1; queue 02.001b reply 0x80 1 -1');
  t.same(await load(m, 6), Array(6).fill('ok'));
  t.same(m.counts(), {
    card00: 5,
    '00.0004': 2,
    '00.0006': 1,
    '00.001b': 1,
    '00.0047': 1,
    card02: 30,
    '02.0004': 24,
    '02.0006': 3,
    '02.001b': 1,
    '02.0047': 2,
  });
  t.equal(m.zq('02.001b').online, false);
  await m.hw('queue 02.0004 reply off; queue 02.0006 reply off; queue 02.001b reply off');
  await load(m, 6);
  m.zc(2).onlineStore(task, '1');
  await load(m, 6);
  t.same(
    ['04', '06', '1b', '47'].map((q) => m.counts()[`02.00${q}`]),
    [24, 6, 6, 6],
  );
  for (const q of ['04', '06', '1b', '47'])
    await m.hw(`queue 02.00${q} reply 0x82 0x90 -1; queue 00.00${q} reply 0x82 0x10 -1`);
  t.same(await load(m, 1), ['EIO']);
  t.same(
    ['02.0004', '02.0006', '02.001b', '02.0047', '00.0004', '00.0006', '00.001b', '00.0047'].map((q) => m.counts()[q]),
    [24, 8, 8, 7, 3, 3, 2, 2],
  );
});

t.test('bad replies of a CCA card', async (t) => {
  const m = await ZcryptMachine.boot('7.2', 'card 0 add cex8 cca; domain 4 add');
  const answer = async (reply: string): Promise<string> => {
    m.zc(0).onlineStore(m.task(), '1');
    await m.hw(`queue 00.0004 reply ${reply}`);
    m.takeLog();
    return (await load(m, 1))[0] ?? '';
  };
  t.equal(await answer('cca 8 66'), 'EINVAL');
  t.equal(await answer('cca 12 769'), 'EINVAL');
  t.equal(await answer('cca 8 33'), 'ENODEV');
  t.same(m.takeLog(), ['zcrypt: Crypto dev=00.0004 rc/rs=8/33 online=0 rc=EAGAIN']);
  t.equal(await answer('0x86 0x80'), 'EINVAL');
  t.equal(await answer('0x86 0x90'), 'ok', 'tried again');
  t.equal(await answer('0x87 0'), 'ENODEV');
  t.same(m.takeLog(), ['zcrypt: Crypto dev=00.0004 unknown response type 0x87 => online=0 rc=EAGAIN']);

  const file = await m.open();
  m.zc(0).onlineStore(m.task(), '1');
  await m.hw('queue 00.0004 reply 0x82 0x22');
  const refused = ccaRequest();
  t.equal(await errnoOf(file.sendCprb(m.task(), refused)), 'EINVAL');
  t.equal(refused.status, 0x0008044d);
  await m.hw('queue 00.0004 reply cca 8 33');
  const answered = ccaRequest();
  await file.sendCprb(m.task(), answered);
  t.equal(
    decodeCprbx(answered.replyControlBlk as Uint8Array)?.returnCode,
    8,
    'a service code is the program’s business',
  );
});

t.test('a signal cancels, and the card’s late answer is dropped (recording 91)', async (t) => {
  const m = await ZcryptMachine.boot();
  m.zc(0).onlineStore(m.task(), '0');
  m.zc(3).onlineStore(m.task(), '0');
  for (const q of ['02.0006', '02.001b', '02.0047']) m.zq(q).onlineStore(m.task(), '0');
  await m.hw('queue 02.0004 hold');
  const file = await m.open();
  const abort = new AbortController();
  const running = errnoOf(file.modexpo(m.task(abort.signal), job.me()));
  await m.clock.settle();
  t.equal(m.zc(2).load, 6, 'with both CCA cards off');
  t.equal(m.queue('02.0004').pendingq.length, 1);
  abort.abort();
  t.equal(await running, 'EINTR');
  t.equal(m.queue('02.0004').pendingq.length, 0);
  t.equal(m.zc(2).load, 0);
  t.equal(m.refcnt('zcrypt_cex4'), 0);
  await m.hw('queue 02.0004 release');
  t.same(await load(m, 1), ['ok']);
  t.equal(m.counts()['02.0004'], 2);
});

t.test('unbinding a queue sends its requests elsewhere, or fails them after one scan', async (t) => {
  for (const version of KERNELS) {
    const m = await ZcryptMachine.boot(version);
    m.zc(0).onlineStore(m.task(), '0');
    m.zc(3).onlineStore(m.task(), '0');
    for (const q of ['02.001b', '02.0047']) m.zq(q).onlineStore(m.task(), '0');
    await m.hw('queue 02.0004 hold');
    const file = await m.open();
    const driver = m.ap.bus.drivers.get('cex4queue');
    const first = errnoOf(file.modexpo(m.task(), job.me()));
    await m.clock.settle();
    await driver?.unbind(m.task(), '02.0004');
    t.equal(await first, 'ok', 'answered by 02.0006');
    t.equal(m.counts()['02.0006'], 1);
    t.equal(m.refcnt('zcrypt_cex4'), 0);
    await m.hw('queue 02.0006 hold');
    const second = errnoOf(file.modexpo(m.task(), job.me()));
    await m.clock.settle();
    const scans = m.ap.scan.count;
    await driver?.unbind(m.task(), '02.0006');
    t.equal(await second, 'ENODEV');
    t.equal(m.ap.scan.count, scans + (version === '6.1' ? 0 : 1));
    await driver?.bind(m.task(), '02.0004');
    t.same(m.kernel.core.lockdep.violations, []);
  }
});

t.test('6.1 scans for ENODEV only after a reply asked for it, and then tries again anyway', async (t) => {
  const m = await ZcryptMachine.boot('6.1', 'card 2 add cex7 accel; domain 4 add');
  await m.hw('queue 02.0004 reply 0x82 0x90 1');
  t.same(await load(m, 1), ['ok']);
  const scans = m.ap.scan.count;
  m.zc(2).onlineStore(m.task(), '0');
  t.same(await load(m, 2), ['ENODEV', 'ENODEV']);
  t.equal(m.ap.scan.count, scans + 1, 'once');
});

t.test('a card unbound and bound again has no queues (recording 87)', async (t) => {
  const m = await ZcryptMachine.boot();
  const drivers = m.ap.bus.drivers;
  const file = await m.open();
  await drivers.get('cex4card')?.unbind(m.task(), 'card02');
  t.equal(m.card(2).groups.has('zcrypt_card'), false);
  t.equal(m.zq('02.0004').onlineText(), '1\n');
  t.equal(file.statistic('ZCRYPT_DEVICE_STATUS')[0x0204], 0);
  t.equal(await errnoOf(drivers.get('cex4queue')?.unbind(m.task(), '02.0006') ?? Promise.resolve()), 'ok');
  t.equal(
    await errnoOf(drivers.get('cex4queue')?.bind(m.task(), '02.0006') ?? Promise.resolve()),
    'ENODEV',
    'no card to go with',
  );
  await drivers.get('cex4card')?.bind(m.task(), 'card02');
  t.equal(file.statistic('ZCRYPT_STATUS_MASK')[2], 0);
  await drivers.get('cex4queue')?.bind(m.task(), '02.0006');
  m.zc(0).onlineStore(m.task(), '0');
  m.zc(3).onlineStore(m.task(), '0');
  t.same(await load(m, 2), ['ok', 'ok']);
  t.equal(m.counts()['02.0006'], 2);
});

t.test('CCA requests: checks, cards, domains', async (t) => {
  for (const version of KERNELS) {
    const m = await ZcryptMachine.boot(version);
    const file = await m.open();
    const send = (over: Parameters<typeof ccaRequest>[0]) => errnoOf(file.sendCprb(m.task(), ccaRequest(over)));
    m.resetCounts();
    t.equal(await send({ requestControlBlkLength: 219 }), 'EINVAL');
    t.equal(await send({ requestControlBlkLength: 12288 }), 'EINVAL');
    t.equal(await send({ replyControlBlkLength: 219 }), 'EINVAL');
    t.equal(await send({ requestControlBlk: undefined }), 'EFAULT');
    t.equal(await send({ requestDataLength: 8 }), 'EFAULT');
    t.equal(await send({ userDefined: 1 }), 'ENODEV', 'an EP11 card');
    t.equal(await send({ domain: 5 }), 'ENODEV');
    t.equal(await send({ domain: 300 }), 'ENODEV');
    t.same(m.counts(), {});
    t.equal(await send({ userDefined: 3, domain: 0x1b }), 'ok');
    t.same(m.counts(), { card03: 1, '03.001b': 1 });
    t.equal(await send({ domain: 0x55, userDefined: 0 }), 'ok', 'a control-only domain: any usage domain');
    t.equal(m.counts()['00.0004'], 1);
    t.equal(await send({ replyControlBlkLength: 300 }), 'EMSGSIZE');
    const good = ccaRequest({ userDefined: 0 });
    await file.sendCprb(m.task(), good);
    t.equal(good.replyControlBlkLength, CPRBX_LENGTH + 2 + 82 + 206);
    t.equal(good.status, 0);

    // Administrative requests are not tried again, usage ones are.
    await m.hw('queue 00.0004 reply 0x82 0x10 -1');
    m.resetCounts();
    t.equal(await send({ userDefined: 0, domain: 4, funcId: 'T3' }), 'EIO');
    t.equal(m.counts()['00.0004'], 1);
    t.equal(await send({ userDefined: 0, domain: 4 }), 'EIO');
    t.equal(m.counts()['00.0004'], 11);
    // Penalties need a queue that is remembered: 7.2 stays with the faster card.
    m.resetCounts();
    if (version === '7.2') {
      t.equal(await send({ domain: 4 }), 'EIO');
      t.same(m.counts(), { card00: 10, '00.0004': 10 });
    } else {
      t.equal(await send({ domain: 4 }), 'ok');
      t.same(m.counts(), { card00: 1, '00.0004': 1, card03: 1, '03.0004': 1 });
    }
  }
});

t.test('EP11 requests: checks, targets', async (t) => {
  const m = await ZcryptMachine.boot();
  const file = await m.open();
  const send = (over: Parameters<typeof ep11>[0]) => errnoOf(file.sendEp11Cprb(m.task(), ep11(over)));
  const query = encodeXcpQuery(EP11_QUERY.MODULE);
  const payload = (bytes: Uint8Array): Uint8Array => encodeEp11Cprb({ funcId: 'T4', targetId: 0xffff }, bytes);
  m.resetCounts();
  t.equal(await send({ targetsNum: 1 }), 'EFAULT');
  t.equal(await send({ reqLen: 36 }), 'EINVAL');
  t.equal(await send({ respLen: 31 }), 'EINVAL');
  t.equal(await send({ reqLen: 40 }), 'EINVAL', 'payload length');
  t.equal(await send({ req: payload(concat(Uint8Array.of(0x31), query.subarray(1))) }), 'EINVAL');
  t.equal(await send({ req: payload(Uint8Array.of(0x30, 3, 4, 3, 1)) }), 'EINVAL');
  t.equal(await send({ targetsNum: 1, targets: [{ apId: 0, domId: 4 }] }), 'ENODEV');
  t.equal(await send({ targetsNum: 1, targets: [{ apId: 1, domId: 5 }] }), 'ENODEV');
  t.same(m.counts(), {});
  t.equal(await send({}), 'ok');
  t.equal(
    await send({
      targetsNum: 2,
      targets: [
        { apId: 9, domId: 4 },
        { apId: AUTOSEL_AP, domId: 0x47 },
      ],
    }),
    'ok',
  );
  t.same(m.counts(), { card01: 2, '01.0004': 1, '01.0047': 1 });
  t.equal(await send({ respLen: 100 }), 'EMSGSIZE');
  const good = ep11({});
  await file.sendEp11Cprb(m.task(), good);
  t.ok(good.respLen > 32 && good.respLen < 1024);
  await m.hw('queue 01.0004 reply 0x82 0x10 -1');
  t.equal(await send({ flags: 0x80, targetsNum: 1, targets: [{ apId: 1, domId: 4 }] }), 'EIO');
});

t.test('the hardware’s refusals: a message too big for the card, a queue in error', async (t) => {
  const m = await ZcryptMachine.boot('7.2', 'card 2 add cex7 accel; domain 4 add');
  await m.hw('queue 02.0004 inject nqap 0x15');
  t.same(await load(m, 1), ['EINVAL']);
  await m.hw('queue 02.0004 inject nqap 0x03');
  const file = await m.open();
  const running = errnoOf(file.modexpo(m.task(), job.me()));
  await m.clock.settle();
  t.equal(m.queue('02.0004').requestq.length, 1, 'the sender waits for the next scan');
  await m.ap.scan.force(m.task());
  await m.clock.settle();
  t.equal(await running, 'ok');
});

t.test('ids: thread id and a running number', async (t) => {
  const m = await ZcryptMachine.boot();
  const task = m.task();
  const api = m.kernel.zcrypt.api;
  const first = api?.nextPsmid(task, 50) ?? 0n;
  t.equal(first >> 32n, BigInt(task.pid));
  t.equal(api?.nextPsmid(task, 50), first + 1n);
  t.ok(m.trace.some((e) => e.kind === 'zcrypt.pick' && e.text === 'request 1 selected 00.0004 weight 24'));
});
