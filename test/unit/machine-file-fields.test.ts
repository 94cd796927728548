/**
 * Each field of a machine file has an effect, and it is seen in the tree.
 */
import t from 'tap';
import { DescriptionError } from '../../lib/description/index.js';
import { machineSchema, parseMachineFile } from '../../scripts/machine-file/index.js';
import { resolve, type Schema } from '../../scripts/machine-file/schema.js';
import { bootDescription, bootMachine, errnoOf, type TestMachine } from '../support/machine.js';

/** Fields that some file of this test has. */
const used = new Set<string>();

function note(part: Schema, value: unknown, path: string): void {
  if (Array.isArray(value)) for (const item of value) note(resolve(part.items ?? {}), item, path);
  else if (typeof value === 'object' && value !== null)
    for (const [name, item] of Object.entries(value)) {
      const field = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      const schema = resolve(part.properties?.[field] ?? {});
      used.add(`${path}/${field}`);
      if (schema.properties || schema.items) note(schema, item, `${path}/${field}`);
    }
}

async function boot(text: string): Promise<TestMachine> {
  const { description } = parseMachineFile(text, 'machine.yaml');
  note(machineSchema(), description, '');
  return bootDescription(description);
}

const CCA = '- {id: 0, type: cex8, mode: cca}';
const EP11 = '- {id: 1, type: cex8, mode: ep11}';
const two = (more: string): string => `adapters:\n${CCA}\n${EP11}\ndomains: {usage: [4, 6]}\n${more}`;
const card = (fields: string): string => `adapters:\n- {id: 2, ${fields}}\ndomains: {usage: [4, 6]}`;
const CARD = 'devices/ap/card02';
const QUEUE = `${CARD}/02.0004`;
const UUID = '11111111-1111-4111-8111-111111111111';
const MDEV = `devices/vfio_ap/matrix/${UUID}`;
const CONTROL = 'kernel/debug/ap_sim';

