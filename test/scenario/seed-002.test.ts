/**
 * Acceptance checks of seed 002: queues come and go without and with changes
 * of the host configuration (spec/seeds-map.md 3, spec/vfio-ap.md 5 to 7).
 */
import t from 'tap';
import { B, boot, bootWithMdev, D, KERNELS, type Scenario, U1 } from '../support/scenario.js';

const VFIO_AP = `${B}/drivers/vfio_ap`;
const CEX4QUEUE = `${B}/drivers/cex4queue`;
const BOTH = '05.0004\n05.00ab\n';
const NEITHER = '.0004\n.00ab\n';

/** Events about cards and queues, below /devices/ap. */
const deviceEvents = (s: Scenario): string[] =>
  s
    .events()
    .filter((e) => e.includes('@/devices/ap/'))
    .map((e) => e.replace('/devices/ap/', ''));

/** Masks of the VM and steps of removals and binds, in the order in which they happen. */
function guestStory(s: Scenario, uuid: string): string[] {
  const story: string[] = [];
  s.vmm(uuid).vm?.onApcbChanged(() => story.push(`guest ${s.apcb(uuid)}`));
  s.removalSteps((aq, step) => {
    if (step === 'driver') story.push(`removed ${aq.name}`);
  });
  s.m.world.kernel.core.uevents.subscribe(({ action, devpath }) => {
    if (action === 'bind' && /\.\w{4}$/.test(devpath)) story.push(`bound ${devpath.slice(-7)}`);
  });
  return story;
}

for (const kernel of KERNELS) {
  const is61 = kernel === '6.1';
  t.test(`2-1 an adapter going online changes its devices, it does not make them (${kernel})`, async (t) => {
    const s = await boot({ kernel });
    await s.put('-6', `${B}/apmask`);
    await s.hw('card 5 deconfigure; card 6 deconfigure');
    await s.scanAndForget();
    t.equal(await s.read(`${D}/card05/config`), '0\n');
    t.equal(s.driver('05.0004'), 'cex4queue', 'the devices exist in standby too');
    await s.hw('card 5 configure; card 6 configure');
    t.same(
      s.events(),
      ['05', '06'].flatMap((c) => [
        `change@/devices/ap/card${c} CONFIG=1`,
        `change@/devices/ap/card${c}/${c}.0004 CONFIG=1`,
        `change@/devices/ap/card${c}/${c}.00ab CONFIG=1`,
      ]),
    );
    // Queues that moved to vfio_ap are UNINITIATED and stay so; 6.1 only sets states.
    t.equal(await s.resets(), is61 ? '' : '05.0004 rapq=1 aqic=1\n05.00ab rapq=1 aqic=1\n');
    t.equal(await s.read(s.queue('05.0004', 'reset')), is61 ? 'Reset in progress.\n' : 'No Reset Timer set.\n');
    t.equal(await s.read(s.queue('06.0004', 'request_count')), '-\n');
    t.equal(await s.read(s.queue('05.0004', 'config')), '1\n');
    s.sound(t);
  });

  t.test(
    `2-2 an adapter going to standby keeps devices, drivers and the guest configuration (${kernel})`,
    async (t) => {
      const s = await bootWithMdev({ kernel });
      await s.guest(`start ${U1}`);
      const updates = s.updates(U1);
      s.events();
      await s.hw('card 5 deconfigure; card 6 deconfigure');
      t.same(
        deviceEvents(s),
        ['05', '06']
          .flatMap((c) => [`card${c}`, `card${c}/${c}.0004`, `card${c}/${c}.00ab`])
          .map((d) => `change@${d} CONFIG=0`),
      );
      t.same([s.driver('05.0004'), s.driver('06.0004')], ['vfio_ap', 'cex4queue']);
      t.same([await s.read(s.queue('05.0004', 'config')), await s.read(`${D}/card05/config`)], ['0\n', '0\n']);
      t.equal(await s.read(s.queue('06.0004', 'online')), '0\n');
      t.equal(await s.guestMatrix(U1), BOTH);
      t.equal(s.updates(U1), updates);
      s.sound(t);
    },
  );
}

