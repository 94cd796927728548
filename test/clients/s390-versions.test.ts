/**
 * lszcrypt, chzcrypt and zcryptctl of three releases of s390-tools, and lszdev, chzdev and icainfo, all unmodified
 * s390x programs: each prints what it prints on a real machine with that kernel, and changes what it changes there.
 *
 * The first ones run as an ordinary user would, with SYSFS_ROOT; those that look for device nodes or write below /etc
 * run in a small Debian of their own.
 */
import t, { type Test } from 'tap';
import { explainSkip, noClient, noDebian } from './available.js';
import { DebianHost } from './debian.js';
import { Host, type S390Tools } from './host.js';

const skip = noClient('s390x-2.16/usr/sbin/lszcrypt');
const skipDebian = skip || noDebian();
explainSkip(t, skip, 'other releases of s390-tools');
explainSkip(t, skipDebian, 'zcryptctl, chzdev and icainfo');

t.jobs = 2;

/** Columns of a row. */
const words = (line: string | undefined): string[] => (line ?? '').trim().split(/\s+/);
const row = (text: string, name: string): string[] =>
  words(text.split('\n').find((line) => line.startsWith(`${name} `)));

/** What the releases print differently. */
const RELEASES = {
  '2.40': { head: 'CARD.DOM', sessions: ['SESTAT'], vfio: 'assigned', card8: 'RSA 4K Clear Key', features: true },
  '2.35': { head: 'CARD.DOM', sessions: ['SESTAT'], vfio: 'assigned', card8: 'RSA 4K Clear Key', features: true },
  '2.16': {
    head: 'CARD.DOMAIN',
    sessions: [],
    vfio: '-',
    card8: 'Detailed capability information for card00 (hardware type 14) is not available.',
    features: false,
  },
} as const;

async function lists(t: Test, host: Host, version: S390Tools): Promise<void> {
  const { head, sessions, card8, features } = RELEASES[version];
  t.match(await host.good(t, 's390 lszcrypt -v'), `version ${version}`);
  const [titles, rule, ...rows] = (await host.good(t, 'lszcrypt -V')).trimEnd().split('\n');
  const columns = 'TYPE MODE STATUS REQUESTS PENDING HWTYPE QDEPTH FUNCTIONS DRIVER'.split(' ');
  t.same(words(titles), [head, ...columns, ...sessions]);
  t.match(rule, /^-+$/);
  t.equal(rows.length, 20, 'four cards with four queues each');
  const [name, type, mode, status, requests, pending, hwtype, , , driver] = words(rows[6]);
  t.same([name, type, mode, status], ['01.0004', 'CEX8P', 'EP11-Coproc', 'online']);
  t.same([requests, pending, hwtype, driver], ['0', '0', '14', 'cex4queue']);
  t.match(await host.good(t, 'lszcrypt -c 0'), `card00 provides capability for:\n${card8}\n`);
  t.match(await host.good(t, 'lszcrypt -c 2'), 'card02 provides capability for:\nRSA 4K Clear Key\n');
  t.equal(/^features: APSC/.test(await host.good(t, 'lszcrypt -b')), features, 'lszcrypt -b');
  t.match(await host.good(t, 'lszcrypt -d'), /^DOMAIN 00 .*\n-+\n( +[0-9a-f]0( +[.BCU]){16}\n){16}/);
}

