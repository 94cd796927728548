/**
 * Guests with a kernel of their own: what they see, how they learn of changes,
 * their requests and interrupts, and how they end.
 */
import t from 'tap';
import { DevState, SmState } from '../../lib/ap/queue-sm.js';
import { RC } from '../../lib/hardware/instructions.js';
import { GuestSide, interruptFaults, startGuest } from '../support/guests.js';
import { errnoOf } from '../support/machine.js';
import { irqResources, NO_IRQ } from '../support/pqap.js';
import { Requests } from '../support/requests.js';
import { B, bootWithMdev, KERNELS, SIM, U1, U2 } from '../support/scenario.js';

const BOTH = '05.0004\n05.00ab\n';
const VFIO_AP = `${B}/drivers/vfio_ap`;

t.test('a started guest boots its own bus over what its APCB lets through', async (t) => {
  const s = await bootWithMdev();
  await s.assign(U1, 'assign_control_domain 4');
  const vm = await startGuest(s, 'name=web');
  t.equal(vm.queues(), await s.guestMatrix(U1));
  t.equal(await vm.read('bus/ap/bindings'), '2/2 (complete)\n');
  t.match(await vm.read('bus/ap/ap_adapter_mask'), /^0x040{62}$/m);
  t.match(await vm.read('bus/ap/ap_usage_domain_mask'), /^0x08/);
  t.match(await vm.read('bus/ap/ap_control_domain_mask'), /^0x080{62}$/m);
  t.equal(await vm.read('devices/ap/card05/type'), 'CEX8C\n');
  t.equal(await vm.read('devices/ap/card05/05.0004/interrupt'), 'Interrupts enabled.\n');
  t.equal(await vm.read('bus/ap/ap_interrupts'), '1\n');
  t.match(await s.read(`${SIM}/guest`), / name web kernel 7\.2 running$/m);
  t.match(await s.read(`${SIM}/guests/web/kernel`), /^state running\nversion 7\.2\.13\nvcpus 1\n/);
  t.match(await s.read(`${SIM}/guests/web/modules`), /^zcrypt_cex4 +\d+ +0$/m);
  t.notMatch(await s.read(`${SIM}/guests/web/modules`), /vfio/, 'it has no guests');
  t.equal(vm.kernel.hw.tapq(0x0604).status.responseCode, RC.Q_NOT_AVAIL, 'what it is not told of is not there');
  t.match(await s.read(`${SIM}/guests/web/uevents`), /^add@\/devices\/ap\/card05$/m);
  t.notOk(s.m.sh.exists(`${SIM}/guests/${U1}`), 'it has one name');
  t.equal(s.m.sh.readlink(vm.path('bus/ap/devices/05.0004')), '../../../devices/ap/card05/05.0004');
  s.sound(t);
});

t.test(
  'no AP for a guest without interpretation or control block; polling without interrupt virtualisation',
  async (t) => {
    for (const word of ['noapie', 'nocrycb']) {
      const s = await bootWithMdev();
      const vm = await startGuest(s, word);
      t.notOk(s.m.sh.exists(vm.path('bus/ap')), word);
      t.match(await vm.log(), /The hardware system does not support AP instructions/);
      s.sound(t);
    }
    const s = await bootWithMdev();
    const vm = await startGuest(s, 'noaiv');
    t.equal(await vm.read('bus/ap/ap_interrupts'), '0\n');
    const requests = await Requests.on(vm.kernel);
    t.equal(await requests.rsa(), 'ok');
    t.equal(irqResources(s, U1, '05.0004', 6), NO_IRQ, 'nobody asked the host');
    s.sound(t);
  },
);

t.test('interpretation that is taken from a running guest ends it', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  await s.guest(`apie ${U1} off`);
  t.equal(await errnoOf(s.m.sh.echo(1, vm.path('bus/ap/scans'))), 'ENODEV');
  t.equal(vm.guest.state, 'crashed');
  t.match(await vm.log(), /Kernel panic - not syncing: Fatal exception: operation exception/);
  t.notOk(s.m.sh.exists(vm.path()));
  await s.guest(`apie ${U1}`);
  await s.guest(`reset ${U1}`);
  t.equal(vm.queues(), BOTH, 'a reset boots it again');
  s.sound(t);
});

