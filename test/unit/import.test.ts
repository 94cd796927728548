/**
 * Machines from elsewhere: each kind of source, with what real kernels and real
 * tools wrote, and with damage.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { printUmockdev } from '../../scripts/export/umockdev.js';
import {
  ImportError,
  type Imported,
  type ImportOptions,
  importMachine,
  readBytes,
  readSource,
} from '../../scripts/import/index.js';
import { tarMembers } from '../../scripts/import/tar.js';
import { parseMachineFile } from '../../scripts/machine-file/index.js';
import { type MachineRecord, printRecord } from '../../scripts/record/format.js';
import { recordTree } from '../../scripts/record/walk.js';
import { loadRecording } from '../conformance/recording.js';
import { dumpedRecord, dumpNames } from '../support/dumps.js';
import { bootDescription, bootMachine, ROOT } from '../support/machine.js';
import { PROJECT } from '../support/mounted.js';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const imported = (text: string | Buffer, options: ImportOptions = {}): Imported =>
  importMachine(readBytes(typeof text === 'string' ? bytes(text) : text, 'a.file'), options);

/** The machine file of an import is read without a complaint, and says the same. */
function sound(t: Test, { text, description }: Imported): void {
  const read = parseMachineFile(text, 'imported.yaml');
  t.same(read.warnings, []);
  t.same(read.description, description);
}

/** What a machine file cannot bring back: counters, and files outside of what the dumps have. */
const COUNTERS = /\/(?:request_count|scans|bindings_complete_count|refcnt)$/;

/** What is different, and why. */
const KNOWN: readonly (readonly [dump: RegExp, path: RegExp])[] = [
  // The last good value of a card that answers no more is the kernel's own memory.
  [/^6\..*-2-/, /card01\/API_ordinalnr$/],
  // 6.1 remembers the interrupts that a card had before it was check-stopped.
  [/^6\.1-[56]-/, /card03\/03\.\w+\/interrupt$/],
];

