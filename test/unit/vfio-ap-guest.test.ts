/**
 * What a guest and its monitor meet: the VFIO calls as recorded, one device a
 * VM, interrupts through PQAP(AQIC), and who takes which locks.
 */
import t from 'tap';
import { RC } from '../../lib/hardware/instructions.js';
import { handlePqap, type PqapOutcome } from '../../lib/kvm/pqap.js';
import type { Vcpu } from '../../lib/kvm/vm.js';
import { U1, U2, VERSIONS, VfioTest } from '../support/vfio-ap.js';

/** Queue 05.0004 assigned to U1 and opened by a VM. */
async function withGuest(version: Parameters<typeof VfioTest.boot>[0] = '7.2'): Promise<VfioTest> {
  const m = await VfioTest.boot(version);
  await m.apmask('-5');
  await m.create(U1);
  await m.adapter(5);
  await m.domain(4);
  await m.guest(`start ${U1} nokernel`);
  m.log();
  m.events();
  return m;
}

t.test('texts of the calls that the recordings show', async (t) => {
  const m = await VfioTest.boot();
  await m.create(U1);
  t.strictSame(await m.guest(`raw ${U1}`), {
    rc: 0,
    stderr: '',
    stdout:
      'open group: ok\nopen the group again: EBUSY\nGROUP_GET_STATUS: ok\n  flags 0x1\nGROUP_GET_STATUS argsz 4: EINVAL\n' +
      'GET_DEVICE_FD without container: EINVAL\nSET_CONTAINER bad fd: EBADF\nSET_CONTAINER no container: EBADFD\n' +
      'UNSET_CONTAINER without container: EINVAL\nSET_IOMMU without group: EINVAL\nSET_CONTAINER: ok\n' +
      'GET_DEVICE_FD without SET_IOMMU: EINVAL\nSET_IOMMU of a bad type: ENODEV\nSET_IOMMU: ok\nGROUP_GET_STATUS: ok\n' +
      '  flags 0x3\nGET_DEVICE_FD without VM: EINVAL\nGET_DEVICE_FD other name: ENODEV\nUNSET_CONTAINER: ok\n',
  });
  m.events();
  for (const variant of ['nokvm', 'noadd'])
    t.strictSame(await m.guest(`start ${U1} ${variant}`), {
      stdout: '',
      stderr: 'VFIO_GROUP_GET_DEVICE_FD: Invalid argument (EINVAL)\n',
      rc: 1,
    });
  t.equal((await m.guest(`start ${U2}`)).stderr, 'readlink iommu_group: No such file or directory (ENOENT)\n');
  t.equal((await m.guest(`start ${U1} nokernel`)).stdout, `guest ${U1} running\n`);
  t.equal(m.kernel.core.modules.loaded.get('vfio_ap')?.refcnt, 1);
  t.equal((await m.guest(`cmd ${U1} badirq`)).stdout.split('\n').length, 11);
  t.match(
    (await m.guest(`cmd ${U1} badioctl`)).stdout,
    /UNSET_CONTAINER with the device open: EBUSY\ncontainer: unknown ioctl: ENOTTY\n$/,
  );
  for (const command of ['open2', 'close', 'open', 'closegroup', 'open', 'vcpu', 'exit'])
    t.equal((await m.guest(`cmd ${U1} ${command}`)).rc, 0, command);
  t.equal(m.kernel.core.modules.loaded.get('vfio_ap')?.refcnt, 0);
  t.equal(m.kernel.core.modules.loaded.get('kvm')?.refcnt, 1, 'vfio_ap itself');
  t.equal(m.kernel.core.modules.loaded.get('vfio')?.refcnt, 2, 'vfio_ap and type 1');
  t.equal((await m.guest(`cmd ${U1} info`)).rc, 1);
  t.strictSame(m.violations, []);
});