for (const kernel of KERNELS)
  t.test(`${kernel}: the interrupts of a guest are kept by its host, and come`, async (t) => {
    const s = await bootWithMdev({ kernel });
    const vm = await startGuest(s);
    const q = s.vfioQueue('05.0004');
    t.equal(q.savedIsc, 6, 'the sub class of the guest kernel');
    t.equal(q.savedIova, vm.guest.indicator);
    t.equal(irqResources(s, U1, '05.0004', 6), 'isc 6 pinned 2 alert 2', 'two queues, one page each time');
    t.same(interruptFaults(s), []);
    t.equal(vm.kernel.ap?.queue(5, 4)?.smState, SmState.IDLE);
    const requests = await Requests.on(vm.kernel);
    s.instructions();
    t.equal(await requests.rsa(), 'ok');
    t.same(
      s.instructions(/NQAP|DQAP/).map((line) => line.replace(/^.*: /, '').replace(/05.00../, 'Q')),
      [
        'NQAP Q -> 00 irq',
        ...(vm.kernel.profile.version === '6.1' ? [] : ['DQAP Q -> 10 irq']),
        'DQAP Q -> 00 empty irq',
      ],
      'fetched at the interrupt, not by a poll',
    );
    await s.guest(`exit ${U1}`);
    t.equal(s.vfioQueue('05.0004').savedIsc, undefined);
    t.equal(s.matrixMdev(U1).vfioDevice?.pins.size, 0);
    s.sound(t);
  });

t.test('two guests have pages of their own, at addresses of their own', async (t) => {
  const s = await bootWithMdev();
  const first = (await startGuest(s)).guest.indicator;
  await s.guest(`exit ${U1}`);
  const vm = await startGuest(s);
  t.not(vm.guest.indicator >> 12, first >> 12);
  t.ok(vm.guest.vm.isMemory(vm.guest.indicator));
  s.sound(t);
});

t.test('a guest of a host that tells of changes notices them at once', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  await s.put('05.00ab', `${VFIO_AP}/unbind`);
  await s.m.settle();
  t.equal(vm.queues(), '');
  t.equal(await s.guestMatrix(U1), '.0004\n.00ab\n');
  t.match(await vm.log(), /crw_info : CRW reports slct=0, oflw=0, chn=0, rsc=B/);
  await s.put('05.00ab', `${VFIO_AP}/bind`);
  await s.m.settle();
  t.equal(vm.queues(), BOTH);
  t.match(await s.read(`${SIM}/guests/${U1}/uevents`), /^remove@\/devices\/ap\/card05\/05\.0004$/m);
  s.sound(t);
});

for (const [kernel, words] of [
  ['7.2', 'nonotify'],
  ['6.12', ''],
  ['6.1', ''],
] as const)
  t.test(`${kernel} ${words}: a guest that is not told notices at its next scan`, async (t) => {
    const s = await bootWithMdev({ kernel });
    const vm = await startGuest(s, words);
    await s.put('05.00ab', `${VFIO_AP}/unbind`);
    await s.m.settle();
    t.equal(vm.queues(), BOTH);
    await s.pass(31_000);
    t.equal(vm.queues(), '');
    await s.put('05.00ab', `${VFIO_AP}/bind`);
    t.equal(await vm.put(1, 'bus/ap/scans'), 'ok');
    t.equal(vm.queues(), BOTH, 'or when somebody asks for one');
    s.sound(t);
  });

t.test('requests on an adapter that is unplugged go to another one, or end with ENODEV', async (t) => {
  const s = await bootWithMdev();
  await s.put('-6', `${B}/apmask`);
  await s.assign(U1, 'assign_adapter 6');
  const vm = await startGuest(s);
  const requests = await Requests.on(vm.kernel);
  await s.hw('hold');
  const pending = [requests.rsa(), requests.rsa(), requests.rsa(), requests.rsa()];
  await s.m.settle();
  t.equal(await vm.read('devices/ap/card05/pendingq_count'), '2\n');
  t.equal(await vm.read('devices/ap/card06/pendingq_count'), '2\n');
  await s.put('05.0004', `${VFIO_AP}/unbind`);
  await s.m.settle();
  t.equal(vm.queues(), '06.0004\n06.00ab\n');
  await s.hw('queue 06.0004 release; queue 06.00ab release');
  t.same(await Promise.all(pending), ['ok', 'ok', 'ok', 'ok']);
  await s.hw('hold');
  const lost = requests.rsa();
  await s.m.settle();
  await s.put('06.0004', `${VFIO_AP}/unbind`);
  t.equal(await lost, 'ENODEV');
  t.equal(await requests.rsa(), 'ENODEV');
  s.sound(t);
});

