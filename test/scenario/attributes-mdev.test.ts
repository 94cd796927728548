/**
 * Files of the mdev type and of mediated devices: accepted input and the order
 * of refusals (spec/attributes.md B.1, H, spec/vfio-ap.md 3, 4).
 */
import t from 'tap';
import { tryAll } from '../support/attributes.js';
import { B, boot, bootWithMdev, KERNELS, P, U1, U2, U3 } from '../support/scenario.js';

const zeros = `0x${'0'.repeat(64)}`;
const mask = (head: string): string => `0x${head.padEnd(64, '0')}`;

for (const kernel of KERNELS) {
  t.test(`${kernel}: create takes a UUID of 36 characters and one more`, async (t) => {
    const s = await boot({ kernel });
    t.equal(await s.read(`${P}/name`), 'VFIO AP Passthrough Device\n');
    t.equal(await s.read(`${P}/device_api`), 'vfio-ap\n');
    t.equal(await s.read(`${P}/available_instances`), '65536\n');
    await tryAll(t, s, `${P}/create`, [
      [U1.slice(0, 35), 'EINVAL'],
      [`${U1}\n\n`, 'EINVAL'],
      ['g1111111-1111-4111-8111-111111111111', 'EINVAL'],
      ['111111111111-1111-4111-8111-11111111', 'EINVAL'],
      ['\n', 'EINVAL'],
      [U1, 'ok'],
      [`${U1}\n`, 'EEXIST'],
      [`${U2}x`, 'ok'],
      ['AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE', 'ok'],
    ]);
    t.ok(s.m.sh.exists(s.mdev('aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee')), 'the name is lower case');
    t.equal(await s.read(`${P}/available_instances`), '65533\n');
    t.same(
      s.va.mdevs.map((m) => m.uuid.slice(0, 1)),
      ['a', '2', '1'],
      'newest first',
    );
    s.sound(t);
  });

  t.test(`${kernel}: remove takes a number, and 0 does nothing`, async (t) => {
    const s = await boot({ kernel });
    await s.create(U1);
    await tryAll(t, s, s.mdev(U1, 'remove'), [
      ['0', 'ok'],
      ['x', 'EINVAL'],
      ['99999999999999999999', 'EINVAL'],
      ['1 ', 'EINVAL'],
      ['\n', 'EINVAL'],
    ]);
    t.ok(s.m.sh.exists(s.mdev(U1)));
    s.events();
    t.equal(await s.write('0x10\n', s.mdev(U1, 'remove')), 'ok');
    t.notOk(s.m.sh.exists(s.mdev(U1)));
    t.equal(await s.read(`${P}/available_instances`), '65536\n');
    const events = s.events().map((e) => e.replace(/ .*/, '').replace(U1, 'U1'));
    t.equal(events.at(-1), 'remove@/devices/vfio_ap/matrix/U1');
    t.equal(events.at(-2), 'unbind@/devices/vfio_ap/matrix/U1');
    s.sound(t);
  });

  t.test(`${kernel}: assign_adapter and the others take numbers as kstrtoul does`, async (t) => {
    const s = await boot({ kernel });
    await s.create(U1);
    for (const kind of ['adapter', 'domain', 'control_domain'] as const) {
      const path = s.mdev(U1, `assign_${kind}`);
      await tryAll(t, s, path, [
        ['5', 'ok'],
        ['5\n', 'ok'],
        ['+7', 'ok'],
        ['0x9', 'ok'],
        ['010', 'ok'],
        ['0XaB\n', 'ok'],
        ['255', 'ok'],
        ['256', 'ENODEV'],
        ['18446744073709551615', 'ENODEV'],
        ['18446744073709551616', 'ERANGE'],
        ...['', '\n', ' 5', '5 ', '5\n\n', '-5', '++5', '0x', '08', '5x', '1e3', '0b1']
          .filter((x) => x)
          .map((x) => [x, 'EINVAL'] as const),
      ]);
      const list = kind === 'control_domain' ? await s.read(s.mdev(U1, 'control_domains')) : await s.matrix(U1);
      const ids = ['05', '07', '08', '09', 'ab', 'ff'];
      t.equal(
        list,
        ids.map((id) => (kind === 'adapter' ? `${id}.\n` : kind === 'domain' ? `.00${id}\n` : `00${id}\n`)).join(''),
        list,
      );
      await tryAll(t, s, s.mdev(U1, `unassign_${kind}`), [
        ['6', 'ok'],
        ['256', 'ENODEV'],
        ['x', 'EINVAL'],
        ['18446744073709551616', 'ERANGE'],
        ...ids.map((id) => [`0x${id}`, 'ok'] as const),
      ]);
      t.equal(await s.matrix(U1), '');
    }
    s.sound(t);
  });

  t.test(`${kernel}: ids above the maxima of the machine are ENODEV`, async (t) => {
    const s = await boot({ kernel, hardware: 'limits 15 31; card 5 add cex8 cca; domain 4 add' });
    await s.create(U1);
    t.same(await s.assign(U1, 'assign_adapter 15', 'assign_adapter 16'), ['ok', 'ENODEV']);
    t.same(await s.assign(U1, 'unassign_adapter 15', 'unassign_adapter 16'), ['ok', 'ENODEV']);
    t.same(await s.assign(U1, 'assign_domain 31', 'assign_domain 32'), ['ok', 'ENODEV']);
    t.same(await s.assign(U1, 'assign_control_domain 31', 'assign_control_domain 32'), ['ok', 'ENODEV']);
    s.sound(t);
  });

  t.test(`${kernel}: who breaks both rules gets EADDRNOTAVAIL, and a refusal changes nothing`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.create(U2);
    t.same(
      await s.assign(U2, 'assign_adapter 5', 'assign_adapter 6'),
      ['ok', 'ok'],
      'adapters may be shared as long as no APQN is',
    );
    s.m.takeLog();
    t.same(await s.assign(U2, 'assign_domain 4'), ['EADDRNOTAVAIL']);
    t.same(s.m.takeLog(), []);
    t.same(await s.assign(U2, 'unassign_adapter 6', 'assign_domain 4'), ['ok', 'EADDRINUSE']);
    t.equal(s.m.takeLog().length, 1);
    t.equal(await s.matrix(U2), '05.\n');
    t.same(await s.assign(U2, 'assign_domain 9'), ['ok'], 'another domain of the same adapter');
    t.equal(await s.matrix(U2), '05.0009\n');
    await s.create(U3);
    t.same(await s.assign(U3, 'assign_domain 4', 'assign_domain 9'), ['ok', 'ok']);
    s.m.takeLog();
    t.same(await s.assign(U3, 'assign_adapter 5'), ['EADDRINUSE']);
    t.same(
      s.m.takeLog(),
      [`vfio_ap_mdev ${U3}: Userspace may not assign queue 05.0009 to mdev: already assigned to ${U2}`],
      'only the newest owner is named',
    );
    s.sound(t);
  });

  t.test(`${kernel}: control domains need not exist and may be shared; the guest gets those of the host`, async (t) => {
    const s = await bootWithMdev({ kernel });
    await s.create(U2);
    await s.guest(`start ${U1}`);
    t.same(await s.assign(U1, 'assign_control_domain 4', 'assign_control_domain 0x99'), ['ok', 'ok']);
    t.same(await s.assign(U2, 'assign_control_domain 4'), ['ok']);
    t.equal(await s.read(s.mdev(U1, 'control_domains')), '0004\n0099\n');
    t.equal(s.apcb(U1), '5.4,ab.4');
    const updates = s.updates(U1);
    await s.assign(U1, 'unassign_control_domain 0x99');
    t.equal(s.updates(U1), updates, 'the guest never had it');
    await s.assign(U1, 'unassign_control_domain 4');
    t.equal(s.apcb(U1), '5.4,ab.');
    s.sound(t);
  });
}