async function changes(t: Test, host: Host, version: S390Tools): Promise<void> {
  await host.good(t, 'chzcrypt -d 01.0004');
  t.equal(await host.good(t, 'cat $D/card01/01.000[46]/online'), '0\n1\n');
  t.equal(row(await host.good(t, 'lszcrypt'), '01.0004')[3], 'offline');
  await host.good(t, 'chzcrypt -e 01.0004');
  t.equal(await host.good(t, 'cat $D/card01/01.0004/online'), '1\n');
  await host.good(t, 'chzcrypt -c 60 && chzcrypt -t 300000');
  t.equal(await host.good(t, 'cat $B/config_time $B/poll_timeout'), '60\n300000\n');
  t.match(
    await host.run('chzcrypt -c 200'),
    { status: 1, stderr: /unable to change configuration timer/ },
    'the kernel refuses',
  );
  const gone = await host.run('chzcrypt -d 09');
  t.match(gone, { status: /[^0]/, stderr: /card09/ }, 'a card that is not there');
  if (version !== '2.16') return;
  t.match(
    await host.run('chzcrypt --se-bind 01.0004'),
    { stderr: /Invalid option '--se-bind'/ },
    'newer than this release',
  );
}

/** Queues of vfio_ap have no `online`; releases differ in what they make of that. */
async function passedThrough(t: Test, host: Host, version: S390Tools): Promise<void> {
  await host.good(t, 'U=11111111-1111-4111-8111-111111111111; echo $U > $P/create; echo -3 > $B/apmask');
  await host.good(t, 'cd $M/11111111*; echo 3 > assign_adapter; echo 6 > assign_domain');
  const line = row(await host.good(t, 'lszcrypt -V'), '03.0006');
  t.equal(line[3], RELEASES[version].vfio, 'its status');
  t.match(line, ['03.0006', 'CEX6C']);
  t.ok(line.includes('vfio_ap') || line.includes('vfio-ap'), 'its driver');
  const refused = await host.run('chzcrypt -d 03.0006');
  t.not(refused.status, 0);
  t.match(refused.stderr, /[Ww]rong permissions|not found|[Uu]nable|can't write|not supported/);
  t.equal(await host.good(t, 'cat $D/card03/online'), '1\n', 'nothing else has changed');
}

for (const version of ['2.40', '2.35', '2.16'] as const)
  t.test(`lszcrypt and chzcrypt ${version}`, { skip }, async (t) => {
    const host = await Host.boot(t, 'default', version);
    await lists(t, host, version);
    await changes(t, host, version);
    await passedThrough(t, host, version);
  });

t.test('zcryptctl makes, fills and destroys nodes', { skip: skipDebian }, async (t) => {
  const host = await DebianHost.boot(t);
  for (const version of ['-2.40', '-2.35', '-2.16']) {
    const zcryptctl = `s390 ${version === '-2.40' ? '' : version} zcryptctl`;
    await host.good(t, `${zcryptctl} create mine && node mine`);
    for (const command of [
      'addap mine 3',
      'addap mine 0x1',
      'delap mine 1',
      'adddom mine 4',
      'addioctl mine ZSECSENDCPRB',
    ])
      await host.good(t, `${zcryptctl} ${command}`);
    const [apmask, aqmask, ioctlmask, admask] = (
      await host.good(t, 'cd /sys/class/zcrypt/mine; cat apmask aqmask ioctlmask admask')
    ).split('\n');
    t.match(apmask, /^0x10{63}$/, 'adapter 3');
    t.match(aqmask, /^0x080{62}$/, 'domain 4');
    t.match(ioctlmask, /^0x0{32}40{31}$/, 'ZSECSENDCPRB is number 129');
    t.match(admask, /^0x0{64}$/, 'no control domains');
    const listed = await host.good(t, `${zcryptctl} list`);
    t.match(
      listed,
      /^zcrypt node name:\tmine\n.*\n {2}major:minor:\t\d+:0\n {2}adapter:\t3\n {2}domains:\t4\n/,
      version,
    );
    t.equal(listed.includes('control domains:'), version !== '-2.16', 'what 2.16 does not know yet');
    t.match(await host.run(`${zcryptctl} addap mine 256`), { status: 1, stderr: /./ }, 'there is no adapter 256');
    await host.good(t, `${zcryptctl} destroy mine && umount /dev/mine && rm /dev/mine`);
    t.equal(await host.good(t, 'ls /sys/class/zcrypt'), 'create\ndestroy\n');
  }
});

t.test('lszdev and chzdev configure the pools of the host', { skip: skipDebian }, async (t) => {
  const host = await DebianHost.boot(t);
  await host.startUdev(t);
  for (const version of ['', '-2.35']) {
    const [lszdev, chzdev] = [`s390 ${version} lszdev -t ap`, `s390 ${version} chzdev -t ap`];
    t.match(await host.good(t, lszdev), /apmask +"0-255" +-\n +aqmask +"0-255" +-\n/);
    await host.good(t, `${chzdev} -a apmask=-3,-0x10`);
    t.match(await host.good(t, 'cat $B/apmask'), /^0xefff7f{59}\n/);
    t.match(await host.good(t, `${lszdev} -a`), /apmask +"0-2,4-15,17-255"\n/);
    t.equal(await host.good(t, 'ls $B/drivers/vfio_ap | grep ^03'), '03.0004\n03.0006\n03.001b\n03.0047\n');
    t.match(await host.run(`${chzdev} -a apmask=-400`), { status: 6, stderr: /Invalid input string -400/ });
    await host.good(t, `${chzdev} -a apmask=+3,+16`);
    t.match(await host.good(t, 'cat $B/apmask'), /^0xf{64}\n/);
  }

  // The persistent configuration is a rule of udev, which acts when the bus is complete for the first time.
  await host.good(t, 's390 chzdev -t ap -p aqmask=-0x1b');
  t.match(await host.good(t, 'cat /etc/udev/rules.d/41-ap.rules'), /^ATTR\{.*aqmask\}="0xffffffef{57}"$/m);
  t.match(await host.good(t, 's390 lszdev -t ap'), /aqmask +"0-255" +"0-26,28-255"/);
  await host.good(t, 'udevadm control --reload && udevadm trigger -c add --settle /sys/bus/ap');
  t.match(await host.good(t, 'cat $B/aqmask'), /^0xffffffef{57}\n/, 'udevd has written it');
  t.match(await host.good(t, 's390 lszcrypt -V 2.1b'), /^02\.001b .* unassigned .* vfio_ap /m);
  t.equal(await host.good(t, 'basename $(readlink /sys/devices/ap/card02/02.001b/driver)'), 'vfio_ap\n');

  // What a mediated device uses cannot be taken back.
  await host.good(
    t,
    'U=11111111-1111-4111-8111-111111111111; echo $U > $P/create; cd $M/$U; echo 2 > assign_adapter; echo 0x1b > assign_domain',
  );
  t.match(await host.run('s390 chzdev -t ap -a aqmask=+0x1b'), {
    status: 9,
    stderr: /aqmask conflicts with mdev 11111111-1111-4111-8111-111111111111 APQN 2\.27\n/,
  });
  t.match(await host.good(t, 'cat $B/aqmask'), /^0xffffffef{57}\n/);
});

t.test('icainfo tells what online cards offer', { skip: skipDebian }, async (t) => {
  const host = await DebianHost.boot(t);
  // The processor under it is emulated too: only what comes from adapters is looked at.
  const dynamic = async (): Promise<Record<string, string | undefined>> => {
    const text = await host.good(t, 's390 icainfo');
    return Object.fromEntries(
      ['RSA ME', 'RSA CRT', 'ECDH'].map((name) => [name, new RegExp(`^ *${name} \\| +(yes|no) `, 'm').exec(text)?.[1]]),
    );
  };
  t.same(await dynamic(), { 'RSA ME': 'yes', 'RSA CRT': 'yes', ECDH: 'yes' });
  await host.good(t, 's390 chzcrypt -d 00 03');
  t.same(await dynamic(), { 'RSA ME': 'yes', 'RSA CRT': 'yes', ECDH: 'no' }, 'an accelerator does RSA');
  await host.good(t, 'hw card 2 checkstop on; echo 1 > $B/scans');
  t.same(await dynamic(), { 'RSA ME': 'no', 'RSA CRT': 'no', ECDH: 'no' });
});