t.test('a request that the guest sends before it knows answers 01, and waits for the scan', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s, 'nonotify');
  const requests = await Requests.on(vm.kernel);
  await s.put('05.00ab', `${VFIO_AP}/unbind`);
  s.instructions();
  const request = requests.rsa();
  await s.m.settle();
  t.same(s.instructions(/NQAP/), [`${U1}: NQAP 05.00ab -> 01`]);
  t.equal(vm.kernel.ap?.queue(5, 0xab)?.devState, DevState.ERROR);
  await s.pass(31_000);
  t.equal(await request, 'ENODEV');
  s.sound(t);
});

t.test('while a virtual CPU stands in AQIC nobody steps the queue, and the rest goes on', async (t) => {
  const s = await bootWithMdev();
  s.standStill();
  const { va } = s;
  const host = s.m.world.kernel.core.newTask('slow');
  const held = va.mdevsLock.lock(host);
  t.notOk(held);
  const started = s.guest(`start ${U1}`);
  await s.m.world.clock.idle();
  t.equal(s.m.world.vmms.guests.size, 0, 'the open waits for the lock too');
  va.mdevsLock.unlock(host);
  await started;
  const vm = new GuestSide(s, U1);
  await s.pass(1000);
  const aq = vm.kernel.ap?.queue(5, 4);
  if (!aq) throw new Error('no queue');
  const wait = va.mdevsLock.lock(host);
  if (wait) await wait;
  s.instructions();
  const reset = vm.put(1, 'devices/ap/card05/05.0004/reset');
  await s.pass(100);
  t.equal(await reset, 'ok');
  t.equal(vm.guest.standing, 1);
  t.equal(aq.smState, SmState.RESET_WAIT);
  t.same(
    s.instructions(/05.0004/).map((line) => line.slice(38)),
    ['RAPQ 05.0004 -> 00 empty', 'TAPQ 05.0004 -> 00 empty'],
  );
  const requests = await Requests.on(vm.kernel);
  let ended = false;
  const answers = Promise.all([requests.cca({ card: 5, domain: 4 }), requests.cca({ card: 5, domain: 0xab })]).then(
    (r) => {
      ended = true;
      return r;
    },
  );
  await s.pass(1000);
  t.notOk(ended);
  t.same(s.instructions(/05.0004/), [], 'no instruction for that queue');
  t.equal(vm.kernel.ap?.queue(5, 0xab)?.totalRequestCount, 1, 'the other one answers');
  va.mdevsLock.unlock(host);
  await s.pass(1000);
  t.equal(vm.guest.standing, 0);
  t.equal(aq.smState, SmState.IDLE);
  t.same(await answers, ['ok', 'ok']);
  t.same(interruptFaults(s), []);
  s.sound(t);
});

t.test('a guest can be ended, and reset, while a virtual CPU stands', async (t) => {
  for (const end of ['exit', 'reset']) {
    const s = await bootWithMdev();
    const vm = await startGuest(s);
    s.standStill();
    const host = s.m.world.kernel.core.newTask('slow');
    t.notOk(s.va.mdevsLock.lock(host));
    await vm.put(1, 'devices/ap/card05/05.0004/reset');
    await s.pass(100);
    const { guest } = vm;
    t.equal(guest.standing, 1);
    let ended = false;
    const ending = s.guest(`${end} ${U1}`).then(() => {
      ended = true;
    });
    await s.pass(1000);
    t.notOk(ended, `${end} waits for the virtual CPU`);
    t.equal(guest.kernel, undefined, 'its kernel does not run any more');
    s.va.mdevsLock.unlock(host);
    s.letGo();
    await ending;
    await s.m.settle();
    t.equal(guest.standing, 0);
    t.same(interruptFaults(s), []);
    if (end === 'reset') t.equal(vm.queues(), BOTH);
    else t.equal(s.matrixMdev(U1).vfioDevice?.pins.size, 0);
    s.sound(t);
  }
});

