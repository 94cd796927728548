/**
 * Guests under load: beside their host and each other while adapters go and
 * come, with every pair of kernels, and a thousand of them one after the other.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { SeededRandom } from '../../fs-tree/host/random.js';
import { FOUR_CARDS, GuestLoad } from '../support/guest-load.js';
import { interruptFaults, startGuest } from '../support/guests.js';
import { Requests } from '../support/requests.js';
import { B, boot, bootWithMdev, KERNELS, U1 } from '../support/scenario.js';

for (const seed of [1, 2])
  t.test(`two guests and the host work on while adapters leave the first (seed ${seed})`, async (t) => {
    const s = await boot({ hardware: FOUR_CARDS, seed });
    const load = await GuestLoad.start(s, new SeededRandom(seed));
    s.m.world.clock.after(4e8, () => load.stop(), { name: 'end of the load' });
    await load.run(3);
    const { host, first, second } = load.tallies;
    t.same(Object.keys(host), ['ok'], 'no request of the host failed');
    t.same(Object.keys(second), ['ok'], 'nor one of the other guest');
    t.same(
      Object.keys(first).filter((how) => how !== 'ok' && how !== 'ENODEV'),
      [],
      JSON.stringify(first),
    );
    for (const tally of [host, first, second]) t.ok((tally.ok ?? 0) > 100, JSON.stringify(tally));
    t.ok(load.actions.length > 3, load.actions.join(', '));
    t.same([...load.faults], [], `${load.looks} looks at what is kept for interrupts`);
    t.ok(load.looks > 20);
    await s.m.settle();
    t.equal(load.first.queues(), '05.0004\n05.00ab\n06.0004\n06.00ab\n', 'all is back at the end');
    t.equal(load.second.queues(), '08.0004\n08.00ab\n');
    for (const { kernel } of [load.first, load.second]) t.same(kernel.core.lockdep.violations, []);
    await load.end();
    if (load.forgotten === 0) for (const mdev of s.va.mdevs) t.equal(mdev.vfioDevice?.pins.size, 0);
    s.sound(t, { warnings: load.forgotten > 0 });
  });

for (const host of KERNELS)
  for (const guest of KERNELS)
    t.test(`host ${host}, guest ${guest}: boot, load, hot plug, unplug`, async (t) => {
      const s = await bootWithMdev({ kernel: host });
      const vm = await startGuest(s, `kernel=${guest}`);
      const notice = async (): Promise<void> => {
        if (host !== '7.2') await vm.put(1, 'bus/ap/scans');
        await s.m.settle();
      };
      const requests = await Requests.on(vm.kernel);
      const burst = (): Promise<string[]> =>
        Promise.all(Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? requests.rsa() : requests.cca())));
      const ok = Array(24).fill('ok');
      t.equal(vm.queues(), await s.guestMatrix(U1));
      t.same(await burst(), ok);
      t.equal(await s.put('-6', `${B}/apmask`), 'ok');
      t.same(await s.assign(U1, 'assign_adapter 6'), ['ok']);
      await notice();
      t.equal(vm.queues(), '05.0004\n05.00ab\n06.0004\n06.00ab\n');
      t.equal(vm.queues(), await s.guestMatrix(U1));
      t.same(await burst(), ok);
      t.ok(Number(await vm.read('devices/ap/card06/request_count')) > 0, 'the new one works too');
      const during = burst();
      t.same(await s.assign(U1, 'unassign_adapter 5'), ['ok']);
      await notice();
      t.same(await during, ok, 'those on the old one were sent again');
      t.equal(vm.queues(), await s.guestMatrix(U1));
      t.same(await burst(), ok);
      t.same(interruptFaults(s), []);
      t.same(vm.kernel.core.lockdep.violations, []);
      await s.guest(`exit ${U1}`);
      t.equal(s.vfioQueue('06.0004').savedIsc, undefined);
      t.equal(s.matrixMdev(U1).vfioDevice?.pins.size, 0);
      s.sound(t);
    });

t.test('a thousand starts leave timers, references and the tree as before', async (t) => {
  const s = await bootWithMdev();
  const { world } = s.m;
  const { clock, kernel } = world;
  const state = (): unknown => ({
    timers: clock.pendingTimers().map(({ name }) => name),
    vms: kernel.vfio.kvm?.vms.size,
    modules: [...kernel.core.modules.loaded.values()].map(({ name, refcnt }) => `${name} ${refcnt}`),
    guests: s.m.sh.ls('kernel/debug/ap_sim/guests'),
    pins: s.matrixMdev(U1).vfioDevice?.pins.size,
    kvm: s.matrixMdev(U1).kvm,
    files: s.m.sh.ls(`devices/vfio_ap/matrix/${U1}`),
  });
  const once = async (): Promise<void> => {
    await s.guest(`start ${U1}`);
    await s.guest(`exit ${U1}`);
  };
  for (let i = 0; i < 10; i++) await once();
  await s.m.settle();
  const before = state();
  const kernels: WeakRef<object>[] = [];
  world.vmms.onGuestKernel((_guest, guestKernel) => {
    kernels.push(new WeakRef(guestKernel));
  });
  for (let i = 0; i < 1000; i++) await once();
  await s.m.settle();
  t.same(state(), before);
  await collectGarbage();
  t.equal(kernels.length, 1000);
  t.same(kernels.filter((ref) => ref.deref() !== undefined).length, 0, 'nothing remembers a kernel that has ended');
  s.sound(t);
});

/** What is not reachable any more is gone after this. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
}
