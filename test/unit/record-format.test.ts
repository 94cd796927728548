/**
 * Records as text: what is written is read again, and what is no record is refused.
 */
import t from 'tap';
import { ImportError, type MachineRecord, parseRecord, printRecord } from '../../scripts/record/format.js';
import { recordTree } from '../../scripts/record/walk.js';
import { bootMachine, ROOT } from '../support/machine.js';

const file = (content: string, more = {}) =>
  ({ kind: 'file', path: '/sys/a', mode: 0o644, uid: 0, gid: 0, size: 4096, content, ...more }) as const;

t.test('any content survives', (t) => {
  const bytes = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');
  for (const content of [
    '',
    '\n',
    'a',
    'a\n',
    'a\n\n',
    '\n\na',
    '\\',
    '\\\n',
    'a\\\\',
    '|x\n!EIO\n>y\nend 3\n',
    bytes,
  ]) {
    const record: MachineRecord = { facts: [['release', '7.2']], entries: [file(content), file('', { error: 'EIO' })] };
    const text = printRecord(record);
    t.match(text, /^[\n -~]*$/, 'the text is plain');
    t.strictSame({ ...parseRecord(text, 'x') }.entries, record.entries, JSON.stringify(content));
  }
  const odd: MachineRecord = {
    facts: [
      ['sysinfo', 'Type: 3931'],
      ['sysinfo', 'Manufacturer: IBM'],
    ],
    entries: [
      { kind: 'dir', path: '/sys/a b\\\xff', mode: 0o755, uid: 0, gid: 4242, size: 0 },
      { kind: 'link', path: '/sys/l', mode: 0o777, uid: 0, gid: 0, size: 0, target: '../ x\xe9' },
      { kind: 'file', path: '/sys/w', mode: 0o200, uid: 0, gid: 0, size: 4096 },
      { kind: 'char', path: '/dev/z90crypt', mode: 0o600, uid: 0, gid: 0, size: '10:260' },
    ],
  };
  const { facts, entries } = parseRecord(printRecord(odd), 'x');
  t.strictSame({ facts, entries }, odd);
  t.end();
});

t.test('a tree is recorded, sorted, and without the simulation’s own files', async (t) => {
  const m = await bootMachine();
  t.teardown(() => m.world.stop());
  const record = await recordTree(m.world, m.sh.ops, ROOT);
  const paths = record.entries.map(({ path }) => path);
  const system = paths.filter((path) => path.startsWith('/sys/'));
  t.same(system, [...system].sort());
  t.same(
    paths.filter((path) => /debug|sections|notes/.test(path)),
    [],
  );
  const content = (path: string) => record.entries.find((entry) => entry.path === path);
  t.match(content('/sys/bus/ap/ap_domain'), { kind: 'file', mode: 0o644, content: '4\n' });
  t.match(content('/sys/class/zcrypt/create'), { mode: 0o600, content: '', error: 'EIO' });
  t.match(content('/sys/bus/ap/drivers/cex4card/bind'), { mode: 0o200, content: undefined });
  t.match(content('/sys/dev/char/10:260'), { target: '../../devices/virtual/misc/z90crypt' });
  t.match(content('/dev/z90crypt'), { kind: 'char', size: '10:260' });
  t.same(record.facts, [
    ['release', '7.2.13'],
    ['arch', 's390x'],
  ]);
  const again = parseRecord(printRecord(record), 'x');
  t.strictSame(again.entries, record.entries);
  t.same(m.bugs, []);
});

t.test('what is no record, or not all of it', (t) => {
  const HEAD = 'ap-sysfs-record 1\nrelease: 7.2\n';
  const cases: [text: string, says: RegExp][] = [
    ['', /^f:1: this is no record/],
    ['P: /devices/x\n', /^f:1: this is no record/],
    ['ap-sysfs-record 2\nend 0\n', /^f:1: a record of version 2; this program knows version 1/],
    [HEAD, /^f:3: the end of the record is missing/],
    [`${HEAD}dir 0755 0:0 0 /sys\nend 2\n`, /^f:4: 2 entries were written, 1 are here/],
    [`${HEAD}dir 0755 0:0 0 /sys\n|x\nend 1\n`, /^f:4: a line with \| does not follow a file/],
    [`${HEAD}>x\nend 0\n`, /^f:3: a line with > does not follow a link/],
    [`${HEAD}link 0777 0:0 0 /sys/l\ndir 0755 0:0 0 /sys\nend 2\n`, /^f:4: \/sys\/l has no target/],
    [`${HEAD}file 0644 0:0 9 /sys/f\n|a\\q\nend 1\n`, /^f:4: a \\ that is neither/],
    [`${HEAD}fiel 0644 0:0 9 /sys/f\nend 1\n`, /^f:3: "fiel 0644 0:0 9 \/sys\/f" is no line of a record/],
    [`${HEAD}dir 0755 0:0 0 /sys\nrelease: 3\nend 1\n`, /^f:4: "release: 3" is no line/],
    [`${HEAD}end 0\ndir 0755 0:0 0 /sys\n`, /^f:4: something follows the end/],
  ];
  for (const [text, says] of cases) {
    let message = 'nothing';
    try {
      parseRecord(text, 'f');
    } catch (e) {
      message = e instanceof ImportError ? e.message : `another error: ${String(e)}`;
    }
    t.match(message, says);
  }
  t.end();
});
