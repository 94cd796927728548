/**
 * Machine files with mistakes: each is named with its line, all at once.
 */
import t from 'tap';
import { MachineFileError, parseMachineFile } from '../../scripts/machine-file/index.js';
import { jsonFault } from '../../scripts/machine-file/json.js';
import { MOST_BYTES, machineText } from '../../scripts/machine-file/text.js';

/** What a file with mistakes gives, one line each; an empty list: nothing is wrong. */
function complaints(text: string): string[] {
  try {
    parseMachineFile(text, 'machine.yaml');
    return [];
  } catch (e) {
    if (e instanceof MachineFileError) return e.message.split('\n');
    throw e;
  }
}

const warnings = (text: string): string[] =>
  parseMachineFile(text, 'machine.yaml').warnings.map(({ line, path, text: what }) => `${line}: ${path}: ${what}`);

const UUID = '11111111-1111-4111-8111-111111111111';

/** Each line with a mistake says so, and what is expected of it. */
const TWENTY = `
sytem: lpar                             # 1: unknown field "sytem" (did you mean system?)
secure-execution: yes                   # 2: "yes" is not true or false (did you mean true?)
facilities:
  qcii: true                            # 3: unknown field "qcii" (did you mean qci?)
limits: { adapter: 300 }                # 4: 300 is not in 0..255
qci-flags: [apsc, apxx]                 # 5: "apxx" is none of apsc, apxa, qact, rc8a, apsb (did you mean apxa?)
adapters:
  - id: 0
    type: cex3                          # 6: "cex3" is none of cex4, cex5, cex6, cex7, cex8, cex9, and no number
    mode: cca
  - id: 1
    type: cex8
    mode: ccx                           # 7: "ccx" is none of accel, cca, ep11 (did you mean cca?)
  - id: 0x100                           # 8: 256 is not in 0..255
    type: cex8
    mode: cca
  - id: 2                               # 9: mode is missing
    type: cex8
  - id: 3
    type: cex8
    mode: ep11
    state: online                       # 10: "online" is none of configured, standby (did you mean configured?)
    firmware: eight                     # 11: "eight" has not the form that is wanted, such as 8.8
    master-keys:
      wk:
        new: comitted                   # 12: "comitted" is none of empty, uncommitted, committed (did you mean committed?)
  - id: 3                               # 13: there is an adapter 3 already, in adapters[4]
    type: cex7
    mode: accel
    op-modes: [FIPS2009]                # 14: only an EP11 card has this (mode: ep11, not accel)
domains:
  usage: 9-3                            # 15: "9-3" goes backwards
timing:
  reset: 30                             # 16: "30" is no duration, such as 200us, 30ms or 1.5s
kernel:
  version: 6.13                         # 17: "6.13" is none of 7.2, 6.12, 6.1
  modules: [zcrypt_cex4, vfio-ap]       # 18: "vfio-ap" is none of zcrypt, zcrypt_cex4, vfio, vfio_iommu_type1, mdev, kvm, vfio_ap (did you mean vfio_ap?)
mdevs:
  - uuid: 1234                          # 19: "1234" has not the form that is wanted, such as 11111111-1111-4111-8111-111111111111
guests: ${UUID}                         # 20: "11111111-1111-4111-8111-111111111111" is not a list
`;

t.test('twenty mistakes give twenty errors that each name the line', (t) => {
  const expected = TWENTY.split('\n').flatMap((line, i) => {
    const text = /# \d+: (.*)$/.exec(line)?.[1];
    return text === undefined ? [] : [[i + 1, text] as const];
  });
  t.equal(expected.length, 20);
  const found = complaints(TWENTY);
  t.equal(found.length, 20, found.join('\n'));
  for (const [i, [line, text]] of expected.entries()) {
    const complaint = found[i] ?? '';
    t.match(complaint, new RegExp(`^machine\\.yaml:${line}:\\d+: `));
    t.ok(complaint.endsWith(text), `${complaint} / ${text}`);
  }
  t.ok(found.includes('machine.yaml:14:11: adapters[1].mode: "ccx" is none of accel, cca, ep11 (did you mean cca?)'));
  t.end();
});