for (const kernel of ['7.2', '6.12'] as const)
  t.test(`${kernel}: ap_config`, async (t) => {
    const s = await bootWithMdev({ kernel });
    const path = s.mdev(U1, 'ap_config');
    const three = (a: string, b: string, c: string): string => `${mask(a)},${mask(b)},${mask(c)}\n`;
    const none = `${zeros},${zeros},${zeros}\n`;
    const full = (last: string): string => `${zeros},${zeros},0x${'0'.repeat(64)}${last}`;
    t.equal(await s.read(path), `${mask('04')},0x08${'0'.repeat(40)}1${'0'.repeat(21)},${zeros}\n`);
    await tryAll(t, s, path, [
      [',,', 'ok', none],
      ['\n\n', 'ok', none],
      ['x04,08,8', 'ok', three('04', '08', '8')],
      ['0x04,0x08,0x8\n', 'ok', three('04', '08', '8')],
      ['x04,8,', 'ok', three('04', '8', '')],
      ['04,08\n', 'ok', three('04', '08', '')],
      ['0x04,0x08,0x8,garbage', 'ok', three('04', '08', '8')],
      [`0x04,0x08,0x8\n${'x'.repeat(3000)}`, 'ok', three('04', '08', '8')],
      [`0x04,0x08,0x8${'x'.repeat(3000)}`, 'EINVAL'],
      [full(''), 'ok', none],
      [full('\n'), 'ok', none],
      [full(','), 'ok', none],
      [full('\nz'), 'ok', none],
      [full('0'), 'EINVAL'],
      [full('z'), 'EINVAL'],
      ['0x04,0x08,0x8', 'ok', three('04', '08', '8')],
      ...[
        '\n',
        '1',
        '1\n',
        '1,2',
        '1,2\0,3',
        '0x1, 0x1,0x1',
        '\t1,1,1',
        'X1,1,1',
        '+1,+2,+3',
        `${'1'.repeat(65)},1,1`,
      ].map((x) => [x, 'EINVAL'] as const),
      ['0x02,0x08,0', 'EADDRNOTAVAIL', three('04', '08', '8')],
    ]);
    await s.create(U2);
    t.equal(await s.put('0x04,0x08,0', s.mdev(U2, 'ap_config')), 'EADDRINUSE');
    t.equal(await s.read(s.mdev(U2, 'ap_config')), none);
    s.sound(t);

    const small = await boot({ kernel, hardware: 'limits 15 31; card 5 add cex8 cca; domain 4 add' });
    await small.create(U1);
    const top = `0x${'0'.repeat(4)}8`;
    await tryAll(t, small, small.mdev(U1, 'ap_config'), [
      [`${top},,`, 'ENODEV', none],
      [`,0x${'0'.repeat(8)}8,`, 'ENODEV', none],
      [`,,0x${'0'.repeat(8)}8`, 'ENODEV', none],
      [`${top},0x08,`, 'EADDRNOTAVAIL', none],
      [',0x00000001,0x00000001', 'ok'],
    ]);
    small.sound(t);
  });