for (const name of dumpNames())
  t.test(`the tree of a real kernel, ${name}, comes back`, async (t) => {
    const record = dumpedRecord(name);
    const machine = imported(printRecord(record));
    sound(t, machine);
    const m = await bootDescription(machine.description);
    t.teardown(() => m.world.stop());
    const found = new Map((await recordTree(m.world, m.sh.ops, ROOT)).entries.map((entry) => [entry.path, entry]));
    const different: string[] = [];
    let compared = 0;
    for (const { path, kind, content, target } of record.entries) {
      if (!path.startsWith('/sys/') || kind === 'dir' || COUNTERS.test(path) || /\/(?:sections|notes)\//.test(path))
        continue;
      if (KNOWN.some(([dump, known]) => dump.test(name) && known.test(path))) continue;
      const mine = found.get(path);
      compared++;
      if (mine?.content !== content || mine?.target !== target)
        different.push(`${path}: ${content ?? target} -> ${mine?.content ?? mine?.target}`);
    }
    t.same(different, []);
    t.ok(compared > 300, `${compared} files and links`);
    t.same(m.bugs, []);
  });

t.test('what a record does not tell is said, once', (t) => {
  const { notes, text } = imported(printRecord(dumpedRecord('7.2-2-handed-over')));
  t.match(notes, [
    /^what the system runs in/,
    /^how long resets and replies take/,
    /^request counters/,
    'serial numbers (made up instead): card00, card01',
    'master keys (made up instead): 00.0004, 00.0006, 00.001b, 00.0047, 01.0004 and 3 more',
    'firmware and API of EP11 (made up instead): card01',
  ]);
  for (const note of notes) t.ok(text.replaceAll(/\n# +/g, ' ').includes(note.replaceAll(/ +/g, ' ')), note);
  t.end();
});

/** A record of the default machine with other contents. */
async function changed(changes: Readonly<Record<string, string>>): Promise<MachineRecord> {
  const m = await bootMachine();
  const { facts, entries } = await recordTree(m.world, m.sh.ops, ROOT);
  m.world.stop();
  return {
    facts,
    entries: entries.map((entry) => {
      const content = changes[entry.path.slice('/sys/'.length)];
      return content === undefined ? entry : { ...entry, content };
    }),
  };
}

const CCA_KEYS = (aes: string, asym = '5'.repeat(32)): string =>
  `AES NEW: empty 0x${'0'.repeat(16)}\nAES CUR: valid 0x${aes}\nAES OLD: invalid 0x${'0'.repeat(16)}\n` +
  `APKA NEW: - -\nAPKA CUR: - -\nAPKA OLD: - -\n` +
  `ASYM NEW: partial 0x${'0'.repeat(32)}\nASYM CUR: valid 0x${asym}\nASYM OLD: invalid 0x${'0'.repeat(32)}\n`;

t.test('cards that are not as usual', async (t) => {
  const [A, B] = ['a1'.repeat(8), 'b2'.repeat(8)];
  const queue = (card: string, domain: string): string => `devices/ap/card${card}/${card}.${domain}`;
  const { description } = imported(
    printRecord(
      await changed({
        'devices/ap/card00/serialnr': '93E12345\n',
        'devices/ap/card00/depth': '16\n',
        'devices/ap/card00/max_msg_size': '24576\n',
        'devices/ap/card00/ap_functions': '0x92000000\n',
        ...Object.fromEntries(['0004', '0006', '001b', '0047'].map((d) => [`${queue('00', d)}/mkvps`, CCA_KEYS(A)])),
        [`${queue('03', '0004')}/mkvps`]: CCA_KEYS(A),
        [`${queue('03', '0006')}/mkvps`]: CCA_KEYS(B),
        [`${queue('03', '001b')}/mkvps`]: CCA_KEYS(B),
        'devices/ap/card01/serialnr': '93E12345ABCDEF01\n',
        'devices/ap/card01/FW_version': '7.20\n',
        'devices/ap/card01/API_ordinalnr': '4\n',
        'devices/ap/card01/op_modes': 'FIPS2011 BSI2011\n',
        [`${queue('01', '0004')}/op_modes`]: 'FIPS2011\n',
        'devices/ap/card02/raw_hwtype': '15\n',
        'devices/ap/card02/chkstop': '1\n',
        'bus/ap/ap_max_adapter_id': '63\n',
        'bus/ap/features': 'APSC APXA\n',
        'bus/ap/ap_interrupts': '0\n',
      }),
    ),
  );
  const asym = { new: { state: 'partial' }, current: { state: 'valid', pattern: `0x${'5'.repeat(32)}` } };
  const keys = (pattern: string) => ({ aes: { current: { state: 'valid', pattern: `0x${pattern}` } }, asym });
  t.match(description.adapters, [
    { id: 0, type: 'cex8', serial: '93E12345', depth: 16, messageLimit: 6, functions: 0x92000000, masterKeys: keys(A) },
    { id: 1, serial: '93E12345ABCDEF01', firmware: '7.20', apiOrdinal: 4, opModes: ['FIPS2011', 'BSI2011'] },
    { id: 2, type: 15, mode: 'accel', checkstop: true },
    {
      id: 3,
      domains: [
        { id: 4, masterKeys: keys(A) },
        { id: [6, 27], masterKeys: keys(B) },
      ],
    },
  ]);
  t.match(description.adapters?.[1]?.domains, [{ id: 4, opModes: ['FIPS2011'] }], 'the others have the card’s');
  t.equal(description.adapters?.[3]?.masterKeys, undefined);
  t.match(description, { limits: { adapter: 63 }, qciFlags: ['apsc', 'apxa'], facilities: { interrupts: false } });
});

t.test('other names for serial numbers and patterns', async (t) => {
  const [A, B] = ['a1'.repeat(8), 'b2'.repeat(8)];
  const record = printRecord(
    await changed({
      'devices/ap/card00/serialnr': '93E12345\n',
      'devices/ap/card03/serialnr': '93E12345\n',
      'devices/ap/card01/serialnr': '93E99999ABCDEF01\n',
      'devices/ap/card00/00.0004/mkvps': CCA_KEYS(A),
      'devices/ap/card00/00.0006/mkvps': CCA_KEYS(B),
      'devices/ap/card03/03.0004/mkvps': CCA_KEYS(A),
    }),
  );
  const machine = imported(record, { anonymize: true });
  sound(t, machine);
  const { text, description } = machine;
  t.notMatch(text, /93E|a1a1a1|b2b2b2|5555/i);
  t.notMatch(text, /a\.file/, 'not even the name of the file');
  t.match(
    description.adapters?.map(({ serial }) => serial),
    ['ANON0001', 'ANON000200000000', undefined, 'ANON0001'],
  );
  const aes = (adapter: number, domain: number) =>
    description.adapters?.[adapter]?.domains?.[domain]?.masterKeys?.aes?.current;
  t.match(aes(0, 0)?.pattern, /^0x[0-9a-f]{16}$/);
  t.equal(
    description.adapters?.[3]?.masterKeys?.aes?.current?.pattern ?? aes(3, 0)?.pattern,
    aes(0, 0)?.pattern,
    'equal stays equal',
  );
  t.not(aes(0, 1)?.pattern, aes(0, 0)?.pattern);
  t.equal(imported(record, { anonymize: true }).text, text, 'the same each time');
});

t.test('kernels that are not known here', async (t) => {
  const version = async (release: string, dump = '6.12-1-boot'): Promise<string | undefined> => {
    const { entries } = dumpedRecord(dump);
    const { description, notes } = imported(printRecord({ facts: [['release', release]], entries }));
    const said = notes.some((note) => note.startsWith(`kernel ${release} is not known here`));
    return `${description.kernel?.version}${said ? ' nearest' : ''}`;
  };
  t.equal(await version('6.12.107-1-s390x'), '6.12');
  t.equal(await version('6.8.0-31-generic'), '6.12 nearest', 'by its files');
  t.equal(await version('6.4.0-150600', '6.1-1-boot'), '6.1 nearest');
  t.equal(await version('7.9.1', '7.2-1-boot'), '7.2 nearest');
  const { description } = imported(printRecord(dumpedRecord('6.12-1-boot')), { kernel: '7.2' });
  t.equal(description.kernel?.version, '7.2', 'or as one wants it');
});

t.test('what a system runs in', async (t) => {
  const { entries } = dumpedRecord('6.12-1-boot');
  const system = (...sysinfo: string[]): string | undefined =>
    imported(printRecord({ facts: sysinfo.map((line) => ['sysinfo', line] as const), entries })).description.system;
  t.equal(system('Manufacturer: IBM', 'Type: 3931'), undefined, 'an LPAR needs no word');
  t.equal(system('VM00 Control Program: z/VM    7.3.0'), 'zvm');
  t.equal(system('VM00 Control Program: KVM/Linux'), 'kvm');
});

/** A tree in files and links, as dump2tar and cp -a see it. */
function asFolder(folder: string, { entries }: MachineRecord): void {
  for (const { path, kind, content, target } of entries) {
    if (!path.startsWith('/sys/')) continue;
    const place = join(folder, path);
    mkdirSync(kind === 'dir' ? place : dirname(place), { recursive: true });
    if (kind === 'file') writeFileSync(place, content ?? '', 'latin1');
    else if (kind === 'link') symlinkSync(target ?? '', place);
  }
}

t.test('sysfs.tgz, DBGINFO archives and copies', async (t) => {
  const record = dumpedRecord('6.12-3-mdev-assigned');
  const folder = t.testdir({
    tree: {},
    dbg: { proc: { sysinfo: 'VM00 Control Program: KVM/Linux\n', version: 'Linux version 6.12.107-1 (x)\n' } },
  });
  asFolder(join(folder, 'tree'), record);
  const expected = imported(printRecord(record)).description;
  const tar = (...words: string[]): Buffer => execFileSync('tar', words, { maxBuffer: 1 << 28 });
  const plain = join(folder, 'tree');
  for (const format of ['gnu', 'ustar', 'pax']) {
    const archive = tar('-C', plain, `--format=${format}`, '-cf', '-', 'sys');
    t.same(imported(archive).description, expected, format);
    t.same(imported(gzipSync(archive)).description, expected, `${format}, compressed`);
  }
  writeFileSync(join(folder, 'dbg/sysfs.tgz'), gzipSync(tar('-C', plain, '-cf', '-', 'sys')));
  const both = imported(gzipSync(tar('-C', folder, '-cf', '-', 'dbg')));
  t.match(both.description, { ...expected }, 'an archive in an archive');
  t.same(importMachine(readSource(plain)).description, expected, 'a folder with sys');
  t.same(importMachine(readSource(join(plain, 'sys'))).description, expected, 'sys itself');
  t.match(imported(tar('-C', plain, '-cf', '-', 'sys')).notes, [/^the kernel: 6\.12 by its files/]);
});

t.test('tar archives: names of any length, damage', async (t) => {
  const folder = t.testdir({});
  const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(90)}`;
  mkdirSync(join(folder, dirname(long)), { recursive: true });
  writeFileSync(join(folder, long), 'content');
  symlinkSync('x'.repeat(150), join(folder, 'link'));
  for (const format of ['gnu', 'pax']) {
    const archive = execFileSync('tar', ['-C', folder, `--format=${format}`, '-cf', '-', '.']);
    const members = [...tarMembers(archive)];
    t.match(
      members.find(({ type }) => type === 'file'),
      { name: `./${long}`, content: 'content' },
      format,
    );
    t.match(
      members.find(({ type }) => type === 'link'),
      { name: './link', target: 'x'.repeat(150) },
      format,
    );
    t.throws(() => [...tarMembers(archive.subarray(0, 3000))], /it is cut off/);
    const damaged = Buffer.from(archive);
    damaged[5] = (damaged[5] ?? 0) ^ 1;
    t.throws(() => [...tarMembers(damaged)], /a header is damaged/);
  }
});

t.test('umockdev descriptions', async (t) => {
  const record = dumpedRecord('7.2-1-boot');
  const text = printUmockdev(record);
  const { description, notes } = imported(text);
  t.match(description.adapters, [
    { id: 0, type: 'cex8', mode: 'cca' },
    { id: 1, type: 'cex8', mode: 'ep11' },
    { id: 2, type: 'cex7', mode: 'accel' },
    { id: 3, type: 'cex6', mode: 'cca' },
  ]);
  t.same(description.domains?.usage, [4, 6, 27, 71]);
  t.equal(description.kernel?.version, '7.2');
  t.match(notes.join('\n'), /control domains: the usage domains are taken/);
  t.match(notes.join('\n'), /does not have them/);
  const odd = imported(
    'P: /devices/ap/card05\nE: SUBSYSTEM=ap\nE: DRIVER=cex4card\nA: type=CEX6A\\n\nH: serialnr=3132\nL: driver=../x/cex4card\n\n' +
      '# a comment\nP: /devices/ap/card05/05.0003\nN: x\nE: SUBSYSTEM=ap\nA: online=0\\n\nA: config=1\\n\n',
  ).description;
  t.match(odd, {
    adapters: [{ id: 5, type: 'cex6', mode: 'accel' }],
    domains: { usage: [3] },
    state: { queues: [{ adapters: [5], domains: [3], driver: 'none', online: false }] },
  });
});

const TOOLS = join(PROJECT, 'test/conformance/recordings');

t.test('what lszcrypt printed on real kernels', async (t) => {
  for (const kernel of ['6.1', '6.12', '7.2']) {
    const { steps } = loadRecording(join(TOOLS, kernel, '01-read-everything.json'), 'x');
    const out = (cmd: RegExp): string => steps.find((step) => cmd.test(step.cmd))?.stdout ?? '';
    const all = [/^lszcrypt -V/, /^lszcrypt -b/, /^lszcrypt -d/, /^lszcrypt --se/].map(out);
    t.ok(all[0], `${kernel} has the table`);
    const machine = imported(all.join('\n'), { kernel: '6.12' });
    sound(t, machine);
    const { description } = machine;
    t.same(
      description.adapters?.map(({ id, type, mode }) => [id, type, mode]),
      [
        [0, 'cex8', 'cca'],
        [1, 'cex8', 'ep11'],
        [2, 'cex7', 'accel'],
        [3, 'cex6', 'cca'],
      ],
      kernel,
    );
    t.same(description.domains?.usage, [4, 6, 27, 71]);
    if (all[2]) t.same(description.domains?.control, [4, 6, 27, 71, 0x55, 0xab]);
    t.equal(description.adapters?.[0]?.functions, undefined, 'the usual function bits');
    t.equal(description.adapters?.[0]?.serial, undefined, 'the usual serial number');
  }
});

t.test('lszcrypt: other states, other releases', (t) => {
  const table = `CARD.DOM TYPE  MODE        STATUS     REQUESTS  PENDING HWTYPE QDEPTH FUNCTIONS  DRIVER      SESTAT
--------------------------------------------------------------------------------------------------------
00       CEX8C CCA-Coproc  online            5        0     14     09 S--D--N-F- cex4card    -
00.0004  CEX8C CCA-Coproc  in use            -        -     14     09 S--D--N-F- vfio_ap     usable
00.0006  CEX8C CCA-Coproc  unassigned        -        -     14     09 S--D--N-F- vfio_ap     usable
01       CEX8P EP11-Coproc offline           6        0     14     09 -----XN-F- cex4card    -
01.0004  CEX8P EP11-Coproc offline           3        0     14     09 -----XN-F- cex4queue   usable
01.0006  CEX8P EP11-Coproc offline           3        0     14     09 -----XN-F- -no-driver- usable
02       CEX7A Accelerator chkstop           0        0     13     09 -MC-A-N-F- cex4card    -
02.0004  CEX7A Accelerator chkstop           0        0     13     09 -MC-A-N-F- cex4queue   usable
03       CEX6C CCA-Coproc  deconfig          -        -     12     09 S--D--N--- cex4card    -
`;
  const { description } = imported(table);
  t.match(description.adapters, [
    { id: 0 },
    { id: 1 },
    { id: 2, checkstop: true },
    { id: 3, state: 'standby', functions: 0x92000000 },
  ]);
  t.match(description.state, { adapters: [{ id: 1, online: false }] });
  t.match(description.state?.queues, [
    { adapters: [0], domains: [4, 6], driver: 'vfio_ap' },
    { adapters: [1], domains: [6], driver: 'none' },
  ]);
  const old = `CARD.DOMAIN TYPE  MODE        STATUS  REQUESTS
----------------------------------------------
04          CEX5C CCA-Coproc  online     3
04.0011     CEX5C CCA-Coproc  online     3
`;
  t.match(imported(old).description, { adapters: [{ id: 4, type: 'cex5', mode: 'cca' }], domains: { usage: [17] } });
  t.end();
});

t.test('what cannot be imported', async (t) => {
  const message = (body: () => unknown): string => {
    try {
      body();
      return 'nothing';
    } catch (e) {
      return e instanceof ImportError ? e.message : `another error: ${String(e)}`;
    }
  };
  const says = (text: string | Buffer): string => message(() => imported(text));
  t.match(says(''), /^a\.file:1: this is none of: a record/);
  t.match(says('hello\n'), /^a\.file:1: this is none of/);
  t.match(says(Buffer.from([0x1f, 0x8b, 1, 2, 3])), /^a\.file: it cannot be uncompressed/);
  t.match(says(gzipSync(Buffer.from('hello'))), /none of/);
  t.match(says('P: /devices/x\nA: noequals\n'), /^a\.file:2: A: without NAME=VALUE/);
  t.match(says('P: /devices/x\nX: y\n'), /^a\.file:2: "X: y" is no line of an umockdev description/);
  t.match(says('P: /devices/x\nH: a=xyz\n'), /^a\.file:2: H: is not in hex/);
  t.match(says('P: /devices/x\nP: /bus/ap\n'), /^a\.file:2: \/bus\/ap is no path of a device/);
  t.match(says('CARD.DOM TYPE MODE\n00 CEX8C\n'), /^a\.file:2: this row has not the columns CARD\.DOM TYPE MODE/);
  t.match(
    message(() => readSource('/nowhere/x')),
    /^\/nowhere\/x: there is no such file/,
  );
  const nothing = join(t.testdir({}), 'n.record');
  writeFileSync(nothing, 'ap-sysfs-record 1\nend 0\n');
  t.match(
    message(() => readSource(nothing)),
    /n\.record: there is no AP bus and no card in it/,
  );
});
