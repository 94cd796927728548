/**
 * zcrypt after the boot: who sent what, what the cards' files say. Values are
 * those of the recorded dumps (traces/dumps/K-1-boot.jsonl).
 */
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { DevState, SmState } from '../../lib/ap/queue-sm.js';
import { SEC } from '../../lib/ports.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { ccaMkvpsText, ccaSerialnrText } from '../../lib/zcrypt/ccamisc.js';
import {
  ep11ApiOrdinalnrText,
  ep11CardOpModesText,
  ep11FwVersionText,
  ep11MkvpsText,
  ep11QueueOpModesText,
  ep11SerialnrText,
} from '../../lib/zcrypt/ep11misc.js';
import { errnoOf, KERNELS, ZcryptMachine } from '../support/zcrypt.js';

const DUMPS = 'test/conformance/recordings/dumps';

/** Path below /sys/devices/ap -> content, for the files of zcrypt. */
function recorded(version: KernelVersion): Map<string, string> {
  const files = new Map<string, string>();
  for (const line of readFileSync(`${DUMPS}/${version}-1-boot.jsonl`, 'utf8').split('\n')) {
    if (!line.includes('/sys/devices/ap/card')) continue;
    const entry = JSON.parse(line) as { path: string; content?: string };
    const m =
      /^\/sys\/devices\/ap\/(.*\/(?:serialnr|mkvps|API_ordinalnr|FW_version|op_modes|online|load|type|request_count))$/.exec(
        entry.path,
      );
    if (m?.[1] && entry.content !== undefined) files.set(m[1], entry.content);
  }
  return files;
}

/** The same files, from the model. Those that talk to the card come last. */
async function shown(m: ZcryptMachine): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const quiet: [string, string][] = [];
  const talk: [string, () => Promise<string>][] = [];
  const task = m.task();
  for (const card of m.ap.cards()) {
    const zc = m.zc(card.apid);
    quiet.push([`${card.name}/online`, zc.onlineText()], [`${card.name}/load`, zc.loadText()]);
    quiet.push([`${card.name}/type`, zc.typeText()], [`${card.name}/request_count`, `${card.totalRequestCount}\n`]);
    if (card.groups.has('cca_card')) talk.push([`${card.name}/serialnr`, () => ccaSerialnrText(task, zc)]);
    if (card.groups.has('ep11_card')) {
      talk.push([`${card.name}/serialnr`, () => ep11SerialnrText(task, zc)]);
      talk.push([`${card.name}/API_ordinalnr`, () => ep11ApiOrdinalnrText(task, zc)]);
      talk.push([`${card.name}/FW_version`, () => ep11FwVersionText(task, zc)]);
      talk.push([`${card.name}/op_modes`, () => ep11CardOpModesText(task, zc)]);
    }
  }
  for (const aq of m.ap.queues()) {
    const zq = m.zq(aq.name);
    const path = `${aq.card.name}/${aq.name}`;
    quiet.push([`${path}/online`, zq.onlineText()], [`${path}/load`, zq.loadText()]);
    quiet.push([`${path}/request_count`, `${aq.totalRequestCount}\n`]);
    if (aq.groups.has('cca_queue')) talk.push([`${path}/mkvps`, () => ccaMkvpsText(task, zq)]);
    if (aq.groups.has('ep11_queue')) {
      talk.push([`${path}/mkvps`, () => ep11MkvpsText(task, zq)]);
      talk.push([`${path}/op_modes`, () => ep11QueueOpModesText(task, zq)]);
    }
  }
  for (const [path, text] of quiet) files.set(path, text);
  for (const [path, show] of talk) files.set(path, await show());
  return files;
}

