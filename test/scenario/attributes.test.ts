/**
 * Files of the AP bus and of the driver core: what they accept, in which order
 * they refuse, their modes (spec/attributes.md B, C, D, I).
 */
import t from 'tap';
import { modeOf as mode, tryAll } from '../support/attributes.js';
import { B, boot, bootWithMdev, D, KERNELS, U1 } from '../support/scenario.js';

const ONES = `0x${'f'.repeat(64)}\n`;
const mask = (head: string): string => `0x${head.padEnd(64, '0')}\n`;

for (const kernel of KERNELS) {
  const is61 = kernel === '6.1';
  const is72 = kernel === '7.2';

  t.test(`${kernel}: modes of bus, card, queue, mdev and class files`, async (t) => {
    const s = await bootWithMdev({ kernel });
    const rows: [string, string | undefined][] = [
      ...[
        'ap_domain',
        'config_time',
        'poll_thread',
        'poll_timeout',
        'apmask',
        'aqmask',
        'scans',
        'drivers_autoprobe',
      ].map((f): [string, string] => [`${B}/${f}`, '0644']),
      ...[
        'ap_interrupts',
        'ap_max_domain_id',
        'ap_max_adapter_id',
        'bindings',
        'ap_adapter_mask',
        'ap_usage_domain_mask',
        'ap_control_domain_mask',
      ].map((f): [string, string] => [`${B}/${f}`, '0444']),
      [`${B}/features`, is61 ? undefined : '0444'],
      [`${B}/bindings_complete_count`, is72 ? '0444' : undefined],
      [`${B}/uevent`, '0200'],
      [`${B}/drivers_probe`, '0200'],
      [`${B}/drivers/cex4queue/bind`, '0200'],
      [`${B}/drivers/vfio_ap/unbind`, '0200'],
      [`${D}/card05/request_count`, '0644'],
      [`${D}/card05/config`, '0644'],
      [`${D}/card05/hwtype`, '0444'],
      [`${D}/card05/uevent`, '0644'],
      [`${D}/card06/online`, '0644'],
      [`${D}/card06/serialnr`, '0444'],
      [s.queue('05.0004', 'reset'), '0644'],
      [s.queue('05.0004', 'status'), '0444'],
      [s.queue('05.0004', 'online'), undefined],
      [s.queue('06.0004', 'mkvps'), '0444'],
      [s.queue('06.0004', 'ap_functions'), is61 ? undefined : '0444'],
      [s.queue('06.0004', 'driver_override'), is72 ? '0644' : undefined],
      [s.queue('06.0004', 'states'), undefined],
      [s.mdev(U1, 'assign_adapter'), '0200'],
      [s.mdev(U1, 'unassign_control_domain'), '0200'],
      [s.mdev(U1, 'remove'), '0200'],
      [s.mdev(U1, 'matrix'), '0444'],
      [s.mdev(U1, 'ap_config'), is61 ? undefined : '0644'],
      ['devices/vfio_ap/matrix/features', is61 ? undefined : '0444'],
      ['class/zcrypt/create', '0600'],
      ['class/zcrypt/destroy', '0600'],
      ['module/ap/parameters/domain', is72 ? '0444' : '0440'],
      ['module/ap/parameters/msgpool_min_items', is72 ? '0400' : undefined],
      ['module/zcrypt/parameters/hwrng_seed', is61 ? '0440' : undefined],
    ];
    for (const [path, wanted] of rows) t.equal(s.m.sh.exists(path) ? mode(s, path) : undefined, wanted, path);
    s.sound(t);
  });

  t.test(`${kernel}: ap_domain, config_time, poll_thread, poll_timeout`, async (t) => {
    const s = await boot({ kernel });
    await tryAll(t, s, `${B}/ap_domain`, [
      ['0xab\n', 'ok', '171\n'],
      [' 4', 'ok', '4\n'],
      ['010', 'ok', '8\n'],
      ['08', 'ok', '0\n'],
      ['4 and more', 'ok', '4\n'],
      ['256', 'EINVAL'],
      ['-1', 'EINVAL'],
      ['+4', 'EINVAL'],
      ['x', 'EINVAL'],
      ['\n', 'EINVAL', '4\n'],
      ['4294967301', 'ok', '5\n'],
    ]);
    await s.put('-7', `${B}/aqmask`);
    await tryAll(t, s, `${B}/ap_domain`, [['7', 'EINVAL', '5\n']]);
    await tryAll(t, s, `${B}/config_time`, [
      ['5', 'ok', '5\n'],
      ['120\n', 'ok', '120\n'],
      ['4', 'EINVAL'],
      ['121', 'EINVAL'],
      ['0x20', 'EINVAL'],
      ['soon', 'EINVAL', '120\n'],
      ['30.9', 'ok', '30\n'],
    ]);
    await tryAll(t, s, `${B}/poll_thread`, [
      // The machine has AP interrupts: no thread is needed, the file keeps reading 0.
      ['1', 'ok', '0\n'],
      ['0', 'ok', '0\n'],
      ['y', is61 ? 'EINVAL' : 'ok', '0\n'],
      ['on', is61 ? 'EINVAL' : 'ok'],
      ['2', is61 ? 'ok' : 'EINVAL'],
      ['', 'ok'],
      ['\n', 'EINVAL'],
    ]);
    await tryAll(t, s, `${B}/poll_timeout`, [
      ['1', 'ok', '1\n'],
      ['120000000000', 'ok', '120000000000\n'],
      ['120000000001', 'EINVAL'],
      ['0', is61 ? 'EINVAL' : 'ok'],
      ['0x10', is61 ? 'EINVAL' : 'ok'],
      ['5 ', is61 ? 'ok' : 'EINVAL'],
      ['-5', 'EINVAL'],
      ['99999999999999999999', is61 ? 'EINVAL' : 'ERANGE'],
      ['250000\n', 'ok', '250000\n'],
    ]);
    s.sound(t);
  });

  t.test(`${kernel}: mask syntax of apmask`, async (t) => {
    // No queue is there, so that nothing moves.
    const s = await boot({ kernel, hardware: 'domain 4 add' });
    const path = `${B}/apmask`;
    const rows: (readonly [string, string, string?])[] = [
      ['0x41', 'ok', mask('41')],
      ['x41', 'ok', mask('41')],
      ['1', 'ok', mask('1')],
      ['aB\n', 'ok', mask('ab')],
      ['\n', 'ok', mask('')],
      ['0x', 'ok', mask('')],
      ['f'.repeat(64), 'ok', ONES],
      ['-5,-6', 'ok', `0xf9${'f'.repeat(62)}\n`],
      [ONES, 'ok', ONES],
      ['-5-6', 'ok', `0xf9${'f'.repeat(62)}\n`],
      ['+5\n', 'ok', `0xfd${'f'.repeat(62)}\n`],
      ['-5+5,,\n', 'ok', `0xfd${'f'.repeat(62)}\n`],
      ['-0-255', 'ok', mask('')],
      ['+010', 'ok', mask('008')],
      ['+18446744073709551616', is72 ? 'EINVAL' : 'ok', mask(is72 ? '008' : '808')],
      [ONES, 'ok', ONES],
      ...[
        'f'.repeat(65),
        '0X41',
        'xx1',
        ' 0x1',
        '0x1 ',
        '0x1,',
        '0x1\n\n',
        'g',
        '+256',
        '-10-5',
        '-5--6',
        '-5 -6',
        '-5,6',
        '-5x',
        '-08',
        '-0x',
        '-',
        '+',
        '--5',
        '-5-',
        ',-5',
      ].map((text) => [text, 'EINVAL', ONES] as const),
    ];
    await tryAll(t, s, path, rows);
    s.events();
    await tryAll(t, s, path, [['+0', 'ok', ONES]]);
    t.same(s.events(), [], 'no change, no event');
    await tryAll(t, s, path, [['-0', 'ok']]);
    t.same(s.events(), [`change@/devices/ap APMASK=0x7${'f'.repeat(63)}`]);
    await s.put('-0', `${B}/aqmask`);
    t.match(s.events(), [/^change@\/devices\/ap AQMASK=0x7f/]);
    s.sound(t);
  });
}