/** File, path, and what is read there; `!` in front of a path: it must not exist. */
const FIELDS: readonly (readonly [file: string, path: string, content: string | RegExp])[] = [
  [two('system: zvm'), 'bus/ap/poll_timeout', '1500000\n'],
  [two('system: lpar'), 'bus/ap/poll_timeout', '250000\n'],
  [two('system: kvm\nsecure-execution: true'), 'devices/ap/card01/01.0004/se_bind', 'unbound\n'],
  [two('system: kvm\nsecure-execution: false'), '!devices/ap/card01/01.0004/se_bind', ''],
  [two('facilities: {ap: false}'), '!bus/ap', ''],
  [two('facilities: {qci: false}'), 'bus/ap/ap_adapter_mask', 'not supported\n'],
  [two('facilities: {interrupts: false}'), 'bus/ap/ap_interrupts', '0\n'],
  [two('limits: {adapter: 3}'), 'bus/ap/ap_max_adapter_id', '3\n'],
  [two('limits: {domain: 0x54}'), 'bus/ap/ap_max_domain_id', '84\n'],
  [two('qci-flags: [apsc, apxa]'), 'bus/ap/features', 'APSC APXA\n'],
  [two('qci-flags: 0x90000000'), 'bus/ap/features', 'APSC RC8A\n'],
  [card('type: cex5, mode: accel'), `${CARD}/type`, 'CEX5A\n'],
  [card('type: 15, mode: ep11'), `${CARD}/raw_hwtype`, '15\n'],
  [card('type: cex8, mode: cca, state: standby'), `${CARD}/config`, '0\n'],
  [card('type: cex8, mode: cca, state: configured'), `${CARD}/config`, '1\n'],
  [card('type: cex8, mode: cca, checkstop: true'), `${CARD}/chkstop`, '1\n'],
  [card('type: cex8, mode: cca, depth: 3'), `${CARD}/depth`, '3\n'],
  [card('type: cex8, mode: cca, message-limit: 5'), `${CARD}/max_msg_size`, '20480\n'],
  [card('type: cex8, mode: cca, functions: 0x92000000'), `${CARD}/ap_functions`, '0x92000000\n'],
  [card('type: cex8, mode: cca, serial: 01ABCDEF'), `${CARD}/serialnr`, '01ABCDEF\n'],
  [card('type: cex8, mode: ep11, serial: 0123456789ABCDEF'), `${CARD}/serialnr`, '0123456789ABCDEF\n'],
  [card('type: cex8, mode: ep11, firmware: 7.20'), `${CARD}/FW_version`, '7.20\n'],
  [card('type: cex8, mode: ep11, api-ordinal: 4'), `${CARD}/API_ordinalnr`, '4\n'],
  [card('type: cex8, mode: ep11, op-modes: [BSI2009, FIPS2024]'), `${CARD}/op_modes`, 'BSI2009 FIPS2024\n'],
  [card('type: cex8, mode: ep11, op-modes: 0x4'), `${QUEUE}/op_modes`, 'FIPS2011\n'],
  [card('type: cex8, mode: ep11, domains: [{id: 4, op-modes: [BSI2011]}]'), `${QUEUE}/op_modes`, 'BSI2011\n'],
  [card('type: cex8, mode: ep11, domains: [{id: 6, op-modes: [BSI2011]}]'), `${QUEUE}/op_modes`, /^FIPS2009/],
  [`adapters:\n- {id: 3-5, type: cex8, mode: cca}\ndomains: {usage: 1}`, 'bus/ap/bindings', '3/3 (complete)\n'],
  [two('').replace('[4, 6]', '0x54-0x55'), 'devices/ap/card00/00.0055/online', '1\n'],
  [`${two('').replace('[4, 6]}', '[4, 6], control: [255]}')}`, 'bus/ap/ap_control_domain_mask', /^0x0{63}1\n$/],
  [two(''), 'bus/ap/ap_control_domain_mask', /^0x0a0{62}\n$/],
  [two('timing: {reset-polls: 7}'), `${CONTROL}/hw`, /reset-polls 7 /],
  [two('timing: {reset: 30ms}'), `${CONTROL}/hw`, /reset-ms 30 /],
  [two('timing: {reply: 5ms}'), `${CONTROL}/hw`, /delay 5000 us/],
  [two('timing: {reply: by-speed}'), `${CONTROL}/hw`, /delay by-speed /],
  [two('timing: {association-polls: 3}'), `${CONTROL}/hw`, /assoc-polls 3 /],
  [two('kernel: {version: 6.1}'), '!bus/ap/features', ''],
  [two('kernel: {command-line: "quiet ap.apmask=+1-255 ap.domain=6"}'), 'bus/ap/apmask', /^0x7f{63}\n$/],
  [two('kernel: {command-line: ap.domain=6}'), 'bus/ap/ap_domain', '6\n'],
  [two('kernel: {modules: [zcrypt]}'), '!bus/ap/drivers/cex4queue', ''],
  [two('kernel: {debug-attributes: true}'), 'devices/ap/card00/00.0004/states', 'OPERATING [IDLE]\n'],
  [two('state: {bus: {apmask: "-1"}}'), 'bus/ap/apmask', /^0xbf{63}\n$/],
  [two('state: {bus: {apmask: "-1"}}'), 'devices/ap/card01/01.0004/status', 'unassigned\n'],
  [two(`state: {bus: {aqmask: 0x0${'f'.repeat(63)}}}`), 'bus/ap/aqmask', /^0x0f{63}\n$/],
  [two('state: {bus: {domain: 6}}'), 'bus/ap/ap_domain', '6\n'],
  [two('state: {bus: {config-time: 77}}'), 'bus/ap/config_time', '77\n'],
  [two('facilities: {interrupts: false}\nstate: {bus: {poll-thread: true}}'), 'bus/ap/poll_thread', '1\n'],
  [two('state: {bus: {poll-timeout: 300us}}'), 'bus/ap/poll_timeout', '300000\n'],
  [two('state: {bus: {autoprobe: false}}'), 'bus/ap/drivers_autoprobe', '0\n'],
  [two('state: {bus: {scans: 17}}'), 'bus/ap/scans', '17\n'],
  [two('state: {adapters: [{id: 0-1, online: false}]}'), 'devices/ap/card01/online', '0\n'],
  [two('state: {adapters: [{id: 0, configured: false}]}'), 'devices/ap/card00/config', '0\n'],
  [two('state: {adapters: [{id: 0, driver: none}]}'), '!devices/ap/card00/type', ''],
  [two('state: {queues: [{adapters: 0, domains: [4, 6], online: false}]}'), 'devices/ap/card00/00.0006/online', '0\n'],
  [two('state: {queues: [{adapters: 0, domains: 4, driver: none}]}'), 'bus/ap/bindings', '3/4\n'],
  [
    two('state: {queues: [{adapters: 0, domains: 4, driver-override: vfio_ap, driver: vfio_ap}]}'),
    'devices/ap/card00/00.0004/status',
    'unassigned\n',
  ],
  [
    two('state: {queues: [{adapters: 0, domains: 4, driver-override: vfio_ap}]}'),
    'devices/ap/card00/00.0004/driver_override',
    'vfio_ap\n',
  ],
  [
    two(
      'system: kvm\nsecure-execution: true\nstate: {queues: [{adapters: 1, domains: 4, se-bind: true, se-associate: 5}]}',
    ),
    'devices/ap/card01/01.0004/se_associate',
    'associated 5\n',
  ],
  [two('state: {zcrypt-nodes: [{name: b}, {name: a}]}'), 'class/zcrypt/a/dev', '247:1\n'],
  ...['ioctlmask', 'apmask', 'aqmask', 'admask'].map(
    (mask) =>
      [two(`state: {zcrypt-nodes: [{name: a/b, ${mask}: +3}]}`), `class/zcrypt/a!b/${mask}`, /^0x10{63}\n$/] as const,
  ),
  [two('faults: [{path: "**/apmask", op: read, value: "0x\\\\c"}]'), 'bus/ap/apmask', '0x'],
  [two('clock: manual'), `${CONTROL}/clock`, /^mode manual\n/],
  [two('clock: auto'), `${CONTROL}/clock`, /^mode auto\n/],
];

