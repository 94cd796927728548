/**
 * Programs that read devices by way of libudev or libsysfs, and one that binds drivers: udevadm, udevd, systool, pyudev,
 * driverctl and umockdev, unmodified, in a small Debian whose /sys is the machine.
 */
import t from 'tap';
import { explainSkip, noDebian } from './available.js';
import { DebianHost } from './debian.js';

const skip = noDebian();
explainSkip(t, skip, 'udevadm, systool, pyudev, driverctl and umockdev');

const CARDS = ['card00', 'card01', 'card02', 'card03'];
const QUEUES = ['00', '01', '02', '03'].flatMap((card) => ['0004', '0006', '001b', '0047'].map((d) => `${card}.${d}`));

t.jobs = 2;

t.test('udevadm info', { skip }, async (t) => {
  const host = await DebianHost.boot(t);
  t.equal(
    await host.good(t, 'udevadm info -q property /sys/bus/ap/devices/card01'),
    'DEVPATH=/devices/ap/card01\nDEVTYPE=ap_card\nDRIVER=cex4card\nDEV_TYPE=000E\nMODALIAS=ap:t0E\nMODE=ep11\nSUBSYSTEM=ap\n',
  );
  t.equal(await host.good(t, 'udevadm info -q path /sys/bus/ap/devices/01.0004'), '/devices/ap/card01/01.0004\n');
  const attributes = await host.good(t, 'udevadm info -a /sys/devices/ap/card00/00.0004');
  const [queue, card, root] = attributes.split(/looking at .*:\n/).slice(1);
  t.match(queue, /KERNEL=="00.0004"\n +SUBSYSTEM=="ap"\n +DRIVER=="cex4queue"\n(.*\n)*.*ATTR\{online\}=="1"/);
  t.match(card, /KERNELS=="card00"\n +SUBSYSTEMS=="ap"\n +DRIVERS=="cex4card"\n(.*\n)*.*ATTRS\{type\}=="CEX8C"/);
  t.match(root, /KERNELS=="ap"\n +SUBSYSTEMS==""\n +DRIVERS==""\n/, 'and that is the end');
  const listed = await host.good(t, 'udevadm info --export-db | sed -n "s,^P: /devices/ap/,,p" | sort');
  const paths = [...CARDS, ...QUEUES.map((name) => `card${name.slice(0, 2)}/${name}`)].sort();
  t.same(listed.trim().split('\n'), paths, 'libudev finds every device');
  t.match(await host.run('udevadm info /sys/devices/ap/card09'), { status: /[^0]/, stderr: /card09/ });
});

t.test('udevd gets every event, and its rules write attributes', { skip }, async (t) => {
  const host = await DebianHost.boot(t);
  await host.good(
    t,
    `cat > /etc/udev/rules.d/99-test.rules << 'RULES'
SUBSYSTEM=="ap", ENV{DEVTYPE}=="ap_card", ENV{CONFIG}=="0", ATTR{../../../bus/ap/poll_timeout}="123456"
SUBSYSTEM=="mdev", ACTION=="add", ATTR{assign_domain}="9"
RULES`,
  );
  await host.startUdev(t);
  /** udevd treats devices side by side: each of them is waited for. */
  const monitored = async (command: string, devices: readonly string[]): Promise<string[]> => {
    const text = await host.good(
      t,
      `: > /tmp/events; udevadm monitor >> /tmp/events & p=$!
       until grep -q 'the kernel uevent' /tmp/events; do sleep 0.05; done
       ${command}
       for device in ${devices.join(' ')}; do
         for n in $(seq 200); do grep -q "^UDEV.*/$device " /tmp/events && break; sleep 0.05; done
       done
       kill $p; sed -nE 's/^(KERNEL|UDEV) *\\[[0-9.]*\\] (.*)/\\1 \\2/p' /tmp/events`,
    );
    return text.trim().split('\n');
  };
  const third = ['card03', ...QUEUES.slice(12).map((queue) => `card03/${queue}`)];
  const deconfigured = await monitored('hw card 3 deconfigure', third);
  for (const name of third)
    for (const who of ['KERNEL', 'UDEV']) t.ok(deconfigured.includes(`${who} change   /devices/ap/${name} (ap)`), name);
  t.equal(await host.good(t, 'cat $B/poll_timeout'), '123456\n', 'what the rule says');

  const U = '11111111-1111-4111-8111-111111111111';
  const made = await monitored(`echo ${U} > $P/create`, [U, 'vfio0']);
  // The host's own kernel may speak in between.
  for (const who of ['KERNEL', 'UDEV'])
    t.ok(made.includes(`${who} add      /devices/vfio_ap/matrix/${U} (mdev)`), `${who}: a mediated device appears`);
  t.equal(await host.good(t, `cat $M/${U}/matrix`), '.0009\n', 'and has what the rule says');
  const triggered = await monitored('udevadm trigger --settle -c change -s ap', [...CARDS, ...QUEUES]);
  t.equal(triggered.filter((line) => line.startsWith('UDEV change')).length, 20, 'events by request');
});

