/**
 * What is kept beside the lists of the driver core, so that a machine with many
 * queues stays quick, agrees with those lists whatever happens.
 */
import t, { type Test } from 'tap';
import { ApCard } from '../../lib/ap/card.js';
import { ApQueue } from '../../lib/ap/queue.js';
import { statusWord } from '../../lib/hardware/status.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { PROFILES } from '../../lib/profile/tables.js';
import { bootMachine, type TestMachine } from '../support/machine.js';

const HARDWARE = [
  ...Array.from({ length: 4 }, (_, n) => `card ${n} add cex8 cca`),
  ...Array.from({ length: 6 }, (_, n) => `domain ${n} add`),
].join('; ');

/** Steps that make queues come, go and change drivers. */
const STEPS: readonly (readonly [path: string, text: string])[] = [
  ['bus/ap/apmask', '-0-1\n'],
  ['bus/ap/drivers/vfio_ap/unbind', '00.0003\n'],
  ['bus/ap/drivers/cex4queue/unbind', '02.0001\n'],
  ['kernel/debug/ap_sim/hw', 'domain 1 remove\n'],
  ['bus/ap/scans', '1\n'],
  ['bus/ap/drivers_autoprobe', '0\n'],
  ['kernel/debug/ap_sim/hw', 'domain 1 add; card 3 remove\n'],
  ['bus/ap/scans', '1\n'],
  ['bus/ap/drivers_probe', '02.0001\n'],
  ['bus/ap/drivers_autoprobe', '1\n'],
  ['kernel/debug/ap_sim/hw', 'card 3 add cex8 ep11\n'],
  ['bus/ap/scans', '1\n'],
  ['kernel/debug/ap_sim/modules', 'unload vfio_ap\n'],
  ['bus/ap/apmask', '+0-255\n'],
  ['kernel/debug/ap_sim/modules', 'unload zcrypt_cex4\n'],
  ['kernel/debug/ap_sim/modules', 'load zcrypt_cex4\n'],
];

function agrees(t: Test, m: TestMachine, step: string): void {
  const { ap } = m.world.kernel;
  if (!ap) throw new Error('there is no AP bus');
  const listed = [...ap.bus.devices.values()].filter((dev) => dev instanceof ApQueue);
  const bound = listed.filter(({ driver }) => driver !== undefined).length;
  t.strictSame(ap.bindings.count(), { bound, total: listed.length }, `bindings after ${step}`);
  const found: ApQueue[] = [];
  for (let apid = 0; apid < 4; apid++)
    for (let apqi = 0; apqi < 6; apqi++) {
      const aq = ap.queue(apid, apqi);
      if (aq) found.push(aq);
    }
  const inOrder = listed.toSorted((a, b) => a.qid - b.qid);
  t.ok(found.length === inOrder.length && found.every((aq, i) => aq === inOrder[i]), `queues by number after ${step}`);
  const cards = [...ap.bus.devices.values()].filter((dev) => dev instanceof ApCard);
  t.ok(
    cards.every((card) => ap.card(card.apid) === card),
    `cards by number after ${step}`,
  );
}

for (const kernel of Object.keys(PROFILES) as KernelVersion[])
  t.test(`queues found by number and bindings counted agree with the bus, kernel ${kernel}`, async (t) => {
    const m = await bootMachine({ kernel, hardware: HARDWARE });
    agrees(t, m, 'boot');
    t.same(m.world.kernel.ap?.bindings.count(), { bound: 24, total: 24 });
    for (const [path, text] of STEPS) {
      await m.sh.write(path, text);
      await m.world.clock.settle();
      agrees(t, m, `${path} ${text.trim()}`);
    }
    t.strictSame(m.bugs, []);
  });

t.test('a status word is what it is made of, and made once', async (t) => {
  t.strictSame(statusWord(0x44, 1 | 8), {
    queueEmpty: true,
    repliesWaiting: false,
    queueFull: false,
    async: true,
    irqEnabled: false,
    responseCode: 0x44,
  });
  t.strictSame(statusWord(2, 2 | 4 | 16), {
    queueEmpty: false,
    repliesWaiting: true,
    queueFull: true,
    async: false,
    irqEnabled: true,
    responseCode: 2,
  });
  t.equal(statusWord(3), statusWord(3));
  t.not(statusWord(3), statusWord(3, 1));
});