for (const [file, path, content] of FIELDS)
  t.test(`${file.replaceAll('\n', ' ').replace(two('').replaceAll('\n', ' '), '')}: ${path}`, async (t) => {
    const m = await boot(file);
    if (path.startsWith('!')) t.notOk(m.sh.exists(path.slice(1)));
    else t.match(await m.sh.read(path), content);
    t.same(m.bugs, []);
  });

t.test('master keys, of the card and of single domains', async (t) => {
  const m = await boot(`
adapters:
  - id: 2
    type: cex8
    mode: cca
    master-keys:
      aes: { new: partial, current: valid 0x0123456789ABCDEF, old: valid 0x1111111111111111 }
      apka: { new: full 0x2222222222222222, current: invalid, old: invalid 0x0000000000000000 }
      asym: { new: full, current: valid 0x${'3'.repeat(32)}, old: valid }
    domains:
      - id: 6
        master-keys: { aes: { current: invalid } }
  - id: 3
    type: cex8
    mode: ep11
    master-keys: { wk: { new: uncommitted 0x${'4'.repeat(64)}, current: invalid } }
    domains:
      - id: 6-7
        master-keys: { wk: { new: committed, current: valid 0x${'5'.repeat(64)} } }
domains: { usage: 4-7 }`);
  const lines = (await m.sh.read(`${QUEUE}/mkvps`)).split('\n');
  t.match(lines, [
    'AES NEW: partial 0x0000000000000000',
    'AES CUR: valid 0x0123456789abcdef',
    'AES OLD: valid 0x1111111111111111',
    'APKA NEW: full 0x2222222222222222',
    'APKA CUR: invalid 0x0000000000000000',
    'APKA OLD: invalid 0x0000000000000000',
    /^ASYM NEW: full 0x[0-9a-f]{32}$/,
    `ASYM CUR: valid 0x${'3'.repeat(32)}`,
    /^ASYM OLD: valid 0x[0-9a-f]{32}$/,
  ]);
  t.not(lines[6]?.slice(-32), lines[8]?.slice(-32), 'made-up patterns are not the same');
  const other = (await m.sh.read(`${CARD}/02.0006/mkvps`)).split('\n');
  t.equal(other[1], 'AES CUR: invalid 0x0000000000000000');
  t.equal(other[2], lines[2], "what a domain does not describe is the card's");
  t.equal(
    await m.sh.read('devices/ap/card03/03.0004/mkvps'),
    `WK CUR: invalid -\nWK NEW: uncommitted 0x${'4'.repeat(64)}\n`,
  );
  t.match(
    await m.sh.read('devices/ap/card03/03.0007/mkvps'),
    new RegExp(`^WK CUR: valid 0x${'5'.repeat(64)}\nWK NEW: committed 0x[0-9a-f]{64}\n$`),
  );
});

