/**
 * Acceptance checks of seed 001: the locks of vfio_ap and their order
 * (spec/seeds-map.md 2, spec/vfio-ap.md 12).
 */
import t from 'tap';
import { nestedLocks } from '../support/locks.js';
import { pqapAqic } from '../support/pqap.js';
import { B, boot, bootWithMdev, D, KERNELS, P, type Scenario, SIM, U1, U2, U3 } from '../support/scenario.js';

const VFIO_AP = `${B}/drivers/vfio_ap`;

/** What an operation takes, as nested sections. */
async function locksOf(s: Scenario, operation: () => Promise<unknown>): Promise<string> {
  s.locks();
  await operation();
  return nestedLocks(s.locks());
}

for (const kernel of KERNELS) {
  const is612 = kernel === '6.12';
  t.test(`1-1 every entry point takes its locks in the order of its row (${kernel})`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.create(U2);
    await s.guest(`start ${U1} nokernel`);
    await s.guest(`vcpu ${U1}`);
    const u1 = (file: string, words: string | number) => (): Promise<unknown> => s.put(words, s.mdev(U1, file));
    const u2 = (file: string, words: string | number) => (): Promise<unknown> => s.put(words, s.mdev(U2, file));
    const vm = 'guests(kvm(mdevs))';
    const hook = is612 ? 'hook guests(kvm(mdevs))' : 'guests(kvm(hook(mdevs)))';
    const rows: [string, () => Promise<unknown>, string][] = [
      ['assign_adapter', u1('assign_adapter', 9), `mask(${vm})`],
      ['assign_adapter of an mdev without VM', u2('assign_adapter', 9), 'mask(guests(mdevs))'],
      ['assign_adapter with a text that is no number', u1('assign_adapter', 'x'), `mask(${vm})`],
      ['assign_domain', u1('assign_domain', 9), `mask(${vm})`],
      ['unassign_adapter', u1('unassign_adapter', 9), vm],
      ['unassign_domain', u1('unassign_domain', 9), vm],
      ['unassign_domain of an mdev without VM', u2('unassign_domain', 9), 'guests(mdevs)'],
      ['assign_control_domain', u1('assign_control_domain', 4), vm],
      ['unassign_control_domain', u1('unassign_control_domain', 4), vm],
      ['matrix read', () => s.matrix(U1), 'mdevs'],
      ['guest_matrix read', () => s.guestMatrix(U1), 'mdevs'],
      ['control_domains read', () => s.read(s.mdev(U1, 'control_domains')), 'mdevs'],
      ['status read', () => s.status('05.0004'), is612 ? 'mdevs' : 'guests(mdevs)'],
      ['create', () => s.create(U3), is612 ? 'mdevs' : 'guests'],
      ['remove', () => s.put(1, s.mdev(U3, 'remove')), 'guests(mdevs)'],
      ['RESET', () => s.guest(`reset ${U1}`), 'mdevs'],
      ['another ioctl', () => s.guest(`info ${U1}`), 'mdevs'],
      ['PQAP of the guest', () => pqapAqic(s, U1, '05.0004', { isc: 3, address: 0x5000 }), 'hook(mdevs)'],
      ['close', () => s.guest(`close ${U1}`), hook],
      ['open', () => s.guest(`open ${U1}`), hook],
      ['in_use', () => s.put('+5', `${B}/apmask`), 'mask(guests(mdevs))'],
      ['queue remove', () => s.put('05.0004', `${VFIO_AP}/unbind`), vm],
      ['queue probe', () => s.put('05.0004', `${VFIO_AP}/bind`), `mask ${vm}`],
    ];
    if (kernel !== '6.1')
      rows.push(
        ['ap_config write', u1('ap_config', '0x04,0x08,0x0'), `mask(${vm})`],
        ['ap_config read', () => s.read(s.mdev(U1, 'ap_config')), ''],
        ['ap_config write back', u1('ap_config', `0x04,0x08${'0'.repeat(40)}1,0x0`), `mask(${vm})`],
      );
    for (const [name, operation, locks] of rows) t.equal(await locksOf(s, operation), locks, name);
    s.sound(t);
  });

  t.test(`1-1 the callbacks of a scan and of a blocked removal take their locks in order (${kernel})`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.create(U2);
    await s.assign(U2, 'assign_domain 4');
    await s.guest(`start ${U1} nokernel`);
    await s.hw('notify off');
    await s.hw('cdomain 0x55 add');
    // On_config_changed takes the mdevs lock for each mdev that remembers additions (6.12: not), on_scan_complete none here.
    t.equal(await locksOf(s, () => s.m.scan()), is612 ? 'guests guests' : 'guests(mdevs mdevs) guests', 'an addition');
    await s.assign(U1, 'assign_control_domain 0x56');
    await s.hw('cdomain 0x56 add');
    t.equal(
      await locksOf(s, () => s.m.scan()),
      is612 ? 'guests guests(kvm(mdevs))' : 'guests(mdevs mdevs) guests(kvm(mdevs))',
      'an addition that one mdev wants: its VM is locked at the end of the scan',
    );
    await s.hw('card 5 apm off');
    t.equal(
      await locksOf(s, () => s.m.scan()),
      'guests(kvm(mdevs)) guests(kvm(mdevs)) guests(kvm(mdevs)) guests',
      'a removal: once for the VM, then each queue, then the end of the scan',
    );
    const removal = s.put(1, s.mdev(U1, 'remove'));
    s.locks();
    await s.m.settle();
    const request = nestedLocks(s.locks());
    t.equal(request, kernel === '7.2' ? 'guests(kvm(mdevs))' : '', 'request callback');
    await s.guest(`exit ${U1}`);
    t.equal(await removal, 'ok');
    s.sound(t);
  });
}

