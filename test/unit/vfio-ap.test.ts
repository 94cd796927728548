/**
 * vfio_ap by behaviour: the worked example of spec/vfio-ap.md 14, the stores
 * and their errnos, filter and hot plug, resets, host changes, removal.
 */
import t from 'tap';
import { KernelError } from '../../lib/errno.js';
import { parseApConfig } from '../../lib/vfio-ap/ap-config.js';
import { errnoOf, TWO_BY_TWO, U1, U2, U3, VERSIONS, VfioTest } from '../support/vfio-ap.js';

t.test('the worked example of the specification, row by row', async (t) => {
  const m = await VfioTest.boot();
  await m.create(U1);
  await m.adapter(5);
  t.equal(await m.matrix(), '05.\n');
  t.equal(await m.guestMatrix(), '05.\n');
  t.equal(await errnoOf(m.domain(4)), 'EADDRNOTAVAIL');
  await m.apmask('-5');
  t.equal(m.queue(5, 4).driver?.name, 'vfio_ap');
  t.equal(await m.status(5, 4), 'unassigned\n');
  await m.domain(4);
  t.equal(await m.matrix(), '05.0004\n');
  t.equal(await m.guestMatrix(), '05.0004\n');
  t.equal(await m.status(5, 4), 'assigned\n');
  await m.domain(0xab);
  t.equal(await m.guestMatrix(), '05.0004\n05.00ab\n');
  await m.domain(7);
  t.equal(await m.matrix(), '05.0004\n05.0007\n05.00ab\n');
  t.equal(await m.guestMatrix(), '05.0004\n05.00ab\n');
  await m.create(U2);
  await m.domain(4, U2);
  m.log();
  t.equal(await errnoOf(m.adapter(5, U2)), 'EADDRINUSE');
  t.strictSame(m.log(), [
    `vfio_ap_mdev ${U2}: Userspace may not assign queue 05.0004 to mdev: already assigned to ${U1}`,
  ]);
  t.equal(await errnoOf(m.apmask('+5')), 'EBUSY');
  t.strictSame(
    m.log(),
    ['05.0004', '05.0007', '05.00ab'].map(
      (q) => `vfio_ap_mdev ${U1}: Can not reserve queue ${q} for host driver: in use by mdev`,
    ),
  );
  await m.bind('unbind', 'vfio_ap', '05.00ab');
  t.equal(await m.guestMatrix(), '.0004\n.00ab\n');
  t.equal(await m.matrix(), '05.0004\n05.0007\n05.00ab\n');
  await m.mdev().unassignDomainStore(m.task(), '0xab');
  t.equal(await m.guestMatrix(), '.0004\n', 'no filter run at unassign');
  await m.mdev().apConfigStore(m.task(), m.mdev().apConfigText());
  t.equal(await m.guestMatrix(), '05.0004\n');
  await m.bind('bind', 'vfio_ap', '05.00ab');
  await m.hw('card 5 apm off');
  await m.scan();
  t.equal(await m.guestMatrix(), '.0004\n');
  t.equal(await m.matrix(), '05.0004\n05.0007\n');
  t.notOk(m.kernel.ap?.card(5));
  await m.hw('card 5 apm on');
  await m.scan();
  t.equal(m.queue(5, 4).driver?.name, 'vfio_ap');
  t.equal(m.queue(5, 0xab).driver?.name, 'vfio_ap');
  t.equal(await m.guestMatrix(), '05.0004\n');
  await m.guest(`start ${U1} nokernel`);
  t.equal(await m.status(5, 4), 'in use\n');
  t.equal(await m.status(5, 0xab), 'unassigned\n');
  const vm = m.mdev().kvm;
  const device = m.mdev().mdev;
  const removal = m.remove();
  await m.clock.idle();
  t.strictSame([...device.links.keys()], ['iommu_group']);
  t.strictSame([...device.groups.keys()], []);
  t.equal(await m.status(5, 4), 'in use\n');
  t.equal(vm?.apcbText(), `apm ${'0x'.padEnd(66, '0')}\naqm ${'0x'.padEnd(66, '0')}\nadm ${'0x'.padEnd(66, '0')}\n`);
  await m.guest(`cmd ${U1} exit`);
  await removal;
  t.equal(await m.status(5, 4), 'unassigned\n');
  t.notOk(m.kernel.vfio.mdev?.list.has(U1));
  await m.apmask('+5');
  t.equal(m.queue(5, 4).driver?.name, 'cex4queue');
  t.equal(m.queue(5, 0xab).driver?.name, 'cex4queue');
  t.strictSame(m.violations, []);
});

