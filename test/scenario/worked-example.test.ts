/**
 * The worked example of the specification (vfio-ap.md 14), row by row, in
 * files only, for each kernel; where a kernel differs the row says why.
 */
import t from 'tap';
import { GuestSide } from '../support/guests.js';
import { B, boot, D, KERNELS, type Scenario, SIM, U1, U2 } from '../support/scenario.js';

for (const version of KERNELS) {
  const is72 = version === '7.2';
  const is61 = version === '6.1';
  t.test(`kernel ${version}: the worked example, row by row`, async (t) => {
    const s = await boot({ kernel: version });
    const both = async (): Promise<string[]> => [await s.matrix(U1), await s.guestMatrix(U1)];

    await t.test('an adapter alone may be assigned while it is in the host pool', async (t) => {
      await s.create(U1);
      t.equal(await s.put(5, s.mdev(U1, 'assign_adapter')), 'ok');
      t.same(await both(), ['05.\n', '05.\n']);
    });

    await t.test('a domain that makes an APQN of the host pool is refused', async (t) => {
      t.equal(await s.put(4, s.mdev(U1, 'assign_domain')), 'EADDRNOTAVAIL');
      t.same(await both(), ['05.\n', '05.\n']);
    });

    await t.test('-5 > apmask moves both queues to vfio_ap', async (t) => {
      t.equal(await s.put('-5', `${B}/apmask`), 'ok');
      t.same([s.driver('05.0004'), s.driver('05.00ab'), s.driver('06.0004')], ['vfio_ap', 'vfio_ap', 'cex4queue']);
      t.equal(await s.status('05.0004'), 'unassigned\n');
      t.equal(await s.status('05.00ab'), 'unassigned\n');
    });

    await t.test('the domain may be assigned now, and the guest gets the queue', async (t) => {
      t.equal(await s.put(4, s.mdev(U1, 'assign_domain')), 'ok');
      t.same(await both(), ['05.0004\n', '05.0004\n']);
      t.equal(await s.status('05.0004'), 'assigned\n');
      t.equal(await s.status('05.00ab'), 'unassigned\n');
    });

    await t.test('the second domain makes two lines in both', async (t) => {
      t.equal(await s.put('0xab', s.mdev(U1, 'assign_domain')), 'ok');
      t.same(await both(), ['05.0004\n05.00ab\n', '05.0004\n05.00ab\n']);
    });

    await t.test('a domain that the host has not is in the matrix only', async (t) => {
      t.equal(await s.put(7, s.mdev(U1, 'assign_domain')), 'ok');
      t.same(await both(), ['05.0004\n05.0007\n05.00ab\n', '05.0004\n05.00ab\n']);
    });

    await t.test('a second mdev cannot have the same queue', async (t) => {
      await s.create(U2);
      t.equal(await s.put('0x4', s.mdev(U2, 'assign_domain')), 'ok');
      s.m.takeLog();
      t.equal(await s.put(5, s.mdev(U2, 'assign_adapter')), 'EADDRINUSE');
      t.same(s.m.takeLog(), [
        `vfio_ap_mdev ${U2}: Userspace may not assign queue 05.0004 to mdev: already assigned to ${U1}`,
      ]);
      t.equal(await s.matrix(U2), '.0004\n');
    });

    await t.test('+5 > apmask is refused while queues of the adapter are assigned', async (t) => {
      t.equal(await s.put('+5', `${B}/apmask`), 'EBUSY');
      t.same(
        s.m.takeLog(),
        ['05.0004', '05.0007', '05.00ab'].map(
          (q) => `vfio_ap_mdev ${U1}: Can not reserve queue ${q} for host driver: in use by mdev`,
        ),
      );
      t.equal(s.driver('05.0004'), 'vfio_ap');
    });

    await t.test('a queue that leaves takes its adapter out of the guest, the domains stay', async (t) => {
      t.equal(await s.put('05.00ab', `${B}/drivers/vfio_ap/unbind`), 'ok');
      t.same(await both(), ['05.0004\n05.0007\n05.00ab\n', '.0004\n.00ab\n']);
    });

    await t.test('unassigning the missing domain does not bring the adapter back', async (t) => {
      t.equal(await s.put('0xab', s.mdev(U1, 'unassign_domain')), 'ok');
      t.equal(await s.guestMatrix(U1), '.0004\n');
    });

    if (is61) {
      await t.test('the next assignment filters anew and the adapter comes back (no ap_config in 6.1)', async (t) => {
        t.notOk(s.m.sh.exists(s.mdev(U1, 'ap_config')));
        t.equal(await s.put(9, s.mdev(U1, 'assign_control_domain')), 'ok');
        t.equal(await s.guestMatrix(U1), '.0004\n', 'not by a control domain');
        t.equal(await s.put(4, s.mdev(U1, 'assign_domain')), 'ok');
        t.equal(await s.guestMatrix(U1), '.0004\n', 'not by what is assigned already');
        t.equal(await s.put(9, s.mdev(U1, 'assign_domain')), 'ok');
        t.equal(await s.guestMatrix(U1), '05.0004\n');
        t.equal(await s.put(9, s.mdev(U1, 'unassign_domain')), 'ok');
      });
    } else {
      await t.test('neither a control domain nor what is assigned already brings it back', async (t) => {
        t.equal(await s.put(9, s.mdev(U1, 'assign_control_domain')), 'ok');
        t.equal(await s.put(9, s.mdev(U1, 'unassign_control_domain')), 'ok');
        t.equal(await s.put(4, s.mdev(U1, 'assign_domain')), 'ok');
        t.equal(await s.put(5, s.mdev(U1, 'assign_adapter')), 'ok');
        t.equal(await s.guestMatrix(U1), '.0004\n');
      });

      await t.test('writing the same ap_config again filters anew and the adapter comes back', async (t) => {
        const config = await s.read(s.mdev(U1, 'ap_config'));
        t.equal(await s.write(config, s.mdev(U1, 'ap_config')), 'ok');
        t.equal(await s.guestMatrix(U1), '05.0004\n');
      });
    }

    await t.test('the host loses the adapter: the guest too, the matrix stays, the devices go', async (t) => {
      await s.hw('card 5 apm off');
      t.same(await both(), ['05.0004\n05.0007\n', '.0004\n']);
      t.notOk(s.m.sh.exists(`${D}/card05`));
    });

    await t.test('the host gets it back: vfio_ap takes the queues and the guest gets its own', async (t) => {
      await s.hw('card 5 apm on');
      t.same([s.driver('05.0004'), s.driver('05.00ab')], ['vfio_ap', 'vfio_ap']);
      t.equal(await s.guestMatrix(U1), '05.0004\n');
    });

    await t.test('a VM opens it: in use is only what the guest has', async (t) => {
      await s.guest(`start ${U1}`);
      t.equal(await s.status('05.0004'), 'in use\n');
      t.equal(await s.status('05.00ab'), 'unassigned\n');
      t.equal(s.apcb(U1), '5.4.');
    });

    let removed = false;
    let removal: Promise<unknown> = Promise.resolve();
    await t.test('the write to remove blocks until the VM closes the device', async (t) => {
      removal = s.put(1, s.mdev(U1, 'remove')).then((result) => {
        removed = true;
        return result;
      });
      await s.m.settle();
      t.notOk(removed);
      t.same(s.m.sh.ls(s.mdev(U1)).sort(), is61 ? ['iommu_group', 'vfio-dev'] : ['iommu_group']);
      t.equal(await s.status('05.0004'), 'in use\n');
      t.equal(s.apcb(U1), is72 ? '..' : '5.4.', is72 ? 'the VM loses its masks at once' : 'the VM keeps its masks');
      t.match(await s.read(`${SIM}/guests/${U1}/apcb`), /^apm 0x/);
    });

    await t.test('after the close the mdev is gone and the queues can return to the host', async (t) => {
      await s.guest(`exit ${U1}`);
      t.equal(await removal, 'ok');
      await s.m.settle();
      t.notOk(s.m.sh.exists(s.mdev(U1)));
      t.equal(await s.status('05.0004'), 'unassigned\n');
      t.equal(await s.status('05.00ab'), 'unassigned\n');
      t.equal(await s.put('+5', `${B}/apmask`), 'ok');
      t.same([s.driver('05.0004'), s.driver('05.00ab')], ['cex4queue', 'cex4queue']);
    });

    s.sound(t);
  });
}

