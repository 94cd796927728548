/**
 * Fault rules: which calls they hit, and what a caller sees of it.
 */
import t from 'tap';
import { Faults } from '../../fs-tree/faults/faults.js';
import { PathGlob } from '../../fs-tree/faults/glob.js';
import { O_RDWR } from '../../fs-tree/ops.js';
import { valueText } from '../../lib/description/fault.js';
import { bootMachine, errnoOf, ROOT, type TestMachine } from '../support/machine.js';

const FAULTS = 'kernel/debug/ap_sim/faults';
const SERIAL = 'devices/ap/card00/serialnr';

async function boot(): Promise<TestMachine> {
  const m = await bootMachine();
  t.teardown(() => m.world.stop());
  return m;
}

t.test('a pattern meets files by their real paths', async (t) => {
  const { ops } = (await boot()).sh;
  const meets = (pattern: string, path: string): boolean => {
    const glob = new PathGlob(pattern);
    return glob.matches(path, glob.directories(ops.root));
  };
  const cases: [pattern: string, path: string, meets: boolean][] = [
    ['devices/ap/card00/serialnr', SERIAL, true],
    ['/sys/devices/ap/card00/serialnr', SERIAL, true],
    ['devices/ap/card0?/serialnr', SERIAL, true],
    ['devices/ap/card0[12]/serialnr', SERIAL, false],
    ['devices/ap/card0[!12]/serialnr', SERIAL, true],
    ['devices/ap/*/serialnr', SERIAL, true],
    ['devices/ap/*/*', SERIAL, true],
    ['devices/*/serialnr', SERIAL, false],
    ['**/serialnr', SERIAL, true],
    ['**/ap/**/serialnr', SERIAL, true],
    ['devices/**', SERIAL, true],
    ['devices/ap/**/serialnr', SERIAL, true],
    ['serialnr', SERIAL, false],
    ['**/00.0004/online', 'devices/ap/card00/00.0004/online', true],
    ['**/00?0004/online', 'devices/ap/card00/00.0004/online', true],
    ['**/00x0004/online', 'devices/ap/card00/00.0004/online', false],
    ['**/card\\00/serialnr', SERIAL, true],
    // Through links, as the path would be opened.
    ['bus/ap/devices/00.0004/online', 'devices/ap/card00/00.0004/online', true],
    ['bus/ap/devices/*/online', 'devices/ap/card01/01.0047/online', true],
    ['bus/ap/devices/card01/01.0047/online', 'devices/ap/card01/01.0047/online', true],
    ['bus/ap/drivers/cex4card/*/type', 'devices/ap/card02/type', true],
    ['bus/ap/drivers/cex4queue/*/type', 'devices/ap/card02/type', false],
    ['bus/ap/drivers/cex4queue/**', 'devices/ap/card02/type', false],
    ['class/misc/z90crypt/dev', 'devices/virtual/misc/z90crypt/dev', true],
    ['bus/ap/devices/77.0004/online', 'devices/ap/card00/00.0004/online', false],
  ];
  for (const [pattern, path, expected] of cases) t.equal(meets(pattern, path), expected, `${pattern} ${path}`);
  for (const pattern of ['', '/', 'a/../b', 'a/[b', 'x/[z-a]'])
    t.throws(() => new PathGlob(pattern), { name: 'GlobError' }, pattern);
});

t.test('a read fails as the rule says; nothing reaches the driver', async (t) => {
  const m = await boot();
  const before = await m.sh.read('devices/ap/card00/request_count');
  const id = (await m.sh.ask(FAULTS, 'add read devices/ap/card*/serialnr nth 2 count 2 errno ENODEV')).trim();
  const results: string[] = [];
  for (let i = 0; i < 5; i++) results.push((await errnoOf(m.sh.read(SERIAL))) ?? 'ok');
  t.same(results, ['ok', 'ENODEV', 'ENODEV', 'ok', 'ok']);
  const after = await m.sh.read('devices/ap/card00/request_count');
  t.equal(Number(after) - Number(before), 6, 'three of five reads asked the card');
  t.equal(
    await m.sh.read(FAULTS),
    `${id} matched 5 hits 2 over read devices/ap/card*/serialnr nth 2 count 2 errno ENODEV\n`,
  );
  await m.sh.echo(`remove ${id}`, FAULTS);
  t.equal(await m.sh.read(FAULTS), '');
  t.equal(await errnoOf(m.sh.echo('remove 9', FAULTS)), 'ENOENT');
  t.same(m.bugs, []);
});

t.test('one reading is one call, however many reads it takes', async (t) => {
  const m = await boot();
  await m.sh.echo('add read bus/ap/apmask nth 2 errno EIO', FAULTS);
  const file = m.sh.ops.open(ROOT, m.sh.node('bus/ap/apmask') as never, O_RDWR);
  const read = (offset: number): Promise<string> => m.sh.ops.read(ROOT, file, offset, 10);
  t.equal(await read(0), '0xffffffff');
  t.equal(await read(10), 'ffffffffff');
  t.equal(await errnoOf(read(0)), 'EIO', 'from the beginning again');
  t.equal(await read(0), '0xffffffff');
});