for (const version of KERNELS) {
  t.test(`kernel ${version}: after the boot one random block was fetched, by 00.0004`, async (t) => {
    const m = await ZcryptMachine.boot(version);
    t.same(m.counts(), { card00: 1, '00.0004': 1 });
    for (const aq of m.ap.queues())
      t.same([aq.devState, aq.smState], [DevState.OPERATING, SmState.IDLE], `${aq.name} is idle`);
    t.equal(m.kernel.zcrypt.hwRandom.availableText, version === '6.1' ? 'zcrypt \n' : 'zcrypt none\n');
    t.equal(m.kernel.zcrypt.hwRandom.currentText, 'zcrypt\n');
    t.same(m.kernel.core.lockdep.violations, []);
    t.equal(m.refcnt('zcrypt'), 1);
    t.equal(m.refcnt('zcrypt_cex4'), 0);
  });

  t.test(`kernel ${version}: every file of zcrypt says what was recorded`, { skip: !existsSync(DUMPS) }, async (t) => {
    const m = await ZcryptMachine.boot(version);
    const sort = (map: Map<string, string>) => Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
    t.same(sort(await shown(m)), sort(recorded(version)));
  });

  t.test(`kernel ${version}: events of a module load and unload`, async (t) => {
    const m = await ZcryptMachine.boot(version);
    m.takeEvents();
    await m.kernel.core.modules.unload(m.task(), 'zcrypt_cex4');
    const gone = m.takeEvents();
    t.equal(gone[0], 'unbind@/devices/ap/card03/03.0047');
    t.same(gone.slice(15, 18), [
      'unbind@/devices/ap/card00/00.0004',
      'remove@/bus/ap/drivers/cex4queue',
      'unbind@/devices/ap/card03',
    ]);
    t.equal(m.kernel.zcrypt.hwRandom.currentText, 'none\n');
    await m.kernel.core.modules.unload(m.task(), 'zcrypt');
    t.equal(m.kernel.zcrypt.api, undefined);
    t.equal(await errnoOf(m.open()), 'ENXIO');
    m.takeEvents();
    await m.kernel.core.modules.load(m.task(), 'zcrypt_cex4');
    await m.clock.settle();
    const back = m.takeEvents();
    t.same(back.slice(0, 5), [
      'add@/class/zcrypt',
      `add@/devices/virtual/misc/z90crypt MINOR=${m.kernel.profile.z90cryptMinor} DEVNAME=z90crypt`,
      'add@/module/zcrypt',
      'bind@/devices/ap/card00',
      'bind@/devices/ap/card01',
    ]);
    t.equal(back.at(-1), 'add@/module/zcrypt_cex4');
    // Bound one by one, or all before the thread runs: who answers the first request.
    const second = version === '7.2' ? '00.0006' : '00.0004';
    t.same(m.counts(), {
      card00: 2,
      '00.0004': second === '00.0004' ? 2 : 1,
      ...(second === '00.0006' ? { '00.0006': 1 } : {}),
    });
    t.same(m.kernel.core.lockdep.violations, []);
  });

  t.test(`kernel ${version}: requests of the files, and of those that find no queue`, async (t) => {
    const m = await ZcryptMachine.boot(version);
    const task = m.task();
    m.resetCounts();
    await ccaSerialnrText(task, m.zc(0));
    t.same(m.counts(), { card00: 2, '00.0004': 1, '00.0006': 1 }, 'two requests, going round');
    m.resetCounts();
    await ccaMkvpsText(task, m.zq('00.001b'));
    t.same(m.counts(), { card00: 2, '00.001b': 2 });
    m.resetCounts();
    await ep11FwVersionText(task, m.zc(1));
    await ep11MkvpsText(task, m.zq('01.0006'));
    t.same(m.counts(), { card01: 2, '01.0004': 1, '01.0006': 1 });

    const before = m.ap.scan.count;
    m.zc(0).onlineStore(task, '0');
    m.zc(1).onlineStore(task, '0');
    m.resetCounts();
    const keeps = version !== '7.2';
    t.equal(await ccaSerialnrText(task, m.zc(0)), keeps ? '93AADF00\n' : '\n');
    t.equal(await ep11FwVersionText(task, m.zc(1)), keeps ? '8.8\n' : '\n');
    t.equal(await ep11MkvpsText(task, m.zq('01.0006')), 'WK CUR: - -\nWK NEW: - -\n');
    t.equal(await ep11QueueOpModesText(task, m.zq('01.0006')), '\n');
    t.same(m.counts(), {});
    t.equal(m.ap.scan.count, before + (keeps ? 0 : 2), 'each failed request scans once');
    // A domain never asked before is not kept either.
    t.match(await ccaMkvpsText(task, m.zq('00.0047')), /^AES NEW: - -\nAES CUR: - -\n/);
    t.equal(m.ap.scan.count, before + { '7.2': 3, '6.12': 1, '6.1': 0 }[version]);
  });

  t.test(`kernel ${version}: EP11 values stand in for a failed request, but not after ENODEV`, async (t) => {
    const m = await ZcryptMachine.boot(version);
    const task = m.task();
    await ep11FwVersionText(task, m.zc(1));
    await m.hw('card 1 deconfigure');
    await m.ap.scan.force(task);
    const keeps = version !== '7.2';
    t.equal(await ep11ApiOrdinalnrText(task, m.zc(1)), keeps ? '6\n' : '\n');
    t.equal(await ep11FwVersionText(task, m.zc(1)), '\n');
    t.equal(await ep11SerialnrText(task, m.zc(1)), '\n');
  });
}