t.test('2-3 another type: all devices are rebuilt in one scan, with two updates of the guest', async (t) => {
  const s = await bootWithMdev();
  await s.guest(`start ${U1}`);
  const story = guestStory(s, U1);
  const scans = Number(await s.read(`${B}/scans`));
  s.events();
  await s.hw('card 5 type cex7 cca');
  t.equal(Number(await s.read(`${B}/scans`)), scans + 1);
  const [q4, qab] = ['card05/05.0004', 'card05/05.00ab'];
  t.same(deviceEvents(s), [
    ...[q4, qab, 'card05'].flatMap((d) => [`unbind@${d}`, `remove@${d}`]),
    ...['card05', q4, qab].flatMap((d) => [`add@${d}`, `bind@${d}`]),
  ]);
  t.same(story, [
    'guest .4,ab.',
    'removed 05.0004',
    'removed 05.00ab',
    // The update comes before the bind event of the last queue.
    'bound 05.0004',
    'guest 5.4,ab.',
    'bound 05.00ab',
  ]);
  t.equal(await s.guestMatrix(U1), BOTH);
  t.equal(await s.read(`${D}/card05/hwtype`), '13\n');
  s.events();
  await s.hw('card 5 type cex7 cca fac=0x93800000');
  t.ok(s.events().includes('remove@/devices/ap/card05'), 'other functions: the same');
  s.sound(t);
});

for (const kernel of KERNELS)
  t.test(
    `2-4 check-stop is only seen in chkstop, without event, and the guest keeps the queue (${kernel})`,
    async (t) => {
      const s = await bootWithMdev({ kernel });
      await s.guest(`start ${U1}`);
      const updates = s.updates(U1);
      await s.hw('card 5 checkstop on; card 6 checkstop on');
      s.events();
      await s.m.scan();
      t.same(deviceEvents(s), []);
      for (const q of ['05.0004', '05.00ab', '06.0004', '06.00ab'])
        t.equal(await s.read(s.queue(q, 'chkstop')), '1\n', q);
      t.equal(await s.read(`${D}/card06/chkstop`), '1\n');
      t.equal(await s.read(s.queue('06.0004', 'online')), kernel === '6.1' ? '1\n' : '0\n');
      t.equal(await s.read(`${D}/card06/online`), kernel === '6.1' ? '1\n' : '0\n');
      t.same([s.driver('05.0004'), s.driver('06.0004')], ['vfio_ap', 'cex4queue']);
      t.equal(await s.guestMatrix(U1), BOTH);
      t.equal(s.updates(U1), updates);
      s.sound(t);
    },
  );

t.test('2-5 root may unbind; who may bind is decided by the masks', async (t) => {
  const s = await boot();
  t.equal(await s.put('05.0004', `${CEX4QUEUE}/unbind`), 'ok');
  t.equal(s.driver('05.0004'), 'none');
  t.equal(await s.put('05.0004', `${VFIO_AP}/bind`), 'ENODEV', 'it is in the host pool');
  t.equal(await s.put('05.0004', `${CEX4QUEUE}/bind`), 'ok');
  t.equal(await s.put('05.0004', `${VFIO_AP}/bind`), 'EBUSY', 'another driver has it');
  t.equal(await s.put('05.0004', `${CEX4QUEUE}/bind`), 'EBUSY', 'this driver has it');
  await s.put('-5', `${B}/apmask`);
  t.equal(await s.put('05.0004', `${CEX4QUEUE}/unbind`), 'ENODEV', 'not its queue');
  t.equal(await s.put('05.0004', `${VFIO_AP}/unbind`), 'ok');
  t.equal(await s.put('05.0004', `${CEX4QUEUE}/bind`), 'ENODEV', 'it is reserved');
  t.equal(await s.put('05.0004', `${VFIO_AP}/bind`), 'ok');
  s.sound(t);
});

