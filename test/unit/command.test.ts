/**
 * Parts of the command that need no mount: what doctor finds on systems that
 * lack something, ids and masks, the matrix, why an adapter is kept from a guest.
 */

import t from 'tap';
import type { Host } from '../../scripts/doctor/host.js';
import { examine } from '../../scripts/doctor/needs.js';
import { table } from '../../scripts/output/table.js';
import { idRanges, idsInMask, runName, runs } from '../../scripts/show/ids.js';
import { drawMachine } from '../../scripts/show/machine.js';
import { summarise } from '../../scripts/show/queues.js';
import type { MachineView } from '../../scripts/show/read.js';

/** A system where nothing is missing, as files by path, changed by a test. */
function system(changes: { files?: Record<string, string | undefined>; uid?: number } & Partial<Host> = {}): Host {
  const files: Record<string, string | undefined> = {
    '/dev/fuse': 'rw',
    '/usr/lib/x86_64-linux-gnu/libfuse.so.2': '',
    '/usr/bin/fusermount': '',
    '/usr/bin/mount': '',
    '/usr/bin/umount': '',
    '/usr/bin/apt-get': '',
    '/usr/bin/unshare': '',
    '/usr/bin/setsid': '',
    '/usr/bin/perl': '',
    '/usr/bin/qemu-s390x': '',
    '/usr/lib/x86_64-linux-gnu/libumockdev-preload.so.0': '',
    '/proc/sys/user/max_user_namespaces': '15000\n',
    '/proc/self/ns/user': '',
    '/proc/self/status': 'CapEff:\t000001ffffffffff\n',
    '/etc/fuse.conf': 'user_allow_other\n',
    ...changes.files,
  };
  const there = Object.entries(files).filter(([, content]) => content !== undefined);
  return {
    uid: 1000,
    gid: 1000,
    userName: 'me',
    nodeVersion: '20.0.0',
    path: ['/usr/bin'],
    exists: (path) => there.some(([name]) => name === path || name.startsWith(`${path}/`)),
    usable: (path) => files[path] === 'rw',
    read: (path) => files[path],
    list: (path) =>
      there.flatMap(([name]) => (name.startsWith(`${path}/`) ? (name.slice(path.length + 1).split('/')[0] ?? []) : [])),
    addonProblem: () => undefined,
    namespaceProblem: () => undefined,
    ...changes,
  };
}

const lacks = (host: Host) => examine(host).filter(({ verdict }) => verdict !== 'ok');