t.test('what does not fit together', (t) => {
  const EP11 = '- {id: 0, type: cex8, mode: ep11, ';
  const CCA = '- {id: 0, type: cex8, mode: cca, ';
  const MDEV = `kernel: {command-line: ap.apmask=+1-255}\nmdevs:\n- {uuid: ${UUID}, adapters: 0, domains: 4}\n`;
  const CASES: readonly (readonly [file: string, line: number, path: string, text: string])[] = [
    ['secure-execution: true', 1, 'secure-execution', 'only a KVM guest'],
    [
      'limits: {adapter: 3}\nadapters:\n- {id: 3-5, type: cex8, mode: cca}',
      3,
      'adapters[0].id',
      'adapter 4-5 are above 3',
    ],
    ['limits: {domain: 15}\ndomains:\n  usage: 0-16', 3, 'domains.usage', 'domain 16 is above 15'],
    [
      `adapters:\n${EP11}master-keys: {aes: {new: full}}}`,
      2,
      'adapters[0].master-keys.aes',
      'mode ep11 has the keys wk',
    ],
    [
      `adapters:\n- {id: 0, type: cex8, mode: accel, master-keys: {wk: {new: empty}}}`,
      2,
      'adapters[0].master-keys.wk',
      'has no master keys',
    ],
    [`adapters:\n${CCA}serial: 123456789}`, 2, 'adapters[0].serial', 'more than 8 characters'],
    [
      `adapters:\n${CCA}master-keys: {aes: {new: full 0x12}}}`,
      2,
      'adapters[0].master-keys.aes.new',
      'has 2 hex digits; it must have 16',
    ],
    [
      `adapters:\n${CCA}domains: [{id: 4-6}, {id: 5}]}`,
      2,
      'adapters[0].domains[1].id',
      'domain 5 of this adapter is described already',
    ],
    [
      `mdevs:\n- {uuid: ${UUID}, adapters: 0, domains: [4, 5]}`,
      2,
      'mdevs[0]',
      'the host keeps queue 00.0004 and 1 more',
    ],
    [`${MDEV}- {uuid: ${UUID}}`, 4, 'mdevs[1].uuid', 'mdevs[0] has this UUID already'],
    [
      `${MDEV}- {uuid: ${UUID.replaceAll('1111', '2222')}, adapters: 0, domains: 4}`,
      4,
      'mdevs[1]',
      '00.0004 is in mdevs[0] already',
    ],
    [`${MDEV}guests:\n- mdev: ${UUID.replace('4111', '4112')}`, 5, 'guests[0].mdev', `did you mean ${UUID}?`],
    [`${MDEV}guests:\n- mdev: ${UUID}\n- mdev: ${UUID}`, 6, 'guests[1].mdev', 'guests[0] has this mdev already'],
    [`kernel:\n  modules: []\nmdevs:\n- uuid: ${UUID}`, 3, 'mdevs', 'need the module vfio_ap'],
  ];
  for (const [file, line, path, text] of CASES) {
    const [complaint = '', ...more] = complaints(file);
    t.same(more, [], complaint);
    t.match(complaint, new RegExp(`^machine\\.yaml:${line}:\\d+: ${path.replace(/[[\].]/g, '\\$&')}: `), file);
    t.ok(complaint.includes(text), `${complaint} / ${text}`);
  }
  t.end();
});

t.test('words of the kernel command line', (t) => {
  const CASES: readonly (readonly [commandLine: string, ...found: string[]])[] = [
    ['quiet root=/dev/x ap.apmask=+1-5,-3 ap.aqmask=0xff ap.domain=0x1 ap.poll-thread=1 ap.useirq=0'],
    ['ap.domain=-1 ap.msgpool_min_items=4 apmask=5-6 -- ap.apmsk=1'],
    ['ap.apmsk=0', '17: the module ap has no parameter "apmsk" (did you mean apmask?)'],
    ['ap.apmask=5-6', '17: ap.apmask=5-6 cannot be read as a mask: as +1-5,-3 or 0x..; the kernel then has all zeros'],
    ['quiet ap.domain=x', '23: ap.domain=x is no number: the kernel complains and ignores it'],
    ['ap.useirq', '17: ap.useirq has no value'],
    [
      'ap.poll_thread=yes ap.useirq=1.5 ap.foo',
      '17: ap.poll_thread=yes is no',
      '36: ap.useirq=1.5 is',
      '50: the module ap',
    ],
    ['ap.domain=99999999999', '17: ap.domain=99999999999 is no number'],
  ];
  for (const [line, ...found] of CASES) {
    const lines = complaints(`kernel:\n  command-line: ${line}\n`);
    t.equal(lines.length, found.length, `${line}: ${lines.join('\n')}`);
    for (const [i, text] of found.entries())
      t.ok(lines[i]?.startsWith(`machine.yaml:2:${text.replace(': ', ': kernel.command-line: ')}`), `${lines[i]}`);
  }
  t.match(
    complaints('kernel: {version: 6.1, command-line: ap.msgpool_min_items=4}'),
    [/no parameter "msgpool_min_items"$/],
    'not in that kernel',
  );
  t.end();
});

