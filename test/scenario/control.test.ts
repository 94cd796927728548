/**
 * The control tree kernel/debug/ap_sim: every file, every verb, what it shows,
 * and what it says of bad input.
 */
import t from 'tap';
import { bootMachine, errnoOf } from '../support/machine.js';
import { B, boot, bootWithMdev, D, Scenario, SIM, U1, U2 } from '../support/scenario.js';

const VFIO_AP = `${B}/drivers/vfio_ap`;

/** A command that fails: its errno, and what `error` says. */
async function failing(s: Scenario, file: string, command: string): Promise<[string, string]> {
  return [await s.control(file, command), await s.read(`${SIM}/error`)];
}

t.test('the directory is for root only, with one file a concern', async (t) => {
  const s = await boot();
  const { sh } = s.m;
  for (const name of ['clock', 'dev', 'guest', 'guests', 'hw', 'kmsg', 'load', 'modules', 'trace', 'uevents'])
    t.ok(sh.exists(`${SIM}/${name}`), name);
  const mode = (path: string): string => (sh.ops.getattr(sh.caller, sh.node(path)).mode & 0o777).toString(8);
  t.equal(mode(SIM), '700');
  for (const file of ['hw', 'guest', 'load', 'modules', 'kmsg', 'clock', 'trace', 'uevents'])
    t.equal(mode(`${SIM}/${file}`), '600', file);
  for (const file of ['dev', 'error', 'help', 'lockdep']) t.equal(mode(`${SIM}/${file}`), '400', file);
  t.equal(
    await errnoOf(
      s.m.sh
        .as({ uid: 1000, gid: 1000 })
        .ask(`${SIM}/hw`, 'show')
        .catch((e) => Promise.reject(e)),
    ),
    'EACCES',
  );
  for (const file of sh.ls(SIM).filter((name) => name !== 'help'))
    t.match(await s.read(`${SIM}/help`), new RegExp(`^${file}\\b`, 'm'), `help names ${file}`);
  for (const file of ['dev', 'error', 'help', 'lockdep'])
    t.equal(await s.control(file, 'x'), 'EACCES', `${file} is not writable`);
  s.sound(t);
});

t.test('hw: each verb changes the machine, and the kernel finds out', async (t) => {
  const s = await boot();
  const show = async (): Promise<string> => s.read(`${SIM}/hw`);
  t.match(await show(), /^card 05 cex8 cca .*configured$/m);
  t.equal(await s.m.sh.ask(`${SIM}/hw`, 'show'), await show(), 'show is what reading gives');
  await s.hw('card 7 add cex7 ep11 serial=ABCD depth=4');
  t.match(await show(), /^card 07 cex7 ep11 .*depth 4.*serial ABCD/m);
  t.equal(await s.read(`${D}/card07/type`), 'CEX7P\n');
  await s.hw('card 7 deconfigure');
  t.match(await show(), /^card 07 .*deconfigured$/m);
  t.equal(await s.read(`${D}/card07/config`), '0\n');
  await s.hw('card 7 configure; card 7 checkstop on');
  await s.m.scan();
  t.equal(await s.read(`${D}/card07/chkstop`), '1\n', 'check-stop is seen at the next scan only');
  await s.hw('card 7 checkstop off; card 7 type cex8 accel');
  t.equal(await s.read(`${D}/card07/type`), 'CEX8A\n');
  await s.hw('card 7 apm off');
  t.notOk(s.m.sh.exists(`${D}/card07`));
  t.match(await show(), /^card 07 .*not listed/m);
  await s.hw('card 7 apm on; card 7 present off');
  t.notOk(s.m.sh.exists(`${D}/card07`));
  await s.hw('card 7 present on');
  t.ok(s.m.sh.exists(`${D}/card07`));
  await s.hw('card 7 sclp-rc 0x0330');
  t.equal(await s.put(0, `${D}/card07/config`), 'EIO');
  await s.hw('card 7 sclp-rc 0');
  t.equal(await s.put(0, `${D}/card07/config`), 'ok');
  await s.hw('card 7 remove');
  t.notMatch(await show(), /card 07 c/);

  await s.hw('domain 6 add; cdomain 0x55 add');
  t.ok(s.m.sh.exists(s.queue('05.0006')));
  t.match(await show(), /^domains {2}0004 0006 00ab$/m);
  t.match(await show(), /^cdomains 0004 0055 00ab$/m);
  await s.hw('domain 6 remove; cdomain 0x55 remove');
  t.notOk(s.m.sh.exists(s.queue('05.0006')));

  await s.hw('hw notify off; hw domain 6 add');
  t.notOk(s.m.sh.exists(s.queue('05.0006')), 'nobody is told; a leading hw is allowed');
  await s.hw('notify now');
  t.ok(s.m.sh.exists(s.queue('05.0006')));
  await s.hw('notify on; domain 6 remove');

  await s.hw('limits 63 15; qci-flags 0xc0000000');
  await s.m.scan();
  t.equal(await s.read(`${B}/features`), 'APSC APXA\n');
  await s.hw('reset-ms 40; delay 1000; reset-polls 2; assoc-polls 3; hold');
  t.match(await show(), /delay 1000 us reset-ms 40 reset-polls 2 assoc-polls 3 hold on/);
  await s.hw('release; reset-ms 0; reset-polls 0; trace off');
  s.instructions();
  await s.m.scan();
  t.same(s.instructions(), [], 'no instruction is traced');
  await s.hw('trace on');
  await s.m.scan();
  t.not(s.instructions().length, 0);
  s.sound(t);
});