t.test('numbers: locks first, then syntax, then the maximum', async (t) => {
  const m = await VfioTest.boot();
  await m.create(U1);
  const mdev = m.mdev();
  const assign = (text: string): Promise<string> => errnoOf(mdev.assignAdapterStore(m.task(), text));
  for (const text of [' 5', '5 ', '', '\n', '08', '0x', '-5', '5x']) t.equal(await assign(text), 'EINVAL', text);
  t.equal(await assign('18446744073709551616'), 'ERANGE');
  t.equal(await assign('256'), 'ENODEV');
  t.equal(await assign('18446744073709551615'), 'ENODEV');
  t.equal(await assign('0xff'), 'ok');
  t.equal(await assign('0xff'), 'ok', 'again: nothing to do');
  t.equal(await m.matrix(), 'ff.\n');
  t.equal(await errnoOf(mdev.unassignAdapterStore(m.task(), '256')), 'ENODEV');
  t.equal(await errnoOf(mdev.unassignAdapterStore(m.task(), '7')), 'ok', 'not assigned');
  await mdev.assignControlDomainStore(m.task(), '4');
  await mdev.assignControlDomainStore(m.task(), '200');
  t.equal(await mdev.controlDomainsText(m.task()), '0004\n00c8\n');
  t.strictSame([...mdev.shadowApcb.adm.bits()], [4], 'the guest gets what the host has');
  t.equal(await errnoOf(mdev.assignControlDomainStore(m.task(), '256')), 'ENODEV');
});

t.test('without facility 12 the maxima are the old ones and no guest gets anything', async (t) => {
  const m = await VfioTest.boot('7.2', `qci off; ${TWO_BY_TWO}`);
  await m.apmask('-5');
  await m.create(U1);
  await m.adapter(5);
  await m.domain(4);
  t.equal(await errnoOf(m.adapter(64)), 'ENODEV');
  t.equal(await errnoOf(m.domain(16)), 'ENODEV');
  t.equal(await m.matrix(), '05.0004\n');
  t.equal(await m.guestMatrix(), '');
});

t.test('ap_config texts', async (t) => {
  const bits = (text: string): number[][] => {
    const { apm, aqm, adm } = parseApConfig(text);
    return [[...apm.bits()], [...aqm.bits()], [...adm.bits()]];
  };
  const full = `0x${'f'.repeat(64)}`;
  t.strictSame(bits('0x08,0x8,0x8\n'), [[4], [0], [0]]);
  t.strictSame(bits(',,'), [[], [], []]);
  t.strictSame(bits('\n\n'), [[], [], []]);
  t.strictSame(bits('x1,1,'), [[3], [3], []]);
  t.strictSame(bits('1,2\n'), [[3], [2], []]);
  t.strictSame(bits('0x1,0x1,0x1,garbage'), [[3], [3], [3]]);
  for (const end of ['', '\n', ',', '\nx']) t.equal(bits(`${full},${full},${full}${end}`)[2]?.length, 256);
  t.strictSame(bits(`0xc0,0x08,0x08\n${'x'.repeat(4081)}`), [[0, 1], [4], [4]]);
  const wrong = [
    '\n',
    '1',
    '1\n',
    '1,2',
    '1,2\0,3',
    '0x1, 0x1,0x1',
    '\t0x1,1,1',
    'X1,1,1',
    '+1,+2,+3',
    `${'1'.repeat(65)},1,1`,
    `${full},${full},${full}f`,
    `0xc0,0x08,0x08${'x'.repeat(4082)}`,
  ];
  for (const text of wrong) t.throws(() => parseApConfig(text), KernelError, JSON.stringify(text.slice(0, 20)));
});