t.test('2-6 an adapter is plugged when all its queues are bound', async (t) => {
  const s = await bootWithMdev();
  await s.guest(`start ${U1}`);
  for (const q of ['05.0004', '05.00ab']) await s.put(q, `${VFIO_AP}/unbind`);
  t.equal(await s.guestMatrix(U1), NEITHER);
  const updates = s.updates(U1);
  await s.put('05.0004', `${VFIO_AP}/bind`);
  t.equal(await s.guestMatrix(U1), NEITHER);
  t.equal(s.updates(U1), updates);
  await s.put('05.00ab', `${VFIO_AP}/bind`);
  t.equal(await s.guestMatrix(U1), BOTH, 'both lines at once');
  t.equal(s.updates(U1), updates + 1);
  t.equal(s.apcb(U1), '5.4,ab.');
  s.sound(t);
});

t.test('2-7 a missing queue drops its own adapter only', async (t) => {
  const s = await boot();
  await s.put('-5,-6', `${B}/apmask`);
  await s.create(U1);
  for (const q of ['05.0004', '06.0004']) await s.put(q, `${VFIO_AP}/unbind`);
  await s.assign(U1, 'assign_adapter 5', 'assign_adapter 6', 'assign_domain 4');
  t.equal(await s.guestMatrix(U1), '.0004\n');
  await s.put('05.0004', `${VFIO_AP}/bind`);
  t.equal(await s.guestMatrix(U1), '05.0004\n');
  await s.put('06.0004', `${VFIO_AP}/bind`);
  t.equal(await s.guestMatrix(U1), '05.0004\n06.0004\n');
  s.sound(t);
});

t.test('2-8 the guest configuration follows bind and unbind without a VM', async (t) => {
  const s = await bootWithMdev();
  await s.put('05.00ab', `${VFIO_AP}/unbind`);
  t.equal(await s.guestMatrix(U1), NEITHER);
  await s.put('05.00ab', `${VFIO_AP}/bind`);
  t.equal(await s.guestMatrix(U1), BOTH);
  await s.guest(`start ${U1}`);
  t.equal(s.apcb(U1), '5.4,ab.', 'and is what a VM gets');
  t.equal(s.updates(U1), 1);
  s.sound(t);
});

for (const kernel of KERNELS) {
  const is61 = kernel === '6.1';
  t.test(`2-9 a queue that leaves takes the whole adapter from the guest, and it is reset (${kernel})`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.put('-6', `${B}/apmask`);
    await s.assign(U1, 'assign_adapter 6');
    await s.guest(`start ${U1}`);
    t.equal(await s.guestMatrix(U1), '05.0004\n05.00ab\n06.0004\n06.00ab\n');
    await s.resets();
    const updates = s.updates(U1);
    const story = guestStory(s, U1);
    t.equal(await s.put('05.00ab', `${VFIO_AP}/unbind`), 'ok');
    t.equal(await s.guestMatrix(U1), '06.0004\n06.00ab\n', 'both lines of the adapter vanish');
    t.equal(await s.resets(), is61 ? '05.00ab zapq=2\n' : '05.0004 zapq=1\n05.00ab zapq=2\n');
    t.equal(s.updates(U1), updates + 1);
    t.same(story, ['guest 6.4,ab.', 'removed 05.00ab'], 'the guest loses it first');
    await s.put('06.0004', `${VFIO_AP}/unbind`);
    t.equal(await s.guestMatrix(U1), NEITHER, 'without adapters the domains are left');
    t.equal(s.driver('05.0004'), 'vfio_ap', 'the other queue stays bound');
    s.sound(t);
  });
}

