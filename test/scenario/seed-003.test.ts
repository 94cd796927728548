/**
 * Acceptance checks of seed 003: resets of passed-through queues and what
 * becomes of their interrupts (spec/seeds-map.md 4, spec/vfio-ap.md 8, 11).
 */
import t from 'tap';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { freeAqicResources } from '../../lib/vfio-ap/irq.js';
import { irqResources, NO_IRQ, pqapAqic } from '../support/pqap.js';
import { B, bootWithMdev, D, KERNELS, type Scenario, U1 } from '../support/scenario.js';

const VFIO_AP = `${B}/drivers/vfio_ap`;
const BOTH = '05.0004\n05.00ab\n';
const RESET_BOTH = '05.0004 zapq=1\n05.00ab zapq=1\n';

/** U1 with both queues, opened by a VM. */
async function bootWithGuest(kernel: KernelVersion = '7.2'): Promise<Scenario> {
  const s = await bootWithMdev({ kernel });
  await s.guest(`start ${U1} nokernel`);
  await s.resets();
  s.instructions();
  return s;
}

/** The outcome of the RESET ioctl: 'ok' or the errno. */
async function reset(s: Scenario): Promise<string> {
  const { stderr } = JSON.parse(await s.guest(`json reset ${U1}`)) as { stderr: string };
  return /\((\w+)\)/.exec(stderr)?.[1] ?? 'ok';
}

for (const kernel of KERNELS) {
  const is61 = kernel === '6.1';
  t.test(
    `3-1 every linked queue is reset by RESET, close and removal, those of the guest by unassign (${kernel})`,
    async (t) => {
      const s = await bootWithGuest(kernel);
      t.equal(await reset(s), 'ok');
      t.equal(await s.resets(), RESET_BOTH, 'RESET');
      await s.guest(`close ${U1}`);
      t.equal(await s.resets(), RESET_BOTH, 'close');
      await s.guest(`open ${U1}`);
      t.equal(await s.resets(), '', 'open resets nothing');
      await s.assign(U1, 'unassign_domain 4');
      t.equal(await s.resets(), '05.0004 zapq=1\n', 'unassign_domain');
      await s.assign(U1, 'assign_domain 4');
      t.equal(await s.resets(), '', 'assign resets nothing');
      await s.assign(U1, 'unassign_adapter 5');
      t.equal(await s.resets(), RESET_BOTH, 'unassign_adapter');
      await s.assign(U1, 'assign_adapter 5');
      if (!is61) {
        await s.put(',,', s.mdev(U1, 'ap_config'));
        t.equal(await s.resets(), RESET_BOTH, 'ap_config');
        await s.assign(U1, 'assign_adapter 5', 'assign_domain 4', 'assign_domain 0xab');
      }
      await s.guest(`exit ${U1}`);
      t.equal(await s.resets(), RESET_BOTH, 'exit of the VMM');
      await s.put(1, s.mdev(U1, 'remove'));
      t.equal(await s.resets(), RESET_BOTH, 'removal of the mdev');
      s.sound(t);
    },
  );

  t.test(`3-1 a filtered queue is reset by RESET and close, not by unassign (${kernel})`, async (t) => {
    const s = await bootWithGuest(kernel);
    await s.put('05.00ab', `${VFIO_AP}/unbind`);
    await s.resets();
    t.equal(await reset(s), 'ok');
    t.equal(await s.resets(), '05.0004 zapq=1\n', 'RESET');
    await s.guest(`close ${U1}`);
    t.equal(await s.resets(), '05.0004 zapq=1\n', 'close');
    await s.assign(U1, 'unassign_domain 4');
    t.equal(await s.resets(), '', 'unassign');
    s.sound(t);
  });
}

t.test('3-2 no AQIC follows a reset, interrupts are off with it', async (t) => {
  const s = await bootWithGuest();
  t.equal(await pqapAqic(s, U1, '05.0004'), 0);
  t.equal(await s.read(s.queue('05.0004', 'interrupt')), 'Interrupts enabled.\n');
  t.match(s.instructions(/AQIC/), [/^AQIC 05\.0004 -> 00/]);
  t.equal(await reset(s), 'ok');
  const names = s.instructions(/05\.0004/).map((line) => line.slice(0, 4));
  t.same(names, ['ZAPQ', 'TAPQ']);
  t.equal(await s.read(s.queue('05.0004', 'interrupt')), 'Interrupts disabled.\n');
  s.sound(t);
});

