/**
 * Acceptance checks that speak of guests, seen from inside one: what its host
 * does to the APCB and to interrupts is what its kernel finds.
 */
import t from 'tap';
import { type GuestSide, interruptFaults, startGuest } from '../support/guests.js';
import { irqResources, NO_IRQ } from '../support/pqap.js';
import { Requests } from '../support/requests.js';
import { B, boot, bootWithMdev, type Scenario, SIM, U1 } from '../support/scenario.js';

const VFIO_AP = `${B}/drivers/vfio_ap`;
const BOTH = '05.0004\n05.00ab\n';
const TWO_OF_6 = 'isc 6 pinned 2 alert 2';

/** How often the guest was told that its configuration changed, since the last call. */
async function notices(s: Scenario, vm: GuestSide): Promise<number> {
  await s.m.settle();
  const count = (await vm.log()).split('\n').filter((line) => line.includes('crw_info')).length;
  vm.kernel.core.log.clear();
  return count;
}

/** Events of its queue devices since the last call: `+05.0004 -05.00ab`. */
async function comings(s: Scenario, vm: GuestSide): Promise<string> {
  const text = await s.read(`${SIM}/guests/${vm.name}/uevents`);
  const found = [...text.matchAll(/^(add|remove)@\/devices\/ap\/card..\/(..\.....)$/gm)];
  return found.map(([, action, queue]) => `${action === 'add' ? '+' : '-'}${queue}`).join(' ');
}

t.test('2-3 a guest finds a card of another type in the place of the old one', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  t.equal(await vm.read('devices/ap/card05/type'), 'CEX8C\n');
  await s.hw('card 5 type cex7 accel');
  t.ok((await notices(s, vm)) >= 1);
  t.equal(await vm.read('devices/ap/card05/type'), 'CEX7A\n');
  t.equal(vm.queues(), BOTH);
  s.sound(t);
});

t.test('2-6 an adapter comes to a guest when its last queue is there, with all of them', async (t) => {
  const s = await bootWithMdev();
  for (const q of ['05.0004', '05.00ab']) await s.put(q, `${VFIO_AP}/unbind`);
  const vm = await startGuest(s);
  t.equal(vm.queues(), '');
  await s.put('05.0004', `${VFIO_AP}/bind`);
  t.equal(await notices(s, vm), 0, 'nothing to tell of');
  t.equal(vm.queues(), '');
  await s.put('05.00ab', `${VFIO_AP}/bind`);
  t.equal(await notices(s, vm), 1);
  t.equal(await comings(s, vm), '+05.0004 +05.00ab');
  s.sound(t);
});

t.test('2-9 one queue that leaves takes its adapter from the guest, with interrupts and requests of all', async (t) => {
  const s = await bootWithMdev();
  await s.put('-6', `${B}/apmask`);
  await s.assign(U1, 'assign_adapter 6');
  const vm = await startGuest(s);
  const requests = await Requests.on(vm.kernel);
  await s.hw('queue 05.0004 hold');
  const pending = requests.cca({ card: 5, domain: 4 });
  const elsewhere = requests.rsa();
  await s.m.settle();
  await s.put('05.00ab', `${VFIO_AP}/unbind`);
  t.equal(await notices(s, vm), 1);
  t.equal(vm.queues(), '06.0004\n06.00ab\n');
  t.equal(await pending, 'ENODEV', 'there is no other card 5');
  t.equal(await elsewhere, 'ok');
  t.equal(s.vfioQueue('05.0004').savedIsc, undefined, 'reset with the adapter, though still bound');
  t.equal(s.vfioQueue('06.0004').savedIsc, 6);
  t.same(interruptFaults(s), []);
  s.sound(t);
});

t.test('2-11 what the host gains comes to the guest with one notice', async (t) => {
  const s = await boot();
  await s.hw('domain 6 add; domain 7 add');
  await s.put('-7', `${B}/apmask`);
  await s.create(U1);
  await s.assign(U1, 'assign_adapter 7', ...['4', '6', '7', '0xab'].map((d) => `assign_domain ${d}`));
  const vm = await startGuest(s);
  await s.hw('card 7 add cex8 cca');
  t.equal(await notices(s, vm), 1);
  t.equal(vm.queues(), '07.0004\n07.0006\n07.0007\n07.00ab\n');
  t.equal(irqResources(s, U1, '07.0004', 6), 'isc 6 pinned 4 alert 4');
  s.sound(t);
});