t.test('the machine hands a stalled queue on in order: its driver is taken away meanwhile', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  s.standStill();
  const host = s.m.world.kernel.core.newTask('slow');
  t.notOk(s.va.mdevsLock.lock(host));
  await vm.put(1, 'devices/ap/card05/05.0004/reset');
  await s.pass(100);
  s.instructions();
  const unbound = vm.put('05.0004', 'bus/ap/drivers/cex4queue/unbind');
  await s.pass(100);
  t.same(s.instructions(/05.0004/), []);
  s.va.mdevsLock.unlock(host);
  t.equal(await unbound, 'ok');
  t.same(
    s.instructions(/05.0004/),
    [
      'AQIC 05.0004 -> 00 empty irq',
      `${U1}: AQIC 05.0004 -> 00 empty irq`,
      `${U1}: TAPQ 05.0004 -> 00 empty irq`,
      `${U1}: ZAPQ 05.0004 -> 00 empty`,
    ],
    'the step that was under way ends first',
  );
  s.sound(t);
});

t.test('a queue whose probe is held up is not polled by others', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  t.equal(await vm.put('05.0004', 'bus/ap/drivers/cex4queue/unbind'), 'ok');
  const requests = await Requests.on(vm.kernel);
  s.standStill();
  const host = s.m.world.kernel.core.newTask('slow');
  t.notOk(s.va.mdevsLock.lock(host));
  s.instructions();
  const bound = vm.put('05.0004', 'bus/ap/drivers/cex4queue/bind');
  await s.pass(1);
  t.equal(vm.guest.standing, 1);
  const answer = requests.cca({ card: 5, domain: 0xab });
  await s.pass(100);
  t.same(
    s.instructions(/05.0004/).map((line) => line.slice(38)),
    ['RAPQ 05.0004 -> 00 empty', 'TAPQ 05.0004 -> 00 empty'],
    'the interrupt of the other queue polls all that are not held',
  );
  t.equal(vm.guest.standing, 1);
  s.va.mdevsLock.unlock(host);
  await s.pass(100);
  t.same(await Promise.all([bound, answer]), ['ok', 'ok']);
  t.same(interruptFaults(s), []);
  s.sound(t);
});

t.test('as many instructions stand with the host as there are virtual CPUs', async (t) => {
  for (const vcpus of [1, 2]) {
    const s = await bootWithMdev();
    const vm = await startGuest(s, `vcpus=${vcpus}`);
    t.equal(await vm.put('05.0004', 'bus/ap/drivers/cex4queue/unbind'), 'ok');
    s.standStill();
    const host = s.m.world.kernel.core.newTask('slow');
    t.notOk(s.va.mdevsLock.lock(host));
    const bound = vm.put('05.0004', 'bus/ap/drivers/cex4queue/bind');
    t.equal(await vm.put(1, 'devices/ap/card05/05.00ab/reset'), 'ok');
    await s.pass(100);
    t.equal(vm.guest.standing, vcpus);
    s.va.mdevsLock.unlock(host);
    await s.pass(200);
    t.equal(await bound, 'ok');
    t.equal(vm.guest.standing, 0);
    t.equal(irqResources(s, U1, '05.0004', 6), 'isc 6 pinned 2 alert 2');
    s.sound(t);
  }
});

t.test('a reset of the virtual machine boots it anew, with its interrupts given back in between', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s, 'name=web cmdline=quiet ap.apmask=+5');
  const before = vm.kernel;
  t.equal(before.commandLine, 'quiet ap.apmask=+5');
  const held: string[] = [];
  const stop = s.m.world.vmms.onGuestKernel(() => held.push(irqResources(s, U1, '05.0004', 6)));
  t.equal(await s.guest(`reset ${U1}`), 'reset ok\n');
  stop();
  t.same(held, [NO_IRQ], 'when the new kernel starts nothing is left of the old one');
  t.not(vm.kernel, before);
  await s.m.settle();
  t.equal(vm.queues(), BOTH);
  t.equal(irqResources(s, U1, '05.0004', 6), 'isc 6 pinned 2 alert 2');
  s.sound(t);
});

