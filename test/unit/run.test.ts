/**
 * Parts of `ap-sysfs run` that need no mount: how a tree and a host's /sys become
 * one, what is sent by netlink, what differs between outputs.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import t, { type Test } from 'tap';
import type { DirNode } from '../../fs-tree/kernfs/node.js';
import { StaticTree } from '../../fs-tree/kernfs/static-tree.js';
import { surrounded } from '../../fs-tree/surroundings.js';
import { machineSchema } from '../../scripts/machine-file/schema.js';
import { linesApart } from '../../scripts/run/lines-apart.js';
import { packaged } from '../../scripts/run/plan.js';
import { composition, fstab } from '../../scripts/run/real-sys.js';
import { shellWords } from '../../scripts/run/shell.js';
import { message } from '../../scripts/run/uevents.js';

/** A host's /sys with these directories, and links. */
function host(t: Test, directories: readonly string[], links: Readonly<Record<string, string>>): string {
  const sys = t.testdir();
  for (const path of directories) mkdirSync(join(sys, path), { recursive: true });
  for (const [path, target] of Object.entries(links)) symlinkSync(target, join(sys, path));
  return sys;
}

/** A tree with these directories. */
function tree(paths: readonly string[]): { readonly statics: StaticTree; readonly root: DirNode } {
  const statics = new StaticTree();
  const root = statics.dir();
  for (const path of paths) {
    let at = root;
    for (const name of path.split('/')) {
      const there = at.lookup(name);
      at = (there ?? at.add(name, statics.dir())) as typeof root;
    }
  }
  return { statics, root };
}

const names = (dir: unknown): string[] => [...(dir as DirNode).entries()].map(({ name }) => name).sort();
const at = (root: DirNode, path: string): unknown =>
  path.split('/').reduce<unknown>((dir, name) => (dir as DirNode | undefined)?.lookup(name), root);

t.test('a tree and a host’s /sys become one', async (t) => {
  const sys = host(
    t,
    [
      ...['bus/pci', 'bus/mdev', 'class/net', 'class/vfio', 'class/misc', 'module/kvm', 'module/loop', 'devices/pci0'],
      ...[
        'devices/virtual/misc/kvm',
        'devices/virtual/misc/tun',
        'devices/virtual/net',
        'dev/char',
        'kernel/mm',
        'power',
      ],
    ],
    { 'class/misc/tun': '../../devices/virtual/misc/tun', 'class/misc/kvm': '../../devices/virtual/misc/kvm' },
  );
  writeFileSync(join(sys, 'module/with blank'), '');
  const { statics, root } = tree([
    ...['bus/ap', 'bus/mdev', 'class/misc', 'module/ap', 'devices/ap', 'devices/virtual/misc/kvm', 'dev/char'],
    'kernel/debug',
  ]);
  const { around, inward, outward } = composition(root, ['kvm', 'vfio_ap'], '/m', sys);
  const whole = surrounded(root, around);

  t.same(names(at(whole, 'bus')), ['ap', 'mdev', 'pci']);
  t.same(names(at(whole, 'class')), ['misc', 'net'], 'vfio is ours, also while there is none');
  t.same(names(at(whole, 'module')), ['ap', 'loop', 'with blank'], 'so is a module that is not loaded');
  t.same(names(at(whole, 'devices/virtual/misc')), ['kvm', 'tun']);
  t.same(names(at(whole, 'class/misc')), ['tun'], 'links too');
  t.match(at(whole, 'class/misc/tun'), { kind: 'link', target: '../../devices/virtual/misc/tun' });
  t.same(names(whole).includes('power'), false, 'what is not shared stays where it is');
  t.equal((at(whole, 'bus') as DirNode).subdirs(), 3);

  t.same(
    inward.map(({ from, to }) => `${from.slice(sys.length)} ${to}`).sort(),
    [
      '/bus/pci /m/bus/pci',
      '/class/net /m/class/net',
      '/devices/pci0 /m/devices/pci0',
      '/devices/virtual/misc/tun /m/devices/virtual/misc/tun',
      '/devices/virtual/net /m/devices/virtual/net',
      '/module/loop /m/module/loop',
      '/module/with blank /m/module/with blank',
    ],
    'the host’s go onto their places',
  );
  t.same(outward.map(({ from }) => from).sort(), ['/m/bus', '/m/class', '/m/dev/char', '/m/devices', '/m/module']);

  root.lookup('module');
  (at(root, 'module') as ReturnType<StaticTree['dir']>).add('loop', statics.file({}));
  t.match(at(whole, 'module/loop'), { kind: 'file' }, 'what comes later in ours hides the host’s');
  t.same(names(at(whole, 'module')), ['ap', 'loop', 'with blank']);
});

t.test('an fstab keeps blanks in names', (t) => {
  t.equal(fstab([{ from: '/a b#c', to: '/x\\y' }]), '/a\\040b\\043c /x\\134y none rbind 0 0\n');
  t.end();
});

t.test('an event is sent as the kernel would, without its number', (t) => {
  const event = {
    action: 'add',
    devpath: '/devices/ap',
    keys: ['ACTION=add', 'DEVPATH=/devices/ap'],
    seqnum: 3,
  } as const;
  t.equal(message(event).toString('latin1'), 'add@/devices/ap\0ACTION=add\0DEVPATH=/devices/ap\0');
  t.end();
});

t.test('lines apart', (t) => {
  t.equal(linesApart('a\nb\nc\n', 'a\nb\nc\n'), '');
  t.equal(linesApart('a\nb\nc\n', 'a\nx\nc\ny\n'), '- b\n+ x\n+ y\n');
  t.equal(linesApart('', 'a\n'), '+ a\n');
  const long = (mark: string): string => Array.from({ length: 3000 }, (_, i) => `${mark}${i}`).join('\n');
  t.equal(linesApart(long('a'), long('b')).split('\n').length, 6001, 'long texts too');
  t.end();
});

t.test('each shell says where it is', (t) => {
  t.match(shellWords({ SHELL: '/bin/bash' }).words, ['/bin/bash', '--rcfile']);
  t.match(shellWords({ SHELL: '/usr/bin/zsh', ZDOTDIR: '/z' }).env, { AP_SYSFS_ZDOTDIR: '/z', ZDOTDIR: /run\/zsh$/ });
  t.match(shellWords({}), { words: ['/bin/sh', '-i', '+m'], env: { ENV: /prompt\.sh$/ } });
  t.same(shellWords({ SHELL: '/opt/other' }).words, ['/opt/other']);
  t.end();
});

t.test('scripts of a run are scripts', (t) => {
  for (const name of [
    'init.sh',
    'enter.sh',
    'leash.sh',
    'prompt.sh',
    'bin/modprobe',
    'bin/lsmod',
    'bin/dmesg',
    'bin/rmmod',
  ])
    t.equal(spawnSync('sh', ['-n', packaged(name)], { encoding: 'utf8' }).stderr, '', name);
  t.end();
});

t.test('the schema of machine files is one', (t) => {
  t.equal(new Ajv({ strict: false }).validateSchema(machineSchema()), true);
  t.end();
});