t.test('masks and overrides: the errno order of apmask and driver_override (7.2)', async (t) => {
  const s = await bootWithMdev();
  await s.put('', s.mdev(U1, 'ap_config'));
  const override = s.queue('06.0004', 'driver_override');
  t.equal(await s.put('cex4queue', override), 'EINVAL', 'bit 5 is off');
  await s.put(1, s.mdev(U1, 'remove'));
  t.equal(await s.put('+5', `${B}/apmask`), 'ok');
  await tryAll(t, s, override, [
    ['with blanks in it \n', 'ok', 'with blanks in it \n'],
    ['one\ntwo', 'ok', 'one\n'],
    ['x'.repeat(4095), 'EINVAL', 'one\n'],
    ['x'.repeat(4094), 'ok'],
    ['\n', 'ok', '\n'],
    ['vfio_ap', 'ok', 'vfio_ap\n'],
  ]);
  t.equal(await s.put('nonsense', `${B}/apmask`), 'EINVAL', 'before the text is looked at');
  t.equal(await s.put('+5', `${B}/apmask`), 'EINVAL', 'even what changes nothing');
  t.equal(await s.put('', override), 'ok');
  t.equal(await s.put('+5', `${B}/apmask`), 'ok');
  s.sound(t);
});

t.test('a signal ends a wait for the mask mutex with EINTR', async (t) => {
  const s = await boot();
  const { attrMutex } = s.ap;
  const holder = s.m.world.kernel.core.newTask('holder');
  await attrMutex.lock(holder);
  for (const path of [`${B}/apmask`, `${B}/aqmask`, s.queue('05.0004', 'driver_override')]) {
    const signal = new AbortController();
    const sh = s.m.sh.as({ signal: signal.signal });
    const write = sh.echo('-5', path).catch((e: { errno: string }) => e.errno);
    await s.m.settle();
    signal.abort();
    t.equal(await write, 'EINTR', path);
  }
  attrMutex.unlock(holder);
  t.equal(await s.read(`${B}/apmask`), ONES);
  s.sound(t);
});