t.test('memory that is taken from the device: interrupts end, the guest polls until it is back', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  const page = `0x${(vm.guest.indicator & ~0xfff).toString(16)}`;
  t.equal(await s.control('guest', `unmap ${U1} ${page}`), 'EINVAL', 'it is part of a larger mapping');
  t.equal(await s.control('guest', `unmap ${U1} here`), 'EINVAL');
  t.equal(await s.control('guest', `map ${U1} ${page}`), 'EEXIST');
  t.equal(irqResources(s, U1, '05.0004', 6), 'isc 6 pinned 2 alert 2');
  const memory = `0 ${vm.guest.vm.memory}`;
  t.equal(await s.guest(`unmap ${U1} ${memory}`), 'unmapped\n');
  t.equal(irqResources(s, U1, '05.0004', 6), NO_IRQ);
  const requests = await Requests.on(vm.kernel);
  t.equal(await requests.cca({ card: 5, domain: 4 }), 'ok');
  t.match(await vm.log(), /Registering adapter interrupts for AP device 05\.0004 failed/, 'the page cannot be pinned');
  t.equal(await s.guest(`map ${U1} ${memory}`), 'mapped\n');
  t.equal(await requests.cca({ card: 5, domain: 4 }), 'ok');
  await s.m.settle();
  t.equal(irqResources(s, U1, '05.0004', 6), 'isc 6 pinned 1 alert 1', 'enabled again behind the next reply');
  s.sound(t);
});

t.test('what is open in a guest when it ends: files are gone, waits end', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  const { ops, caller } = s.m.sh;
  const file = s.m.sh.node(vm.path('bus/ap/scans'));
  const open = ops.open(caller, file, 0);
  await s.hw('hold');
  const waiting = errnoOf(vm.read('devices/ap/card05/serialnr'));
  await s.m.settle();
  await s.guest(`exit ${U1}`);
  t.equal(await waiting, 'ENODEV');
  t.equal(await errnoOf(ops.read(caller, open, 0, 10)), 'ENODEV');
  t.notOk(s.m.sh.exists(`${SIM}/guests/${U1}`));
  s.sound(t);
});

t.test('a protected guest binds its queues first, and its page is shared with the host', async (t) => {
  const s = await bootWithMdev();
  await s.put('-6', `${B}/apmask`);
  await s.hw('card 6 type cex8 ep11');
  await s.assign(U1, 'assign_adapter 6');
  const vm = await startGuest(s, 'protected');
  t.equal(irqResources(s, U1, '05.0004', 6).slice(0, 5), 'isc 6', 'interrupts are enabled');
  const bind = 'devices/ap/card06/06.0004/se_bind';
  t.equal(await vm.read(bind), 'unbound\n');
  t.equal(await vm.put(1, bind), 'ok');
  t.equal(await vm.read(bind), 'bound\n');
  t.equal(await vm.put(1, 'devices/ap/card06/06.0004/se_associate'), 'ok');
  await s.m.settle();
  t.equal(await vm.read('devices/ap/card06/06.0004/se_associate'), 'associated 1\n');
  t.notOk(s.m.sh.exists(vm.path('devices/ap/card05/05.0004/se_bind')), 'CCA cannot be bound');
  await s.guest(`reset ${U1}`);
  await s.m.settle();
  t.equal(await vm.read(bind), 'unbound\n', 'a new start begins anew');
  const hardware = s.m.world.machine.queue(0x0604);
  t.equal(hardware?.bindState, 2);
  await s.guest(`exit ${U1}`);
  t.equal(hardware?.bindState, 0, 'nobody has it');
  s.sound(t);
});

t.test('inode numbers of a guest and of its host are different', async (t) => {
  const s = await bootWithMdev();
  const vm = await startGuest(s);
  const inodes = new Map<number, string>();
  const twice: string[] = [];
  const walk = (path: string): void => {
    const { ops, caller } = s.m.sh;
    const dir = s.m.sh.node(path);
    for (const { name } of ops.readdir(caller, ops.opendir(caller, dir))) {
      if (name === '.' || name === '..') continue;
      const at = `${path}/${name}`;
      const node = s.m.sh.node(at, false);
      const there = inodes.get(node.ino);
      if (there) twice.push(`${there} ${at}`);
      inodes.set(node.ino, at);
      if (node.kind === 'dir') walk(at);
    }
  };
  walk('');
  t.same(twice, []);
  t.ok([...inodes.values()].some((path) => path.startsWith(`/${vm.path('devices/ap/card05/05.0004')}`)));
  s.sound(t);
});