t.test('faults from the beginning', async (t) => {
  const m = await boot(
    two(
      'faults: [{path: bus/ap/ap_domain, op: read, nth: 2, count: 1, errno: EIO, delay: 2s}, {path: "**", op: open, errno: EACCES, nth: 3}]',
    ),
  );
  const file = 'bus/ap/ap_domain';
  const before = m.world.clock.now();
  t.equal(await errnoOf(m.sh.read(file)), undefined);
  t.equal(m.world.clock.now(), before);
  t.equal(await errnoOf(m.sh.read(file)), 'EIO');
  t.equal(m.world.clock.now() - before, 2e9);
  t.equal(await errnoOf(m.sh.read(file)), 'EACCES');
  const bad = bootDescription({
    faults: [
      { path: 'a', op: 'read', errno: 'EIO' },
      { path: 'a[', op: 'read', errno: 'EIO' },
    ],
  });
  await t.rejects(bad, /^faults\[1\]\.path: "a\[" has a \[ without its \]$/);
});

t.test('what the kernel refuses of a state', async (t) => {
  const refused = async (state: string): Promise<string> => {
    const { description } = parseMachineFile(two(`state: ${state}`), 'machine.yaml');
    const error: unknown = await bootDescription(description).catch((e) => e);
    return error instanceof DescriptionError ? error.message : String(error);
  };
  t.equal(
    await refused('{queues: [{adapters: 0, domains: [4, 5], online: false}]}'),
    'state.queues[0].online: online of 00.0005: No such file or directory (ENOENT)',
  );
  t.match(await refused('{queues: [{adapters: 0, domains: 4, driver: vfio_ap}]}'), /: bind 00\.0004: .* \(ENODEV\)$/);
  t.match(await refused('{adapters: [{id: 9, driver: none}]}'), /adapters\[0\]\.driver: unbind card09: .*ENOENT/);
  t.match(await refused('{zcrypt-nodes: [{name: create}]}'), /zcrypt-nodes\[0\]: create create: .*EEXIST/);
  t.match(await refused('{bus: {domain: 99, aqmask: "-99"}}'), /bus\.domain: ap_domain: .*EINVAL/);
});

t.test('facilities.sclp: who may configure adapters', async (t) => {
  const configure = async (more: string): Promise<string | undefined> =>
    errnoOf((await boot(two(more))).sh.echo(0, 'devices/ap/card00/config'));
  t.equal(await configure(''), undefined);
  t.equal(await configure('system: zvm'), 'EOPNOTSUPP');
  t.equal(await configure('system: kvm\nfacilities: {sclp: true}'), undefined);
});