t.test('2-10 the removal of a queue that the guest has not changes nothing for the guest', async (t) => {
  const s = await bootWithMdev();
  await s.guest(`start ${U1}`);
  await s.put('05.00ab', `${VFIO_AP}/unbind`);
  const updates = s.updates(U1);
  await s.resets();
  await s.put('05.0004', `${VFIO_AP}/unbind`);
  t.equal(await s.guestMatrix(U1), NEITHER);
  t.equal(s.updates(U1), updates);
  t.equal(await s.resets(), '05.0004 zapq=2\n', 'only this queue is reset, by the driver and by the bus');
  s.sound(t);
});

t.test('2-11 what the host gains is plugged once, after all queues are there', async (t) => {
  const s = await boot();
  await s.hw('domain 6 add; domain 7 add');
  await s.put('-7', `${B}/apmask`);
  await s.create(U1);
  await s.assign(U1, 'assign_adapter 7', ...['4', '6', '7', '0xab'].map((d) => `assign_domain ${d}`));
  await s.guest(`start ${U1}`);
  t.equal(await s.guestMatrix(U1), '.0004\n.0006\n.0007\n.00ab\n');
  const story = guestStory(s, U1);
  await s.hw('card 7 add cex8 cca');
  t.same(story, ['bound 07.0004', 'bound 07.0006', 'bound 07.0007', 'bound 07.00ab', 'guest 7.4,6,7,ab.']);
  t.equal(await s.guestMatrix(U1), '07.0004\n07.0006\n07.0007\n07.00ab\n');
  s.sound(t);
});

for (const kernel of KERNELS) {
  // 6.12 asks whether something is left, not whether something changed.
  const keeps = kernel === '6.12';
  t.test(`2-12 what the host loses is taken from the guest once, before its devices go (${kernel})`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.guest(`start ${U1}`);
    const story = guestStory(s, U1);
    s.instructions();
    await s.hw('card 5 apm off');
    t.same(story, [...(keeps ? [] : ['guest .4,ab.']), 'removed 05.0004', 'removed 05.00ab']);
    t.equal(await s.guestMatrix(U1), NEITHER);
    t.equal(await s.matrix(U1), BOTH);
    t.equal(
      s.apcb(U1),
      keeps ? '5.4,ab.' : '.4,ab.',
      keeps ? 'defect: the VM keeps its last adapter' : 'nor has the VM it',
    );
    // The driver does not reset what is not in the host configuration (6.1: always); the bus does.
    const times = kernel === '6.1' ? 2 : 1;
    t.same(s.instructions(/^ZAPQ/), [
      ...Array(times).fill('ZAPQ 05.0004 -> 01'),
      ...Array(times).fill('ZAPQ 05.00ab -> 01'),
    ]);
    s.sound(t);
  });
}

t.test('2-12 a removal for another reason in that scan does unplug', async (t) => {
  const s = await bootWithMdev();
  await s.put('-6', `${B}/apmask`);
  await s.assign(U1, 'assign_adapter 6', 'unassign_domain 0xab');
  await s.guest(`start ${U1}`);
  const story = guestStory(s, U1);
  await s.hw('notify off; card 5 apm off; card 6 type cex7 cca; notify on; notify now');
  t.same(story, [
    'guest 6.4.',
    'removed 05.0004',
    'removed 05.00ab',
    'guest .4.',
    'removed 06.0004',
    'removed 06.00ab',
    'guest 6.4.',
    'bound 06.0004',
    'bound 06.00ab',
  ]);
  s.sound(t);
});

for (const kernel of KERNELS)
  t.test(`2-13 unassigning what was missing does not plug the adapter again (${kernel})`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.put('05.00ab', `${VFIO_AP}/unbind`);
    t.same(await s.assign(U1, 'unassign_domain 0xab'), ['ok']);
    t.equal(await s.guestMatrix(U1), '.0004\n');
    await s.m.scan();
    t.equal(await s.guestMatrix(U1), '.0004\n', 'nor does a scan');
    t.same(await s.assign(U1, 'assign_domain 9'), ['ok']);
    t.equal(await s.guestMatrix(U1), '05.0004\n', 'the next assignment does');
    s.sound(t);
  });
