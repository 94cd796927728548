/**
 * zcrypt device nodes: names, masks, rights (recording 45).
 */
import t from 'tap';
import { EP11_FLAG, EP11_QUERY, encodeEp11Cprb, encodeXcpQuery } from '../../lib/hardware/messages.js';
import type { Zcdn, ZcryptClass } from '../../lib/zcrypt/nodes.js';
import { ccaRequest } from '../support/cca-request.js';
import { errnoOf, KERNELS, RsaJob, ZcryptMachine } from '../support/zcrypt.js';

const job = new RsaJob(1024);

function nodes(m: ZcryptMachine): ZcryptClass {
  const api = m.kernel.zcrypt.api;
  if (!api) throw new Error('zcrypt is not loaded');
  return api.nodes;
}

function node(m: ZcryptMachine, name: string): Zcdn {
  const found = [...nodes(m).nodes()].find((n) => n.name === name);
  if (!found) throw new Error(`no node ${name}`);
  return found;
}

const create = (m: ZcryptMachine, text: string) => errnoOf(nodes(m).createStore(m.task(), text));
const destroy = (m: ZcryptMachine, text: string) => errnoOf(nodes(m).destroyStore(m.task(), text));

t.test('names, numbers and events', async (t) => {
  for (const version of KERNELS) {
    const m = await ZcryptMachine.boot(version);
    m.takeEvents();
    m.takeLog();
    const made = async (text: string): Promise<string[]> => {
      t.equal(await create(m, text), 'ok', JSON.stringify(text));
      return m.takeEvents();
    };
    const add = (name: string, minor: number, devname: string) => [
      `add@/devices/virtual/zcrypt/${name} MINOR=${minor} DEVNAME=${devname}`,
    ];
    t.same(await made('node1\n'), add('node1', 0, 'node1'));
    t.equal(await create(m, 'node1'), 'EEXIST');
    t.same(await made('\n'), add('zcrypt_1', 1, 'zcrypt_1'));
    t.same(await made(' \t\n'), add('zcrypt_2', 2, 'zcrypt_2'));
    t.same(await made('a/b\n'), add('a!b', 3, 'a/b'));
    t.same(await made('.\n'), add('.', 4, '.'));
    t.same(await made('../x\n'), add('..!x', 5, '../x'));
    t.same(await made(' spaced name \n'), add('spaced name', 6, 'spaced name'));
    const long = '0123456789'.repeat(7);
    t.same(await made(`${long}\n`), add(long.slice(0, 31), 7, long.slice(0, 31)));
    t.same(await made('nul\0byte'), add('nul', 8, 'nul'));
    t.same(m.takeLog(), []);

    t.equal(await create(m, 'create\n'), 'EEXIST');
    t.same(m.takeEvents(), ['remove@/devices/virtual/zcrypt/create MINOR=9 DEVNAME=create']);
    t.equal(m.takeLog()[0], "sysfs: cannot create duplicate filename '/class/zcrypt/create'");
    t.same(await made('z90crypt\n'), add('z90crypt', 9, 'z90crypt'));
    t.equal(m.kernel.core.devtmpfs.nodes.get('z90crypt')?.major, 10, 'the old node stays');

    t.equal(await destroy(m, 'a/b'), 'ENOENT', 'its name is a!b');
    t.equal(await destroy(m, ''), 'ENOENT');
    t.equal(await destroy(m, 'nosuch\n'), 'ENOENT');
    t.equal(await destroy(m, ' a!b \n'), 'ok');
    t.equal(await destroy(m, 'node1\n'), 'ok');
    m.takeEvents();
    t.equal(await create(m, 'zcrypt_3\n'), 'ok', 'takes minor 0');
    t.equal(await create(m, '\n'), 'EEXIST', 'the automatic name of minor 3 is taken');
    t.match(m.takeLog()[0], "sysfs: cannot create duplicate filename '/devices/virtual/zcrypt/zcrypt_3'");
    t.equal(node(m, 'zcrypt_3').number?.major, 247);
    t.equal(m.kernel.core.charDir.links.get('247:0')?.target, node(m, 'zcrypt_3'));
    t.same(m.kernel.core.lockdep.violations, []);
  }
});

