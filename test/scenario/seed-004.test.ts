/**
 * Acceptance checks of seed 004: what the documentation of vfio_ap promises
 * (spec/seeds-map.md 5), as far as it still holds.
 */
import t from 'tap';
import { Requests } from '../support/requests.js';
import { B, boot, D, KERNELS, type Scenario, SIM } from '../support/scenario.js';

const VFIO_AP = `${B}/drivers/vfio_ap`;
const CEX4QUEUE = `${B}/drivers/cex4queue`;
const ONE_QUEUE = 'card 5 add cex8 cca; domain 4 add; cdomain 4 add';
const TWO_QUEUES = `${ONE_QUEUE}; card 6 add cex8 cca`;

const requestCounts = async (s: Scenario, ...queues: string[]): Promise<number[]> =>
  Promise.all(queues.map(async (q) => Number(await s.read(s.queue(q, 'request_count')))));

for (const kernel of KERNELS)
  t.test(`4-1 vfio_ap makes its root device, the device matrix, its bus and its type (${kernel})`, async (t) => {
    const s = await boot({ kernel });
    const { sh } = s.m;
    const matrix = 'devices/vfio_ap/matrix';
    for (const dir of ['devices/vfio_ap', matrix, 'bus/matrix', `${matrix}/mdev_supported_types/vfio_ap-passthrough`])
      t.ok(sh.exists(dir), dir);
    t.match(sh.readlink(`${matrix}/driver`), /bus\/matrix\/drivers\/vfio_ap$/);
    t.match(sh.readlink(`${matrix}/subsystem`), /bus\/matrix$/);
    t.match(sh.readlink('bus/matrix/devices/matrix'), /devices\/vfio_ap\/matrix$/);
    t.match(sh.readlink('class/mdev_bus/matrix'), /devices\/vfio_ap\/matrix$/);
    t.same(sh.ls(`${matrix}/mdev_supported_types/vfio_ap-passthrough`).sort(), [
      'available_instances',
      'create',
      'device_api',
      'devices',
      'name',
    ]);
    t.equal(sh.exists(`${matrix}/features`), kernel !== '6.1');
    t.equal(await s.control('modules', 'unload vfio_ap'), 'ok');
    for (const gone of ['devices/vfio_ap', 'bus/matrix']) t.notOk(sh.exists(gone), `${gone} goes with the module`);
    s.sound(t);
  });

for (const kernel of KERNELS)
  t.test(`4-2 types below 10 get no device, in 6.1 devices without driver (${kernel})`, async (t) => {
    const s = await boot({ kernel });
    await s.hw('card 7 add 9 cca; card 8 add cex4 cca; card 9 add cex8 cca');
    t.equal(s.m.sh.exists(`${D}/card07`), kernel === '6.1');
    t.same([s.driver('08.0004'), s.driver('09.0004')], ['cex4queue', 'cex4queue']);
    if (kernel === '6.1') {
      t.equal(s.driver('07.0004'), 'none');
      t.equal(await s.put('07.0004', `${CEX4QUEUE}/bind`), 'ENODEV');
      await s.put('-7', `${B}/apmask`);
      t.equal(s.driver('07.0004'), 'none');
      t.equal(await s.put('07.0004', `${VFIO_AP}/bind`), 'ENODEV');
      t.equal(await s.read(`${B}/bindings`), '8/10\n', 'so the bindings never become complete');
    }
    await s.put('-8,-9', `${B}/apmask`);
    t.same([s.driver('08.0004'), s.driver('09.0004')], ['vfio_ap', 'vfio_ap']);
    s.sound(t);
  });

t.test('4-3 an unbind calls the remove of cex4queue', async (t) => {
  const s = await boot();
  t.equal(await s.put('05.0004', `${CEX4QUEUE}/unbind`), 'ok');
  t.same(s.events(), ['unbind@/devices/ap/card05/05.0004']);
  t.notOk(s.m.sh.exists(s.queue('05.0004', 'driver')));
  t.notOk(s.m.sh.exists(`${CEX4QUEUE}/05.0004`));
  t.notOk(s.m.sh.exists(s.queue('05.0004', 'online')), 'the files of the driver are gone');
  t.ok(s.m.sh.exists(s.queue('05.0004', 'request_count')), 'those of the bus are not');
  t.equal(await s.resets(), '05.0004 zapq=1\n');
  t.equal(await s.read(`${B}/bindings`), '3/4\n');
  s.sound(t);
});