t.test('what the hardware says: masks, maxima, features, scans, bindings', async (t) => {
  const s = await boot();
  t.equal(await s.read(`${B}/ap_adapter_mask`), mask('06'));
  t.equal(await s.read(`${B}/ap_usage_domain_mask`), `0x08${'0'.repeat(40)}1${'0'.repeat(21)}\n`);
  t.equal(await s.read(`${B}/ap_control_domain_mask`), await s.read(`${B}/ap_usage_domain_mask`));
  t.same([await s.read(`${B}/ap_max_adapter_id`), await s.read(`${B}/ap_max_domain_id`)], ['255\n', '255\n']);
  t.equal(await s.read(`${B}/features`), 'APSC APXA QACT RC8A APSB\n');
  t.equal(await s.read(`${B}/ap_interrupts`), '1\n');
  const scans = Number(await s.read(`${B}/scans`));
  t.equal(await s.write('any text', `${B}/scans`), 'ok');
  t.equal(await s.read(`${B}/scans`), `${scans + 1}\n`);
  t.equal(await s.write('', `${B}/scans`), 'ok', 'an empty write is none');
  t.equal(await s.read(`${B}/scans`), `${scans + 1}\n`);
  t.equal(await s.read(`${B}/bindings`), '4/4 (complete)\n');
  const count = Number(await s.read(`${B}/bindings_complete_count`));
  await s.put('05.0004', `${B}/drivers/cex4queue/unbind`);
  t.equal(await s.read(`${B}/bindings`), '3/4\n');
  await s.put('05.0004', `${B}/drivers/cex4queue/bind`);
  s.events();
  t.equal(await s.read(`${B}/bindings_complete_count`), `${count}\n`, 'not by a bind');
  await s.m.scan();
  t.same(s.events(), [`change@/devices/ap BINDINGS=complete COMPLETECOUNT=${count + 1}`]);
  await s.m.scan();
  t.same(s.events(), [], 'only once');
  s.sound(t);

  const none = await boot({ hardware: 'qci off; card 5 add cex8 cca; domain 4 add' });
  t.equal(await none.read(`${B}/ap_adapter_mask`), 'not supported\n');
  t.equal(await none.read(`${B}/features`), '-\n');
  t.same([await none.read(`${B}/ap_max_adapter_id`), await none.read(`${B}/ap_max_domain_id`)], ['63\n', '15\n']);
  none.sound(t);
});