for (const kernel of KERNELS)
  t.test(`3-3 a reset gives back the interrupt resources (${kernel})`, async (t) => {
    const s = await bootWithGuest(kernel);
    t.equal(await pqapAqic(s, U1, '05.0004', { isc: 3, address: 0x5000 }), 0);
    t.equal(irqResources(s, U1, '05.0004'), 'isc 3 pinned 1 alert 1');
    t.equal(await reset(s), 'ok');
    t.equal(irqResources(s, U1, '05.0004'), NO_IRQ);
    s.sound(t);
  });

t.test('3-4 resources can be freed when the VM is gone', async (t) => {
  const s = await bootWithGuest();
  await pqapAqic(s, U1, '05.0004');
  const mdev = s.matrixMdev(U1);
  const { kvm } = mdev;
  mdev.kvm = undefined;
  freeAqicResources(s.vfioQueue('05.0004'));
  t.equal(
    irqResources(s, U1, '05.0004'),
    'isc none pinned 0 alert 1',
    'the sub class of a VM that is gone is not counted back',
  );
  mdev.kvm = kvm;

  await pqapAqic(s, U1, '05.00ab', { address: 0x7000 });
  const q = s.vfioQueue('05.00ab');
  q.owner = undefined;
  s.m.takeLog();
  freeAqicResources(q);
  t.match(s.m.takeLog().join('\n'), /cut here/, 'without an owner there is a warning');
  t.equal(q.savedIsc, 3);
  q.owner = mdev;
  s.sound(t, { warnings: true });

  const old = await bootWithGuest('6.12');
  await pqapAqic(old, U1, '05.0004');
  old.matrixMdev(U1).kvm = undefined;
  freeAqicResources(old.vfioQueue('05.0004'));
  t.equal(irqResources(old, U1, '05.0004'), 'isc 3 pinned 0 alert 1', '6.12 keeps the sub class, with a warning');
});

t.test('3-5 at close the resources go before the VM does', async (t) => {
  const s = await bootWithGuest();
  await s.hw('queue 05.0004 reset-ms 60');
  await pqapAqic(s, U1, '05.0004', { address: 0x5000 });
  await pqapAqic(s, U1, '05.00ab', { address: 0x7000 });
  const mdev = s.matrixMdev(U1);
  const gisa = s.vmm(U1).vm?.gisa;
  const resources = (): string => `${irqResources(s, U1, '05.0004')}, ${irqResources(s, U1, '05.00ab')}`;
  s.standStill();
  const close = s.guest(`close ${U1}`);
  const seen = new Set<string>();
  for (let ms = 0; ms < 120; ms++) {
    await s.pass(1);
    seen.add(`${mdev.kvm ? 'VM' : 'no VM'}: ${resources()}`);
    if (!mdev.kvm) t.notOk(s.va.mdevsLock.locked, 'the locks are held until the VM is gone');
  }
  await close;
  t.same(
    [...seen],
    [
      'VM: isc 3 pinned 2 alert 2, isc 3 pinned 2 alert 2',
      'VM: isc 3 pinned 1 alert 1, isc none pinned 1 alert 1',
      `no VM: ${NO_IRQ}, ${NO_IRQ}`,
    ],
  );
  t.equal(gisa?.alertMask, 0);
  s.sound(t);
});

t.test('3-6 resources are held until the reset is really done, with a log line each 20 ms', async (t) => {
  const s = await bootWithGuest();
  await s.hw('queue 05.0004 reset-ms 100');
  await pqapAqic(s, U1, '05.0004');
  s.standStill();
  const done = reset(s);
  await s.pass(99);
  t.equal(irqResources(s, U1, '05.0004'), 'isc 3 pinned 1 alert 1');
  await s.pass(1);
  t.equal(irqResources(s, U1, '05.0004'), NO_IRQ);
  t.equal(await done, 'ok');
  await s.put('-6', `${B}/apmask`);
  s.m.world.kernel.core.log.print('info', 'the next line, which makes the last one readable');
  t.same(
    s.m.takeLog().filter((line) => line.startsWith('Waited')),
    [20, 40, 60, 80].map((ms) => `Waited ${ms}ms for reset of queue 05.0004 (2, 1, 0)`),
  );

  s.letGo();
  await s.hw('queue 05.0004 reset-ms 0');
  for (const rc of ['0x03', '0x04', '0x01']) {
    await pqapAqic(s, U1, '05.0004');
    await s.hw(`queue 05.0004 inject zapq ${rc}`);
    s.instructions();
    t.equal(await reset(s), 'EIO', `rc ${rc}`);
    t.equal(irqResources(s, U1, '05.0004'), NO_IRQ, 'freed at once');
    t.same(s.instructions(/TAPQ 05\.0004/), [], 'nothing is waited for');
  }
  s.sound(t);
});