t.test('doctor: a system stripped of each need', async (t) => {
  t.same(lacks(system()), [], 'nothing is missing');
  t.same(lacks(system({ uid: 0, userName: undefined })), [], 'nor for root');
  const cases: [string, Parameters<typeof system>[0], need: string, verdict: string, mend: RegExp][] = [
    ['an old Node', { nodeVersion: '18.20.1' }, 'Node.js', 'missing', /Node\.js 20 or newer/],
    ['no /dev/fuse', { files: { '/dev/fuse': undefined } }, '/dev/fuse', 'missing', /^sudo modprobe fuse$/],
    ['no /dev/fuse, root', { files: { '/dev/fuse': undefined }, uid: 0 }, '/dev/fuse', 'missing', /^modprobe fuse$/],
    [
      'no /dev/fuse in a container',
      { files: { '/dev/fuse': undefined, '/.dockerenv': '' } },
      '/dev/fuse',
      'missing',
      /--device \/dev\/fuse --cap-add SYS_ADMIN/,
    ],
    ['/dev/fuse for others', { files: { '/dev/fuse': '' } }, 'permission for /dev/fuse', 'missing', /chmod 666/],
    [
      'root without the capability',
      { uid: 0, files: { '/proc/self/status': 'CapEff:\t00000000a80425fb\n' } },
      'permission to mount',
      'missing',
      /--cap-add SYS_ADMIN/,
    ],
    [
      'no libfuse2, and nothing that receives the device',
      { files: { '/usr/lib/x86_64-linux-gnu/libfuse.so.2': undefined, '/usr/bin/perl': undefined } },
      'libfuse2',
      'missing',
      /^sudo apt-get install libfuse2$/,
    ],
    [
      'no libfuse2',
      { files: { '/usr/lib/x86_64-linux-gnu/libfuse.so.2': undefined } },
      'libfuse2',
      'optional',
      /^sudo apt-get install libfuse2$/,
    ],
    [
      'no libfuse2, root',
      { uid: 0, files: { '/usr/lib/x86_64-linux-gnu/libfuse.so.2': undefined } },
      'libfuse2',
      'optional',
      /^apt-get install libfuse2$/,
    ],
    [
      'no mount, root',
      { uid: 0, files: { '/usr/bin/mount': undefined } },
      'mount and umount',
      'missing',
      /^apt-get install mount$/,
    ],
    [
      'no libfuse2 on Fedora',
      {
        files: {
          '/usr/lib/x86_64-linux-gnu/libfuse.so.2': undefined,
          '/usr/bin/perl': undefined,
          '/usr/bin/apt-get': undefined,
          '/usr/bin/dnf': '',
        },
      },
      'libfuse2',
      'missing',
      /^sudo dnf install fuse-libs$/,
    ],
    ['an addon that does not load', { addonProblem: () => 'wrong ELF class' }, 'libfuse2', 'optional', /npm install/],
    [
      'no fusermount',
      { files: { '/usr/bin/fusermount': undefined } },
      'fusermount',
      'missing',
      /apt-get install fuse3/,
    ],
    [
      'no fusermount, root',
      { uid: 0, files: { '/usr/bin/fusermount': undefined } },
      'fusermount',
      'optional',
      /^apt-get install fuse3$/,
    ],
    [
      'no unshare',
      { files: { '/usr/bin/unshare': undefined } },
      'run, in name spaces',
      'optional',
      /^sudo apt-get install util-linux$/,
    ],
    [
      'no right to name spaces',
      { namespaceProblem: () => 'unshare: unshare failed: Operation not permitted' },
      'run, in name spaces',
      'optional',
      /--recipe preload, or env/,
    ],
    [
      'no umockdev',
      { files: { '/usr/lib/x86_64-linux-gnu/libumockdev-preload.so.0': undefined } },
      'run, by umockdev',
      'optional',
      /apt-get install umockdev$/,
    ],
    ['no perl', { files: { '/usr/bin/perl': undefined } }, 'run --uevents', 'optional', /apt-get install perl$/],
    [
      'no qemu-user',
      { files: { '/usr/bin/qemu-s390x': undefined } },
      'run --s390x',
      'optional',
      /apt-get install qemu-user, or scripts\/get-clients\.sh$/,
    ],
    [
      'no package manager',
      { files: { '/usr/bin/fusermount': undefined, '/usr/bin/apt-get': undefined } },
      'fusermount',
      'missing',
      /install fusermount/,
    ],
    [
      'a user without a name',
      { userName: undefined },
      'name of the user',
      'missing',
      /^as root: echo "user1000:x:1000:1000:/,
    ],
    [
      'user name spaces off',
      { files: { '/proc/sys/user/max_user_namespaces': '0\n' } },
      'user name spaces',
      'optional',
      /sysctl -w user\.max_user_namespaces=/,
    ],
    [
      'user name spaces off, Debian’s switch',
      { files: { '/proc/sys/kernel/unprivileged_userns_clone': '0\n' } },
      'user name spaces',
      'optional',
      /unprivileged_userns_clone=1/,
    ],
    [
      'user name spaces off, Ubuntu’s switch',
      { files: { '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' } },
      'user name spaces',
      'optional',
      /apparmor_restrict_unprivileged_userns=0/,
    ],
    [
      'no user_allow_other',
      { files: { '/etc/fuse.conf': '# user_allow_other\n' } },
      'user_allow_other',
      'optional',
      /fuse\.conf/,
    ],
  ];
  for (const [what, changes, need, verdict, mend] of cases) {
    const found = lacks(system(changes)).find((finding) => finding.need === need);
    t.equal(found?.verdict, verdict, what);
    t.match(found?.mend, mend, `${what}: the mend`);
    t.notMatch(found?.mend, /\n/, 'is one line');
  }
});

t.test('ids and masks', async (t) => {
  t.equal(idRanges([]), '-');
  t.equal(idRanges([5]), '05');
  t.equal(idRanges([6, 4, 5, 0x47, 0x1b, 0x1c]), '04-06 1b 1c 47');
  t.same(idsInMask('0x8000000000000001\n'), [0, 63]);
  t.same(idsInMask('0x0000'), []);
  const cards = [1, 2, 3, 7].map((id) => ({ id, type: id < 7 ? 'a' : 'b' }));
  t.same(runs(cards, 3, ({ type }) => type).map(runName), ['01-03', '07'], 'alike neighbours share a line');
  t.same(runs(cards, 4, ({ type }) => type).map(runName), ['01', '02', '03', '07'], 'not in short lists');
});