t.test('hw: each verb of a queue', async (t) => {
  const s = await boot();
  const status = (): Promise<string> => s.m.sh.ask(`${SIM}/hw`, 'queue 05.0004 status');
  t.match(await status(), /^queue 05\.0004 req 0 rep 0 hold 0 irq 1 reset-left 0 busy 0 bs 0 answered \d+/);
  await s.hw(
    'queue 05.0004 hold; queue 05.0004 irqoff; queue 05.0004 busy 3; queue 05.0004 bs 2; queue 05.0004 reset-left 4',
  );
  t.match(await status(), /hold 1 irq 0 reset-left 4 busy 3 bs 2/);
  t.match(await s.read(`${SIM}/hw`), /^queue 05\.0004 .*hold 1/m, 'what is set shows in the whole picture');
  await s.hw('queue 05.0004 release; queue 05.0004 busy 0; queue 05.0004 bs 0; queue 05.0004 reset-left 0');
  t.match(await status(), /hold 0 irq 0 reset-left 0 busy 0 bs 0/);
  await s.put(1, s.queue('05.0004', 'reset'));
  await s.m.settle();
  t.equal(await s.resets(), '05.0004 rapq=1 aqic=1\n');
  t.equal(await s.resets(), '', 'resets counts from call to call');
  await s.hw('queue 05.0004 inject tapq 0x07 1');
  t.equal(await s.put(1, s.queue('05.0004', 'reset')), 'ok');
  await s.m.settle();
  t.equal(await s.read(s.queue('05.0004', 'reset')), 'Reset in progress.\n', 'an injected code is an error');
  await s.m.scan();
  t.equal(await s.read(s.queue('05.0004', 'reset')), 'No Reset Timer set.\n', 'until the next scan');
  for (const command of [
    'reset-ms 5',
    'reset-polls 1',
    'irq-polls 2',
    'async 0x10',
    'async 0',
    'drop',
    'reply lost',
    'reply off',
    'reply 0x82 0x10 2',
    'reply cca 8 33',
    'inject zapq 3 2',
    'inject zapq 3 0',
  ])
    t.equal(await s.control('hw', `queue 05.0004 ${command}`), 'ok', command);
  s.sound(t);
});