t.test('systool', { skip }, async (t) => {
  const host = await DebianHost.boot(t);
  const listed = await host.good(t, 'systool -b ap');
  t.same([...listed.matchAll(/Device = "(.*)"/g)].map(([, name]) => name).sort(), [...CARDS, ...QUEUES].sort());
  const card = await host.good(t, 'systool -b ap -v card02');
  t.match(card, /Device path = "\/sys\/devices\/ap\/card02"\n/);
  t.match(card, / {4}hwtype +="? ?"13"\n|hwtype +. "13"\n/);
  t.match(card, / {4}config +. {2}31 0a\n/, 'as bytes: the name is that of an attribute of PCI');
  const drivers = await host.good(t, 'systool -b ap -D');
  const [, cards = '', queues = ''] = drivers.split(/Driver = /);
  t.same([cards.match(/Device = /g)?.length, queues.match(/Device = /g)?.length], [4, 16]);
  t.match(await host.good(t, 'systool -c mdev_bus -v'), /Class Device path = "\/sys\/devices\/vfio_ap\/matrix"\n/);
});

t.test('pyudev', { skip }, async (t) => {
  const host = await DebianHost.boot(t);
  const script = `
import json, pyudev
devices = pyudev.Context().list_devices(subsystem='ap')
print(json.dumps({d.sys_name: [d.device_type, d.driver, d.properties.get('MODE'), d.parent.sys_name, d.attributes.asstring('online')] for d in devices}))`;
  const found = JSON.parse(await host.good(t, `python3 -c "${script}"`));
  t.same(Object.keys(found).sort(), [...CARDS, ...QUEUES].sort());
  t.same(found.card01, ['ap_card', 'cex4card', 'ep11', 'ap', '1']);
  t.same(found['02.0047'], ['ap_queue', 'cex4queue', 'accel', 'card02', '1']);
});

t.test('driverctl', { skip }, async (t) => {
  const host = await DebianHost.boot(t);
  const driverctl = 'driverctl -b ap';
  const driver = (name: string): Promise<string> => host.good(t, `basename $(readlink $B/devices/${name}/driver)`);
  t.equal(await host.good(t, `${driverctl} list-devices`), QUEUES.map((name) => `${name} cex4queue\n`).join(''));
  await host.good(t, `${driverctl} set-override 00.0004 vfio_ap`);
  t.equal(await driver('00.0004'), 'vfio_ap\n');
  t.equal(await host.good(t, `${driverctl} list-overrides`), '00.0004 vfio_ap\n');
  t.equal(await host.good(t, 'cat $B/devices/00.0004/driver_override; ls /etc/driverctl.d'), 'vfio_ap\nap-00.0004\n');
  t.match(await host.good(t, 'cat $B/apmask'), /^0xf{64}\n/, 'against the masks');
  // It treats every vfio driver as that of PCI at the end; the override is gone all the same.
  t.match(await host.run(`${driverctl} unset-override 00.0004`), { status: 0, stderr: /vfio_pci/ });
  t.equal(await driver('00.0004'), 'cex4queue\n');
  t.equal(await host.good(t, 'cat $B/devices/00.0004/driver_override; ls /etc/driverctl.d'), '\n');
  t.match(await host.run(`${driverctl} set-override 00.0009 vfio_ap`), {
    status: 1,
    stderr: /no such device: 00.0009/,
  });
  const none = await host.run(`${driverctl} set-override 00.0006 nosuch`);
  t.not(none.status, 0, 'a driver that is not there');
});

t.test('driverctl on a kernel without driver_override', { skip }, async (t) => {
  const host = await DebianHost.boot(
    t,
    'adapters: [{id: 0, type: cex8, mode: cca}]\ndomains: {usage: [4]}\nkernel: {version: 6.1}\n',
  );
  t.match(await host.run('driverctl -b ap list-devices'), { status: 1, stderr: /Kernel too old/ });
  t.match(await host.run('driverctl -b ap set-override 00.0004 vfio_ap'), {
    status: 1,
    stderr: /driver_override|not support|[Nn]o such/,
  });
  t.equal(await host.good(t, 'basename $(readlink $B/devices/00.0004/driver)'), 'cex4queue\n');
});

t.test('umockdev records the machine, and its copy looks the same', { skip }, async (t) => {
  const host = await DebianHost.boot(t);
  await host.good(t, 'umockdev-record /sys/devices/ap/card0* /sys/devices/ap/card0*/*.* > /tmp/record');
  const devices = await host.good(t, 'sed -n "s,^P: /devices/ap/.*/,,p; s,^P: /devices/ap/,,p" /tmp/record | sort -u');
  for (const name of [...CARDS, ...QUEUES]) t.ok(devices.includes(name), name);
  const looks = 'cat $D/card03/type $D/card03/03.0006/online; udevadm info -q property -p /devices/ap/card03/03.0006';
  const script = `D=/sys/devices/ap; ${looks}`;
  t.equal(await host.good(t, `umockdev-run -d /tmp/record -- sh -c '${script}'`), await host.good(t, script));
  t.match(await host.good(t, script), /^CEX6C\n1\nDEVPATH=/);
});