t.test('4-4 bind alone does not reserve a queue: masks do', async (t) => {
  const s = await boot();
  t.equal(await s.put('05.0004', `${VFIO_AP}/bind`), 'EBUSY');
  await s.put('05.0004', `${CEX4QUEUE}/unbind`);
  t.equal(await s.put('05.0004', `${VFIO_AP}/bind`), 'ENODEV');
  await s.put('05.0004', `${CEX4QUEUE}/bind`);
  await s.put('-5', `${B}/apmask`);
  t.equal(s.driver('05.0004'), 'vfio_ap');
  t.equal(await s.put('05.0004', `${VFIO_AP}/bind`), 'EBUSY');
  await s.put('+5', `${B}/apmask`);
  await s.put('-4', `${B}/aqmask`);
  t.same([s.driver('05.0004'), s.driver('06.0004'), s.driver('05.00ab')], ['vfio_ap', 'vfio_ap', 'cex4queue']);
  s.sound(t);
});

t.test('4-4 in 7.2 an override reserves a queue too, and excludes the masks', async (t) => {
  const s = await boot();
  const override = s.queue('05.0004', 'driver_override');
  t.equal(await s.put('vfio_ap', override), 'ok');
  t.equal(s.driver('05.0004'), 'cex4queue', 'nothing moves yet');
  t.equal(await s.put('-6', `${B}/apmask`), 'EINVAL', 'masks and overrides exclude each other');
  await s.put('05.0004', `${CEX4QUEUE}/unbind`);
  t.equal(await s.put('05.0004', `${CEX4QUEUE}/bind`), 'ENODEV');
  t.equal(await s.put('05.0004', `${VFIO_AP}/bind`), 'ok');
  t.equal(s.driver('05.0004'), 'vfio_ap');
  t.match(await s.read(`${B}/apmask`), /^0xf{64}\n$/);
  t.equal(await s.put('', override), 'ok');
  t.equal(await s.put('-6', `${B}/apmask`), 'ok');
  t.equal(s.driver('05.0004'), 'cex4queue', 'without the override the masks decide');
  t.equal(await s.put('vfio_ap', override), 'EINVAL', 'masks in use');
  s.sound(t);
});

t.test('4-5 an unbind is never refused, not even with requests in flight', async (t) => {
  const s = await boot({ hardware: ONE_QUEUE });
  const requests = await Requests.open(s);
  await s.hw('queue 05.0004 hold');
  const results = [requests.rsa(), requests.rsa()];
  await s.m.settle();
  t.equal(await s.read(s.queue('05.0004', 'pendingq_count')), '2\n');
  t.equal(await s.put('05.0004', `${CEX4QUEUE}/unbind`), 'ok');
  await Promise.all(results);
  await s.put('-5', `${B}/apmask`);
  t.equal(await s.put('05.0004', `${VFIO_AP}/unbind`), 'ok');
  s.sound(t);
});

t.test('4-6 flushed requests succeed on another queue', async (t) => {
  const s = await boot({ hardware: TWO_QUEUES.replaceAll('cca', 'cca depth=2') });
  const requests = await Requests.open(s);
  await s.hw('queue 05.0004 hold; queue 06.0004 hold');
  const results = Promise.all(Array.from({ length: 8 }, () => requests.rsa()));
  await s.m.settle();
  t.same(
    await Promise.all(['pendingq_count', 'requestq_count'].map((f) => s.read(s.queue('05.0004', f)))),
    ['2\n', '2\n'],
    'two sent, two waiting',
  );
  await s.put('05.0004', `${CEX4QUEUE}/unbind`);
  await s.hw('queue 06.0004 release');
  t.same(await results, Array(8).fill('ok'));
  requests.close();
  s.sound(t);
});

t.test('4-7 a request that was sent already may run twice, its sender sees one success', async (t) => {
  const s = await boot({ hardware: TWO_QUEUES });
  const requests = await Requests.open(s);
  await s.put(0, s.queue('06.0004', 'online'));
  await s.hw('queue 05.0004 hold');
  const result = requests.rsa();
  await s.m.settle();
  await s.put(1, s.queue('06.0004', 'online'));
  await s.put('05.0004', `${CEX4QUEUE}/unbind`);
  t.equal(await result, 'ok');
  t.same(
    s.instructions(/NQAP/).map((line) => line.slice(0, 18)),
    ['NQAP 05.0004 -> 00', 'NQAP 06.0004 -> 00'],
  );
  s.sound(t);
});