t.test('256 nodes and no more; unloading takes them away', async (t) => {
  const m = await ZcryptMachine.boot();
  for (let n = 0; n < 256; n++) await nodes(m).createStore(m.task(), '');
  t.equal(await create(m, 'one more'), 'ENOSPC');
  t.ok(m.kernel.core.virtualDir.children.has('zcrypt'));
  t.equal(await destroy(m, 'zcrypt_77'), 'ok');
  t.equal(await create(m, 'again'), 'ok');
  t.equal(node(m, 'again').minor, 77, 'lowest free minor');
  await m.kernel.core.modules.unload(m.task(), 'zcrypt_cex4');
  await m.kernel.core.modules.unload(m.task(), 'zcrypt');
  t.notOk(m.kernel.core.virtualDir.children.has('zcrypt'));
  t.notOk(m.kernel.core.classDir.children.has('zcrypt'));
});

t.test('a failed first node leaves no directory behind', async (t) => {
  const m = await ZcryptMachine.boot();
  t.equal(await create(m, 'destroy'), 'EEXIST');
  t.notOk(m.kernel.core.virtualDir.children.has('zcrypt'));
  t.same([...nodes(m).links.keys()], []);
});

t.test('masks decide what a node can do, also for files that are open', async (t) => {
  const m = await ZcryptMachine.boot();
  await nodes(m).createStore(m.task(), 'node1\n');
  const n = node(m, 'node1');
  const file = await m.kernel.zcrypt.open(m.task(), { major: 247, minor: 0 });
  const run = () => errnoOf(file.modexpo(m.task(), job.me()));
  for (const which of ['ioctlm', 'apm', 'aqm', 'adm'] as const) t.equal(n.maskText(which), `0x${'0'.repeat(64)}\n`);
  t.equal(await run(), 'EPERM');
  await n.maskStore(m.task(), 'ioctlm', '+0-255\n');
  const scans = m.ap.scan.count;
  t.equal(await run(), 'ENODEV');
  t.equal(m.ap.scan.count, scans + 1);
  await n.maskStore(m.task(), 'apm', '0x20\n');
  await n.maskStore(m.task(), 'aqm', '+4\n');
  t.equal(n.maskText('aqm'), `0x08${'0'.repeat(62)}\n`);
  t.same([await run(), await run()], ['ok', 'ok']);
  t.equal(m.counts()['02.0004'], 2);
  t.equal(file.statistic('ZCRYPT_DEVICE_STATUS').filter((w) => w !== 0).length, 16, 'statistics show everything');
  for (const bad of ['xyz', '+256', '0xffg']) t.equal(await errnoOf(n.maskStore(m.task(), 'apm', bad)), 'EINVAL', bad);
  await n.maskStore(m.task(), 'ioctlm', '-5\n');
  t.equal(await run(), 'EPERM');
  t.equal(await errnoOf(() => file.unknownIoctl(5)), 'EPERM');

  await n.maskStore(m.task(), 'ioctlm', '+5\n');
  await m.hw('queue 02.0004 hold');
  const inFlight = run();
  await m.clock.settle();
  t.equal(await destroy(m, 'node1'), 'ok');
  await m.hw('queue 02.0004 release');
  t.equal(await inFlight, 'ok');
  t.equal(await run(), 'ok', 'a destroyed node serves its open files');
  file.close();
  file.close();
  t.equal(m.kernel.zcrypt.api?.openCount, 0);
  t.equal(m.refcnt('zcrypt'), 1);
});

t.test('opens: minors without a node have the bus’s rights, others are no device', async (t) => {
  const m = await ZcryptMachine.boot();
  const file = await m.kernel.zcrypt.open(m.task(), { major: 247, minor: 17 });
  t.equal(await errnoOf(file.modexpo(m.task(), job.me())), 'ok');
  t.equal(await errnoOf(m.kernel.zcrypt.open(m.task(), { major: 247, minor: 256 })), 'ENXIO');
  t.equal(await errnoOf(m.kernel.zcrypt.open(m.task(), { major: 10, minor: 1 })), 'ENXIO');
  t.equal(await errnoOf(m.kernel.core.modules.unload(m.task(), 'zcrypt')), 'EAGAIN');
});