t.test('YAML that is none', (t) => {
  t.match(complaints('seed: 1\nclock: auto\nseed: 2\n'), [
    /^machine\.yaml:3:1: this field is there twice, first in line 1$/,
  ]);
  t.match(complaints('- 1'), [/^machine\.yaml:1:1: \[1\] is not a group of fields/]);
  t.match(complaints('a: &a [*a]'), [/unknown field "a"/, /1:8: this refers to itself/]);
  t.match(complaints('domains: {usage: *x}'), ['machine.yaml:1:18: nothing is named &x before this']);
  const CASES: readonly (readonly [text: string, complaint: string])[] = [
    ['adapters:\n  - id: 0\n   type: cex8\n', '3:1: this is not indented as the items above: one begins with "- "'],
    ['adapters:\n\t- id: 0\n', '2:1: a tab stands where YAML wants blanks'],
    ['seed: 1\n---\nseed: 2\n', '2:1: a second document begins here: a machine file is one'],
    ['domains: {usage: 1\nseed: 1\n', '2:1: what was opened before has no closing "}" before this'],
    ['system: "lpar\nseed: 1\n', '3:1: a text that began with " has no closing " before this'],
    ['system: @lpar\n', '1:9: a text that begins with @ needs quotes'],
    ['seed:1\nclock: real\n', '1:1: this is neither "name: value" nor "- item", each with a blank'],
    ['clock: real: 1\n', '1:8: a line has one "name: value": a text with ": " in it needs quotes'],
    ['clock: "\\q"\n', '1:9: \\q means nothing in double quotes: write \\\\ for a backslash'],
    ['domains: {usage: [1,,2]}\n', '1:21: "," does not belong here'],
    ['clock: !!real x\n', '1:8: tags such as !name mean nothing in a machine file'],
  ];
  for (const [text, complaint] of CASES) t.equal(complaints(text)[0], `machine.yaml:${complaint}`, text);
  t.end();
});