for (const version of VERSIONS)
  t.test(`${version}: one VM can have one mdev only`, async (t) => {
    const m = await withGuest(version);
    await m.create(U2);
    const first = m.mdev(U1).kvm?.pqapHook;
    const result = await m.guest(`cmd ${U1} attach ${U2}`);
    t.equal(result.stderr, 'VFIO_GROUP_GET_DEVICE_FD: Operation not permitted (EPERM)\n');
    t.equal(m.mdev(U1).kvm?.pqapHook === first, version !== '6.12', '6.12 has overwritten the hook by then');
    t.equal(m.mdev(U2).kvm, undefined);
    await m.guest(`cmd ${U1} exit`);
    t.equal(m.kernel.vfio.kvm?.vms.size, 0);
    t.strictSame(m.violations, []);
  });

t.test('a VM keeps the device only as long as it has it open', async (t) => {
  const m = await withGuest();
  const vm = m.mdev().kvm;
  t.strictSame([...(vm?.apcb.apm.bits() ?? [])], [5]);
  t.strictSame([...(vm?.apcb.aqm.bits() ?? [])], [4]);
  await m.hw('resets');
  await m.guest(`cmd ${U1} close`);
  t.equal(await m.hw('resets'), '05.0004 zapq=1\n');
  t.strictSame([...(vm?.apcb.apm.bits() ?? [])], []);
  t.equal(vm?.pqapHook, undefined);
  t.equal(await m.guestMatrix(), '05.0004\n', 'kept');
  await m.guest(`cmd ${U1} exit`);
  t.notOk(vm?.alive);
  t.strictSame(m.events(), ['change@/devices/virtual/misc/kvm']);
});

t.test('autoclose gives the device back when it is asked for', async (t) => {
  const m = await withGuest();
  for (const command of ['reqirq', 'autoclose']) await m.guest(`cmd ${U1} ${command}`);
  await m.remove();
  t.equal((await m.guest(`cmd ${U1} events`)).stdout, 'req 1 cfg 0\n');
  t.equal((await m.guest(`cmd ${U1} exit`)).stdout, 'bye\n');
  t.strictSame(m.violations, []);
});

/** PQAP(AQIC) for queue 05.0004 unless told otherwise. */
function aqic(
  m: VfioTest,
  vcpu: Vcpu,
  { apqn = 0x0504, isc = 3, address = 0x3000, enable = true } = {},
): Promise<PqapOutcome> {
  const gr1 = (enable ? 1n << 47n : 0n) | BigInt(isc);
  return handlePqap(m.task('CPU 0/KVM'), vcpu, m.kernel.hw, {
    gr0: 0x03000000n | BigInt(apqn),
    gr1,
    gr2: BigInt(address),
  });
}

const rcOf = (outcome: PqapOutcome): number | string =>
  outcome.kind === 'done' ? Number((outcome.gr1 >> 16n) & 0xffn) : outcome.kind;

function vcpuOf(m: VfioTest, aiv = true): Vcpu {
  const vcpu = m.mdev().kvm?.createVcpu(aiv);
  if (!vcpu) throw new Error('no VM');
  return vcpu;
}

t.test('AQIC: enable, move, disable, and what is refused', async (t) => {
  const m = await withGuest();
  const vcpu = vcpuOf(m);
  const q = m.va.findQueue(5, 4);
  const device = m.mdev().vfioDevice;
  t.equal(rcOf(await aqic(m, vcpu)), RC.NORMAL);
  t.strictSame([q?.savedIsc, q?.savedIova], [3, 0x3000]);
  t.strictSame([...(device?.pins ?? [])], [[0x3000, 1]]);
  t.equal(vcpu.gisa?.alertMask, 0x80 >> 3);
  t.equal(rcOf(await aqic(m, vcpu)), RC.OTHERWISE_CHANGED, 'enabled already');
  t.equal(vcpu.gisa?.references(3), 1, 'the new registration is taken back');
  t.strictSame([...(device?.pins ?? [])], [[0x3000, 1]]);
  t.equal(rcOf(await aqic(m, vcpu, { enable: false })), RC.NORMAL);
  t.strictSame([q?.savedIsc, q?.savedIova], [undefined, undefined]);
  t.strictSame([...(device?.pins ?? [])], []);
  t.equal(vcpu.gisa?.alertMask, 0);
  t.equal(rcOf(await aqic(m, vcpu, { address: 0 })), RC.INVALID_ADDRESS);
  t.equal(rcOf(await aqic(m, vcpu, { address: 1 << 30 })), RC.INVALID_ADDRESS);
  t.equal(rcOf(await aqic(m, vcpu, { apqn: 0x0604 })), RC.Q_NOT_AVAIL, 'not linked');
  t.equal(rcOf(await aqic(m, vcpuOf(m, false))), 'user space');
  const { kvm } = m.mdev();
  if (kvm) kvm.protectedGuest = true;
  t.equal(rcOf(await aqic(m, vcpu)), RC.INVALID_ADDRESS, 'a page that the guest does not share');
  kvm?.sharedPages.add(3);
  t.equal(rcOf(await aqic(m, vcpu)), RC.NORMAL);
  await m.guest(`cmd ${U1} reset`);
  t.strictSame([q?.savedIsc, q?.savedIova, vcpu.gisa?.alertMask], [undefined, undefined, 0], 'a reset frees them');
  t.strictSame(m.violations, []);
});

