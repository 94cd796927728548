/**
 * Opening, reading, writing and removal of sysfs files, through ops on the toy
 * tree: no mount, no machine. The same rules run against a real sysfs in
 * test/mounted/file-operations.
 */
import t from 'tap';
import type { OpenFile } from '../../fs-tree/kernfs/open-file.js';
import {
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_EXCL,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  type Ops,
} from '../../fs-tree/ops.js';
import { bench, errno, later, O_RDONLY, root, user } from '../support/kernfs-bench.js';

t.test('1.1 open looks in the order of the kernel', async (t) => {
  const { ops, file, dir, node, toy } = bench();
  const device = dir('devices/toy');
  const rows: [what: string, expected: string, body: () => unknown][] = [
    ['missing', 'ENOENT', () => ops.openAt(root, device, 'nothing', O_RDONLY)],
    ['missing with O_CREAT', 'EACCES', () => ops.openAt(root, device, 'nothing', O_CREAT | O_WRONLY)],
    ['there with O_CREAT', 'ok', () => ops.openAt(root, device, 'value', O_CREAT | O_WRONLY)],
    ['there with O_CREAT|O_EXCL', 'EEXIST', () => ops.openAt(root, device, 'value', O_CREAT | O_EXCL | O_WRONLY)],
    ['directory for writing', 'EISDIR', () => ops.openAt(root, device, 'sub', O_WRONLY)],
    ['directory with O_CREAT', 'EISDIR', () => ops.openAt(root, device, 'sub', O_CREAT)],
    ['directory with O_TRUNC', 'EISDIR', () => ops.openAt(root, device, 'sub', O_TRUNC)],
    ['directory', 'ok', () => ops.openAt(root, device, 'sub', O_RDONLY)],
    ['O_TMPFILE', 'EOPNOTSUPP', () => ops.openAt(root, device, '.', O_TMPFILE | O_DIRECTORY | O_RDWR)],
    ['file with O_DIRECTORY', 'ENOTDIR', () => ops.open(root, file('value'), O_DIRECTORY)],
    ['link itself', 'ELOOP', () => ops.open(root, node('bus/toy'), O_RDONLY)],
    ['read-only for writing, by root', 'EACCES', () => ops.open(root, file('fixed'), O_WRONLY)],
    ['read-only for both, by root', 'EACCES', () => ops.open(root, file('fixed'), O_RDWR)],
    ['write-only for reading, by root', 'EACCES', () => ops.open(root, file('trigger'), O_RDONLY)],
    ['write-only for both, by root', 'EACCES', () => ops.open(root, file('trigger'), O_RDWR)],
    ['access mode 3', 'ok', () => ops.open(root, file('trigger'), 3)],
    ['O_DIRECT', 'EINVAL', () => ops.open(root, file('value'), O_DIRECT)],
    ['O_DIRECT on a file that may not be read', 'EACCES', () => ops.open(root, file('trigger'), O_DIRECT)],
    ['O_TRUNC', 'ok', () => ops.open(root, file('value'), O_TRUNC | O_WRONLY)],
    ['by a user', 'ok', () => ops.open(user, file('value'), O_RDONLY)],
    ['for writing by a user', 'EACCES', () => ops.open(user, file('value'), O_WRONLY)],
    ['O_TRUNC by a user', 'EACCES', () => ops.open(user, file('value'), O_TRUNC)],
    ['missing with O_CREAT by a user', 'EACCES', () => ops.openAt(user, device, 'nothing', O_CREAT)],
  ];
  for (const [what, expected, body] of rows) t.equal(errno(body), expected, what);
  const value = file('value');
  await toy.device.remove('value');
  t.equal(
    errno(() => ops.open(root, value, O_RDONLY)),
    'ENODEV',
    'being removed',
  );
  t.equal(
    errno(() => ops.open(user, value, O_WRONLY)),
    'EACCES',
    'permission comes before removal',
  );
});

t.test('1.2 the mode bits of this moment count', async (t) => {
  const { ops, file, open } = bench();
  ops.setattr(root, file('fixed'), { mode: 0o644 });
  const fixed = open('fixed', O_WRONLY);
  t.equal(await later(ops.write(root, fixed, 'x')), 'EIO', 'no store: EIO');
  t.equal(await later(ops.write(root, fixed, '')), 0, 'a write of nothing asks nobody');
  ops.setattr(root, file('trigger'), { mode: 0o600 });
  t.equal(await later(ops.read(root, open('trigger'), 0, 9)), 'EIO', 'no show: EIO');
  ops.setattr(root, file('value'), { mode: 0 });
  t.equal(
    errno(() => open('value')),
    'EACCES',
    'not even root',
  );
  ops.setattr(root, file('value'), { mode: 0o4666, uid: 1000 });
  t.equal(
    errno(() => open('value', O_RDWR, user)),
    'ok',
  );
  t.equal(ops.getattr(root, file('value')).mode, 0o104666);
});