t.test('1-1 no other order occurs in a busy run of many tasks at once', async (t) => {
  const s = await bootWithMdev();
  await s.create(U2);
  await s.guest(`start ${U1} nokernel`);
  for (let round = 0; round < 4; round++)
    await Promise.all([
      s.assign(U1, 'assign_domain 9', 'unassign_domain 9', 'assign_control_domain 4', 'unassign_control_domain 4'),
      s.assign(U2, 'assign_adapter 6', 'assign_domain 4', 'unassign_adapter 6', 'unassign_domain 4'),
      s.put(round % 2 ? '+6' : '-6', `${B}/apmask`),
      s.put('05.0004', `${VFIO_AP}/${round % 2 ? 'bind' : 'unbind'}`),
      s.guest(`reset ${U1}`),
      s.status('05.00ab'),
      s.guestMatrix(U1),
      s.m.sh.ask(`${SIM}/hw`, round % 2 ? 'card 7 apm off' : 'card 7 add cex8 cca; card 7 apm on'),
      s.create(U3).then(() => s.put(1, s.mdev(U3, 'remove'))),
      s.put(1, `${B}/scans`),
    ]);
  await s.guest(`exit ${U1}`);
  await s.m.settle();
  const rank = [
    'ap_scan_bus_mutex',
    'device_lock',
    'ap_attr_mutex',
    'guests_lock',
    'kvm->lock',
    'pqap_hook_rwsem',
    'mdevs_lock',
  ];
  const learnt = (await s.read(`${SIM}/lockdep`)).trimEnd().split('\n');
  const ours = learnt.map((line) => line.split(' -> ')).filter((pair) => pair.every((name) => rank.includes(name)));
  t.ok(ours.length >= 6, `${ours.length} pairs learnt`);
  for (const [outer = '', inner = ''] of ours)
    t.ok(rank.indexOf(outer) < rank.indexOf(inner), `${outer} before ${inner}`);
  s.sound(t);
});

t.test('1-2 locks are released in the reverse order', async (t) => {
  const s = await bootWithMdev();
  await s.guest(`start ${U1} nokernel`);
  s.locks();
  await s.assign(U1, 'assign_adapter 9');
  t.same(s.locks(), [
    '+ap_attr_mutex',
    '+guests_lock',
    '+kvm->lock',
    '+mdevs_lock',
    '-mdevs_lock',
    '-kvm->lock',
    '-guests_lock',
    '-ap_attr_mutex',
  ]);
  await s.guest(`close ${U1}`);
  const close = s.locks();
  t.same(close, [
    '+guests_lock',
    '+kvm->lock',
    '+pqap_hook_rwsem',
    '+mdevs_lock',
    '-mdevs_lock',
    '-pqap_hook_rwsem',
    '-kvm->lock',
    '-guests_lock',
  ]);
  s.sound(t);
});

