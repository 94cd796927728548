/**
 * From the mount to the end: faults of the mount point and of the host,
 * signals, clients that wait, a daemon that dies, bugs.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { MOUNT_EXIT } from '../../scripts/exit-status.js';
import {
  cannotMount,
  cleanUp,
  Daemon,
  isMounted,
  isRoot,
  mountPoint,
  PROJECT,
  shell,
  TRANSPORT,
} from '../support/mounted.js';

const TOY = join(PROJECT, 'dist/test/support/toy-daemon.js');
const skip = cannotMount();
const rootOnly = skip || (!isRoot && 'needs root');

/** A directory of its own for a test. */
function place(t: Test): string {
  const directory = mountPoint();
  t.teardown(() => cleanUp(directory));
  return directory;
}

/** Starts a daemon that is expected to give up: its words and its status. */
async function attempt(directory: string, wrapper = ''): Promise<{ status: number | null; words: string }> {
  const { status, stdout } = await shell(`${wrapper} ${process.execPath} ${TOY} ${directory} </dev/null`, 15);
  return { status, words: stdout };
}

t.test('1 what is wrong with the mount point', { skip }, async (t) => {
  const directory = place(t);

  t.test('1.1 missing', async (t) => {
    const { status, words } = await attempt(join(directory, 'nothing'));
    t.equal(status, MOUNT_EXIT.missing);
    t.match(words, /nothing does not exist/);
  });
  t.test('1.2 a file', async (t) => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const { status, words } = await attempt(file);
    t.equal(status, MOUNT_EXIT['not-a-directory']);
    t.match(words, /is not a directory/);
    t.match((await attempt(join(file, 'below'))).words, /is not a directory/);
  });
  t.test('1.3 not empty', async (t) => {
    const { status, words } = await attempt(directory);
    t.equal(status, MOUNT_EXIT['not-empty']);
    t.match(words, /not empty \(file/);
    rmSync(join(directory, 'file'));
  });
  t.test('1.4 a second daemon', async (t) => {
    const first = await Daemon.toy(t);
    const { status, words } = await attempt(first.directory);
    t.equal(status, MOUNT_EXIT.busy);
    t.match(words, /busy: another ap-sysfs/);
    t.equal((await shell(`cat ${first.directory}/devices/toy/fixed`)).stdout, 'fixed\n', 'the first lives on');
  });
  t.test('1.5 something else is mounted', { skip: rootOnly }, async (t) => {
    const { status, words } = await attempt(
      directory,
      `unshare -m sh -c 'mount -t tmpfs none ${directory}; exec "$@"' -`,
    );
    t.equal(status, MOUNT_EXIT.busy);
    t.match(words, /busy: none \(tmpfs\)/);
  });
  t.test('1.6 through a symbolic link', async (t) => {
    const link = `${directory}-link`;
    await shell(`ln -s ${directory} ${link}`);
    t.teardown(() => rmSync(link));
    const daemon = Daemon.start(t, { command: [TOY, link], directory: place(t) });
    t.equal(await daemon.line(), 'mounted');
    t.ok(isMounted(directory), 'on what it points to');
    t.equal(await daemon.ask('quit'), 'unmounted');
  });
});