t.test('the random number generator asks again after 10 s, and for a block after 1024 words', async (t) => {
  const m = await ZcryptMachine.boot();
  m.resetCounts();
  await m.clock.advance(60 * SEC * 1022);
  t.same(m.counts(), {}, 'words of the first block');
  await m.clock.advance(60 * SEC * 2);
  await m.clock.settle();
  t.equal(m.counts().card00, 1, 'the next block');
  const bytes = await m.kernel.zcrypt.hwRandom.read(m.task(), 4096);
  t.equal(bytes.length, 4096);
  t.equal(m.counts().card00, 2);

  m.zc(0).onlineStore(m.task(), '0');
  m.zc(3).onlineStore(m.task(), '0');
  await m.kernel.core.modules.unload(m.task(), 'zcrypt_cex4');
  await m.kernel.core.modules.load(m.task(), 'zcrypt_cex4');
  await m.clock.settle();
  t.equal(m.kernel.zcrypt.hwRandom.availableText, 'zcrypt none\n');
});

t.test('a generator without a usable queue forces a scan every 10 s; 6.1 does not', async (t) => {
  for (const version of KERNELS) {
    const m = await ZcryptMachine.boot(version, 'card 0 add cex8 cca decfg; domain 4 add');
    const before = m.ap.scan.count;
    await m.clock.advance(25 * SEC);
    t.equal(m.ap.scan.count, before + (version === '6.1' ? 0 : 2), version);
    t.same(m.counts(), {});
    await m.hw('card 0 configure');
    await m.clock.advance(11 * SEC);
    await m.clock.settle();
    t.same(m.counts(), { card00: 1, '00.0004': 1 }, `${version}: it succeeds once the card is there`);
  }
});

t.test('6.1 without hwrng_seed reads once, in the probe; bad parameters keep the module out', async (t) => {
  const m = await ZcryptMachine.boot('6.1', undefined, { modules: [] });
  await m.kernel.core.modules.load(
    m.task(),
    'zcrypt',
    new Map([
      ['hwrng_seed', '0'],
      ['mempool_threshold', '3'],
    ]),
  );
  t.match(m.takeLog().join('\n'), "zcrypt: unknown parameter 'mempool_threshold' ignored");
  t.equal(m.kernel.zcrypt.api?.hwrngSeed, 0);
  await m.kernel.core.modules.load(m.task(), 'zcrypt_cex4');
  t.same(m.counts(), { card00: 1, '00.0004': 1 }, 'done when the module is loaded');
  t.notOk(m.clock.pendingTimers().some((timer) => timer.name === 'hwrng'));

  const n = await ZcryptMachine.boot('7.2', undefined, { modules: [] });
  const load = (value: string) =>
    n.kernel.core.modules.load(n.task(), 'zcrypt', new Map([['mempool_threshold', value]]));
  t.equal(await errnoOf(load('0')), 'EINVAL');
  t.equal(await errnoOf(load('x')), 'EINVAL');
  t.equal(await errnoOf(load('7')), 'ok');
  t.equal(n.kernel.zcrypt.api?.mempoolThreshold, 7);
});