t.test('3-7 a failed reset frees nothing; the filter sees it at its next run', async (t) => {
  const s = await bootWithGuest();
  await pqapAqic(s, U1, '05.0004');
  await s.hw('queue 05.0004 inject zapq 0x07');
  s.m.takeLog();
  t.equal(await reset(s), 'EIO');
  t.match(s.m.takeLog().join('\n'), /PQAP\/ZAPQ for 05\.0004 failed with invalid rc=7/);
  t.equal(irqResources(s, U1, '05.0004'), 'isc 3 pinned 1 alert 1');
  t.equal(await s.guestMatrix(U1), BOTH);
  await s.resets();
  await s.assign(U1, 'assign_domain 7');
  t.equal(await s.guestMatrix(U1), '.0004\n.00ab\n', 'the next filter run drops the adapter');
  t.equal(await s.resets(), RESET_BOTH, 'and resets its queues');
  t.equal(irqResources(s, U1, '05.0004'), NO_IRQ);
  await s.assign(U1, 'assign_domain 8');
  t.equal(await s.guestMatrix(U1), BOTH, 'the one after plugs it again');

  await s.hw('queue 05.0004 inject zapq 0x03');
  t.equal(await reset(s), 'EIO', 'a deconfigured queue');
  await s.assign(U1, 'assign_domain 9');
  t.equal(await s.guestMatrix(U1), BOTH, 'stays passable');
  s.sound(t, { warnings: true });
});

for (const kernel of ['7.2', '6.12'] as const)
  t.test(
    `3-8 a queue that is not in the host configuration any more is not reset, only freed (${kernel})`,
    async (t) => {
      const s = await bootWithGuest(kernel);
      await pqapAqic(s, U1, '05.0004');
      const pins = s.matrixMdev(U1).vfioDevice?.pins;
      const gisa = s.vmm(U1).vm?.gisa;
      s.instructions();
      await s.hw('card 5 apm off');
      t.notOk(s.m.sh.exists(`${D}/card05`));
      t.same(s.instructions(/ZAPQ/), ['ZAPQ 05.0004 -> 01', 'ZAPQ 05.00ab -> 01'], 'by the bus');
      // 6.12 forgets them.
      t.same([pins?.size, gisa?.references(3)], kernel === '7.2' ? [0, 0] : [1, 1]);
      s.sound(t);
    },
  );

t.test('3-9 AQIC for a queue that is not linked is refused and changes nothing', async (t) => {
  const s = await bootWithGuest();
  await s.put('-6', `${B}/apmask`);
  const q = s.vfioQueue('06.0004');
  s.instructions();
  t.equal(await pqapAqic(s, U1, '06.0004'), 0x01);
  t.same([q.owner, q.savedIsc, q.savedIova], [undefined, undefined, undefined]);
  t.same(s.instructions(/AQIC/), []);
  await s.put('05.00ab', `${VFIO_AP}/unbind`);
  t.equal(await s.guestMatrix(U1), '.0004\n.00ab\n');
  t.equal(await pqapAqic(s, U1, '05.0004'), 0, 'a linked but filtered queue is accepted');
  t.equal(await pqapAqic(s, U1, '05.0004', { address: 0 }), 0x06, 'no address');
  t.equal(irqResources(s, U1, '05.0004'), 'isc 3 pinned 1 alert 1', 'the old setting stays');
  t.equal(await pqapAqic(s, U1, '05.0004', { on: false }), 0);
  t.equal(irqResources(s, U1, '05.0004'), NO_IRQ, 'switching it off frees');
  s.sound(t);
});

for (const kernel of KERNELS)
  t.test(`3-10 the end of a VM is a close: its masks are cleared and the queues reset (${kernel})`, async (t) => {
    const s = await bootWithGuest(kernel);
    const { vm } = s.vmm(U1);
    t.equal(s.apcb(U1), '5.4,ab.');
    await s.guest(`close ${U1}`);
    t.equal(s.apcb(U1), '..');
    t.equal(await s.resets(), RESET_BOTH);
    t.equal(await s.guestMatrix(U1), BOTH, 'the guest configuration is kept');
    t.equal(await s.status('05.0004'), 'assigned\n');
    await s.guest(`open ${U1}`);
    t.equal(s.apcb(U1), '5.4,ab.');
    t.equal(await s.status('05.0004'), 'in use\n');
    await s.guest(`exit ${U1}`);
    t.equal(await s.resets(), RESET_BOTH);
    t.ok(vm?.apcb.apm.isEmpty && !vm.alive);
    s.sound(t);
  });