t.test('ap_config updates the guest once for what goes, by kind, and once for the rest', async (t) => {
  const s = await bootWithMdev();
  await s.put('-6', `${B}/apmask`);
  await s.guest(`start ${U1}`);
  const seen: string[] = [];
  s.vmm(U1).vm?.onApcbChanged(() => seen.push(s.apcb(U1)));
  t.equal(await s.put('0x02,0x08,0x08', s.mdev(U1, 'ap_config')), 'ok');
  t.same(seen, ['.4,ab.', '.4.', '6.4.4']);
  await s.put('0x02,0x08,0x08', s.mdev(U1, 'ap_config'));
  t.equal(seen.length, 3, 'the same again changes nothing');
  s.sound(t);
});

t.test('a long matrix is cut at 4095 bytes; the older kernels warn of it', async (t) => {
  for (const kernel of KERNELS) {
    const s = await boot({ kernel, hardware: 'domain 4 add' });
    await s.put('0', `${B}/apmask`);
    await s.create(U1);
    for (let id = 0; id < 24; id++) await s.assign(U1, `assign_adapter ${id}`, `assign_domain ${id}`);
    s.m.takeLog();
    const text = await s.matrix(U1);
    t.equal(text.length, 4095);
    t.equal(text.slice(4080), '15.0006\n15.0007', 'whole lines and the beginning of one');
    t.equal(s.m.takeLog().length, kernel === '7.2' ? 0 : 2);
    s.sound(t);
  }
});