t.test('2 what is wrong with the host', { skip: rootOnly }, async (t) => {
  const directory = place(t);
  /** Runs the daemon in a mount name space that a command has spoilt first. */
  const spoilt = (spoil: string, as = ''): Promise<{ status: number | null; words: string }> =>
    attempt(directory, `unshare -m sh -c '${spoil} && exec ${as} "$@"' -`);
  const nobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups';
  await shell(`chmod 777 ${directory}`);
  // An ordinary user must be able to read the clone at all; where it lies in somebody's home he is not.
  const readable = (await shell(`${nobody} test -r ${TOY}`)).status === 0;

  t.test('2.1 no /dev/fuse', async (t) => {
    const { status, words } = await spoilt('mount -t tmpfs none /dev && : > /dev/null');
    t.equal(status, MOUNT_EXIT['no-device']);
    t.match(words, /no \/dev\/fuse.*modprobe fuse/);
  });
  t.test('2.2 /dev/fuse is for others', { skip: !readable && 'the clone is private' }, async (t) => {
    const { status, words } = await spoilt('T=$(mktemp) && chmod 600 $T && mount --bind $T /dev/fuse', nobody);
    t.equal(status, MOUNT_EXIT['no-permission']);
    t.match(words, /may not use \/dev\/fuse.*chmod 666/);
  });
  t.test('2.3 no libfuse2', async (t) => {
    const { status, words } = await spoilt('mount --bind /dev/null $(ldconfig -p | sed -n "s/.*libfuse.so.2.*=> //p")');
    if (TRANSPORT === 'dev-fuse') return t.match(words, /^mounted\n/, 'is not needed');
    t.equal(status, MOUNT_EXIT['no-library']);
    t.match(words, /install the package libfuse2/);
  });
  t.test('2.4 no fusermount', { skip: !readable && 'the clone is private' }, async (t) => {
    const spoil = 'mount --bind /dev/null $(readlink -f $(command -v fusermount))';
    const { status, words } = await spoilt(`chmod 666 /dev/fuse && ${spoil}`, nobody);
    t.equal(status, MOUNT_EXIT['no-helper']);
    t.match(words, /fusermount is missing/);
  });
  t.test("2.5 somebody else's directory", { skip: !readable && 'the clone is private' }, async (t) => {
    await shell(`chmod 755 ${directory}`);
    const { status, words } = await attempt(directory, nobody);
    t.equal(status, MOUNT_EXIT['no-permission']);
    t.match(words, /may not mount on/);
  });
});

t.test('3 signals take the tree away and let everybody go', { skip }, async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    t.test(signal, async (t) => {
      const daemon = await Daemon.toy(t);
      const device = `${daemon.directory}/devices/toy`;
      const interruptible = shell(`echo x > ${device}/slow`);
      const stubborn = shell(`echo x > ${device}/stubborn`);
      const idle = shell(`exec 5< ${device}/fixed; sleep 1.5; cat <&5`);
      await pending(daemon, 2);
      const start = Date.now();
      daemon.process.kill(signal);
      t.equal(await daemon.ended(), 0, 'a clean end');
      t.ok(Date.now() - start < 3000, 'at once');
      t.match((await interruptible).stderr, /Interrupted system call/);
      // bash tries again after EINTR; the second try may meet the end of the connection itself.
      t.match((await stubborn).stderr, /Interrupted system call|Input\/output error|Software caused connection abort/);
      t.notOk(isMounted(daemon.directory));
      t.equal((await shell(`ls -A ${daemon.directory}`)).stdout, '', 'the directory is as before');
      t.equal((await idle).stdout, '', 'who has a file open finds nothing more in it');
    });
  t.test('somebody unmounts it', async (t) => {
    const daemon = await Daemon.toy(t);
    await shell(isRoot ? `umount ${daemon.directory}` : `fusermount -u ${daemon.directory}`);
    t.equal(await daemon.ended(), 0, 'the daemon notices and ends');
  });
});

t.test('4 after SIGKILL the next mount repairs', { skip }, async (t) => {
  const directory = place(t);
  const first = await Daemon.toy(t, { directory });
  const blocked = shell(`echo x > ${directory}/devices/toy/stubborn`);
  await pending(first, 1);
  first.process.kill('SIGKILL');
  t.equal(await first.ended(), 'SIGKILL');
  t.match((await blocked).stderr, /connection abort|not connected/, 'the client is let go');
  t.match((await shell(`ls ${directory}`)).stderr, /not connected/, 'a dead mount');
  const second = Daemon.start(t, { command: [TOY, 'DIR'], directory });
  t.match(await second.line(), /has died; taking its mount away/);
  t.equal(await second.line(), 'mounted');
  t.equal((await shell(`cat ${directory}/devices/toy/fixed`)).stdout, 'fixed\n');
  t.equal(await second.ask('quit'), 'unmounted');
  t.notOk(isMounted(directory), 'nothing is left below');
});