t.test('hw: bad input changes nothing, is EINVAL, and error says what was wrong', async (t) => {
  const s = await boot();
  const before = await s.read(`${SIM}/hw`);
  for (const [command, words] of [
    ['nonsense', /unknown command "nonsense" \(known: card queue/],
    ['card', /card/],
    ['card 256 add cex8 cca', /card/],
    ['card 9 add cex8', /expected|mode|cca/],
    ['card 9 add cex8 cca colour=red', /colour=red/],
    ['card 9 remove', /there is no card 9/],
    ['card 5 explode', /explode|expected/],
    ['queue 05.0004', /what to do/],
    ['queue 5 hold', /"5" is not a queue/],
    ['queue 99.0004 hold', /there is no card for queue 99\.0004/],
    ['queue 05.0004 inject foo 1', /foo|tapq/],
    ['queue 05.0004 reply maybe', /unknown reply "maybe"/],
    ['domain 4 toggle', /toggle|add/],
    ['reset-ms soon', /soon|milliseconds/],
    ['show me', /me/],
    ['card 9 add cex8 cca; nonsense', /hw: nonsense: unknown command .*; nothing was done$/m],
    ['card 99 remove; domain 9 add', /there is no card 99; nothing was done$/m],
    ['qci off', /QCI is installed or not before the kernel boots: facilities: \{ qci: false \} in the machine file/],
    ['qci on', /before the kernel boots/],
  ] as const) {
    const [errno, text] = await failing(s, 'hw', command);
    t.equal(errno, 'EINVAL', command);
    t.match(text, words, `${command}: ${text.trim()}`);
  }
  t.equal(await s.read(`${SIM}/hw`), before);
  t.equal(await s.control('hw', ''), 'EINVAL', 'an empty line');
  t.same(
    await failing(s, 'hw', 'domain 9 add; card 99 remove; domain 10 add; domain 11 add'),
    [
      'EINVAL',
      'hw: card 99 remove: there is no card 99; done before it: "domain 9 add"; not done: "domain 10 add", "domain 11 add"\n',
    ],
    'of several commands it is told which are done',
  );
  const added = (await s.read('bus/ap/ap_usage_domain_mask')).slice(0, 6);
  t.equal(added, '0x0840', 'and so they are: domains 4 and 9');
  const reply = JSON.parse(await s.m.sh.ask(`${SIM}/hw`, 'json queue 05.0004 explode')) as Record<string, unknown>;
  t.match(reply, { stdout: '', rc: 1, stderr: /unknown "explode"/ });
  t.match(JSON.parse(await s.m.sh.ask(`${SIM}/hw`, 'json queue 05.0004 status')), {
    rc: 0,
    stderr: '',
    stdout: /^queue 05/,
  });
  s.sound(t);
});

t.test('guest: each command of a monitor, in both forms', async (t) => {
  const s = await bootWithMdev();
  t.equal(await s.guest(`start ${U1} nokernel`), `guest ${U1} running\n`);
  t.match(await s.read(`${SIM}/guest`), new RegExp(`^${U1} pid \\d+ device open vcpus 0\\n$`));
  t.same(s.m.sh.ls(`${SIM}/guests`), [U1]);
  t.match(await s.guest(`info ${U1}`), /flags 0x21 \(AP=1 RESET=1\) num_regions 0 num_irqs 2/);
  t.equal(await s.guest(`cmd ${U1} info`), await s.guest(`info ${U1}`));
  t.match(await s.guest(`irqinfo ${U1}`), /^index 0 flags 0x1 count 1\nindex 1 .*\nindex 2: .*EINVAL/);
  t.equal(await s.guest(`reset ${U1}`), 'reset ok\n');
  t.equal(await s.guest(`reqirq ${U1}`), 'reqirq ok\n');
  t.equal(await s.guest(`cfgirq ${U1}`), 'cfgirq ok\n');
  await s.put('05.0004', `${VFIO_AP}/unbind`);
  t.equal(await s.read(`${SIM}/guests/${U1}/events`), 'req 0 cfg 1\n', 'looking does not clear');
  t.equal(await s.guest(`events ${U1}`), 'req 0 cfg 1\n');
  t.equal(await s.guest(`events ${U1}`), 'req 0 cfg 0\n');
  t.equal(await s.guest(`vcpu ${U1}`), 'vcpu created\n');
  t.match(await s.read(`${SIM}/guest`), /vcpus 1$/m);
  t.equal(await s.guest(`apie ${U1} off`), 'apie ok\n');
  t.equal(await s.guest(`autoclose ${U1}`), 'autoclose 1\n');
  t.equal(await s.guest(`open2 ${U1}`), 'second open ok\n');
  t.match(await s.read(`${SIM}/guests/${U1}/apcb`), /^apm 0x0{64}\naqm 0x08.*\nadm 0x0{64}\n$/);
  t.equal(await s.guest(`close ${U1}`), 'device fd closed\n');
  t.equal(await s.guest(`open ${U1}`), 'device fd opened\n');
  t.equal(await s.guest(`closegroup ${U1}`), 'group closed\n');
  t.match(await s.read(`${SIM}/guest`), /device closed/);
  t.match(await s.guest(`badioctl ${U1}`).catch((e: Error) => e.message), /./);
  t.equal(await s.guest(`open ${U1}`), 'device fd opened\n');
  t.match(await s.guest(`badirq ${U1}`), /EINVAL/);
  await s.create(U2);
  t.match(await s.guest(`json attach ${U1} ${U2}`), /EPERM/);
  t.equal(await s.guest(`exit ${U1}`), 'bye\n');
  t.equal(await s.read(`${SIM}/guest`), '');
  t.same(s.m.sh.ls(`${SIM}/guests`), []);
  t.match(await s.guest(`raw ${U1}`), /./);
  for (const variant of ['nokvm', 'noadd'])
    t.match(
      await s.guest(`json start ${U1} ${variant}`),
      /VFIO_GROUP_GET_DEVICE_FD: Invalid argument \(EINVAL\)/,
      variant,
    );
  t.equal(await s.guest(`start ${U1} noapie`), `guest ${U1} running\n`);
  s.sound(t);
});

t.test('guest: what fails is an errno, with the call in error', async (t) => {
  const s = await bootWithMdev();
  t.same(await failing(s, 'guest', `reset ${U1}`), ['ENOENT', 'connect: No such file or directory (ENOENT)\n']);
  t.match(await failing(s, 'guest', `start ${U2}`), ['ENOENT', /readlink iommu_group/]);
  await s.guest(`start ${U1}`);
  t.match(await failing(s, 'guest', `start ${U1}`), ['EBUSY', /open \/dev\/vfio\/\d+: Device or resource busy/]);
  for (const [command, words] of [
    ['start', /^start: the UUID of an mdev is missing: start UUID$/m],
    [`start ${U1} fast`, /fast/],
    [`dance ${U1}`, /^unknown command "dance" \(known: start raw info irqinfo .*exit\)$/m],
    ['dance', /^unknown command "dance"/],
    [`cmd ${U1} dance`, /unknown command \(known: info/],
    [`reqirq ${U1} maybe`, /not on or off: maybe/],
    [`attach ${U1}`, /attach UUID/],
  ] as const) {
    const [errno, text] = await failing(s, 'guest', command);
    t.equal(errno, 'EINVAL', command);
    t.match(text, words, command);
  }
  t.match(JSON.parse(await s.guest(`json cmd ${U2} info`)), { stdout: '', rc: 1, stderr: /^connect: / });
  s.sound(t);
});

t.test('load: programs with an open node send requests', async (t) => {
  const s = await boot();
  const ask = (command: string): Promise<string> => s.m.sh.ask(`${SIM}/load`, command);
  t.equal(await ask('open 10 260'), '1\n');
  t.equal(await ask('open 10 260 other'), '2\n');
  t.equal(await ask('request 1 me 1024'), 'ok\n');
  t.equal(await ask('request 1 crt 2048'), 'ok\n');
  t.equal(await s.read(`${SIM}/load`), '1 cryptoload ok\n2 other none\n');
  await s.hw('hold; queue 05.0004 hold; queue 05.00ab hold; queue 06.0004 hold; queue 06.00ab hold');
  t.equal(await ask('request 1 me 1024'), 'pending\n');
  t.match(await failing(s, 'load', 'request 1 me 1024'), ['EBUSY', /waits for a request/]);
  t.equal(await ask('request 2 me 1024'), 'pending\n');
  t.equal(await ask('signal 2'), 'EINTR\n');
  await s.hw('release');
  t.equal(await ask('result 1'), 'ok\n');
  t.equal(await ask('stat 1 totalopen'), '2\n');
  t.equal(await ask('call 1 read'), 'EPERM\n');
  t.match(await ask('errors 1'), /EFAULT|EINVAL/);
  t.equal(await ask('close 2'), '');
  t.equal(await ask('stat 1 totalopen'), '1\n');
  for (const [command, errno] of [
    ['open 10 99', 'ENXIO'],
    ['request 9 me 1024', 'EINVAL'],
    ['request 1 me 7', 'EINVAL'],
    ['request 1 rsa 1024', 'EINVAL'],
    ['dance 1', 'EINVAL'],
  ] as const) {
    const [got, text] = await failing(s, 'load', command);
    t.equal(got, errno, command);
    t.not(text, '', text.trim());
  }
  await ask('close 1');
  s.sound(t);
});

t.test('modules: load and unload, listed as by lsmod', async (t) => {
  const s = await boot();
  const list = (): Promise<string> => s.read(`${SIM}/modules`);
  t.match(await list(), /^Module +Size +Used by\nvfio_ap +\d+ +0\n/);
  t.match(await list(), /^mdev +\d+ +1 vfio_ap$/m);
  t.equal(await s.control('modules', 'unload mdev'), 'EAGAIN');
  t.match(await s.read(`${SIM}/error`), /module mdev is in use/);
  t.equal(await s.control('modules', 'unload vfio-ap'), 'ok', 'a dash is an underscore');
  t.notMatch(await list(), /^vfio_ap /m);
  t.notOk(s.m.sh.exists('module/vfio_ap'));
  t.equal(await s.control('modules', 'load vfio_ap'), 'ok');
  t.equal(await s.control('modules', 'load vfio_ap'), 'ok', 'loaded already');
  t.equal(await s.control('modules', 'unload zcrypt_cex4'), 'ok');
  t.equal(await s.control('modules', 'unload zcrypt'), 'ok');
  t.equal(await s.control('modules', 'load zcrypt mempool_threshold=9'), 'ok');
  t.equal(await s.read('module/zcrypt/parameters/mempool_threshold'), '9\n');
  t.equal(await s.control('modules', 'unload zcrypt'), 'ok');
  t.equal(await s.control('modules', 'load zcrypt mempool_threshold=0'), 'EINVAL');
  t.same(await failing(s, 'modules', 'load nothing'), ['ENOENT', 'module nothing not found\n']);
  t.same(await failing(s, 'modules', 'unload nothing'), ['ENOENT', 'module nothing is not loaded\n']);
  await s.control('kmsg', 'clear');
  t.equal(await s.control('modules', 'load zcrypt mempool-threshold=8 hwrng_seed=0 9 async_probe=1'), 'ok');
  t.equal(await s.read('module/zcrypt/parameters/mempool_threshold'), '8\n', 'a dash is an underscore');
  t.equal(await s.control('modules', 'load zcrypt_cex4 a=b'), 'ok');
  t.equal(await s.control('modules', 'unload zcrypt_cex4'), 'ok');
  t.equal(await s.control('modules', 'unload zcrypt'), 'ok');
  t.equal(await s.control('modules', 'load zcrypt mempool_threshold=x'), 'EINVAL');
  t.equal(await s.control('modules', 'load zcrypt mempool_threshold=99999999999'), 'ERANGE');
  t.equal(await s.control('modules', 'load zcrypt mempool_threshold'), 'EINVAL');
  t.notOk(s.m.sh.exists('module/zcrypt'), 'a bad parameter keeps it out');
  t.same((await s.read(`${SIM}/kmsg`)).replace(/\[.*?\] /g, '').split('\n'), [
    "<4>zcrypt: unknown parameter 'hwrng_seed' ignored",
    "<4>zcrypt: unknown parameter '9' ignored",
    "<4>zcrypt_cex4: unknown parameter 'a' ignored",
    "<3>zcrypt: `x' invalid for parameter `mempool_threshold'",
    "<3>zcrypt: `99999999999' invalid for parameter `mempool_threshold'",
    "<3>zcrypt: `' invalid for parameter `mempool_threshold'",
    '',
  ]);
  for (const command of ['load', 'reload zcrypt', 'unload zcrypt now'])
    t.match(await failing(s, 'modules', command), ['EINVAL', /expected load NAME/], command);
  s.sound(t);
});

t.test('kmsg, trace and uevents show what was said, done and sent, until cleared', async (t) => {
  const s = await boot();
  t.match(await s.read(`${SIM}/kmsg`), /^<6>\[ *\d+\.\d{6}\] vfio_ap matrix: MDEV: Registered$/m);
  await s.create(U1);
  t.match(await s.read(`${SIM}/kmsg`), new RegExp(`vfio_ap_mdev ${U1}: Adding to iommu group 0$`, 'm'));
  t.match(
    await s.read(`${SIM}/uevents`),
    new RegExp(
      `^add@/devices/vfio_ap/matrix/${U1}\\nACTION=add\\nDEVPATH=.*\\nSUBSYSTEM=mdev\\n(.*\\n)*?SEQNUM=\\d+\\n`,
      'm',
    ),
  );
  await s.put('-5', `${B}/apmask`);
  t.match(await s.read(`${SIM}/uevents`), /^APMASK=0xfb/m);
  t.match(await s.read(`${SIM}/trace`), /^\d+ \[ *\d+\.\d{6}\] ap\.remove: 05\.0004 prepare$/m);
  for (const file of ['kmsg', 'trace', 'uevents']) {
    t.equal(await s.control(file, 'clear'), 'ok', file);
    t.match(await s.read(`${SIM}/${file}`), file === 'trace' ? /^# \d+ dropped\n$/ : /^$/);
    t.match(await failing(s, file, 'empty'), ['EINVAL', new RegExp(`${file}: "empty": expected clear`)], file);
  }
  s.sound(t);
});

t.test('the rings count what fell out', async (t) => {
  const s = await boot();
  const scans = 40;
  for (let i = 0; i < scans; i++) await s.m.scan();
  for (let i = 0; i < 9000; i++) await s.put('change', `${D}/uevent`);
  t.match(await s.read(`${SIM}/uevents`), /^# \d+ dropped\n/);
  s.sound(t);
});

t.test('dev lists the device nodes that the kernel made', async (t) => {
  const s = await boot();
  t.match(await s.read(`${SIM}/dev`), /^c 0600 10:260 z90crypt$/m);
  t.equal(await s.put('mine', 'class/zcrypt/create'), 'ok');
  t.match(await s.read(`${SIM}/dev`), /^c 0\d+ \d+:0 mine$/m);
  await s.create(U1);
  t.match(await s.read(`${SIM}/dev`), /^c 0600 \d+:0 vfio\/0$/m);
  t.equal(await s.put('mine', 'class/zcrypt/destroy'), 'ok');
  await s.put(1, s.mdev(U1, 'remove'));
  t.notMatch(await s.read(`${SIM}/dev`), /mine|vfio\/0/);
  s.sound(t);
});

t.test('clock: modes, advance and settle', async (t) => {
  const s = await boot();
  const clock = (): Promise<string> => s.read(`${SIM}/clock`);
  const now = async (): Promise<number> => Number(/^now (\S+)$/m.exec(await clock())?.[1]);
  t.match(await clock(), /^mode auto\nnow \d+\.\d{6}\n\d+\.\d{6} ap_scan_bus_timer \(background\)\n/);
  t.equal(await s.control('clock', 'manual'), 'ok');
  t.match(await clock(), /^mode manual\n/);
  const begin = await now();
  for (const [text, seconds] of [
    ['1.5s', 1.5],
    ['40ms', 0.04],
    ['5us', 0.000005],
    ['7000ns', 0.000007],
    ['1min', 60],
  ] as const) {
    const before = await now();
    t.equal(await s.control('clock', `advance ${text}`), 'ok');
    t.ok(Math.abs((await now()) - before - seconds) < 2e-6, text);
  }
  t.ok((await now()) - begin > 61);
  t.equal(await s.read(`${B}/scans`), '3\n', 'the scan timer of 30 s fired twice');
  await s.m.sh.write(`${SIM}/hw`, 'card 5 deconfigure');
  t.equal(await s.control('clock', 'settle'), 'ok');
  t.equal(await s.read(`${D}/card05/config`), '0\n');
  t.equal(await s.control('clock', 'real'), 'ok');
  t.equal(await s.control('clock', 'auto'), 'ok');
  for (const command of [
    'faster',
    'advance',
    'advance soon',
    'advance 3',
    'advance -1s',
    'settle now',
    'manual please',
    'advance 1s 2s',
  ]) {
    const [errno, text] = await failing(s, 'clock', command);
    t.equal(errno, 'EINVAL', command);
    t.match(text, /^clock: /, command);
  }
  s.sound(t);
});

t.test('lockdep shows the order learnt so far', async (t) => {
  const s = await bootWithMdev();
  await s.guest(`start ${U1}`);
  const lines = (await s.read(`${SIM}/lockdep`)).trimEnd().split('\n');
  t.same(lines, [...lines].sort());
  for (const line of [
    'ap_attr_mutex -> guests_lock',
    'guests_lock -> kvm->lock',
    'kvm->lock -> pqap_hook_rwsem',
    'guests_lock -> mdevs_lock',
  ])
    t.ok(lines.includes(line), line);
  s.sound(t);
});

t.test('error is empty until something fails, and keeps the last failure', async (t) => {
  const s = new Scenario(await bootMachine());
  t.equal(await s.read(`${SIM}/error`), '');
  await s.control('clock', 'faster');
  await s.control('hw', 'show');
  t.match(await s.read(`${SIM}/error`), /^clock: "faster"/, 'a success does not clear it');
  await s.control('trace', 'x');
  t.match(await s.read(`${SIM}/error`), /^trace: "x"/);
  await s.m.sh.ask(`${SIM}/hw`, 'json nonsense');
  t.match(await s.read(`${SIM}/error`), /^trace: "x"/, 'a program that asks for json gets its own answer');
  s.sound(t);
});
