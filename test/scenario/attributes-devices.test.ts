/**
 * Files of cards, queues and zcrypt nodes: what they say and accept, and the
 * order in which they refuse (spec/attributes.md E, F, G).
 */
import t from 'tap';
import { tryAll } from '../support/attributes.js';
import { errnoOf } from '../support/machine.js';
import { B, boot, D, KERNELS } from '../support/scenario.js';

const MIXED =
  'card 5 add cex8 cca; card 6 add cex8 ep11; card 7 add cex7 accel depth=4 ml=5; domain 4 add; domain 0xab add';
const mask = (head: string): string => `0x${head.padEnd(64, '0')}\n`;

for (const kernel of KERNELS) {
  const is61 = kernel === '6.1';

  t.test(`${kernel}: what cards say`, async (t) => {
    const s = await boot({ kernel, hardware: MIXED });
    const card = (id: string, file: string): Promise<string> => s.read(`${D}/card${id}/${file}`);
    for (const [file, five, six, seven] of [
      ['hwtype', '14\n', '14\n', '13\n'],
      ['raw_hwtype', '14\n', '14\n', '13\n'],
      ['type', 'CEX8C\n', 'CEX8P\n', 'CEX7A\n'],
      ['depth', is61 ? '7\n' : '8\n', is61 ? '7\n' : '8\n', is61 ? '3\n' : '4\n'],
      ['ap_functions', '0x92800000\n', '0x06800000\n', '0x6A800000\n'],
      ['modalias', 'ap:t0E\n', 'ap:t0E\n', 'ap:t0D\n'],
      ['max_msg_size', '12288\n', '12288\n', '20480\n'],
      ['config', '1\n', '1\n', '1\n'],
      ['chkstop', '0\n', '0\n', '0\n'],
      ['online', '1\n', '1\n', '1\n'],
      ['load', '0\n', '0\n', '0\n'],
      ['requestq_count', '0\n', '0\n', '0\n'],
      ['pendingq_count', '0\n', '0\n', '0\n'],
    ] as const)
      t.same([await card('05', file), await card('06', file), await card('07', file)], [five, six, seven], file);
    t.match(await card('05', 'serialnr'), /^\S{8}\n$/);
    t.match(await card('06', 'serialnr'), /^.{16}\n$/);
    t.match(await card('06', 'API_ordinalnr'), /^\d+\n$/);
    t.match(await card('06', 'FW_version'), /^\d+\.\d+\n$/);
    t.match(await card('06', 'op_modes'), /^[A-Z0-9 -]*\n$/);
    t.notOk(s.m.sh.exists(`${D}/card07/serialnr`));
    t.notOk(s.m.sh.exists(`${D}/card05/op_modes`));
    s.sound(t);
  });

  t.test(`${kernel}: online of cards and queues: number, hardware, card, in this order`, async (t) => {
    const s = await boot({ kernel, hardware: MIXED });
    const card = `${D}/card05/online`;
    const queue = s.queue('05.0004', 'online');
    for (const path of [card, queue])
      await tryAll(t, s, path, [
        ['x', 'EINVAL'],
        ['2', 'EINVAL'],
        ['-1', 'EINVAL'],
        ['\n', 'EINVAL', '1\n'],
        ['1', 'ok', '1\n'],
        [' 0 and more', 'ok', '0\n'],
        ['4294967297', 'ok', '1\n'],
      ]);
    s.events();
    t.equal(await s.put(1, queue), 'ok');
    t.same(s.events(), ['change@/devices/ap/card05/05.0004 ONLINE=1'], 'an event without a change too');
    t.equal(await s.put(0, card), 'ok');
    t.same(
      s.events(),
      ['card05', 'card05/05.0004', 'card05/05.00ab'].map((d) => `change@/devices/ap/${d} ONLINE=0`),
    );
    t.equal(await s.put(1, queue), 'EINVAL', 'the card is offline');
    await s.hw('card 5 deconfigure');
    t.equal(await s.put(1, queue), 'ENODEV', 'the hardware comes first');
    t.equal(await s.put(1, card), 'ENODEV');
    t.equal(await s.put(0, card), 'ok', 'off is always possible');
    t.equal(await s.put(2, card), 'EINVAL', 'the number comes before the hardware');
    await s.hw('card 5 configure');
    t.equal(await s.read(card), '0\n', 'the flag is kept');
    s.events();
    await s.put(0, s.queue('05.00ab', 'online'));
    t.equal(await s.put(1, card), 'ok');
    t.equal(await s.read(s.queue('05.00ab', 'online')), '1\n', 'all queues come with the card');
    await s.hw('card 5 checkstop on');
    await s.m.scan();
    t.equal(await s.put(1, card), is61 ? 'ok' : 'ENODEV');
    t.equal(await s.read(card), is61 ? '1\n' : '0\n');
    s.sound(t);
  });

  t.test(`${kernel}: config of a card asks the machine`, async (t) => {
    const s = await boot({ kernel, hardware: MIXED });
    const path = `${D}/card05/config`;
    await tryAll(t, s, path, [
      ['x', 'EINVAL'],
      ['-1', 'EINVAL'],
      ['2', 'EINVAL', '1\n'],
      ['0', 'ok', '0\n'],
    ]);
    t.same(s.events(), ['change@/devices/ap/card05 CONFIG=0']);
    t.equal(await s.read(s.queue('05.0004', 'config')), '1\n', 'the queues follow at the next scan');
    await s.m.scan();
    t.equal(await s.read(s.queue('05.0004', 'config')), '0\n');
    s.events();
    await s.put(0, path);
    t.same(s.events(), ['change@/devices/ap/card05 CONFIG=0'], 'an event without a change too');
    await s.hw('card 5 sclp-rc 0x0330');
    s.m.takeLog();
    t.equal(await s.put(1, path), 'EIO');
    t.match(s.m.takeLog(), [/^sclp_cmd: configure AP adapter 5 failed: cmd=0x\w{8} response=0x0330$/]);
    for (const rc of ['0x0020', '0x0120', '0x0440', '0x0450']) {
      await s.hw(`card 5 sclp-rc ${rc}`);
      t.equal(await s.put(0, path), 'ok', rc);
      await s.put(1, path);
    }
    s.sound(t);
  });

  t.test(`${kernel}: what queues say, and reset`, async (t) => {
    const s = await boot({ kernel, hardware: MIXED });
    const q = (file: string): Promise<string> => s.read(s.queue('06.0004', file));
    for (const [file, text] of [
      ['request_count', '0\n'],
      ['requestq_count', '0\n'],
      ['pendingq_count', '0\n'],
      ['reset', 'No Reset Timer set.\n'],
      ['interrupt', 'Interrupts enabled.\n'],
      ['config', '1\n'],
      ['chkstop', '0\n'],
      ['online', '1\n'],
      ['load', '0\n'],
    ] as const)
      t.equal(await q(file), text, file);
    t.match(await q('mkvps'), /^WK CUR: (invalid -|valid 0x[0-9a-f]{64})\nWK NEW: \S+ \S+\n$/);
    t.match(await s.read(s.queue('05.0004', 'mkvps')), /^(AES|APKA|ASYM) NEW: \w+ 0x[0-9a-f]+\n(.*\n){8}$/);
    if (!is61) {
      t.equal(await q('ap_functions'), '0x06800000\n');
      await s.hw('queue 06.0004 inject tapq 0x06');
      t.equal(await s.write('', s.queue('06.0004', 'reset')), 'ok');
      t.equal(await errnoOf(q('ap_functions')), 'EIO');
    }
    await s.hw('queue 06.0004 reset-ms 200');
    await s.resets();
    t.equal(await s.write('any', s.queue('06.0004', 'reset')), 'ok');
    s.standStill();
    t.equal(await q('reset'), 'Reset in progress.\n');
    s.letGo();
    await s.m.settle();
    t.equal(await q('reset'), 'No Reset Timer set.\n');
    t.equal(await s.resets(), '06.0004 rapq=1 aqic=1\n');
    t.equal(await q('interrupt'), 'Interrupts enabled.\n');
    s.sound(t);
  });

  t.test(`${kernel}: request_count of a card clears those of its bound queues`, async (t) => {
    const s = await boot({ kernel, hardware: 'card 5 add cex8 cca; domain 4 add; domain 0xab add' });
    const counts = async (): Promise<string[]> => [
      await s.read(`${D}/card05/request_count`),
      await s.read(s.queue('05.0004', 'request_count')),
      await s.read(s.queue('05.00ab', 'request_count')),
    ];
    await s.put('05.00ab', `${B}/drivers/cex4queue/unbind`);
    await s.put('05.00ab', `${B}/drivers/cex4queue/bind`);
    await s.read(`${D}/card05/serialnr`);
    const [card = ''] = await counts();
    t.ok(Number(card) >= 2);
    t.equal(await s.write('anything', s.queue('05.00ab', 'request_count')), 'ok');
    t.equal((await counts())[2], '0\n');
    t.equal((await counts())[0], card, 'the card keeps its own');
    t.equal(await s.write('x', `${D}/card05/request_count`), 'ok');
    t.same(await counts(), ['0\n', '0\n', '0\n']);
    s.sound(t);
  });

  t.test(`${kernel}: zcrypt nodes: create, masks, destroy`, async (t) => {
    const s = await boot({ kernel });
    const c = 'class/zcrypt';
    t.equal(await errnoOf(s.read(`${c}/create`)), 'EIO');
    t.equal(await s.write('  mine  \n', `${c}/create`), 'ok');
    t.equal(await s.put('mine', `${c}/create`), 'EEXIST');
    t.equal(await s.write('\n', `${c}/create`), 'ok', 'without a name: zcrypt_MINOR');
    t.equal(await s.put('a/b', `${c}/create`), 'ok');
    t.equal(await s.put('x'.repeat(40), `${c}/create`), 'ok');
    for (const name of ['mine', 'zcrypt_1', 'a!b', 'x'.repeat(31)]) t.ok(s.m.sh.exists(`${c}/${name}`), name);
    for (const file of ['ioctlmask', 'apmask', 'aqmask', 'admask'])
      await tryAll(t, s, `${c}/mine/${file}`, [
        ['+5,+6', 'ok', mask('06')],
        ['0xf\n', 'ok', mask('f')],
        ['0-5', 'EINVAL'],
        ['+256', 'EINVAL', mask('f')],
        ['\n', 'ok', mask('')],
      ]);
    t.equal(await s.put('nobody', `${c}/destroy`), 'ENOENT');
    t.equal(await s.write('\n', `${c}/destroy`), 'ENOENT');
    t.equal(await s.put('mine', `${c}/destroy`), 'ok');
    t.equal(await s.put('a/b', `${c}/destroy`), 'ENOENT', 'its name has an exclamation mark');
    t.equal(await s.put('a!b', `${c}/destroy`), 'ok');
    t.notOk(s.m.sh.exists(`${c}/mine`));
    t.equal(await s.put('again', `${c}/create`), 'ok');
    t.match(await s.read(`${c}/again/dev`), /^\d+:0\n$/, 'the lowest free minor');
    t.equal(await s.read(`${c}/again/apmask`), mask(''), 'a new node starts with nothing');
    s.sound(t);
  });
}

t.test('states and last_err_rc of a kernel with CONFIG_AP_DEBUG', async (t) => {
  const s = await boot({ debugAttributes: true });
  const states = (): Promise<string> => s.read(s.queue('05.0004', 'states'));
  t.equal(await states(), 'OPERATING [IDLE]\n');
  t.equal(await s.read(s.queue('05.0004', 'last_err_rc')), 'NORMAL\n');
  await s.hw('card 5 deconfigure');
  t.equal(await states(), 'ERROR [IDLE]\n');
  t.equal(await s.read(s.queue('05.0004', 'last_err_rc')), 'DECONFIGURED\n');
  await s.hw('card 5 configure');
  t.equal(await states(), 'OPERATING [IDLE]\n');
  await s.hw('card 5 checkstop on');
  await s.m.scan();
  t.equal(await s.read(s.queue('05.0004', 'last_err_rc')), 'CHECKSTOPPED\n');
  await s.hw('card 5 checkstop off');
  await s.m.scan();
  await s.put('05.0004', `${B}/drivers/cex4queue/unbind`);
  t.equal(await states(), 'UNINITIATED\n');
  s.sound(t);
});
