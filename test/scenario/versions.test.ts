/**
 * Where the three kernels differ and no acceptance check says so
 * (spec/ap-bus.md 4.3, 6, 10, spec/vfio-ap.md 13).
 */
import t from 'tap';
import { irqResources, NO_IRQ, pqapAqic } from '../support/pqap.js';
import { B, boot, bootWithMdev, KERNELS, U1, U2 } from '../support/scenario.js';

const VFIO_AP = `${B}/drivers/vfio_ap`;

for (const kernel of KERNELS) {
  const is61 = kernel === '6.1';
  const is612 = kernel === '6.12';
  const is72 = kernel === '7.2';

  t.test(`${kernel}: an unbound queue at a mask change`, async (t) => {
    const s = await boot({ kernel });
    await s.put('05.0004', `${B}/drivers/cex4queue/unbind`);
    await s.put('-5', `${B}/apmask`);
    t.equal(s.driver('05.00ab'), 'vfio_ap');
    t.equal(s.driver('05.0004'), is72 ? 'vfio_ap' : 'none', 'that leaves the host pool');
    await s.put('05.00ab', `${VFIO_AP}/unbind`);
    await s.put('+5', `${B}/apmask`);
    t.equal(s.driver('05.00ab'), is72 ? 'none' : 'cex4queue', 'that is in the host pool again');
    s.sound(t);
  });

  t.test(`${kernel}: which APQNs a mask change asks about`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.assign(U1, 'unassign_domain 0xab');
    await s.put('-4', `${B}/aqmask`);
    s.m.takeLog();
    // 6.x asks about the new adapters with the domains of the host pool: domain 4 is none of these.
    t.equal(await s.put('+5', `${B}/apmask`), is72 ? 'EBUSY' : 'ok');
    t.equal(s.m.takeLog().length, is72 ? 1 : 0);
    t.equal(s.driver('05.0004'), 'vfio_ap');
    s.sound(t);
  });

  t.test(`${kernel}: when BINDINGS=complete is sent`, async (t) => {
    const s = await boot({ kernel });
    const events = (): string[] =>
      s.events().map((e) => e.replace(/(APMASK|COMPLETECOUNT)=.*/, '$1').replace('/devices/ap', ''));
    await s.put('-5', `${B}/apmask`);
    const each = (q: string): string[] => [
      `unbind@/card05/${q}`,
      ...(is61 ? ['change@ BINDINGS=complete COMPLETECOUNT'] : []),
      `bind@/card05/${q}`,
    ];
    t.same(events(), [...each('05.0004'), ...each('05.00ab'), 'change@ APMASK']);
    await s.m.scan();
    t.same(events(), is61 ? [] : ['change@ BINDINGS=complete COMPLETECOUNT'], 'at the next scan');
    s.sound(t);
  });

  t.test(`${kernel}: a queue that vfio_ap takes when it is found`, async (t) => {
    const s = await boot({ kernel });
    await s.put('-7', `${B}/apmask`);
    await s.resets();
    await s.hw('card 7 add cex8 cca');
    t.equal(s.driver('07.0004'), 'vfio_ap');
    t.equal(await s.read(s.queue('07.0004', 'request_count')), is61 ? '-\n' : '0\n');
    t.equal(await s.read(s.queue('07.0004', 'reset')), is61 ? 'Reset in progress.\n' : 'No Reset Timer set.\n');
    t.equal(await s.resets(), is61 ? '' : '07.0004 rapq=1 aqic=1\n07.00ab rapq=1 aqic=1\n');
    s.sound(t);
  });

  t.test(`${kernel}: a second device for one VM is refused`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.create(U2);
    await s.guest(`start ${U1} nokernel`);
    t.match(await s.guest(`json attach ${U1} ${U2}`), /EPERM/);
    t.equal(s.matrixMdev(U2).kvm, undefined);
    t.equal(s.apcb(U1), '5.4,ab.', 'the first one keeps its queues');
    // 6.12 has overwritten the hook before it found that out.
    t.equal(await pqapAqic(s, U1, '05.0004'), is612 ? 1 : 0);
    s.sound(t);
  });

  t.test(`${kernel}: the guest's memory goes away under an indicator`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.guest(`start ${U1} nokernel`);
    await pqapAqic(s, U1, '05.0004', { address: 0x5000 });
    const vmm = s.vmm(U1);
    s.instructions();
    await s.matrixMdev(U1).vfioDevice?.ops.dmaUnmap(vmm.task, 0x5000, 0x1000);
    t.equal(s.instructions(/AQIC/).length, is61 ? 0 : 1);
    t.equal(irqResources(s, U1, '05.0004'), is61 ? 'isc 3 pinned 0 alert 1' : NO_IRQ);
    s.sound(t);
  });

  t.test(`${kernel}: AQIC of a guest without an interruption area`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.guest(`start ${U1} nokernel`);
    const { vm } = s.vmm(U1);
    vm?.vcpus.push({ id: 0, vm, aiv: true, gisa: undefined });
    const rc = await pqapAqic(s, U1, '05.0004');
    t.equal(rc, is61 ? 0x08 : 0x06);
    t.equal(irqResources(s, U1, '05.0004'), NO_IRQ, 'the page is not kept');
    s.sound(t);
  });

  t.test(`${kernel}: the host loses a control domain`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.assign(U1, 'assign_control_domain 4', 'assign_control_domain 0xab');
    await s.guest(`start ${U1} nokernel`);
    t.equal(s.apcb(U1), '5.4,ab.4,ab');
    await s.hw('cdomain 4 remove');
    t.equal(s.apcb(U1), is612 ? '5.4,ab.4,ab' : '5.4,ab.ab');
    t.equal(await s.read(s.mdev(U1, 'control_domains')), '0004\n00ab\n');
    s.sound(t);
  });

  t.test(`${kernel}: what a VM hears while its mdev is being removed`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.create(U2);
    await s.guest(`start ${U1} nokernel`);
    await s.guest(`start ${U2} nokernel`);
    if (!is61) await s.guest(`reqirq ${U1}`);
    if (is72) await s.guest(`cfgirq ${U1}`);
    s.m.takeLog();
    const removals = [s.put(1, s.mdev(U1, 'remove')), s.put(1, s.mdev(U2, 'remove'))];
    await s.pass(105_000);
    t.equal(await s.guest(`events ${U1}`), `req ${is61 ? 0 : 11} cfg ${is72 ? 11 : 0}\n`, 'at once and every 10 s');
    t.same(
      s.m.takeLog(),
      is61
        ? []
        : [
            `vfio_ap_mdev ${U1}: Relaying device request to user (#0)`,
            `vfio_ap_mdev ${U2}: No device request registered, blocked until released by user`,
            `vfio_ap_mdev ${U1}: Relaying device request to user (#10)`,
          ],
    );
    for (const u of [U1, U2]) await s.guest(`exit ${u}`);
    t.same(await Promise.all(removals), ['ok', 'ok']);
    s.sound(t);
  });

  t.test(`${kernel}: a queue whose reset fails while it leaves, and a reset that answers 01`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.guest(`start ${U1} nokernel`);
    await pqapAqic(s, U1, '05.0004');
    await s.hw('queue 05.0004 inject zapq 0x01');
    s.m.takeLog();
    t.match(await s.guest(`json reset ${U1}`), is61 ? /EBUSY/ : /EIO/);
    t.equal(irqResources(s, U1, '05.0004'), is612 ? 'isc 3 pinned 1 alert 1' : NO_IRQ);
    t.equal(
      s.m.takeLog().some((line) => line.includes('failed with invalid rc=1')),
      is612,
    );
    s.sound(t, { warnings: true });
  });
}