t.test('2 a read makes the content once and goes on from it', async (t) => {
  const { ops, open, toy } = bench();
  const read = (file: OpenFile, offset: number, length: number): Promise<string> =>
    ops.read(root, file, offset, length);
  const shows = (): number => toy.calls.splice(0).length;

  t.test('2.1 short reads see one snapshot', async (t) => {
    const file = open('counter');
    t.same([await read(file, 0, 1), await read(file, 1, 1), await read(file, 2, 1)], ['1', '\n', '']);
    t.equal(shows(), 1);
  });
  t.test('2.2 offset 0, and any other than the last end, makes it anew', async (t) => {
    const file = open('counter');
    t.same([await read(file, 0, 9), await read(file, 0, 9), await read(file, 1, 9)], ['2\n', '3\n', '\n']);
    t.equal(shows(), 3);
    t.equal(await read(file, 100, 9), '', 'beyond the end: nothing');
    t.equal(shows(), 1, 'but shown');
    t.equal(await read(file, 100, 9), '');
    t.equal(shows(), 0, 'not twice');
  });
  t.test('2.3 nothing is asked for nothing', async (t) => {
    t.equal(await read(open('counter'), 0, 0), '');
    t.equal(shows(), 0);
  });
  t.test('2.4 a page less one byte is the most', async (t) => {
    const file = open('long');
    t.equal((await read(file, 0, 10_000)).length, 4095);
    t.equal(await read(file, 4095, 10), '');
  });
  t.test('2.5 an error does not move and is not kept', async (t) => {
    const file = open('broken');
    t.same(
      [await later(read(file, 0, 9)), await later(read(file, 0, 9)), await later(read(file, 3, 9))],
      ['ENODEV', 'ENODEV', 'ENODEV'],
    );
  });
  t.test('2.6 an empty file reads as nothing', async (t) => {
    shows();
    const file = open('empty');
    t.same([await read(file, 0, 9), await read(file, 0, 9)], ['', '']);
    t.equal(shows(), 2);
  });
  t.test('2.7 a file open for writing only', async (t) => {
    t.equal(await later(read(open('value', O_WRONLY), 0, 9)), 'EBADF');
  });
});

t.test('3 one write is one store', async (t) => {
  const { ops, open, toy } = bench();
  const file = open('value', O_RDWR);
  t.equal(await ops.write(root, file, 'abc\n'), 4);
  t.equal(await ops.read(root, file, 0, 9), 'abc\n');
  t.equal(await ops.write(root, file, ''), 0, 'nothing: no store');
  t.equal(await ops.write(root, file, 'x'.repeat(5000)), 4096, 'a page is taken');
  t.equal(await later(ops.write(root, file, 'bad')), 'EINVAL', 'an errno of the store');
  t.same(
    toy.calls.filter((call) => call.startsWith('store')),
    ['store value 4', 'store value 4096', 'store value 3'],
  );
  t.equal(await later(ops.write(root, open('value'), 'x')), 'EBADF', 'open for reading only');
});

t.test('4 lseek', (t) => {
  const { ops, open } = bench();
  const file = open('value');
  const rows: [position: number, offset: number, whence: Parameters<Ops['lseek']>[4], expected: number | string][] = [
    [0, 5, 'set', 5],
    [7, 5, 'cur', 12],
    [7, -8, 'cur', 'EINVAL'],
    [0, 0, 'end', 4096],
    [0, -4097, 'end', 'EINVAL'],
    [0, 0x7fffffff, 'set', 0x7fffffff],
    [0, 0x80000000, 'set', 'EINVAL'],
    [0, 10, 'data', 10],
    [0, 10, 'hole', 4096],
    [0, 4096, 'data', 'ENXIO'],
    [0, 4096, 'hole', 'ENXIO'],
  ];
  for (const [position, offset, whence, expected] of rows) {
    let result: number | string = '';
    const error = errno(() => (result = ops.lseek(root, file, position, offset, whence)));
    t.equal(error === 'ok' ? result : error, expected, `${whence} ${offset} from ${position}`);
  }
  t.end();
});