t.test('2-12 what the host loses leaves the guest with one notice, and its interrupts are given back', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  await s.hw('card 5 apm off');
  t.equal(await notices(s, vm), 1);
  t.equal(vm.queues(), '');
  t.equal(s.matrixMdev(U1).vfioDevice?.pins.size, 0);
  t.same(interruptFaults(s), []);
  s.sound(t);
});

t.test('2-4 a check-stop reaches the guest by response codes, its queues stay', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  await s.hw('card 5 checkstop on');
  t.equal(await notices(s, vm), 0);
  t.equal(await vm.put(1, 'bus/ap/scans'), 'ok');
  t.equal(vm.queues(), BOTH);
  t.equal(await vm.read('devices/ap/card05/05.0004/chkstop'), '1\n');
  await s.hw('card 5 checkstop off');
  t.equal(await vm.put(1, 'bus/ap/scans'), 'ok');
  await s.m.settle();
  t.equal(await vm.read('devices/ap/card05/05.0004/interrupt'), 'Interrupts enabled.\n', 'asked for anew');
  t.same(interruptFaults(s), []);
  s.sound(t);
});

t.test('3-6 the interrupt resources of a guest that ends are held until its queues are reset', async (t) => {
  const s = await bootWithMdev();
  await startGuest(s);
  await s.hw('reset-ms 100');
  s.standStill();
  t.equal(irqResources(s, U1, '05.0004', 6), TWO_OF_6);
  const ending = s.guest(`exit ${U1}`);
  await s.pass(90);
  t.equal(irqResources(s, U1, '05.0004', 6), TWO_OF_6, 'the hardware may still set the indicator');
  await s.pass(60);
  await ending;
  t.equal(s.vfioQueue('05.0004').savedIsc, undefined);
  t.equal(s.matrixMdev(U1).vfioDevice?.pins.size, 0);
  s.sound(t);
});

t.test(
  '3-7 a reset that fails keeps what it has, and costs the guest the adapter at the next filter run',
  async (t) => {
    const s = await bootWithMdev();
    const vm = await startGuest(s);
    await s.hw('queue 05.0004 inject zapq 0x07');
    t.match(await s.guest(`json reset ${U1}`), /VFIO_DEVICE_RESET: Input\/output error/);
    await s.m.settle();
    t.equal(vm.guest.state, 'running', 'it boots all the same');
    t.equal(vm.queues(), BOTH);
    await s.assign(U1, 'assign_domain 9');
    t.equal(await notices(s, vm), 1);
    t.equal(vm.queues(), '');
    await s.assign(U1, 'assign_domain 10');
    t.equal(await notices(s, vm), 1);
    t.equal(vm.queues(), BOTH, 'reset when it was filtered');
    t.same(interruptFaults(s), []);
    s.sound(t, { warnings: true });
  },
);

t.test('3-10 the close of the device takes everything from the guest', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  await s.guest(`close ${U1}`);
  t.equal(irqResources(s, U1, '05.0004', 6), NO_IRQ);
  t.equal(vm.queues(), BOTH, 'nobody has told it');
  await vm.put(1, 'bus/ap/scans');
  t.equal(vm.queues(), '');
  await s.guest(`open ${U1}`);
  t.equal(await vm.put(1, 'bus/ap/scans'), 'ok');
  await s.m.settle();
  t.equal(vm.queues(), BOTH);
  t.equal(irqResources(s, U1, '05.0004', 6), TWO_OF_6);
  s.sound(t);
});

t.test('4-10 a host sends nothing to what its guests have, nor they to what is his', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  const inside = await Requests.on(vm.kernel);
  const outside = await Requests.open(s);
  t.equal(await outside.cca({ card: 5 }), 'ENODEV');
  t.equal(await inside.cca({ card: 6 }), 'ENODEV');
  t.equal(await inside.cca({ card: 5 }), 'ok');
  s.instructions();
  for (let i = 0; i < 8; i++) t.same(await Promise.all([inside.rsa(), outside.rsa()]), ['ok', 'ok']);
  const sent = s.instructions(/NQAP/);
  t.ok(
    sent.every((line) => line.startsWith(U1) === / 05\./.test(line)),
    sent.join('\n'),
  );
  s.sound(t);
});