t.test('5 a blocked store blocks nobody else', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  const blocked = Array.from({ length: 40 }, (_, i) => shell(`echo x > ${daemon.directory}/many/${i}`));
  await pending(daemon, 40);
  const { stdout, status } = await shell(
    `cd ${daemon.directory} && cat devices/toy/fixed && echo hi > devices/toy/value && ls`,
    5,
  );
  t.equal(status, 0);
  t.match(stdout, /fixed/);
  t.equal(await daemon.ask('release'), 'ok');
  for (const { status } of await Promise.all(blocked)) t.equal(status, 0);
});

t.test('6 a bug is EIO, and the daemon lives on', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  const device = `${daemon.directory}/devices/toy`;
  t.match((await shell(`cat ${device}/bug`)).stderr, /Input\/output error/);
  t.match(await daemon.line(), /bug: TypeError/);
  t.match((await shell(`echo x > ${device}/bug`)).stderr, /Input\/output error/);
  t.match(await daemon.line(), /bug: TypeError/);
  t.equal((await shell(`cat ${device}/fixed`)).stdout, 'fixed\n');
});

t.test('7 what shells do', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  const run = (command: string): ReturnType<typeof shell> => shell(`cd ${daemon.directory}/devices/toy && ${command}`);
  t.equal((await run('echo new > value && cat value')).stdout, 'new\n');
  t.equal((await run('echo more >> value && cat value')).stdout, 'more\n');
  t.equal((await run('cat ../../bus/toy/value')).stdout, 'more\n', 'through a link');
  t.match((await run('echo x > nothing')).stderr, /Permission denied/);
  t.match((await run('mkdir nothing')).stderr, /not permitted/);
  t.match((await run('echo bad > value')).stderr, /Invalid argument/);
  t.equal((await run('wc -c < long')).stdout, '4095\n');
  t.equal((await run('dd if=long bs=1000 2>/dev/null | wc -c')).stdout, '4095\n');
  t.equal((await run('grep -c . counter fixed')).stdout, 'counter:1\nfixed:1\n');
  t.equal((await run('find . -maxdepth 1 -type d | sort')).stdout, '.\n./sub\n');
  t.equal((await run('ls -U ../../many | wc -l')).stdout, '5000\n', 'a large directory');
  t.equal(
    (await run('stat -c "%s %h %a %F" value sub ../../bus/toy')).stdout,
    '4096 1 644 regular file\n0 2 755 directory\n0 1 777 symbolic link\n',
  );
  t.equal((await run('echo 1 > remove; echo $?')).stdout, '0\n', 'a file that removes itself');
  t.match((await shell(`ls ${daemon.directory}/devices/toy`)).stderr, /No such file/);
  const stats = JSON.parse((await daemon.ask('stats')) ?? '{}') as Record<string, number>;
  t.match(stats, { pending: 0 });
});

t.test('8 other users may look, and no more', { skip: rootOnly }, async (t) => {
  const daemon = await Daemon.toy(t);
  const nobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups';
  const device = `${daemon.directory}/devices/toy`;
  await shell(`chmod 755 ${daemon.directory}`);
  t.equal((await shell(`${nobody} cat ${device}/fixed`)).stdout, 'fixed\n');
  t.match((await shell(`${nobody} cat ${device}/trigger`)).stderr, /Permission denied/);
  t.match((await shell(`${nobody} tee ${device}/value < /dev/null`)).stderr, /Permission denied/);
});

/** Waits until so many requests are in their handlers. */
async function pending(daemon: Daemon, count: number): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    const stats = JSON.parse((await daemon.ask('stats')) ?? '{}') as { pending?: number };
    if (stats.pending === count) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never ${count} requests pending`);
}