/** The rows that change what a guest has, each with what it then sees; one that needs a scan is given one. */
const ROWS: readonly (readonly [row: string, act: (s: Scenario) => Promise<unknown>])[] = [
  ['an adapter alone', (s) => s.assign(U1, 'assign_adapter 5')],
  ['a domain of the host pool, refused', (s) => s.assign(U1, 'assign_domain 4')],
  ['-5 > apmask', (s) => s.put('-5', `${B}/apmask`)],
  ['the domain', (s) => s.assign(U1, 'assign_domain 4')],
  ['a second domain', (s) => s.assign(U1, 'assign_domain 0xab')],
  ['a domain that the host has not', (s) => s.assign(U1, 'assign_domain 7')],
  ['+5 > apmask, refused', (s) => s.put('+5', `${B}/apmask`)],
  ['a queue leaves vfio_ap', (s) => s.put('05.00ab', `${B}/drivers/vfio_ap/unbind`)],
  ['its domain is unassigned', (s) => s.assign(U1, 'unassign_domain 0xab')],
  ['a new assignment filters anew', (s) => s.assign(U1, 'assign_domain 9')],
  ['the host loses the adapter', (s) => s.hw('card 5 apm off')],
  ['the host gets it back', (s) => s.hw('card 5 apm on')],
];