t.test('7 removal while open', async (t) => {
  const { ops, dir, node, open, toy } = bench();
  const [unread, partly, atEnd] = [open('value'), open('value'), open('value')];
  const both = open('value', O_RDWR);
  const sub = dir('devices/toy/sub');
  await ops.read(root, partly, 0, 3);
  await ops.read(root, atEnd, 0, 99);
  await (node('devices') as typeof toy.root).remove('toy');
  t.equal(await later(ops.read(root, unread, 0, 9)), 'ENODEV', 'what needs the handler');
  t.equal(await later(ops.read(root, unread, 0, 0)), '', 'nothing is always there');
  t.equal(await later(ops.read(root, partly, 3, 99)), 'st\n', 'what is in the buffer');
  t.equal(await later(ops.read(root, partly, 6, 99)), 'ENODEV', 'the end of the buffer');
  t.equal(await later(ops.read(root, atEnd, 6, 99)), 'ENODEV');
  t.equal(await later(ops.write(root, both, 'x')), 'ENODEV');
  t.equal(await later(ops.write(root, both, '')), 'ENODEV', 'even of nothing');
  t.equal(
    errno(() => ops.lseek(root, both, 0, 0, 'set')),
    'ENODEV',
  );
  t.equal(
    errno(() => ops.ftruncate(root, both)),
    'ok',
  );
  t.equal(
    errno(() => ops.ftruncate(root, unread)),
    'EINVAL',
    'open for reading only',
  );
  t.equal(ops.getattr(root, both.node).mode, 0o100644);
  t.same(ops.readdir(root, sub), [], 'an open directory is empty');
  t.equal(
    errno(() => ops.lookup(root, sub, 'inner')),
    'ENOENT',
  );
  t.equal(
    errno(() => ops.mkdir(root, sub, 'new')),
    'ENOENT',
  );
});

t.test('7.1 lseek after removal in 6.1', async (t) => {
  const { ops, open, toy } = bench({ lseekNeedsNode: false });
  const file = open('value');
  await toy.device.remove('value');
  t.equal(ops.lseek(root, file, 0, 3, 'set'), 3);
});

t.test('7.2 removal waits for those inside', async (t) => {
  const { ops, open, toy } = bench();
  const writing = ops.write(root, open('stubborn', O_WRONLY), 'x');
  let gone = false;
  const removal = toy.device.remove('stubborn').then(() => (gone = true));
  await new Promise((resolve) => setImmediate(resolve));
  t.notOk(gone, 'still inside');
  toy.release();
  t.equal(await writing, 1, 'the store ends as if nothing had happened');
  await removal;
});

t.test('7.3 a file that removes its own directory', async (t) => {
  const { ops, open, dir } = bench();
  t.equal(await ops.write(root, open('remove', O_WRONLY), '1'), 1);
  t.equal(
    errno(() => ops.lookup(root, dir('devices'), 'toy')),
    'ENOENT',
  );
});

t.test('8 signals', async (t) => {
  const { ops, open, toy } = bench();
  const signal = new AbortController();
  const interrupted = { ...root, signal: signal.signal };
  const slow = later(ops.write(interrupted, open('slow', O_WRONLY), 'x'));
  const stubborn = later(ops.write(interrupted, open('stubborn', O_WRONLY), 'x'));
  signal.abort();
  t.equal(await slow, 'EINTR', 'ends an interruptible wait');
  toy.release();
  t.equal(await stubborn, 1, 'and no other');
});

t.test('9 one handler at a time in an open file, many in different ones', async (t) => {
  const { ops, open, toy } = bench();
  const one = open('stubborn', O_RDWR);
  const two = open('stubborn', O_RDWR);
  const order: string[] = [];
  const first = ops.write(root, one, 'x').then(() => order.push('first write'));
  const second = ops.read(root, one, 0, 9).then(() => order.push('read behind it'));
  const third = ops.write(root, two, 'x').then(() => order.push('write elsewhere'));
  await new Promise((resolve) => setImmediate(resolve));
  t.same(toy.calls, ['store stubborn 1', 'store stubborn 1']);
  toy.release();
  await Promise.all([first, second, third]);
  t.equal(order.indexOf('first write') < order.indexOf('read behind it'), true);
});

t.test('10 a bug is EIO for the caller and a story for us', async (t) => {
  const { ops, open, bugs } = bench();
  t.equal(await later(ops.read(root, open('bug'), 0, 9)), 'EIO');
  t.equal(await later(ops.write(root, open('bug', O_WRONLY), 'x')), 'EIO');
  t.equal(bugs.length, 2);
  t.match(String(bugs[0]), /a bug/);
  t.equal(await ops.read(root, open('fixed'), 0, 9), 'fixed\n', 'life goes on');
});