t.test('without AP instructions zcrypt loads and zcrypt_cex4 does not', async (t) => {
  const m = await ZcryptMachine.boot('7.2', '', { modules: [], machine: { apInstructions: false } });
  m.takeLog();
  t.equal(await errnoOf(m.kernel.core.modules.load(m.task(), 'zcrypt_cex4')), 'EINVAL');
  t.same(m.takeLog(), [
    "Driver 'cex4card' was unable to register with bus_type 'ap' because the bus was not initialized.",
  ]);
  t.ok(m.kernel.zcrypt.api);
  const file = await m.open();
  t.equal(file.statistic('Z90STAT_DOMAIN_INDEX'), -1);
  file.close();
});

t.test('online of cards and queues: checks, effects, events', async (t) => {
  const m = await ZcryptMachine.boot();
  const task = m.task();
  const card = m.zc(2);
  const queue = m.zq('02.0006');
  m.takeEvents();
  for (const text of ['', 'x', '2', '-1', '0x1'].filter((x) => x !== '0x1'))
    t.equal(await errnoOf(() => card.onlineStore(task, text)), 'EINVAL', JSON.stringify(text));
  queue.onlineStore(task, '0\n');
  t.same(m.takeEvents(), ['change@/devices/ap/card02/02.0006 ONLINE=0']);
  card.onlineStore(task, '0');
  t.same(m.takeEvents(), [
    'change@/devices/ap/card02 ONLINE=0',
    'change@/devices/ap/card02/02.0004 ONLINE=0',
    'change@/devices/ap/card02/02.001b ONLINE=0',
    'change@/devices/ap/card02/02.0047 ONLINE=0',
  ]);
  t.equal(await errnoOf(() => queue.onlineStore(task, '1')), 'EINVAL', 'the card is off');
  card.onlineStore(task, '4294967297');
  t.equal(queue.onlineText(), '1\n', 'with the card all queues come back');
  await m.hw('card 2 deconfigure');
  t.equal(card.onlineText(), '0\n');
  t.equal(queue.onlineText(), '0\n');
  t.ok(card.online, 'the flag is kept');
  t.equal(await errnoOf(() => card.onlineStore(task, '1')), 'ENODEV');
  t.equal(await errnoOf(() => queue.onlineStore(task, '1')), 'ENODEV');
  await m.hw('card 2 configure');
  t.equal(card.onlineText(), '1\n');
  await m.hw('card 2 checkstop on');
  await m.ap.scan.force(task);
  t.equal(card.onlineText(), '0\n');
  t.equal(queue.onlineText(), '0\n');
});

t.test('6.1 does not look at check-stop', async (t) => {
  const m = await ZcryptMachine.boot('6.1');
  await m.hw('card 2 checkstop on');
  await m.ap.scan.force(m.task());
  t.equal(m.card(2).chkstop, true);
  t.equal(m.zc(2).onlineText(), '1\n');
  m.zc(2).onlineStore(m.task(), '1');
});

t.test('modules of the boot: the first scan is over, cards and queues are bound in order', async (t) => {
  for (const version of KERNELS) {
    const m = await ZcryptMachine.boot(version, undefined, { modulesAtBoot: true });
    t.same(m.counts(), { card00: 1, '00.0004': 1 }, version);
    t.same(m.kernel.core.lockdep.violations, []);
    t.ok(
      [...m.ap.queues()].every((aq) => aq.smState === SmState.IDLE),
      'all idle',
    );
  }
});

t.test('in a secure-execution guest CCA queues are of no use to the generator', async (t) => {
  for (const version of ['7.2', '6.12'] as const) {
    const m = await ZcryptMachine.boot(version, undefined, { machine: { protVirtGuest: true } });
    t.equal(m.ap.scan.count, 2, `${version}: the first block forced a scan`);
    t.same(m.counts(), {});
    await m.clock.advance(21 * SEC);
    t.equal(m.ap.scan.count, 4);
  }
});