t.test('AQIC before the driver: exceptions, user space, no hook', async (t) => {
  const m = await withGuest();
  const vcpu = vcpuOf(m);
  const { kvm } = m.mdev();
  const pqap = (gr0: bigint, problemState = false): Promise<PqapOutcome> =>
    handlePqap(m.task(), vcpu, m.kernel.hw, { gr0, gr1: 0n, gr2: 0n, problemState });
  t.equal((await pqap(0x04000504n)).kind, 'user space', 'another function');
  t.match(await pqap(0x03000504n, true), { exception: 'privileged operation' });
  t.match(await pqap(0x03010504n), { exception: 'specification' });
  await m.guest(`cmd ${U1} apie off`);
  t.equal((await pqap(0x03000504n)).kind, 'user space');
  await m.guest(`cmd ${U1} apie`);
  await m.guest(`cmd ${U1} close`);
  t.strictSame(await pqap(0x03000504n), { kind: 'done', cc: 3, gr1: 0x0001_0000_0000_0000n }, 'upper half of GR1');
  t.ok(kvm?.alive);
});

t.test('the guest has gone, or its memory: nothing stays registered or pinned', async (t) => {
  const m = await withGuest();
  const vcpu = vcpuOf(m);
  await aqic(m, vcpu);
  await m.hw('queue 05.0004 reset-ms 100');
  const q = m.va.findQueue(5, 4);
  const closing = m.guest(`cmd ${U1} close`);
  await m.clock.idle();
  await m.clock.idle();
  t.equal(q?.savedIsc, 3, 'kept until the reset is done');
  await closing;
  t.strictSame([q?.savedIsc, q?.savedIova, vcpu.gisa?.alertMask], [undefined, undefined, 0]);
  await m.hw('queue 05.0004 reset-ms 0');
  await m.guest(`cmd ${U1} open`);
  await aqic(m, vcpu);
  await m.mdev().vfioDevice?.group.container?.unmapDma(m.task(), 0, m.mdev().kvm?.memory ?? 0);
  t.strictSame([q?.savedIsc, q?.savedIova], [undefined, undefined], 'DMA unmap disables the interrupts');
});