t.test('driver core: bind, unbind, drivers_probe, drivers_autoprobe in their errno order', async (t) => {
  const s = await boot();
  const bind = `${B}/drivers/cex4queue/bind`;
  const unbind = `${B}/drivers/cex4queue/unbind`;
  t.equal(await s.put('09.0004', bind), 'ENODEV', 'no such device');
  t.equal(await s.put('card05', bind), 'ENODEV', 'not a queue');
  t.equal(await s.put('05.0004', `${B}/drivers/cex4card/bind`), 'ENODEV', 'not a card');
  t.equal(await s.put('05.0004', bind), 'EBUSY');
  t.equal(await s.write('05.0004\n', unbind), 'ok', 'one newline may follow');
  t.equal(await s.write('05.0004', unbind), 'ENODEV', 'not bound');
  t.equal(await s.write('05.0004\n\n', bind), 'ENODEV', 'two may not');
  t.equal(await s.write(' 05.0004', bind), 'ENODEV');
  t.equal(await s.put('05.0004', `${B}/drivers_probe`), 'ok');
  t.equal(s.driver('05.0004'), 'cex4queue');
  t.equal(await s.put('05.0004', `${B}/drivers_probe`), 'ok', 'bound already');
  t.equal(await s.put('09.0004', `${B}/drivers_probe`), 'ENODEV');
  await s.control('modules', 'unload vfio_ap');
  await s.put('-5', `${B}/apmask`);
  t.equal(await s.put('05.0004', `${B}/drivers_probe`), 'ok', 'though nobody takes it');
  t.equal(s.driver('05.0004'), 'none');

  for (const [text, wanted] of [
    ['0', '0\n'],
    ['1', '1\n'],
    ['00', '0\n'],
    ['n', '1\n'],
    ['0x', '0\n'],
  ] as const) {
    t.equal(await s.write(text, `${B}/drivers_autoprobe`), 'ok');
    t.equal(await s.read(`${B}/drivers_autoprobe`), wanted, text);
  }
  await s.hw('card 7 add cex8 cca');
  t.equal(s.driver('07.0004'), 'none', 'without autoprobe a new device stays alone');
  t.equal(await s.put('card07', `${B}/drivers/cex4card/bind`), 'ok');
  t.equal(await s.put('07.0004', bind), 'ok');
  t.equal(s.driver('07.0004'), 'cex4queue');
  s.sound(t);
});

t.test('uevent files: a written event is only sent', async (t) => {
  const s = await boot();
  t.equal(
    await s.read(`${D}/card05/uevent`),
    'DEVTYPE=ap_card\nDRIVER=cex4card\nDEV_TYPE=000E\nMODALIAS=ap:t0E\nMODE=cca\n',
  );
  const UUID = '01234567-89ab-cdef-0123-456789abcdef';
  for (const [text, result, event] of [
    ['remove', 'ok', 'remove@/devices/ap/card05 SYNTH_UUID=0'],
    ['add\n', 'ok', 'add@/devices/ap/card05 SYNTH_UUID=0'],
    [`change ${UUID}`, 'ok', `change@/devices/ap/card05 SYNTH_UUID=${UUID}`],
    [`change ${UUID} A=1 bc=2`, 'ok', `change@/devices/ap/card05 SYNTH_UUID=${UUID} SYNTH_ARG_A=1 SYNTH_ARG_bc=2`],
    ['\n', 'EINVAL'],
    ['adds', 'EINVAL'],
    ['add ', 'EINVAL'],
    ['change 1234', 'EINVAL'],
    [`change ${UUID} A`, 'EINVAL'],
    [`change ${UUID} A=`, 'EINVAL'],
    [`change ${UUID} A=1-2`, 'EINVAL'],
    [`change ${UUID}  A=1`, 'EINVAL'],
  ] as const) {
    s.events();
    t.equal(await s.write(text, `${D}/card05/uevent`), result, JSON.stringify(text));
    t.same(s.events(), event ? [event] : []);
  }
  t.ok(s.m.sh.exists(`${D}/card05`), 'nothing was removed');
  s.m.takeLog();
  await s.write('adds', `${D}/card05/uevent`);
  t.same(s.m.takeLog(), [
    'synth uevent: /devices/ap/card05: unknown uevent action string',
    'cex4card card05: uevent: failed to send synthetic uevent: -22',
  ]);
  t.equal(await s.write('change', `${B}/uevent`), 'ok');
  t.equal(await s.write('change', `${B}/drivers/vfio_ap/uevent`), 'ok');
  t.same(s.events().slice(0, 2), ['change@/bus/ap SYNTH_UUID=0', 'change@/bus/ap/drivers/vfio_ap SYNTH_UUID=0']);
  s.sound(t);
});