t.test('nothing of the parser itself is in a complaint', (t) => {
  const nested = (open: string, close: string, levels: number): string =>
    `adapters: ${open.repeat(levels)}${close.repeat(levels)}\n`;
  const texts = [
    nested('[', ']', 200),
    nested('[', ']', 100_000),
    nested('{a: ', '}', 20_000),
    nested('[', '', 100_000),
    `${'- '.repeat(50_000)}x\n`,
    Array.from({ length: 1200 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''),
  ];
  for (const text of texts) {
    const found = complaints(text);
    t.match(found.at(-1), /^machine\.yaml:\d+:\d+: this is nested too deeply$/);
    t.equal(found.length, 1);
  }
  t.end();
});

t.test('what is written elsewhere is complained of where it is used', (t) => {
  const CARD = 'adapters:\n- &card {id: 0, type: cex3, mode: cca}\n';
  const TYPE = 'type: "cex3" is none of cex4, cex5, cex6, cex7, cex8, cex9, and no number';
  t.same(complaints(`${CARD}- {<<: *card, id: 1}\n- <<: [*card]\n  id: 2\n- *card\ndomains: {usage: 1}`), [
    `machine.yaml:2:23: adapters[0].${TYPE}`,
    `machine.yaml:3:8: adapters[1].${TYPE} (in &card, line 2)`,
    `machine.yaml:4:8: adapters[2].${TYPE} (in &card, line 2)`,
    `machine.yaml:6:3: adapters[3].${TYPE} (in &card, line 2)`,
    'machine.yaml:6:3: adapters[3].id: there is an adapter 0 already, in adapters[0] (in &card, line 2)',
  ]);
  t.same(complaints('seed: &big 300\ndomains:\n  usage: *big\n  control: [1, *big]\n'), [
    'machine.yaml:3:10: domains.usage: 300 is not in 0..255 (in &big, line 1)',
    'machine.yaml:4:16: domains.control[1]: 300 is not in 0..255 (in &big, line 1)',
  ]);
  t.match(
    complaints('adapters:\n- &card {id: 0, type: cex8, mode: cca}\n- {<<: *card, id: 300}\n'),
    [/^machine\.yaml:3:19: adapters\[1\]\.id: 300 is not in 0\.\.255$/],
    'a field of its own is its own',
  );
  t.end();
});

t.test('each mistake in a list of ids', (t) => {
  const CASES: readonly (readonly [ids: string, found: readonly string[]])[] = [
    ['0-15, 300, foo, 7-3', ['16: "300" is', '21: "foo" is neither', '26: "7-3" goes']],
    ['"0-15 300 foo"', ['16: "300" is', '20: "foo" is neither']],
    ['[0-15, 300, "5, foo"]', ['17: 300 is', '26: "foo" is neither']],
  ];
  for (const [ids, found] of CASES) {
    const lines = complaints(`domains:\n  usage: ${ids}\n`);
    t.equal(lines.length, found.length, lines.join('\n'));
    for (const [i, text] of found.entries())
      t.match(lines[i], new RegExp(`^machine\\.yaml:2:${text.replace(':', ':.*:')}`), `${lines[i]}`);
  }
  t.match(complaints('adapters:\n- {id: [1, 300, x], type: cex8, mode: cca}\n'), [
    /^machine\.yaml:2:12: adapters\[0\]\.id\[1\]: 300 is not/,
    /^machine\.yaml:2:17: adapters\[0\]\.id\[2\]: "x" is neither/,
  ]);
  t.end();
});

t.test('too much of anything is one complaint', (t) => {
  const lines = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join('');
  const bomb = [
    'a0: &a0 [x]',
    ...Array.from({ length: 20 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`),
  ].join('\n');
  const CASES: readonly (readonly [text: string, complaint: RegExp])[] = [
    [bomb, /this is too much: a machine file has at most 100000 values/],
    [`a: &a 1\nb: [${'*a, '.repeat(99_000)}]`, /2:\d+: this is too much/],
    [
      `adapters:\n${lines(30_000, (i) => `- {id: ${i}, type: cex8}\n`)}`,
      /^machine\.yaml:258:3: adapters: .* 30000 items, and may have 256$/,
    ],
    [`domains: {usage: [${'x, '.repeat(90_000)}]}`, /usage: this list has 90000 items, and may have 256$/],
    [`domains: {usage: "${'0-255, '.repeat(90_000)}"}`, /domains\.usage: these are more ids than there can be$/],
    [
      `mdevs:\n${lines(9000, () => `- {uuid: ${UUID}, adapters: 0-255, domains: 0-255}\n`)}`,
      /mdevs: .* may have 4096$/,
    ],
  ];
  for (const [text, complaint] of CASES) {
    const found = complaints(text);
    t.equal(found.length, 1, found.slice(0, 3).join('\n'));
    t.match(found[0], complaint);
  }
  const many = complaints(lines(5000, (i) => `field${i}: 1\n`));
  t.equal(many.length, 101, 'no more lines than somebody would read');
  t.equal(many.at(-1), 'machine.yaml: and 4900 mistakes more');
  t.end();
});

t.test('bytes that are no text', (t) => {
  const found = (bytes: Buffer | string): string => {
    try {
      return machineText(Buffer.from(bytes as string), 'm.yaml');
    } catch (e) {
      return (e as Error).message;
    }
  };
  t.equal(found('seed: 1\r\n# é\n'), 'seed: 1\r\n# é\n');
  t.equal(found('\ufeffseed: 1\n'), 'seed: 1\n', 'a byte order mark does not count');
  t.equal(found('seed: 1\n# é\0'), 'm.yaml:2:4: a NUL byte: this is no text file');
  t.match(found('seed: \x1b[0m'), /^m\.yaml:1:7: the control character 0x1b/);
  t.match(found('seed: 1\rclock: real\r'), /^m\.yaml:1:8: a carriage return without a newline/);
  const latin1 = Buffer.from('seed: 1\n# é \xe9 x\n'.replace('é', '\xc3\xa9'), 'latin1');
  t.equal(found(latin1), 'm.yaml:2:5: the byte 0xe9 is no UTF-8: save the file as UTF-8');
  t.match(found(Buffer.from([0x23, 0x0a, 0xe2, 0x82])), /^m\.yaml:2:1: the byte 0xe2 is no UTF-8/);
  for (const text of ['\ufeffseed: 1', 'seed: 1']) t.match(found(Buffer.from(text, 'utf16le')), /1:1: this is UTF-16/);
  t.match(found(Buffer.alloc(MOST_BYTES + 1, '#')), /^m\.yaml:1:1: a machine file has at most 1 MiB/);
  t.equal(found(Buffer.alloc(MOST_BYTES, '#')).length, MOST_BYTES);
  t.end();
});

t.test('JSON is JSON', (t) => {
  const complaint = (text: string): string => {
    try {
      parseMachineFile(text, 'machine.JSON');
      return '';
    } catch (e) {
      return (e as Error).message.replace('machine.JSON:', '');
    }
  };
  const CASES: readonly (readonly [text: string, found: string])[] = [
    ['{"domains": {"usage": [4, "0x1b"]}, "seed": 1}', ''],
    ['{\n  "seed": 1,\n}', '2:12: no comma may stand before "}"'],
    ['{"domains": {"usage": [1, 2 , ]}}', '1:29: no comma may stand before "]"'],
    ['{\n  // a seed\n  "seed": 1\n}', '2:3: JSON has no comments'],
    ['{"seed": 1 # one\n}', '1:12: JSON has no comments'],
    ["{'seed': 1}", '1:2: JSON wants double quotes'],
    ['seed: 1', '1:1: this is no JSON: a value is missing'],
    ['{"seed" 1}', '1:9: this is no JSON: ":" is missing'],
    ['{"seed": 1} {}', '1:13: this is no JSON: nothing may follow'],
    ['{"seed": 1', '1:11: the file ends here: a comma is missing, or the end of the list or group'],
    ['{"seed": 1, "seed": 2}', '1:13: this field is there twice, first in line 1'],
    ['{"domains": {"usage": [300]}}', '1:24: domains.usage[0]: 300 is not in 0..255'],
  ];
  for (const [text, found] of CASES) t.equal(complaint(text), found, text);
  t.end();
});

t.test('what is JSON is what JSON.parse takes', (t) => {
  const isJson = (text: string): boolean => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  const SAMPLE = '{"a": [1, -0.5e+3, "x\\n\\u00e9\\\\", true, null, {}], "b": {"c": []} }\n';
  let wrong = 0;
  let right = 0;
  for (let at = 0; at <= SAMPLE.length; at++)
    for (const put of ['', ',', '"', ']', '}', '[', '{', '0', '-', '.', 'e', '\\', ' ', '\n', '/', ':', 't'])
      for (const cut of [0, 1]) {
        const text = SAMPLE.slice(0, at) + put + SAMPLE.slice(at + cut);
        const fault = jsonFault(text);
        if (isJson(text) !== (fault === undefined)) t.fail(`${text}: ${fault?.text}`);
        if (fault) wrong++;
        else right++;
      }
  t.ok(right > 100 && wrong > 1000, `${right} right, ${wrong} wrong`);
  t.end();
});

t.test('warnings', (t) => {
  t.same(warnings('adapters:\n- {id: 0, type: cex8, mode: cca}'), [
    '1: domains.usage: there are no usage domains, so no adapter answers and the system sees no card',
  ]);
  t.same(warnings('domains: {usage: [4, 3-5]}'), ['1: domains.usage: 4 is there twice']);
  t.same(warnings('kernel: {command-line: quiet ap.apmask=}'), [
    '1: kernel.command-line: ap.apmask= is an empty mask: the kernel has all zeros',
  ]);
  for (const line of ['ap.domain=300', 'ap.domain=6 ap.aqmask=+0-5'])
    t.match(warnings(`kernel:\n  command-line: ${line}`), [
      /^2: kernel\.command-line: ap\.domain=\d+ (?:is not in ap\.aqmask|is none of 0 to \d+): the kernel logs "\d+ is not a valid cryptographic domain" and chooses one$/,
    ]);
  t.same(
    warnings(
      `kernel: {command-line: ap.apmask=+1-255}\nfacilities: {qci: false}\ndomains: {usage: [4, 0x47]}\n` +
        `adapters:\n- {id: [0, 64], type: cex8, mode: cca, serial: A, domains: [{id: 5}]}\n` +
        `mdevs:\n- uuid: ${UUID}\n  adapters: [0, 9]\n  domains: 6\n  control-domains: 7\n`.replace('[0, 9]', '0'),
    ).map((warning) => warning.replace(/ {2,}/g, ' ')),
    [
      '3: domains.usage: without QCI kernels look at domains 0-15 only: not at 71',
      '5: adapters[0].id: without QCI kernels look at adapters 0-63 only: not at 64',
      '5: adapters[0].serial: 2 adapters have the same serial number',
      '5: adapters[0].domains[0].id: 5 is not among domains.usage',
      '9: mdevs[0].domains: the machine has no usage domain 6; a guest will not get it',
      '10: mdevs[0].control-domains: the machine has no control domain 7; a guest will not get it',
    ],
  );
  t.end();
});

t.test('mistakes in a state and in faults', (t) => {
  const one = 'adapters: [{id: 0, type: cex8, mode: cca}]\ndomains: {usage: 4}\n';
  const says = (text: string, ...expected: RegExp[]): void => {
    t.match(complaints(one + text), expected, text);
    t.equal(complaints(one + text).length, expected.length, text);
  };
  says('state: {bus: {apmask: -5--6}}', /:3:23: state\.bus\.apmask: "-5--6" cannot be read as a mask/);
  says('state: {bus: {config-time: 4}}', /4 is not in 5\.\.120/);
  says('state: {queues: [{adapters: 0}]}', /state\.queues\[0\]: domains is missing/);
  says(
    'kernel: {version: 6.12}\nstate: {queues: [{adapters: 0, domains: 4, driver-override: vfio_ap}]}',
    /:4:.*driver-override: kernel 6\.12 has no driver_override/,
  );
  says(
    'state: {bus: {apmask: "-5"}, queues: [{adapters: 0, domains: 4, driver-override: vfio_ap}]}',
    /driver-override: masks that were written and driver_override exclude each other/,
  );
  says(
    'state: {queues: [{adapters: 0, domains: 4, se-bind: true}]}',
    /se-bind: only queues of a secure-execution guest/,
  );
  says(
    'kernel: {modules: []}\nstate: {zcrypt-nodes: [{name: a, apmask: +x}]}',
    /need the module zcrypt/,
    /"\+x" cannot/,
  );
  says('limits: {adapter: 3}\nstate: {adapters: [{id: 7, online: false}]}', /adapter 7 is above 3/);
  says(
    'faults:\n- {path: a, op: raed, errno: EIO}\n- {path: a, op: read, errno: EIOO}\n- {path: a b, op: read}',
    /:4:.*faults\[0\]\.op: "raed" is none of read, write, open \(did you mean read\?\)/,
    /:5:.*faults\[1\]\.errno: "EIOO" is none of EPERM, .*did you mean EIO/,
    /:6:.*faults\[2\]\.path: "a b" has not the form that is wanted/,
  );
  says(
    'faults:\n- {path: a, op: read}\n- {path: a, op: open, value: 3}',
    /:4:.*faults\[0\]: it does not say what happens/,
    /:5:.*faults\[1\]: an open can only fail/,
  );
  says(
    'state: {bus: {apmask: -5--6}}\nfaults:\n- {path: "a[", op: read, errno: EIO}',
    /"-5--6" cannot be read as a mask/,
    /faults\[0\]\.path: "a\[" has a \[ without its \]/,
  );
  t.end();
});

t.test('whether an mdev’s queue is the host’s depends on what was done since', (t) => {
  const text = (state: string): string =>
    `adapters: [{id: 0, type: cex8, mode: cca}]\ndomains: {usage: 4}\nstate: ${state}\n` +
    `mdevs: [{uuid: ${UUID}, adapters: 0, domains: 4}]`;
  t.match(complaints(text('{}')), [/the host keeps queue 00\.0004/]);
  t.same(complaints(text('{bus: {apmask: "-0"}}')), []);
  t.same(complaints(text('{queues: [{adapters: 0, domains: 4, driver-override: vfio_ap, driver: vfio_ap}]}')), []);
  t.end();
});