t.test('ap_config: validation, then the maxima; on error nothing changes', async (t) => {
  const m = await VfioTest.boot('7.2', `limits 63 200; ${TWO_BY_TWO}`);
  await m.apmask('-5');
  await m.create(U1);
  const mdev = m.mdev();
  await mdev.apConfigStore(m.task(), '0x04,0x08,0x08\n');
  t.equal(await m.guestMatrix(), '05.0004\n');
  t.equal(await errnoOf(mdev.apConfigStore(m.task(), '0x06,0x08,\n')), 'EADDRNOTAVAIL');
  t.equal(await errnoOf(mdev.apConfigStore(m.task(), `0x04,0x08,0x${'0'.repeat(63)}1\n`)), 'ENODEV');
  t.equal(mdev.apConfigText().slice(0, 4), '0x04');
  t.equal(await m.guestMatrix(), '05.0004\n');
  await mdev.apConfigStore(m.task(), ',,');
  t.equal(await m.matrix(), '');
  t.equal(m.va.findQueue(5, 4)?.owner, undefined);
});

t.test('create and remove', async (t) => {
  const m = await VfioTest.boot();
  const create = (text: string): Promise<string> => errnoOf(m.type.createStore(m.task(), text));
  m.events();
  m.log();
  t.equal(await create('AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEEx'), 'ok', 'any 37th byte');
  const uuid = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
  const path = `/devices/vfio_ap/matrix/${uuid}`;
  t.strictSame(m.events(), [
    `add@${path}`,
    'add@/devices/virtual/vfio/0',
    `add@${path}/vfio-dev/vfio0`,
    `bind@${path}`,
  ]);
  t.strictSame(m.log(), [`vfio_ap_mdev ${uuid}: Adding to iommu group 0`]);
  t.equal(await create(`${uuid}\n`), 'EEXIST');
  for (const text of ['', 'hello', `${uuid}\n\n`, uuid.slice(1), `${uuid.slice(0, 35)}g`, ` ${uuid}`])
    t.equal(await create(text), 'EINVAL', JSON.stringify(text));
  t.equal(m.type.availableInstancesText, '65535\n');
  const { mdev } = m.mdev(uuid);
  for (const text of ['x', '-1', ' 1', '18446744073709551616'])
    t.equal(await errnoOf(mdev.removeStore(m.task(), text)), 'EINVAL', text);
  await mdev.removeStore(m.task(), '0\n');
  t.ok(mdev.active);
  const both = [mdev.removeStore(m.task(), '2'), mdev.removeStore(m.task(), '1')];
  t.strictSame(await Promise.all(both), [undefined, undefined], 'the second has lost the race');
  t.strictSame(m.events(), [
    `remove@${path}/vfio-dev/vfio0`,
    'remove@/devices/virtual/vfio/0',
    `unbind@${path}`,
    `remove@${path}`,
  ]);
  t.equal(m.type.availableInstancesText, '65536\n');
  t.notOk(m.kernel.core.virtualDir.children.has('vfio'), 'the glue directory goes with the last group');
});

t.test('an mdev unbound from its driver stays, with its instance, and cannot be bound again', async (t) => {
  const m = await VfioTest.boot();
  await m.apmask('-5');
  await m.create(U1);
  await m.adapter(5);
  await m.domain(4);
  const { mdev } = m.mdev();
  const driver = m.kernel.vfio.mdev?.bus.drivers.get('vfio_ap_mdev');
  await driver?.unbind(m.task(), U1);
  t.strictSame([...mdev.links.keys()].sort(), ['mdev_type', 'subsystem']);
  t.equal(mdev.ueventText(), '');
  t.equal(await m.status(5, 4), 'unassigned\n');
  t.equal(m.type.availableInstancesText, '65535\n');
  t.equal(driver && (await errnoOf(driver.bind(m.task(), U1))), 'ENODEV');
  await m.apmask('+5');
  await mdev.removeStore(m.task(), '1');
  t.equal(m.type.availableInstancesText, '65536\n');
});