t.test('1-3 a probe locks the VM of the mdev to which the APQN is assigned, and no VM otherwise', async (t) => {
  const s = await bootWithMdev();
  await s.create(U2);
  await s.put('-6', `${B}/apmask`);
  await s.guest(`start ${U1} nokernel`);
  await s.put('05.0004', `${VFIO_AP}/unbind`);
  await s.put('06.0004', `${VFIO_AP}/unbind`);
  t.equal(await locksOf(s, () => s.put('05.0004', `${VFIO_AP}/bind`)), 'mask guests(kvm(mdevs))');
  t.equal(await locksOf(s, () => s.put('06.0004', `${VFIO_AP}/bind`)), 'mask guests(mdevs)');
  t.equal(s.vfioQueue('05.0004').owner?.uuid, U1);
  t.equal(s.vfioQueue('06.0004').owner, undefined);
  s.sound(t);
});

t.test('1-4 the mdev is looked for under the guests lock, with the mdevs lock free', async (t) => {
  const s = await bootWithMdev();
  await s.put('05.0004', `${VFIO_AP}/unbind`);
  const { matrix } = s.matrixMdev(U1);
  const seen: string[] = [];
  const has = matrix.has.bind(matrix);
  matrix.has = (apid, apqi) => {
    seen.push(`guests ${s.va.guestsLock.locked} mdevs ${s.va.mdevsLock.locked}`);
    return has(apid, apqi);
  };
  await s.put('05.0004', `${VFIO_AP}/bind`);
  t.same(seen, ['guests true mdevs false']);
  s.sound(t);
});

t.test('1-5 an mdev that is created while a probe holds the guests lock enters the list afterwards', async (t) => {
  const s = await boot();
  await s.put('-5,-6', `${B}/apmask`);
  await s.create(U1);
  await s.assign(U1, 'assign_adapter 5', 'assign_adapter 6', 'assign_domain 4');
  await s.put('06.0004', `${VFIO_AP}/unbind`);
  await s.guest(`start ${U1} nokernel`);
  // A reset that failed makes the next filter run, that of the probe, drop adapter 5 and reset it.
  await s.hw('queue 05.0004 inject zapq 0x07');
  t.match(await s.guest(`json reset ${U1}`), /EIO/);
  s.standStill();
  const bind = s.put('06.0004', `${VFIO_AP}/bind`);
  await s.pass(1);
  t.ok(s.va.guestsLock.locked, 'the probe waits for a reset');
  const create = s.m.sh.echo(U2, `${P}/create`);
  await s.pass(10);
  t.same(
    s.va.mdevs.map((mdev) => mdev.uuid),
    [U1],
  );
  await s.pass(30);
  await create;
  t.equal(await bind, 'ok');
  t.same(
    s.va.mdevs.map((mdev) => mdev.uuid),
    [U2, U1],
    'newest first',
  );
  s.sound(t, { warnings: true });
});

t.test('1-6 the removal of an assigned queue locks the VM of its owner', async (t) => {
  const s = await bootWithMdev();
  await s.put('-6', `${B}/apmask`);
  await s.guest(`start ${U1} nokernel`);
  t.equal(await locksOf(s, () => s.put('05.0004', `${VFIO_AP}/unbind`)), 'guests(kvm(mdevs))');
  t.equal(await locksOf(s, () => s.put('06.0004', `${VFIO_AP}/unbind`)), 'guests(mdevs)');
  t.equal(await locksOf(s, () => s.hw('card 5 apm off')), 'guests(kvm(mdevs)) guests(kvm(mdevs)) guests');
  t.notOk(s.m.sh.exists(`${D}/card05`));
  s.sound(t);
});