t.test(
  '3-11 unbind of an unassigned queue: status goes, the driver resets and waits, then the bus resets',
  async (t) => {
    const s = await bootWithMdev();
    await s.put('-6', `${B}/apmask`);
    s.instructions();
    s.standStill();
    let done = false;
    const unbind = s.put('06.0004', `${VFIO_AP}/unbind`).then((result) => {
      done = true;
      return result;
    });
    await s.pass(19);
    t.notOk(s.m.sh.exists(s.queue('06.0004', 'status')));
    t.notOk(done);
    t.same(s.instructions(/06\.0004/), ['ZAPQ 06.0004 -> 00 empty']);
    await s.pass(1);
    t.equal(await unbind, 'ok');
    t.same(s.instructions(/06\.0004/), ['TAPQ 06.0004 -> 00 empty', 'ZAPQ 06.0004 -> 00 empty']);
    t.equal(s.apQueue('06.0004').driverData, undefined);
    s.sound(t);
  },
);

t.test('3-12 a queue may be missing: only those that are linked count', async (t) => {
  const s = await bootWithGuest();
  await s.put('05.00ab', `${VFIO_AP}/unbind`);
  await s.hw('queue 05.00ab inject zapq 0x07');
  await s.resets();
  t.equal(await reset(s), 'ok');
  t.equal(await s.resets(), '05.0004 zapq=1\n');
  await s.hw('queue 05.0004 inject zapq 0x07');
  t.equal(await reset(s), 'EIO');
  s.sound(t, { warnings: true });
});

t.test('3-13 a reset is waited for as long as it takes', async (t) => {
  const s = await bootWithGuest();
  const { clock } = s.m.world;
  const taking = async (body: () => Promise<string>): Promise<[string, number]> => {
    const begin = clock.now();
    return [await body(), (clock.now() - begin) / 1e6];
  };
  await s.hw('queue 05.0004 reset-ms 1000');
  t.same(await taking(() => reset(s)), ['ok', 1000]);
  await s.hw('queue 05.0004 reset-ms 0');
  t.same(await taking(() => reset(s)), ['ok', 20], 'a healthy queue takes one look');
  for (const rc of ['0x02', '0x05', '0x0a']) {
    await s.hw(`queue 05.0004 inject zapq ${rc}`);
    s.instructions();
    t.same(await taking(() => reset(s)), ['ok', 40], `ZAPQ answers ${rc}`);
    t.same(
      s.instructions(/05\.0004/).map((line) => line.slice(0, 18)),
      [`ZAPQ 05.0004 -> ${rc.slice(2)}`, 'TAPQ 05.0004 -> 00', 'ZAPQ 05.0004 -> 00', 'TAPQ 05.0004 -> 00'],
      'and is repeated',
    );
  }
  s.sound(t);

  const old = await bootWithGuest('6.1');
  for (const [times, wanted] of [
    [1, 'ok'],
    [2, 'EBUSY'],
  ] as const) {
    await old.hw(`queue 05.0004 inject zapq 0x02 ${times}`);
    const begin = old.m.world.clock.now();
    t.equal(await reset(old), wanted, `6.1 tries once more after ${times} answers 02`);
    t.equal((old.m.world.clock.now() - begin) / 1e6, 20);
  }
  old.sound(t);
});

for (const kernel of KERNELS)
  t.test(
    `3-14 an APQN may be assigned without a queue; the filter decides what the guest gets (${kernel})`,
    async (t) => {
      const s = await bootWithMdev({ kernel });
      t.same(await s.assign(U1, 'assign_domain 7'), ['ok'], 'a domain that the host has not');
      t.equal(await s.matrix(U1), '05.0004\n05.0007\n05.00ab\n');
      t.equal(await s.guestMatrix(U1), BOTH);
      await s.put('-9', `${B}/apmask`);
      t.same(await s.assign(U1, 'assign_adapter 9'), ['ok'], 'an adapter that the host has not');
      t.equal(await s.guestMatrix(U1), BOTH);
      t.same(await s.assign(U1, 'assign_adapter 6'), ['EADDRNOTAVAIL'], 'one of the host pool');
      await s.put('-6', `${B}/apmask`);
      await s.put('06.0004', `${VFIO_AP}/unbind`);
      t.same(await s.assign(U1, 'assign_adapter 6'), ['ok'], 'one of whose queues one is unbound');
      t.equal(await s.guestMatrix(U1), BOTH);
      s.sound(t);
    },
  );