t.test('the queues of the host may not be in a matrix; a driver_override decides before the masks', async (t) => {
  const m = await VfioTest.boot();
  await m.queue(6, 4).driverOverrideStore(m.task(), 'vfio_ap');
  await m.bind('unbind', 'cex4queue', '06.0004');
  await m.bind('bind', 'vfio_ap', '06.0004');
  await m.create(U1);
  await m.adapter(6);
  await m.domain(4);
  t.equal(await m.guestMatrix(), '06.0004\n');
  t.equal(await errnoOf(m.domain(0xab)), 'EADDRNOTAVAIL');
});

t.test('one adapter of several drops out alone, and comes back when all its queues are bound', async (t) => {
  const m = await VfioTest.boot();
  await m.apmask('-5,-6');
  await m.create(U1);
  for (const id of [5, 6]) await m.adapter(id);
  for (const id of [4, 0xab]) await m.domain(id);
  await m.hw('resets');
  await m.bind('unbind', 'vfio_ap', '05.0004');
  t.equal(await m.guestMatrix(), '06.0004\n06.00ab\n');
  t.equal(await m.hw('resets'), '05.0004 zapq=2\n05.00ab zapq=1\n', 'the adapter, then the bus');
  await m.bind('unbind', 'vfio_ap', '05.00ab');
  t.equal(await m.hw('resets'), '05.00ab zapq=2\n');
  await m.bind('bind', 'vfio_ap', '05.00ab');
  t.equal(await m.guestMatrix(), '06.0004\n06.00ab\n');
  await m.bind('bind', 'vfio_ap', '05.0004');
  t.equal(await m.guestMatrix(), '05.0004\n05.00ab\n06.0004\n06.00ab\n');
  t.equal(await m.hw('resets'), '', 'no reset at probe');
});

t.test('a failed reset filters the adapter at the next evaluation, which resets it', async (t) => {
  const m = await VfioTest.boot();
  await m.apmask('-5');
  await m.create(U1);
  await m.adapter(5);
  await m.domain(4);
  await m.guest(`start ${U1} nokernel`);
  m.log();
  await m.hw('queue 05.0004 inject zapq 0x07 1');
  t.equal((await m.guest(`cmd ${U1} reset`)).stderr, 'VFIO_DEVICE_RESET: Input/output error (EIO)\n');
  t.strictSame(m.log(), [
    '------------[ cut here ]------------',
    'PQAP/ZAPQ for 05.0004 failed with invalid rc=7',
    '---[ end trace 0000000000000000 ]---',
  ]);
  t.equal(await m.guestMatrix(), '05.0004\n');
  await m.domain(0xab);
  t.equal(await m.guestMatrix(), '.0004\n.00ab\n');
  await m.domain(7);
  t.equal(await m.guestMatrix(), '05.0004\n05.00ab\n');
});

t.test('a slow reset: a line each 20 ms, ten in 5 s, each readable with the next message', async (t) => {
  const m = await VfioTest.boot();
  await m.apmask('-5');
  await m.create(U1);
  await m.adapter(5);
  await m.domain(4);
  await m.guest(`start ${U1} nokernel`);
  m.log();
  await m.hw('queue 05.0004 reset-ms 1000');
  const before = m.clock.now();
  t.equal((await m.guest(`cmd ${U1} reset`)).stdout, 'reset ok\n');
  t.equal((m.clock.now() - before) / 1e6, 1000);
  const lines = m.log();
  t.equal(lines.length, 9);
  t.equal(lines[0], 'Waited 20ms for reset of queue 05.0004 (2, 1, 0)');
  t.equal(lines[8], 'Waited 180ms for reset of queue 05.0004 (2, 1, 0)');
  await m.clock.advance(6e9);
  await m.hw('queue 05.0004 reset-ms 0; queue 05.0004 busy 2');
  await m.guest(`cmd ${U1} reset`);
  m.kernel.core.log.print('info', 'next');
  t.strictSame(m.log(), [
    'Waited 200ms for reset of queue 05.0004 (2, 1, 0)',
    'apq_reset_check: 39 callbacks suppressed',
    'Waited 20ms for reset of queue 05.0004 (5, 1, 0)',
    'next',
  ]);
});