t.test('words that make no guest', async (t) => {
  const s = await bootWithMdev();
  for (const [words, complaint] of [
    ['kernel=5.4', /unknown kernel 5\.4 \(known: 6\.1 6\.12 7\.2\)/],
    ['vcpus=0', /vcpus 0 is not 1 to 248/],
    ['name=a/b', /name a\/b/],
    ['nokernel noaiv', /nokernel and aiv/],
    ['fast', /unknown word fast/],
  ] as const) {
    t.equal(await s.control('guest', `start ${U1} ${words}`), 'EINVAL', words);
    t.match(await s.read(`${SIM}/error`), complaint);
  }
  t.same(s.m.world.vmms.guests.size, 0);
  s.sound(t);
});

t.test('what was asked of a guest that ended meanwhile finds nobody, and opens nothing again', async (t) => {
  const s = await bootWithMdev();
  await s.guest(`start ${U1}`);
  const after = ['exit', 'open', 'reset', 'map', 'info'];
  const bye = s.guest(`exit ${U1}`);
  const late = after.map((command) => errnoOf(s.guest(`${command} ${U1} 0x10000000`)));
  t.equal(await bye, 'bye\n');
  t.same(await Promise.all(late), ['ENOENT', 'ENOENT', 'ENOENT', 'ENOENT', 'ENOENT']);
  t.equal(await s.refcnt('vfio_iommu_type1'), '0\n');
  t.equal(await s.guest(`start ${U1}`), `guest ${U1} running\n`, 'the group is free again');
  s.sound(t);
});

t.test('a name belongs to one guest: also while it starts, also if it is the UUID of another', async (t) => {
  const s = await bootWithMdev();
  await s.create(U2);
  const start = (uuid: string, name = ''): Promise<string | undefined> => errnoOf(s.guest(`start ${uuid} ${name}`));
  t.same(await Promise.all([start(U1, 'name=web'), start(U2, 'name=web')]), [undefined, 'EADDRINUSE']);
  t.equal(await start(U2, `name=${U1}`), 'EADDRINUSE');
  await s.guest(`exit ${U1}`);
  t.equal(await start(U1, `name=${U2}`), undefined);
  t.equal(await start(U2), 'EADDRINUSE');
  t.equal(await start(U1), 'EBUSY', 'its own mdev');
  t.same(s.m.sh.ls(`${SIM}/guests`), [U2]);
  t.equal(await start(U2, 'name=web'), undefined);
  s.sound(t);
});

t.test('commands of the monitor take the name of a guest; a UUID is first of all that of the mdev', async (t) => {
  const s = await bootWithMdev();
  await s.create(U2);
  await s.guest(`start ${U1} name=web`);
  t.match(await s.guest('info web'), /^argsz /);
  t.equal(await s.guest('reset web'), 'reset ok\n');
  t.equal(await s.guest('exit web'), 'bye\n');
  t.equal(await s.read(`${SIM}/guest`), '');
  t.equal(await errnoOf(s.guest('exit web')), 'ENOENT');
  await s.guest(`start ${U1} name=${U2}`);
  await s.guest(`start ${U2} name=web`);
  t.equal(await s.guest(`exit ${U2}`), 'bye\n');
  t.match(await s.read(`${SIM}/guest`), new RegExp(`^${U1} .* name ${U2} .*\n$`));
  s.sound(t);
});

t.test('a virtual machine has at most 248 virtual CPUs', async (t) => {
  const s = await bootWithMdev();
  await s.guest(`start ${U1} vcpus=247`);
  t.equal(await s.guest(`vcpu ${U1}`), 'vcpu created\n');
  t.equal(await errnoOf(s.guest(`vcpu ${U1}`)), 'EINVAL');
  t.match(await s.read(`${SIM}/guest`), /vcpus 248 /);
  s.sound(t);
});