for (const version of KERNELS)
  t.test(`kernel ${version}: a guest that runs all the time sees its guest_matrix at every row`, async (t) => {
    const s = await boot({ kernel: version });
    await s.create(U1);
    await s.guest(`start ${U1} name=vm`);
    const vm = new GuestSide(s, 'vm');
    const seen: string[] = [];
    for (const [row, act] of ROWS) {
      await act(s);
      await s.m.settle();
      // Hosts before 7.2 do not tell their guests.
      if (version !== '7.2') t.equal(await vm.put(1, 'bus/ap/scans'), 'ok');
      await s.m.settle();
      const lines = (await s.guestMatrix(U1)).split('\n').filter((line) => /^..\.....$/.test(line));
      const names = lines.map((line) => `${line}\n`).join('');
      // Kernel 6.12 leaves the masks of a VM that loses its last adapter (spec 13): the queues are gone all the same.
      t.equal(vm.queues(), names, row);
      t.same(
        s.m.sh.ls(vm.path('devices/ap')).filter((name) => name.startsWith('card')),
        names === '' ? [] : ['card05'],
        `${row}: its cards`,
      );
      seen.push(names.replaceAll('\n', ' '));
    }
    t.same(seen, [
      '',
      '',
      '',
      '05.0004 ',
      '05.0004 05.00ab ',
      '05.0004 05.00ab ',
      '05.0004 05.00ab ',
      '',
      '',
      '05.0004 ',
      '',
      '05.0004 ',
    ]);
    const removal = s.put(1, s.mdev(U1, 'remove'));
    await s.m.settle();
    t.equal(vm.queues(), version === '7.2' ? '' : '05.0004\n', 'what is wanted back is taken at once (7.2)');
    await s.guest(`exit ${U1}`);
    t.equal(await removal, 'ok');
    s.sound(t);
  });