t.test('6.1 resets synchronously and says EBUSY or EIO', async (t) => {
  const m = await VfioTest.boot('6.1');
  await m.apmask('-5');
  await m.create(U1);
  await m.adapter(5);
  await m.domain(4);
  await m.guest(`start ${U1} nokernel`);
  m.log();
  await m.hw('queue 05.0004 inject zapq 0x01 1');
  t.equal((await m.guest(`cmd ${U1} reset`)).stderr, 'VFIO_DEVICE_RESET: Device or resource busy (EBUSY)\n');
  await m.domain(0xab);
  t.equal(await m.guestMatrix(), '.0004\n.00ab\n', 'only 00 is passable');
  await m.hw('queue 05.0004 inject zapq 0x05 1');
  t.equal((await m.guest(`cmd ${U1} reset`)).stderr, 'VFIO_DEVICE_RESET: Input/output error (EIO)\n');
  t.match(m.log()[1], 'PQAP/ZAPQ for 05.0004 failed with invalid rc=5');
  await m.hw('queue 05.0004 inject zapq 0x02 1');
  t.equal((await m.guest(`cmd ${U1} reset`)).stdout, 'reset ok\n');
  t.strictSame(m.log(), []);
});

for (const version of VERSIONS) {
  t.test(`${version}: the host gains an adapter and domains: one update of the guest`, async (t) => {
    const m = await VfioTest.boot(version, `${TWO_BY_TWO}; notify off`);
    await m.apmask('-5,-6,-7');
    await m.create(U1);
    for (const id of [5, 7]) await m.adapter(id);
    for (const id of [4, 8, 9]) await m.domain(id);
    await m.guest(`start ${U1} nokernel`);
    const vm = m.mdev().kvm;
    t.equal(await m.guestMatrix(), '05.0004\n');
    const before = vm?.apcbUpdates ?? 0;
    await m.hw('card 7 add cex8 cca; domain 8 add; domain 9 add');
    await m.scan();
    t.equal(await m.guestMatrix(), ['05', '07'].flatMap((a) => ['4', '8', '9'].map((d) => `${a}.000${d}\n`)).join(''));
    t.equal((vm?.apcbUpdates ?? 0) - before, 1);
    await m.hw('card 7 remove');
    await m.scan();
    t.equal((vm?.apcbUpdates ?? 0) - before, 2, 'at the start of the scan, none at the removal of the devices');
    t.equal(await m.guestMatrix(), '05.0004\n05.0008\n05.0009\n');
    t.strictSame(m.violations, []);
  });

  t.test(`${version}: the host loses the only adapter`, async (t) => {
    const m = await VfioTest.boot(version, `${TWO_BY_TWO}; notify off`);
    await m.apmask('-5');
    await m.create(U1);
    await m.adapter(5);
    await m.domain(4);
    await m.mdev().assignControlDomainStore(m.task(), '4');
    await m.guest(`start ${U1} nokernel`);
    await m.hw('card 5 apm off; cdomain 4 remove');
    await m.scan();
    t.equal(await m.guestMatrix(), '.0004\n');
    const defect = version === '6.12';
    t.strictSame([...(m.mdev().kvm?.apcb.apm.bits() ?? [])], defect ? [5] : [], 'what the VM still has');
    t.strictSame([...m.mdev().shadowApcb.adm.bits()], defect ? [4] : []);
  });
}

t.test('adapters of an unsupported type are not waited for', async (t) => {
  const m = await VfioTest.boot('7.2', `${TWO_BY_TWO}; notify off`);
  await m.apmask('-7');
  await m.create(U1);
  await m.adapter(7);
  await m.domain(8);
  await m.hw('card 7 add 9 cca; domain 8 add');
  await m.scan();
  t.ok(m.mdev().apmAdd.isEmpty);
  t.equal(await m.guestMatrix(), '.0008\n');
});

