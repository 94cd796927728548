/**
 * libvirt's node devices, by virsh: unmodified libvirtd, udevd and mdevctl in a small Debian whose /sys is the machine.
 * libvirt reads by libudev, writes by mdevctl, and believes what udevd tells it.
 */
import t from 'tap';
import { explainSkip, noDebian } from './available.js';
import { DebianHost } from './debian.js';

const skip = noDebian();
explainSkip(t, skip, 'libvirtd and virsh');

const U = '11111111-1111-4111-8111-111111111111';
const NAME = `mdev_${U.replaceAll('-', '_')}_matrix`;
const DEFINITION = `<device>
  <parent>ap_matrix</parent>
  <capability type="mdev">
    <type id="vfio_ap-passthrough"/>
    <uuid>${U}</uuid>
    <attr name="assign_adapter" value="0"/>
    <attr name="assign_domain" value="4"/>
  </capability>
</device>`;

t.test('virsh nodedev', { skip }, async (t) => {
  const host = await DebianHost.boot(t);
  await host.startUdev(t);
  const virsh = 'virsh -q -c nodedev:///system';
  await host.good(
    t,
    `libvirtd --daemon 2> /tmp/libvirtd.log
     for n in $(seq 100); do ${virsh} nodedev-list 2> /tmp/virsh.log | grep -q ap_matrix && break; sleep 0.1; done
     cat > /tmp/mdev.xml << 'XML'\n${DEFINITION}\nXML`,
  );
  const nodedev = async (words: string): Promise<string> => (await host.good(t, `${virsh} nodedev-${words}`)).trim();
  /** Events reach libvirt by way of udevd, in their own time. */
  const until = async (words: string, expected: RegExp): Promise<void> => {
    const look = `text=$(${virsh} nodedev-${words} 2>&1); echo "$text" | tr '\\n' ' ' | grep -qE '${expected.source}' && break`;
    const text = await host.good(t, `for n in $(seq 100); do ${look}; sleep 0.1; done; echo "$text" | tr '\\n' ' '`);
    t.match(text, expected, words);
  };

  await t.test('lists and describes cards, queues and the matrix', async (t) => {
    t.equal(await nodedev('list --cap ap_card'), 'ap_card00\nap_card01\nap_card02\nap_card03');
    t.equal((await nodedev('list --cap ap_queue')).split('\n').length, 16);
    t.equal(await nodedev('list --cap mdev_types'), 'ap_matrix');
    t.match(
      await nodedev('dumpxml ap_01_001b'),
      /<path>\/sys\/devices\/ap\/card01\/01\.001b<\/path>\s*<parent>ap_card01<\/parent>\s*<driver>\s*<name>cex4queue<\/name>\s*<\/driver>\s*<capability type='ap_queue'>\s*<ap-adapter>0x01<\/ap-adapter>\s*<ap-domain>0x001b<\/ap-domain>/,
    );
    t.match(await nodedev('dumpxml ap_card02'), /<capability type='ap_card'>\s*<ap-adapter>0x02<\/ap-adapter>/);
    t.match(
      await nodedev('dumpxml ap_matrix'),
      /<capability type='ap_matrix'>\s*<capability type='mdev_types'>\s*<type id='vfio_ap-passthrough'>\s*<name>VFIO AP Passthrough Device<\/name>\s*<deviceAPI>vfio-ap<\/deviceAPI>\s*<availableInstances>65536<\/availableInstances>/,
    );
  });

  await t.test('defines a mediated device, and starts it once the host has given up its queue', async (t) => {
    await nodedev('define /tmp/mdev.xml');
    t.equal(await nodedev('list --cap mdev --inactive'), NAME);
    const refused = await host.run(`${virsh} nodedev-start ${NAME}`);
    t.match(refused, { status: 1, stderr: /attribute assign_domain(.|\n)*Cannot assign requested address/ });
    t.notMatch(await host.good(t, 'ls $M'), U);
    await host.good(t, 'echo -0 > $B/apmask');
    await host.settleUdev(t);
    // libvirt may still be told of the device that came and went again.
    const start = `for n in $(seq 100); do ${virsh} nodedev-start ${NAME} 2> /tmp/start.log && break; grep -q active /tmp/start.log || break; sleep 0.1; done`;
    await host.good(t, `${start}; cat /tmp/start.log >&2`);
    t.equal(await host.good(t, `cat $M/${U}/matrix`), '00.0004\n');
    await until('list --cap mdev', new RegExp(`^${NAME} *$`));
    await until('dumpxml ap_00_0004', /<name>vfio_ap<.name>/);
    const xml = await nodedev(`dumpxml ${NAME}`);
    const group = (await host.good(t, `basename $(readlink $M/${U}/iommu_group)`)).trim();
    t.match(xml, `<path>/sys/devices/vfio_ap/matrix/${U}</path>`);
    t.match(xml, /<driver>\s*<name>vfio_ap_mdev<\/name>/);
    t.match(xml, `<iommuGroup number='${group}'/>`);
  });

  await t.test('destroys and undefines it', async (t) => {
    await nodedev(`destroy ${NAME}`);
    t.equal(await host.good(t, 'ls /sys/bus/mdev/devices'), '');
    await until('list --cap mdev --inactive', new RegExp(`^${NAME} *$`));
    await nodedev(`undefine ${NAME}`);
    await until('list --cap mdev --all', /^ *$/);
  });

  await t.test('makes one for now, which waits for the event', async (t) => {
    await nodedev('create /tmp/mdev.xml');
    t.match(await nodedev(`info ${NAME}`), /Active: +yes/);
    t.equal(await host.good(t, `cat $M/${U}/matrix`), '00.0004\n');
    await nodedev(`destroy ${NAME}`);
    await until('list --cap mdev --all', /^ *$/);
  });

  await t.test('sees cards go and come', async (t) => {
    await host.good(t, 'hw card 2 remove; echo 1 > $B/scans');
    await until('list --cap ap_card', /^ap_card00 ap_card01 ap_card03 *$/);
    await host.good(t, 'hw card 2 add cex8 cca; echo 1 > $B/scans');
    await until('list --cap ap_card', /^ap_card00 ap_card01 ap_card02 ap_card03 *$/);
    await until('list --cap ap_queue', /ap_02_0047/);
  });
});
