/**
 * Attributes, refused operations, directory order and links of sysfs, through
 * ops on the toy tree: no mount, no machine.
 */
import { existsSync, opendirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { InodeAttrs } from '../../fs-tree/kernfs/inode-attrs.js';
import { linkText } from '../../fs-tree/kernfs/link.js';
import { inDirectoryOrder, nameHash } from '../../fs-tree/kernfs/name-hash.js';
import type { Caller, Node } from '../../fs-tree/kernfs/node.js';
import { StaticTree } from '../../fs-tree/kernfs/static-tree.js';
import { O_TRUNC, O_WRONLY } from '../../fs-tree/ops.js';
import { bench, errno, root, user } from '../support/kernfs-bench.js';

t.test('5 what a directory refuses', (t) => {
  const { ops, dir, file } = bench();
  const d = dir('devices/toy');
  const rows: [what: string, byRoot: string, byUser: string, body: (who: Caller) => unknown][] = [
    ['create', 'EACCES', 'EACCES', (who) => ops.create(who, d, 'new')],
    ['mkdir', 'EPERM', 'EACCES', (who) => ops.mkdir(who, d, 'new')],
    ['mkdir of what exists', 'EEXIST', 'EEXIST', (who) => ops.mkdir(who, d, 'sub')],
    ['rmdir', 'EPERM', 'EACCES', (who) => ops.rmdir(who, d, 'sub')],
    ['rmdir of a file', 'ENOTDIR', 'EACCES', (who) => ops.rmdir(who, d, 'value')],
    ['rmdir of nothing', 'ENOENT', 'ENOENT', (who) => ops.rmdir(who, d, 'new')],
    ['unlink', 'EPERM', 'EACCES', (who) => ops.unlink(who, d, 'value')],
    ['unlink of a directory', 'EISDIR', 'EACCES', (who) => ops.unlink(who, d, 'sub')],
    ['symlink', 'EPERM', 'EACCES', (who) => ops.symlink(who, d, 'new')],
    ['symlink over a name', 'EEXIST', 'EEXIST', (who) => ops.symlink(who, d, 'value')],
    ['link', 'EPERM', 'EPERM', (who) => ops.link(who, file('value'), d, 'new')],
    ['link over a name', 'EEXIST', 'EEXIST', (who) => ops.link(who, file('value'), d, 'fixed')],
    ['mknod of a file', 'EACCES', 'EACCES', (who) => ops.mknod(who, d, 'new', 0o100644)],
    ['mknod of a device', 'EPERM', 'EACCES', (who) => ops.mknod(who, d, 'new', 0o020644)],
    ['mknod over a name', 'EEXIST', 'EEXIST', (who) => ops.mknod(who, d, 'value', 0o010644)],
    ['rename', 'EPERM', 'EACCES', (who) => ops.rename(who, d, 'value', d, 'new')],
    ['rename to itself', 'ok', 'ok', (who) => ops.rename(who, d, 'value', d, 'value')],
    ['rename over a directory', 'EISDIR', 'EACCES', (who) => ops.rename(who, d, 'value', d, 'sub')],
    ['rename of a directory over a file', 'ENOTDIR', 'EACCES', (who) => ops.rename(who, d, 'sub', d, 'value')],
    ['rename of nothing', 'ENOENT', 'ENOENT', (who) => ops.rename(who, d, 'new', d, 'newer')],
    ['exchange', 'EINVAL', 'EACCES', (who) => ops.rename(who, d, 'value', d, 'fixed', { exchange: true })],
    ['no replace', 'EEXIST', 'EEXIST', (who) => ops.rename(who, d, 'value', d, 'fixed', { noReplace: true })],
  ];
  for (const [what, byRoot, byUser, body] of rows) {
    t.equal(
      errno(() => body(root)),
      byRoot,
      `${what} by root`,
    );
    t.equal(
      errno(() => body(user)),
      byUser,
      `${what} by a user`,
    );
  }
  t.end();
});

t.test('6 attributes', async (t) => {
  const { ops, node, dir, file, open, tick, toy } = bench();
  const stat = ops.getattr(root, file('value'));
  t.match(stat, { mode: 0o100644, nlink: 1, uid: 0, gid: 0, size: 4096, blksize: 4096, blocks: 0, mtime: 1000 });
  t.match(ops.getattr(root, dir('devices/toy')), { mode: 0o40755, nlink: 3, size: 0 });
  t.match(ops.getattr(root, node('bus/toy')), { mode: 0o120777, nlink: 1, size: 0 });
  t.equal(ops.readlink(root, node('bus/toy')), '../devices/toy');
  t.equal(
    errno(() => ops.readlink(root, file('value'))),
    'EINVAL',
  );
  t.same(ops.statfs(), { type: 0x62656572, bsize: 4096, nameLength: 255 });

  t.test('6.1 times', async (t) => {
    tick();
    await ops.write(root, open('value', O_WRONLY), 'x');
    t.equal(ops.getattr(root, file('value')).mtime, 1000, 'a store does not tell');
    open('value', O_WRONLY | O_TRUNC);
    t.match(ops.getattr(root, file('value')), { mtime: 2000, ctime: 2000 }, 'O_TRUNC does');
    tick();
    ops.setattr(root, file('value'), { size: 7 });
    t.match(ops.getattr(root, file('value')), { size: 4096, mtime: 2000 }, 'truncate does not');
    ops.setattr(root, file('value'), { atime: 5, mtime: 6 });
    t.match(ops.getattr(root, file('value')), { atime: 5, mtime: 6, ctime: 3000 });
    ops.setattr(root, file('value'), { atime: 'now', mtime: 'now' });
    t.match(ops.getattr(root, file('value')), { atime: 3000, mtime: 3000 });
  });
  t.test('6.2 a directory follows its entries once it has attributes of its own', async (t) => {
    const sub = dir('devices/toy/sub');
    const before = ops.getattr(root, sub).mtime;
    tick();
    toy.device.add('another', toy.tree.file({ show: () => '' }));
    t.equal(ops.getattr(root, toy.device).mtime, 1000, 'not before');
    ops.setattr(root, toy.device, { mode: 0o755 });
    const after = tick();
    await toy.device.remove('another');
    t.equal(ops.getattr(root, toy.device).mtime, after, 'then it does');
    t.equal(ops.getattr(root, sub).mtime, before, 'others do not');
  });
  t.test('6.3 who may change them', async (t) => {
    t.equal(
      errno(() => ops.setattr(user, file('fixed'), { mode: 0o666 })),
      'EPERM',
    );
    t.equal(
      errno(() => ops.setattr(user, file('fixed'), { uid: 1000 })),
      'EPERM',
    );
    t.equal(
      errno(() => ops.setattr(user, file('fixed'), { atime: 1 })),
      'EPERM',
    );
    t.equal(
      errno(() => ops.setattr(user, file('fixed'), { atime: 'now' })),
      'EACCES',
    );
    t.equal(
      errno(() => ops.setattr(user, file('fixed'), { size: 0 })),
      'EACCES',
    );
    t.equal(
      errno(() => ops.setattr(root, dir('devices/toy'), { size: 0 })),
      'EISDIR',
    );
    ops.setattr(root, file('fixed'), { uid: 1000 });
    t.equal(
      errno(() => ops.setattr(user, file('fixed'), { mode: 0o600, gid: 50 })),
      'ok',
      'the owner, a group of his',
    );
    t.equal(
      errno(() => ops.setattr(user, file('fixed'), { gid: 51 })),
      'EPERM',
      'not a group of his',
    );
  });
  t.test('6.4 access', async (t) => {
    t.equal(
      errno(() => ops.access(root, file('long'), 2)),
      'ok',
      'root may write all',
    );
    t.equal(
      errno(() => ops.access(root, file('long'), 1)),
      'EACCES',
      'nobody may execute',
    );
    t.equal(
      errno(() => ops.access(user, file('long'), 4)),
      'ok',
    );
    t.equal(
      errno(() => ops.access(user, file('long'), 2)),
      'EACCES',
    );
    ops.setattr(root, dir('devices/toy/sub'), { mode: 0o700 });
    t.equal(
      errno(() => ops.lookup(user, dir('devices/toy/sub'), 'inner')),
      'EACCES',
      'no search permission',
    );
    t.equal(
      errno(() => ops.opendir(user, dir('devices/toy/sub'))),
      'EACCES',
    );
  });
  t.test('6.5 extended attributes', async (t) => {
    const any = { create: false, replace: false };
    const f = file('long');
    t.equal(
      errno(() => ops.getxattr(root, f, 'user.x')),
      'ENODATA',
    );
    t.equal(
      errno(() => ops.setxattr(root, f, 'user.x', 'v', any)),
      'EOPNOTSUPP',
    );
    t.equal(
      errno(() => ops.getxattr(root, f, 'system.x')),
      'EOPNOTSUPP',
    );
    t.equal(
      errno(() => ops.setxattr(user, f, 'trusted.x', 'v', any)),
      'EPERM',
    );
    t.equal(
      errno(() => ops.setxattr(user, f, 'user.x', 'v', any)),
      'EACCES',
    );
    ops.setxattr(root, f, 'trusted.x', 'v', any);
    t.equal(ops.getxattr(root, f, 'trusted.x'), 'v');
    t.same([ops.listxattr(root, f), ops.listxattr(user, f)], [['trusted.x'], []]);
    t.equal(
      errno(() => ops.setxattr(root, f, 'trusted.x', 'v', { create: true, replace: false })),
      'EEXIST',
    );
    ops.removexattr(root, f, 'trusted.x');
    t.equal(
      errno(() => ops.removexattr(root, f, 'trusted.x')),
      'ENODATA',
    );
  });
});

t.test('11 whose files they are', async (t) => {
  const { ops, file, open } = bench({ owner: { uid: 1000, gid: 1000 } });
  t.match(ops.getattr(root, file('value')), { uid: 1000, gid: 1000 });
  t.equal(await ops.write(user, open('value', O_WRONLY, user), 'mine'), 4);
  t.equal(
    errno(() => open('fixed', O_WRONLY, user)),
    'EACCES',
  );
});

t.test('12 directory order', (t) => {
  // Computed with exact integers of any size from the words of the specification.
  const known = { card00: 740905458, '00.0004': 1034863331, uevent: 45078383, '': 2 };
  for (const [name, hash] of Object.entries(known)) t.equal(nameHash(name), hash, name);
  const { ops, dir } = bench();
  const names = ops.readdir(root, dir('devices/toy')).map(({ name }) => name);
  t.same(
    names,
    [...names].sort((a, b) => nameHash(a) - nameHash(b)),
  );
  const same = ['2fd888270', 'a5850da67'];
  t.equal(nameHash('2fd888270'), nameHash('a5850da67'));
  for (const some of [same, [...same].reverse()])
    t.same(
      inDirectoryOrder([...some, 'uevent'].map((name) => ({ name }))).map(({ name }) => name),
      ['uevent', ...same],
      'names of one hash stand in the order of their bytes',
    );
  t.end();
});

t.test('12.1 the same as on the host', { skip: !existsSync('/sys/module') && 'no sysfs here' }, (t: Test) => {
  for (const path of ['/sys', '/sys/kernel', '/sys/module', '/sys/devices/system/cpu', '/sys/bus', '/sys/class']) {
    if (!existsSync(path)) continue;
    // Not readdir: Node sorts that.
    const dir = opendirSync(path);
    const names: { name: string }[] = [];
    for (let entry = dir.readSync(); entry; entry = dir.readSync()) names.push({ name: entry.name });
    dir.closeSync();
    t.same(inDirectoryOrder([...names].reverse()), names, path);
  }
  t.end();
});

t.test('13 the text of a link', (t) => {
  const rows: [from: string, target: string, text: string][] = [
    ['/bus/ap/devices', '/devices/ap/card00', '../../../devices/ap/card00'],
    ['/devices/ap/card00/00.0004', '/bus/ap', '../../../../bus/ap'],
    ['/devices/ap/card00/00.0004', '/bus/ap/drivers/cex4queue', '../../../../bus/ap/drivers/cex4queue'],
    ['/devices/vfio_ap/matrix/u/mdev_type', '/devices/vfio_ap/matrix', '../../../matrix'],
    ['/devices/a/b', '/devices/a/c', '../c'],
    ['/devices/a', '/devices/a/c', 'c'],
    ['/devices/a', '/devices/a', '../a'],
    ['/', '/devices/a', 'devices/a'],
  ];
  for (const [from, target, text] of rows) t.equal(linkText(from, target), text, `${from} to ${target}`);
  t.end();
});

t.test('the times of the latest inodes are remembered, those of a walk long ago are not', async (t) => {
  let now = 0;
  const attrs = new InodeAttrs({ now: () => now, cacheSize: 8 });
  const tree = new StaticTree(1);
  const nodes = Array.from({ length: 20 }, () => tree.dir(0o755));
  const time = (n: number): number => attrs.stat(nodes[n] as Node).mtime;
  for (now = 1; now <= 20; now++) time(now - 1);
  now = 100;
  t.equal(time(19), 20, 'the latest');
  t.equal(time(17), 18);
  t.equal(time(0), 100, 'long ago: made anew');
  t.equal(time(0), 100);
  attrs.evicted(nodes[19] as Node);
  t.equal(time(19), 100, 'nobody held it any more');
});