t.test('a removal that a VM blocks asks for the device every 10 s; a signal is only logged', async (t) => {
  const m = await VfioTest.boot();
  await m.apmask('-5');
  await m.create(U1);
  await m.adapter(5);
  await m.domain(4);
  await m.guest(`start ${U1} nokernel`);
  await m.guest(`cmd ${U1} reqirq`);
  await m.guest(`cmd ${U1} cfgirq`);
  m.log();
  const signal = new AbortController();
  const prefix = `vfio_ap_mdev ${U1}: `;
  const removal = m.remove(U1, signal.signal);
  await m.clock.idle();
  t.strictSame(m.log(), [`${prefix}Relaying device request to user (#0)`]);
  t.equal((await m.guest(`cmd ${U1} events`)).stdout, 'req 1 cfg 1\n');
  await m.clock.advance(35e9);
  t.equal((await m.guest(`cmd ${U1} events`)).stdout, 'req 3 cfg 3\n');
  signal.abort();
  await m.clock.idle();
  t.match(m.log(), [new RegExp(`^${prefix}Device is currently in use, task "bash" \\(\\d+\\) blocked until`)]);
  t.equal(await errnoOf(m.create(U1)), 'EEXIST');
  t.equal((await m.guest(`start ${U1} nokernel`)).stderr, 'open /dev/vfio/0: Device or resource busy (EBUSY)\n');
  t.equal((await m.guest(`cmd ${U1} reset`)).stdout, 'reset ok\n', 'the open device still works');
  await m.clock.advance(70e9);
  t.strictSame(m.log(), [`${prefix}Relaying device request to user (#10)`]);
  t.equal(m.type.availableInstancesText, '65535\n');
  await m.guest(`cmd ${U1} close`);
  await removal;
  t.equal(m.type.availableInstancesText, '65536\n');
  await m.guest(`cmd ${U1} exit`);
  t.strictSame(m.violations, []);
});

t.test('the module: in use while a device is open; unloading removes the mdevs and frees the queues', async (t) => {
  const m = await VfioTest.boot();
  await m.apmask('-5');
  await m.create(U1);
  await m.guest(`start ${U1} nokernel`);
  const { modules } = m.kernel.core;
  t.equal(await errnoOf(modules.unload(m.task(), 'vfio_ap')), 'EAGAIN');
  await m.guest(`cmd ${U1} exit`);
  m.events();
  await modules.unload(m.task(), 'vfio_ap');
  const mdev = `/devices/vfio_ap/matrix/${U1}`;
  t.strictSame(m.events(), [
    `remove@${mdev}/vfio-dev/vfio0`,
    'remove@/devices/virtual/vfio/0',
    `unbind@${mdev}`,
    `remove@${mdev}`,
    'change@/devices/vfio_ap/matrix',
    'remove@/bus/mdev/drivers/vfio_ap_mdev',
    'unbind@/devices/ap/card05/05.00ab',
    'unbind@/devices/ap/card05/05.0004',
    'remove@/bus/ap/drivers/vfio_ap',
    'unbind@/devices/vfio_ap/matrix',
    'remove@/bus/matrix/drivers/vfio_ap',
    'remove@/devices/vfio_ap/matrix',
    'remove@/bus/matrix',
    'remove@/module/vfio_ap',
  ]);
  t.notOk(m.kernel.core.devicesDir.children.has('vfio_ap'));
  for (const name of ['mdev', 'kvm', 'vfio_iommu_type1', 'vfio']) await modules.unload(m.task(), name);
  m.events();
  await modules.load(m.task(), 'vfio_ap');
  t.strictSame(m.events(), [
    'add@/devices/virtual/misc/vfio',
    'add@/class/vfio',
    'add@/class/vfio-dev',
    'add@/module/vfio',
    'add@/module/vfio_iommu_type1',
    'add@/devices/virtual/misc/kvm',
    'add@/module/kvm',
    'add@/bus/mdev',
    'add@/module/mdev',
    'add@/bus/matrix',
    'add@/devices/vfio_ap/matrix',
    'bind@/devices/vfio_ap/matrix',
    'add@/bus/matrix/drivers/vfio_ap',
    'bind@/devices/ap/card05/05.0004',
    'bind@/devices/ap/card05/05.00ab',
    'add@/bus/ap/drivers/vfio_ap',
    'change@/devices/ap',
    'add@/bus/mdev/drivers/vfio_ap_mdev',
    'change@/devices/vfio_ap/matrix',
    'add@/module/vfio_ap',
  ]);
  await m.create(U3);
  t.equal(m.type.availableInstancesText, '65535\n');
});
