/**
 * Machine files with mistakes: each is named with its line, all at once.
 */
import t from 'tap';
import { MachineFileError, parseMachineFile } from '../../scripts/machine-file/index.js';

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
    type: cex9                          # 6: "cex9" is none of cex4, cex5, cex6, cex7, cex8, and no number
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

t.test('YAML that is none', (t) => {
  t.same(complaints('adapters:\n  - id: 0\n   type: cex8\n').length > 0, true);
  t.match(complaints('seed: 1\nclock: auto\nseed: 2\n'), ['machine.yaml:3:1: this field is there twice']);
  t.match(complaints('- 1'), [/^machine\.yaml:1:1: \[1\] is not a group of fields/]);
  t.match(complaints('a: &a [*a]'), [/unknown field "a"/, /1:8: this refers to itself/]);
  t.match(complaints('domains: {usage: *x}'), ['machine.yaml:1:18: nothing is named &x before this']);
  const bomb = [
    'a0: &a0 [x]',
    ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`),
  ];
  t.ok(complaints(bomb.join('\n')).some((line) => line.includes('this is too much')));
  t.end();
});

t.test('warnings', (t) => {
  t.same(warnings('adapters:\n- {id: 0, type: cex8, mode: cca}'), [
    '1: domains.usage: there are no usage domains, so no adapter answers and the system sees no card',
  ]);
  t.same(warnings('domains: {usage: [4, 3-5]}'), ['1: domains.usage: 4 is there twice']);
  const CASES: readonly (readonly [commandLine: string, text: string])[] = [
    ['ap.apmsk=0', 'the module ap has no parameter "apmsk" (did you mean apmask?)'],
    ['ap.apmask=5-6', 'ap.apmask=5-6 cannot be read as a mask: the kernel then has all zeros'],
    ['quiet ap.domain=x', 'ap.domain=x is no number: the kernel ignores it'],
    ['ap.useirq', 'ap.useirq has no value'],
  ];
  for (const [line, text] of CASES)
    t.same(warnings(`kernel:\n  command-line: ${line}`), [`2: kernel.command-line: ${text}`]);
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