/** A machine with cards x domains for the host. */
function machine(cards: number, domains: number, changes: Partial<MachineView> = {}): MachineView {
  const ids = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  return {
    mountPoint: '/mnt',
    about: { machine: 'test', kernel: '7.2.13', clock: 'auto' },
    hasBus: true,
    bindings: 'complete',
    defaultDomain: '0',
    cards: ids(cards).map((id) => ({
      id,
      type: 'CEX8C',
      driver: 'cex4card',
      configured: true,
      checkstopped: false,
      online: true,
      depth: 8,
      requests: 0,
      serial: 'S',
    })),
    queues: ids(cards).flatMap((adapter) =>
      ids(domains).map((domain) => ({ adapter, domain, driver: 'cex4queue', online: true })),
    ),
    hostAdapters: ids(cards),
    usageDomains: ids(domains),
    controlDomains: ids(domains),
    mdevs: [],
    guests: [],
    unreadable: [],
    ...changes,
  };
}

t.test('no line of a picture is wider than the terminal', async (t) => {
  for (const [cards, domains] of [
    [0, 0],
    [1, 0],
    [1, 1],
    [16, 16],
    [256, 256],
  ] as const)
    for (const columns of ['50', '80', '200']) {
      process.env.COLUMNS = columns;
      const odd = Array.from({ length: cards / 2 }, (_, i) => 2 * i + 1);
      const text = drawMachine(
        machine(cards, domains, {
          mdevs: [
            {
              uuid: '11111111-1111-4111-8111-111111111111',
              assigned: { adapters: odd, domains: odd },
              guest: { adapters: [], domains: odd },
              controlDomains: odd,
            },
          ],
          guests: [
            {
              uuid: '11111111-1111-4111-8111-111111111111',
              pid: 1,
              open: true,
              vcpus: 1,
              apcb: undefined,
              name: 'a-guest-with-quite-a-long-name',
              inside: undefined,
            },
          ],
        }),
      );
      t.match(text, /running,\s+1 vcpu\s+· a-guest/);
      const longest = Math.max(...text.split('\n').map((line) => line.length));
      t.ok(longest <= Number(columns), `${cards} x ${domains} at ${columns}: ${longest}`);
      t.notMatch(text, /undefined|NaN/);
    }
  delete process.env.COLUMNS;
});

t.test('why an adapter is kept from a guest', async (t) => {
  const uuid = '11111111-1111-4111-8111-111111111111';
  const mdev = (adapters: number[], domains: number[], gets: number[]) => ({
    uuid,
    assigned: { adapters, domains },
    guest: { adapters: gets, domains },
    controlDomains: [],
  });
  const queue = (adapter: number, domain: number, driver?: string) => ({ adapter, domain, driver, online: undefined });
  const reasons = (view: Partial<MachineView>) => summarise(machine(4, 2, view))[0]?.filtered;
  t.same(reasons({ mdevs: [mdev([1], [0], [1])], queues: [queue(1, 0, 'vfio_ap')] }), []);
  t.match(reasons({ mdevs: [mdev([1], [0, 1], [])], queues: [queue(1, 0, 'vfio_ap'), queue(1, 1)] }), [
    { adapter: 1, reason: '01.0001 has no driver' },
  ]);
  t.match(reasons({ mdevs: [mdev([1], [0], [])], queues: [queue(1, 0, 'cex4queue')] }), [
    { reason: '01.0000 is bound to cex4queue' },
  ]);
  t.match(reasons({ mdevs: [mdev([1], [0, 1], [])], queues: [] }), [
    { reason: '01.0000 does not exist, 01.0001 does not exist' },
  ]);
  t.match(reasons({ mdevs: [mdev([9], [0], [])] }), [{ reason: 'the host has no such adapter' }]);
  t.match(reasons({ mdevs: [mdev([1], [0], [])], queues: [queue(1, 0, 'vfio_ap')] }), [{ reason: /reset .* failed/ }]);
  const [summary] = summarise(machine(4, 2, { mdevs: [mdev([1], [0, 7], [1])], queues: [queue(1, 0, 'vfio_ap')] }));
  t.same(summary?.filteredDomains, [7], 'domains that are not the host’s');
});

t.test('colours do not count in the width of a cell', async (t) => {
  const red = (text: string): string => `\x1b[31m${text}\x1b[39m`;
  const drawn = table(
    [{ head: 'card' }, { head: 'online' }, { head: 'serial' }],
    [['00', red('yes'), red('93AADF00')]],
  );
  t.match(drawn, red('yes'));
  t.match(drawn, red('93AADF00'));
  t.equal(drawn.trimEnd().split('\n').length, 2, 'one line for the heads, one for the row');
});