t.test('facilities.change-events: whether a change is noticed at once', async (t) => {
  for (const [on, config] of [
    ['true', '0\n'],
    ['false', '1\n'],
  ] as const) {
    const m = await boot(two(`facilities: {change-events: ${on}}`));
    await m.hw('card 0 deconfigure');
    t.equal(await m.sh.read('devices/ap/card00/config'), config);
  }
});

t.test('kernel.command-line: what the kernel says to words that it does not take', async (t) => {
  // A machine file with such words is refused; a kernel boots with them.
  const commandLine = 'ap.domain=six ap.useirq ap.nothing=1 ap.apmask=5-6 ap.msgpool_min_items=4';
  const { kernel } = (await bootMachine({ commandLine })).world;
  const said = kernel.core.log.lines().filter(({ text }) => text.startsWith('Booting kernel'));
  t.match(said, [
    { level: 3, text: "Booting kernel: `six' invalid for parameter `ap.domain'" },
    { level: 3, text: "Booting kernel: `' invalid for parameter `ap.useirq'" },
  ]);
  t.equal(said.length, 2);
  t.ok(kernel.ap?.apm.isEmpty, 'a mask that cannot be read is all zeros');
  t.equal(kernel.ap?.parameters.msgpoolMinItems, 4);
});

t.test('seed: other random numbers', async (t) => {
  const bytes = async (seed: number): Promise<string> => {
    const m = await boot(two(`seed: ${seed}`));
    return String(m.world.ports.random.bytes(8));
  };
  t.equal(await bytes(7), await bytes(7));
  t.not(await bytes(7), await bytes(8));
});

const DEVICES = `
kernel: {command-line: ap.apmask=+2-255}
mdevs:
  - uuid: ${UUID}
    adapters: [0, 1]
    domains: [4, 9]
    control-domains: [4, 5]
  - uuid: ${UUID.replace('1', '2')}
    domains: 7
`;

t.test('mdevs and guests to begin with', async (t) => {
  const m = await boot(
    two(`${DEVICES}guests:\n  - {mdev: ${UUID}, vcpus: 2, release-on-request: true}\n`).replace('[4, 6]', '[4, 6, 9]'),
  );
  t.equal(await m.sh.read(`${MDEV}/matrix`), '00.0004\n00.0009\n01.0004\n01.0009\n');
  t.equal(await m.sh.read(`${MDEV}/guest_matrix`), '00.0004\n00.0009\n01.0004\n01.0009\n');
  t.equal(await m.sh.read(`${MDEV}/control_domains`), '0004\n0005\n');
  t.equal(await m.sh.read(`devices/vfio_ap/matrix/${UUID.replace('1', '2')}/matrix`), '.0007\n');
  t.match(
    await m.sh.read(`${CONTROL}/guest`),
    /^11111111-\S+ pid \d+ device open vcpus 2 autoclose kernel 7\.2 running\n$/,
  );
  t.match(await m.sh.read(`${CONTROL}/guests/${UUID}/apcb`), /^apm 0xc0{63}\naqm 0x084/);
  await m.sh.echo(1, `${MDEV}/remove`);
  await m.settle();
  t.notOk(m.sh.exists(MDEV), 'release-on-request');
  t.same(m.bugs, []);
});

t.test('over-provisioned: the guest gets what is there', async (t) => {
  const m = await boot(two(`${DEVICES}guests:\n  - {mdev: ${UUID}}\n`));
  t.equal(await m.sh.read(`${MDEV}/matrix`), '00.0004\n00.0009\n01.0004\n01.0009\n');
  t.equal(await m.sh.read(`${MDEV}/guest_matrix`), '00.0004\n01.0004\n');
  t.match(await m.sh.read(`${CONTROL}/guest`), /device open vcpus 1 kernel 7\.2 running\n$/);
});

