/**
 * mdevctl, unmodified: 1.4 with MDEVCTL_ENV_ROOT, as whoever has mounted the machine; 1.4 and 1.2 in a small Debian,
 * where they look for /sys and /etc where they always do.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Outcome, shell } from '../support/mounted.js';
import { CLIENTS, explainSkip, noClient, noDebian } from './available.js';
import { DebianHost } from './debian.js';
import { mountMachine } from './host.js';

const skip = noClient('native/run-mdevctl');
const skipDebian = noDebian();
explainSkip(t, skip, 'mdevctl with MDEVCTL_ENV_ROOT');
explainSkip(t, skipDebian, 'mdevctl 1.2 and 1.4 in a small Debian');

const U1 = '11111111-1111-4111-8111-111111111111';
const U2 = '22222222-2222-4222-8222-222222222222';

/** A place where some mdevctl finds the machine. */
interface Place {
  /** What calls it. */
  readonly mdevctl: string;
  /** The machine's sysfs and the definitions, there. */
  readonly sys: string;
  readonly definitions: string;
  readonly run: (command: string) => Promise<Outcome>;
}

async function good(t: Test, place: Place, command: string): Promise<string> {
  const { status, stdout, stderr } = await place.run(command);
  t.same({ status, stderr }, { status: 0, stderr: '' }, command);
  return stdout;
}

/** The life of a mediated device, with what may go wrong in it. */
async function life(t: Test, place: Place): Promise<void> {
  const { mdevctl, sys, definitions } = place;
  const matrix = `${sys}/devices/vfio_ap/matrix`;
  t.equal(
    (await good(t, place, `${mdevctl} types`)).trim(),
    'matrix\n  vfio_ap-passthrough\n    Available instances: 65536\n    Device API: vfio-ap\n    Name: VFIO AP Passthrough Device',
  );
  await good(t, place, `${mdevctl} define -u ${U1} -p matrix -t vfio_ap-passthrough`);
  for (const [attribute, value] of [
    ['assign_adapter', '0x1'],
    ['assign_domain', '0x6'],
  ])
    await good(t, place, `${mdevctl} modify -u ${U1} --addattr ${attribute} --value ${value}`);
  t.same(JSON.parse(await good(t, place, `cat ${definitions}/matrix/${U1}`)), {
    mdev_type: 'vfio_ap-passthrough',
    start: 'manual',
    attrs: [{ assign_adapter: '0x1' }, { assign_domain: '0x6' }],
  });

  // The queue is the host's: what has been made so far is undone.
  const refused = await place.run(`${mdevctl} start -u ${U1}`);
  t.match(refused, { status: 1, stderr: /0x6 to attribute assign_domain(.|\n)*Cannot assign requested address/ });
  t.notMatch(await good(t, place, `ls ${matrix}`), U1, 'no device is left behind');

  await good(t, place, `echo -1 > ${sys}/bus/ap/apmask`);
  await good(t, place, `${mdevctl} start -u ${U1}`);
  t.equal(await good(t, place, `cat ${matrix}/${U1}/matrix`), '01.0006\n');
  t.match(await good(t, place, `${mdevctl} list`), `${U1} matrix vfio_ap-passthrough manual (defined)\n`);
  t.match(await place.run(`${mdevctl} start -u ${U1}`), { status: 1, stderr: /already exists/ });

  // Somebody else's queue.
  await good(t, place, `${mdevctl} start -u ${U2} -p matrix -t vfio_ap-passthrough`);
  const other = await place.run(`cd ${matrix}/${U2}; echo 1 > assign_adapter; echo 6 > assign_domain`);
  t.match(other.stderr, /Address already in use/);
  t.equal((await good(t, place, `${mdevctl} list`)).trim().split('\n').length, 2, 'both are listed');

  // A guest holds its device.
  const sim = `${sys}/kernel/debug/ap_sim`;
  await good(t, place, `echo 'start ${U1} nokernel' > ${sim}/guest`);
  t.equal(await good(t, place, `cat ${sys}/devices/ap/card01/01.0006/status`), 'in use\n');
  await good(t, place, `echo 'exit ${U1}' > ${sim}/guest`);
  await good(t, place, `${mdevctl} stop -u ${U1} && ${mdevctl} stop -u ${U2} && ${mdevctl} undefine -u ${U1}`);
  t.equal((await good(t, place, `${mdevctl} list; ${mdevctl} list -d; ls ${sys}/bus/mdev/devices`)).trim(), '');
  t.equal(await good(t, place, `cat ${sys}/devices/ap/card01/01.0006/status`), 'unassigned\n');
}

t.jobs = 2;

t.test('mdevctl 1.4 with MDEVCTL_ENV_ROOT', { skip }, async (t) => {
  const sys = await mountMachine(t, 'default');
  const root = mkdtempSync(join(tmpdir(), 'ap-sysfs-mdevctl-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  for (const folder of ['etc/mdevctl.d', 'usr/lib/mdevctl/scripts.d/callouts', 'usr/lib/mdevctl/scripts.d/notifiers'])
    mkdirSync(join(root, folder), { recursive: true });
  symlinkSync(sys, join(root, 'sys'));
  await life(t, {
    mdevctl: `MDEVCTL_ENV_ROOT=${root} ${CLIENTS}/native/run-mdevctl`,
    sys,
    definitions: `${root}/etc/mdevctl.d`,
    run: (command) => shell(command, 30),
  });
});

t.test('in a small Debian', { skip: skipDebian }, async (t) => {
  const host = await DebianHost.boot(t);
  const place = { sys: '/sys', definitions: '/etc/mdevctl.d', run: (command: string) => host.run(command) };
  const releases: [string, string | false][] = [
    ['mdevctl', false],
    ['mdevctl12', noClient('mdevctl-1.2/usr/bin/mdevctl')],
  ];
  for (const [mdevctl, skip] of releases)
    await t.test(mdevctl, { skip }, async (t) => {
      await life(t, { ...place, mdevctl });
      await host.good(t, 'echo +1 > $B/apmask');
    });
});

t.test('udev starts what is defined to start by itself', { skip: skipDebian }, async (t) => {
  const host = await DebianHost.boot(t);
  await host.startUdev(t);
  await host.good(t, `mdevctl define -u ${U1} -p matrix -t vfio_ap-passthrough --auto`);
  // Where the rules of Debian 13 look for it, and where it is not.
  await host.good(t, 'ln -s ../bin/mdevctl /usr/sbin/mdevctl');
  await host.good(t, 'echo "unload vfio_ap" > /sys/kernel/debug/ap_sim/modules');
  t.equal(await host.good(t, 'ls /sys/class/mdev_bus'), '');
  await host.good(t, 'echo "load vfio_ap" > /sys/kernel/debug/ap_sim/modules');
  await host.settleUdev(t);
  t.match(await host.good(t, 'mdevctl list'), `${U1} matrix vfio_ap-passthrough auto (defined)\n`);
});