/** vfio-ap.md 12, for an mdev that a VM has open. */
for (const version of VERSIONS)
  t.test(`${version}: who takes which locks`, async (t) => {
    const m = await withGuest(version);
    await m.apmask('-6,-9');
    const old = version === '6.12';
    const masks = m.kernel.profile.attrMutexName;
    const [guests, kvm, hook, mdevs] = ['guests_lock', 'kvm->lock', 'pqap_hook_rwsem', 'mdevs_lock'];
    const mdev = m.mdev();
    const update = [guests, kvm, mdevs];
    const rows: [string, () => Promise<unknown>, (string | undefined)[]][] = [
      ['assign_adapter', () => m.adapter(9), [masks, ...update]],
      ['assign_domain', () => m.domain(9), [masks, ...update]],
      ['a bad number', () => m.adapter(-1).catch(() => undefined), [masks, ...update]],
      ['unassign_adapter', () => mdev.unassignAdapterStore(m.task(), '9'), update],
      ['unassign_domain', () => mdev.unassignDomainStore(m.task(), '9'), update],
      ['assign_control_domain', () => mdev.assignControlDomainStore(m.task(), '4'), update],
      ['unassign_control_domain', () => mdev.unassignControlDomainStore(m.task(), '4'), update],
      ['ap_config write', () => mdev.apConfigStore(m.task(), mdev.apConfigText()), [masks, ...update]],
      ['ap_config read', async () => mdev.apConfigText(), []],
      ['matrix read', () => m.matrix(), [mdevs]],
      ['guest_matrix read', () => m.guestMatrix(), [mdevs]],
      ['control_domains read', () => mdev.controlDomainsText(m.task()), [mdevs]],
      ['status read', () => m.status(5, 4), old ? [mdevs] : [guests, mdevs]],
      ['mdev probe', () => m.create(U2), [old ? mdevs : guests]],
      ['mdev remove', () => m.remove(U2), [guests, mdevs]],
      ['close', () => m.guest(`cmd ${U1} close`), old ? [hook, ...update] : [guests, kvm, hook, mdevs]],
      ['open', () => m.guest(`cmd ${U1} open`), old ? [hook, ...update] : [guests, kvm, hook, mdevs]],
      ['ioctl', () => m.guest(`cmd ${U1} info`), [mdevs]],
      ['PQAP intercept', () => aqic(m, vcpuOf(m), { enable: false }), [hook, mdevs]],
      ['queue remove', () => m.bind('unbind', 'vfio_ap', '05.0004'), update],
      ['queue probe', () => m.bind('bind', 'vfio_ap', '05.0004'), [masks, ...update]],
      ['queue remove, not assigned', () => m.bind('unbind', 'vfio_ap', '05.00ab'), [guests, mdevs]],
      ['queue probe, not assigned', () => m.bind('bind', 'vfio_ap', '05.00ab'), [masks, guests, mdevs]],
      ['in_use', () => m.apmask('+5').catch(() => undefined), [masks, guests, mdevs]],
    ];
    for (const [name, work, expected] of rows) t.strictSame(await m.locksOf(work), expected, name);
    await m.hw('notify off');
    await m.hw('card 5 apm off');
    const lost = await m.locksOf(() => m.scan());
    t.strictSame(lost.slice(0, 3), update, 'on_config_changed, removed');
    await m.domain(0x11);
    await m.hw('domain 0x11 add');
    const gained = await m.locksOf(() => m.scan());
    t.strictSame(gained.slice(0, old ? 1 : 2), old ? [guests] : [guests, mdevs], 'on_config_changed, added');
    t.strictSame(gained.slice(-3), update, 'on_scan_complete');
    const removal = m.remove();
    await m.clock.idle();
    const asked = await m.locksOf(() => m.clock.advance(10e9 + 1));
    t.strictSame(asked, version === '7.2' ? update : [], 'request callback');
    await m.guest(`cmd ${U1} exit`);
    await removal;
    t.strictSame(m.violations, []);
  });

t.test('many tasks at once: no deadlock, no wrong order', async (t) => {
  const m = await withGuest();
  await m.create(U2);
  const vcpu = vcpuOf(m);
  const work: Promise<unknown>[] = [];
  const ignore = (p: Promise<unknown>): void => void work.push(p.catch(() => undefined));
  for (let i = 0; i < 30; i++) {
    ignore(m.domain(i % 7));
    ignore(m.adapter(5 + (i % 2), i % 3 ? U1 : U2));
    ignore(m.mdev(U2).unassignAdapterStore(m.task(), `${5 + (i % 2)}`));
    ignore(m.bind(i % 2 ? 'unbind' : 'bind', 'vfio_ap', '05.0004'));
    ignore(m.status(5, 4));
    ignore(m.guest(`cmd ${U1} ${['reset', 'close', 'open', 'info'][i % 4]}`));
    ignore(m.apmask(i % 2 ? '-6' : '+6'));
    ignore(aqic(m, vcpu, { enable: i % 2 === 0 }));
    ignore(m.scan());
  }
  await Promise.all(work);
  await m.guest(`cmd ${U1} exit`);
  await m.remove(U1);
  await m.remove(U2);
  t.strictSame(m.violations, []);
  t.equal(m.kernel.core.modules.loaded.get('vfio_ap')?.refcnt, 0);
});