t.test('what a guest is given: a name, a kernel, less than its host has', async (t) => {
  const guest = (...lines: string[]): string =>
    two(`${DEVICES}guests:\n  - mdev: ${UUID}\n    name: web\n${lines.map((line) => `    ${line}\n`).join('')}`);
  const WEB = `${CONTROL}/guests/web`;
  const m = await boot(
    guest(
      'vcpus: 3',
      'kernel: {version: 6.12, command-line: quiet ap.aqmask=+4, modules: [zcrypt], debug-attributes: true}',
      'facilities: {interrupts: false, change-events: false}',
    ),
  );
  t.match(await m.sh.read(`${WEB}/kernel`), /^state running\nversion 6\.12\.107\nvcpus 3\n/);
  t.match(await m.sh.read(`${WEB}/kernel`), /^command-line quiet ap\.aqmask=\+4$/m);
  t.match(await m.sh.read(`${WEB}/sys/bus/ap/aqmask`), /^0x080{62}$/m);
  t.notMatch(await m.sh.read(`${WEB}/modules`), /zcrypt_cex4/);
  t.ok(m.sh.exists(`${WEB}/sys/devices/ap/card00/00.0004/states`), 'debug attributes');
  t.equal(await m.sh.read(`${WEB}/sys/bus/ap/ap_interrupts`), '0\n');
  await m.sh.echo('00.0004', 'bus/ap/drivers/vfio_ap/unbind');
  await m.settle();
  t.equal(await m.sh.read(`${CONTROL}/guests/web/events`), 'req 0 cfg 0\n', 'no change events');
  const none = await boot(guest('facilities: {ap: false}'));
  t.notOk(none.sh.exists(`${WEB}/sys/bus/ap`));
  const still = await boot(two(`${DEVICES}guests:\n  - {mdev: ${UUID}, vcpus: 0}\n`));
  t.notOk(still.sh.exists(`${CONTROL}/guests/${UUID}/sys`), 'without virtual CPUs it runs nothing');
  const secure = await boot(guest('protected: true'));
  t.match(await secure.sh.read(`${WEB}/kernel`), /^protected yes$/m);
  t.same([...m.bugs, ...none.bugs, ...still.bugs, ...secure.bugs], []);
});

t.test('guests that are not started', async (t) => {
  const idle = await boot(two(`${DEVICES}guests:\n  - {mdev: ${UUID}, autostart: false}\n`));
  t.equal(await idle.sh.read(`${CONTROL}/guest`), '');
});

t.test('what the kernel refuses has its place in the file', async (t) => {
  const text = two(`${DEVICES}guests:\n  - mdev: ${UUID}\n    release-on-request: true\n`).replace(
    'command-line',
    'version: 6.1, command-line',
  );
  const file = parseMachineFile(text, 'machine.yaml');
  const error: unknown = await bootDescription(file.description).catch((e) => e);
  t.type(error, DescriptionError);
  if (error instanceof DescriptionError) {
    const [problem, ...more] = file.explain(error);
    t.same(more, []);
    t.match(problem, { line: text.split('\n').findIndex((line) => line.includes('- mdev:')) + 1, path: 'guests[0]' });
    t.match(problem?.text, /^start: VFIO_DEVICE_SET_IRQS: .*\(E[A-Z]+\)$/, 'which call, and how it failed');
  }
  await t.rejects(bootDescription({ secureExecution: true }), /secure-execution: only a KVM guest/);
});

t.test('no field was left out', (t) => {
  const missing: string[] = [];
  const look = (part: Schema, path: string): void => {
    const schema = resolve(part);
    const fields = resolve(schema.items ?? schema).properties ?? {};
    for (const [name, field] of Object.entries(fields)) {
      if (!used.has(`${path}/${name}`)) missing.push(`${path}/${name}`);
      look(field, `${path}/${name}`);
    }
  };
  look(machineSchema(), '');
  // Registers of single domains are read as those of the card.
  t.same(
    missing.filter((path) => !path.startsWith('/adapters/domains/master-keys/')),
    [],
  );
  t.end();
});