for (const kernel of KERNELS)
  t.test(`4-8 without another queue a request fails with ENODEV, after a bus scan (${kernel})`, async (t) => {
    const s = await boot({ kernel, hardware: ONE_QUEUE });
    const requests = await Requests.open(s);
    await s.hw('queue 05.0004 hold');
    const result = requests.rsa();
    await s.m.settle();
    const scans = Number(await s.read(`${B}/scans`));
    await s.put('05.0004', `${CEX4QUEUE}/unbind`);
    t.equal(await result, 'ENODEV');
    t.equal(Number(await s.read(`${B}/scans`)) - scans, kernel === '6.1' ? 0 : 1);
    s.sound(t);
  });

t.test('4-8 after ten tries a request fails with EIO, an administrative one at once', async (t) => {
  const s = await boot({ hardware: TWO_QUEUES });
  const requests = await Requests.open(s);
  await s.hw('queue 05.0004 reply 0x82 0x10 -1; queue 06.0004 reply 0x82 0x10 -1');
  for (const card of ['card05', 'card06']) await s.put(0, `${D}/${card}/request_count`);
  const sent = async (): Promise<number> => (await requestCounts(s, '05.0004', '06.0004')).reduce((a, b) => a + b, 0);
  const scans = await s.read(`${B}/scans`);
  t.equal(await requests.rsa(), 'EIO');
  t.equal(await sent(), 10);
  t.equal(await requests.cca({ funcId: 'T3', domain: 4 }), 'EIO');
  t.equal(await sent(), 11);
  t.equal(await s.read(`${B}/scans`), scans, 'no scan for that');
  s.sound(t);
});

t.test('4-9 the flush is done by the bus, before the driver of the queue is called', async (t) => {
  const s = await boot({ hardware: ONE_QUEUE });
  const requests = await Requests.open(s);
  await s.hw('queue 05.0004 hold');
  const result = requests.rsa();
  await s.m.settle();
  s.story();
  let atRemove: string[] = [];
  s.onDriverRemove('cex4queue', () => {
    atRemove = s.story(/flushed|prepare|driver|zapq/).map((line) => line.replace(/^request \d+ /, ''));
  });
  await s.put('-5', `${B}/apmask`);
  t.equal(await result, 'ENODEV');
  t.same(atRemove, ['flushed 05.0004 (EAGAIN, step 1 of the removal)', '05.0004 prepare']);
  t.same(s.story(/flushed|prepare|driver|zapq/), ['05.0004 driver', '05.0004 zapq']);
  s.sound(t);
});

for (const kernel of KERNELS)
  t.test(`4-10 a reserved queue gets no requests of the host (${kernel})`, async (t) => {
    const s = await boot({ kernel, hardware: TWO_QUEUES });
    const requests = await Requests.open(s);
    for (let n = 0; n < 4; n++) t.equal(await requests.rsa(), 'ok');
    t.equal(await requests.cca({ card: 5 }), 'ok');
    const [five = 0] = await requestCounts(s, '05.0004');
    t.ok(five >= 3, `adapter 5 served ${five}`);
    await s.put('-5', `${B}/apmask`);
    t.equal(s.driver('05.0004'), 'vfio_ap');
    const cardCount = await s.read(`${D}/card05/request_count`);
    s.instructions();
    for (let n = 0; n < 4; n++) t.equal(await requests.rsa(), 'ok');
    t.equal(await requests.cca({ card: 5 }), 'ENODEV', 'one that names the adapter');
    t.equal(await requests.cca({ card: 6 }), 'ok');
    t.same(s.instructions(/NQAP 05/), []);
    t.equal(await s.read(`${D}/card05/request_count`), cardCount);
    // Its own files talk to the card too.
    t.equal(await s.read(`${D}/card05/serialnr`), '\n');
    t.match(await s.read(`${D}/card06/serialnr`), /^\S{8}\n$/);
    t.match(await s.read(`${SIM}/error`), /^$/);
    s.sound(t);
  });