t.test('values take the place of what is shown and of what is written', async (t) => {
  const m = await boot();
  await m.sh.echo('add read bus/ap/bindings count 1 value 3/16', FAULTS);
  t.equal(await m.sh.read('bus/ap/bindings'), '3/16\n');
  t.equal(await m.sh.read('bus/ap/bindings'), '16/16 (complete)\n');
  await m.sh.echo('add write bus/ap/config_time value  77\\c', FAULTS);
  await m.sh.echo(20, 'bus/ap/config_time');
  t.equal(await m.sh.read('bus/ap/config_time'), '77\n');
  t.equal(await errnoOf(m.sh.echo('nonsense', 'bus/ap/config_time')), undefined);
  await m.sh.echo('remove all', FAULTS);
  t.equal(await errnoOf(m.sh.echo('nonsense', 'bus/ap/config_time')), 'EINVAL');
  t.equal(valueText('a b'), 'a b\n');
  t.equal(valueText('a\\nb\\x00\\\\\\q\\c d'), 'a\nb\x00\\\\q');
  t.equal(valueText(''), '\n');
  t.equal(valueText('end\\'), 'end\\\n');
});

t.test('an open can fail, after what the kernel checks itself', async (t) => {
  const m = await boot();
  await m.sh.echo('add open bus/ap/ap_* errno EMSGSIZE count 1', FAULTS);
  t.equal(await errnoOf(m.sh.write('bus/ap/ap_interrupts', '1')), 'EACCES', 'counts for nothing');
  t.equal(await errnoOf(m.sh.read('bus/ap/ap_interrupts')), 'EMSGSIZE');
  t.equal(await m.sh.read('bus/ap/ap_interrupts'), '1\n');
});

t.test('a delay passes on the machine’s clock and a signal ends it', async (t) => {
  const m = await boot();
  m.world.clock.mode = 'manual';
  await m.sh.echo('add read bus/ap/ap_domain delay 2s', FAULTS);
  let done = '';
  const reading = m.sh.read('bus/ap/ap_domain').then((text) => {
    done = text;
  });
  await m.world.clock.advance(1.9e9);
  t.equal(done, '');
  await m.world.clock.advance(0.2e9);
  t.equal(done, '4\n');
  await reading;
  const signal = new AbortController();
  const killed = errnoOf(m.sh.as({ signal: signal.signal }).read('bus/ap/ap_domain'));
  await m.world.clock.idle();
  signal.abort();
  t.equal(await killed, 'EINTR');
  t.notMatch(await m.sh.read('kernel/debug/ap_sim/clock'), /fault-delay/, 'no timer is left behind');
});

t.test('the removal of a device waits for a delayed read of its file', async (t) => {
  const m = await boot();
  m.world.clock.mode = 'manual';
  await m.sh.echo('add read **/card03/type delay 1s', FAULTS);
  const reading = m.sh.read('devices/ap/card03/type');
  let unbound = false;
  const unbinding = m.sh.echo('card03', 'bus/ap/drivers/cex4card/unbind').then(() => {
    unbound = true;
  });
  await m.world.clock.idle();
  t.notOk(unbound, 'somebody is inside');
  await m.world.clock.advance(1e9);
  t.equal(await reading, 'CEX6C\n');
  await unbinding;
  t.notOk(m.sh.exists('devices/ap/card03/type'));
});

t.test('devices that come later are met too; the control tree never is', async (t) => {
  const m = await boot();
  await m.sh.echo('add read bus/ap/devices/*/type errno EIO', FAULTS);
  t.equal(await errnoOf(m.sh.read('devices/ap/card00/type')), 'EIO');
  await m.hw('card 9 add cex8 cca');
  t.equal(await errnoOf(m.sh.read('devices/ap/card09/type')), 'EIO');
  await m.sh.echo('add read ** errno ENOMEM', FAULTS);
  t.equal(await errnoOf(m.sh.read('bus/ap/scans')), 'ENOMEM');
  t.match(await m.sh.read(FAULTS), /^2 matched 1 hits 1 on read \*\* errno ENOMEM$/m);
});

t.test('what makes no sense is refused with words', async (t) => {
  const m = await boot();
  const cases: [line: string, says: RegExp][] = [
    ['add raed x errno EIO', /"raed" is not one of read, write, open \(did you mean read\?\)/],
    ['add read', /pattern of the path is missing/],
    ['add read x', /does not say what happens/],
    ['add read x errno EOI', /"EOI" is no errno that is known here \(did you mean EIO\?\)/],
    ['add read x errno', /errno is missing its value/],
    ['add read x nth 0 errno EIO', /nth: "0" is not a number from 1 on/],
    ['add read x errno EIO value 3', /exclude each other/],
    ['add open x value 3', /an open can only fail/],
    ['add open x errno EIO delay 1s', /an open does not take long/],
    ['add read x delay 3', /"3" is no duration/],
    ['add read x[ errno EIO', /has a \[ without its \]/],
    ['add read x ernno EIO', /"ernno" is not one of .*did you mean errno/],
    ['remove', /neither add/],
    ['drop 3', /neither add/],
  ];
  for (const [line, says] of cases) {
    const { rc, stderr } = JSON.parse(await m.sh.ask(FAULTS, `json ${line}`));
    t.equal(rc, 1, line);
    t.match(stderr, says, line);
  }
  t.equal(await m.sh.read(FAULTS), '');
});

t.test('without rules nothing stands in the way', async (t) => {
  const m = await boot();
  const faults = new Faults(m.world.ports);
  t.notOk(faults.active);
  faults.add({ path: 'bus/**', op: 'read', errno: 'EIO' });
  t.ok(faults.active);
  faults.removeAll();
  t.notOk(faults.active);
});