t.test('the bus masks bind /dev/z90crypt', async (t) => {
  const m = await ZcryptMachine.boot();
  const file = await m.open();
  m.ap.apm.clear(2);
  m.ap.apm.clear(0);
  m.ap.aqm.clear(4);
  t.equal(await errnoOf(file.modexpo(m.task(), job.me())), 'ok');
  t.equal(m.counts()['03.0006'], 1);
});

t.test('administrative and unknown CCA requests through a node', async (t) => {
  const m = await ZcryptMachine.boot();
  await nodes(m).createStore(m.task(), 'n');
  const n = node(m, 'n');
  for (const which of ['ioctlm', 'apm', 'aqm'] as const) await n.maskStore(m.task(), which, `0x${'f'.repeat(64)}`);
  const file = await m.kernel.zcrypt.open(m.task(), { major: 247, minor: n.minor });
  const send = (funcId: string, domain: number): Promise<string> =>
    errnoOf(file.sendCprb(m.task(), ccaRequest({ funcId, domain })));
  t.equal(await send('T2', 4), 'ok');
  t.equal(await send('T3', 4), 'ENODEV');
  t.equal(await send('T9', 4), 'EOPNOTSUPP');
  t.equal(await send('T9', 0xffff), 'ok', 'names no domain');
  await n.maskStore(m.task(), 'adm', '+4');
  t.equal(await send('T3', 4), 'ok');
});

t.test('administrative EP11 requests through a node go by the domain they name, not by the queue', async (t) => {
  const m = await ZcryptMachine.boot();
  await nodes(m).createStore(m.task(), 'n');
  const n = node(m, 'n');
  for (const which of ['ioctlm', 'apm', 'aqm'] as const) await n.maskStore(m.task(), which, `0x${'f'.repeat(64)}`);
  const file = await m.kernel.zcrypt.open(m.task(), { major: 247, minor: n.minor });
  const send = (flags: number, targetId: number): Promise<string> => {
    const req = encodeEp11Cprb({ funcId: 'T4', flags, targetId }, encodeXcpQuery(EP11_QUERY.MODULE));
    const resp = new Uint8Array(1024);
    const targets = [{ apId: 1, domId: 6 }];
    return errnoOf(
      file.sendEp11Cprb(m.task(), { targetsNum: 1, targets, reqLen: req.length, req, respLen: resp.length, resp }),
    );
  };
  const ADMIN = EP11_FLAG.ADMIN;
  t.equal(await send(0, 0x55), 'ok', 'usage: the domain is replaced by that of the queue');
  t.equal(await send(ADMIN, 0x55), 'ENODEV');
  t.equal(await send(ADMIN, 0xffff), 'ok', 'names no domain');
  await n.maskStore(m.task(), 'adm', '+0x55');
  t.equal(await send(ADMIN, 0x55), 'ok', 'a domain that can only be controlled');
  t.equal(await send(ADMIN, 6), 'ENODEV', 'the queue that carries it does not matter');
  await n.maskStore(m.task(), 'aqm', '-6');
  t.equal(await send(ADMIN, 0x55), 'ENODEV', 'but it must be allowed too');
  t.same(m.counts()['01.0006'], 3);
});

t.test('a signal ends the wait for the mask mutex', async (t) => {
  const m = await ZcryptMachine.boot();
  await nodes(m).createStore(m.task(), 'n');
  const holder = m.task();
  await m.ap.attrMutex.lockInterruptible(holder);
  const abort = new AbortController();
  const waits = [
    errnoOf(nodes(m).createStore(m.task(abort.signal), 'x')),
    errnoOf(nodes(m).destroyStore(m.task(abort.signal), 'n')),
    errnoOf(node(m, 'n').maskStore(m.task(abort.signal), 'apm', '1')),
  ];
  await m.clock.idle();
  abort.abort();
  t.same(await Promise.all(waits), ['EINTR', 'EINTR', 'EINTR']);
  m.ap.attrMutex.unlock(holder);
  t.equal(await destroy(m, 'n'), 'ok');
});
