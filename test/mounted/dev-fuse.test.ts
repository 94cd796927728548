/**
 * What dev-fuse can do and fuse-native cannot: signals, several stores in one
 * file, poll, who calls, name spaces of an ordinary user.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import {
  cannotMount,
  Daemon,
  isRoot,
  mountCommand,
  mountPoint,
  PROJECT,
  shell,
  TRANSPORT,
} from '../support/mounted.js';
import { onlyDevFuse } from '../support/transport-differences.js';

const TOY = join(PROJECT, 'dist/test/support/toy-daemon.js');
const skip = cannotMount() || onlyDevFuse('mounted/dev-fuse', TRANSPORT);

interface Stats {
  readonly pending: number;
  readonly openFiles: number;
  readonly inodes: number;
}

async function stats(daemon: Daemon): Promise<Stats> {
  return JSON.parse((await daemon.ask('stats')) ?? '{}') as Stats;
}

/** Waits until the daemon's numbers are so; a test that is never content runs into its time limit. */
async function until(daemon: Daemon, wanted: (now: Stats) => boolean): Promise<Stats> {
  for (;;) {
    const now = await stats(daemon);
    if (wanted(now)) return now;
    await sleep(10);
  }
}

const pending = (daemon: Daemon, count: number): Promise<Stats> => until(daemon, (now) => now.pending === count);

/** A client of its own, to be sent signals. */
function client(t: Test, script: string): { process: ChildProcess; ended: Promise<number | string> } {
  const child = spawn('bash', ['-c', script], { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  return {
    process: child,
    ended: new Promise((done) => child.once('close', (code, signal) => done(code ?? signal ?? '?'))),
  };
}

const state = (pid = 0): string => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '?';

t.test('1 signals to a client in a blocked store', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  const device = `${daemon.directory}/devices/toy`;
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const)
    t.test(`1.1 ${signal} ends an interruptible wait, and the client`, async (t) => {
      const { process: writer, ended } = client(t, `exec 5> ${device}/slow; echo x >&5`);
      await pending(daemon, 1);
      writer.kill(signal);
      t.equal(await ended, signal);
      await until(daemon, (now) => now.pending === 0 && now.openFiles === 0);
    });
  t.test('1.2 a handler sees EINTR', async (t) => {
    const script = `import os, signal
signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(SystemExit("handled")))
fd = os.open("${device}/slow", os.O_WRONLY)
signal.setitimer(signal.ITIMER_REAL, 0.1)
os.write(fd, b"x")`;
    t.match((await shell(`python3 -c '${script}'`, 10)).stderr, /handled/);
    await pending(daemon, 0);
  });
  t.test('1.3 an uninterruptible wait stays, and a killed client with it', async (t) => {
    const { process: writer, ended } = client(t, `exec 5> ${device}/stubborn; echo x >&5`);
    await pending(daemon, 1);
    writer.kill('SIGKILL');
    await sleep(300);
    t.equal((await stats(daemon)).pending, 1, 'the store goes on');
    t.equal(state(writer.pid), 'D', 'its client cannot be killed, as in the kernel');
    t.equal(await daemon.ask('release'), 'ok');
    t.equal(await ended, 'SIGKILL');
  });
});

t.test('2 a blocked store keeps nobody from the same file', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  const file = `${daemon.directory}/devices/toy/stubborn`;
  const inode = (await shell(`stat -c %i ${file}`)).stdout;
  const first = client(t, `echo x > ${file}`);
  await pending(daemon, 1);

  t.test('2.1 a second writer', async (t) => {
    const second = client(t, `echo x > ${file}`);
    await pending(daemon, 2);
    const third = client(t, `echo x >> ${file}`);
    await pending(daemon, 3);
    t.equal(await daemon.ask('release'), 'ok');
    t.same(await Promise.all([first.ended, second.ended, third.ended]), [0, 0, 0]);
  });
  t.test('2.2 two who had it open before', async (t) => {
    const fds = client(t, `exec 5> ${file} 6> ${file}; echo x >&5 & echo x >&6 & wait`);
    await pending(daemon, 2);
    t.equal(await daemon.ask('release'), 'ok');
    t.equal(await fds.ended, 0);
  });
  t.test('2.3 rm, chmod, truncate, ls; and it is the same file', async (t) => {
    const writer = client(t, `echo x > ${file}`);
    await pending(daemon, 1);
    t.match((await shell(`rm -f ${file}`, 5)).stderr, /not permitted/);
    t.equal(
      (await shell(`chmod 600 ${file} && truncate -s 0 ${file} && stat -c '%a %i' ${file}`, 5)).stdout,
      `600 ${inode}`,
    );
    t.equal((await shell(`cat ${file}; ls ${daemon.directory}/devices/toy | wc -l`, 5)).stdout, 'stubborn\n14\n');
    t.equal(await daemon.ask('release'), 'ok');
    t.equal(await writer.ended, 0);
    t.equal((await shell(`chmod 644 ${file} && stat -c '%a %i' ${file}`, 5)).stdout, `644 ${inode}`);
  });
});

t.test('3 poll wakes up when the file has news', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  const script = `import os, select
fd = os.open("${daemon.directory}/devices/toy/value", os.O_RDONLY)
poll = select.poll()
poll.register(fd, select.POLLPRI)
print(poll.poll(0)[0][1]); os.read(fd, 99); print(poll.poll(0), flush=True)
print(poll.poll(20000)[0][1]); os.pread(fd, 99, 0); print(poll.poll(0))`;
  const polled = shell(`python3 -c '${script}'`, 25);
  await until(daemon, (now) => now.openFiles === 1);
  // It may not have read yet: events before that are no news.
  const stop = setInterval(() => void daemon.ask('notify'), 200);
  const { stdout } = await polled;
  clearInterval(stop);
  t.equal(stdout, '10\n[]\n10\n[]\n');
});

t.test('4 handlers know their caller', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  const { stdout } = await shell(
    `exec -a x bash -c 'read -r name pid < ${daemon.directory}/devices/toy/who; echo $name $(( pid == $$ ))'`,
  );
  t.equal(stdout, 'bash 1\n');
});

t.test('5 nodes that nobody remembers are dropped', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  const { inodes } = await stats(daemon);
  t.equal(inodes, 1, 'the root');
  await shell(`stat ${daemon.directory}/many/* > /dev/null`);
  t.ok((await stats(daemon)).inodes > 5000);
  await shell('echo 2 > /proc/sys/vm/drop_caches');
  t.ok(await until(daemon, (now) => now.inodes < 100));
});

t.test('5.1 and so is a directory that went by a file of its own', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  await shell(`cd ${daemon.directory} && cat devices/toy/fixed devices/toy/sub/inner`);
  t.ok((await stats(daemon)).inodes > 2);
  await shell(`cd ${daemon.directory}/devices/toy && echo 1 > remove; ls nothing`);
  t.ok(await until(daemon, ({ inodes }) => inodes === 2), 'the root, and the directory in which it was');
});

t.test('6 unmounted by somebody else, lazily, with a file open', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  const { ended } = client(t, `exec 5< ${daemon.directory}/devices/toy/fixed; read -r -u 5 x; sleep 30`);
  await until(daemon, (now) => now.openFiles === 1);
  t.equal((await shell(`umount -l ${daemon.directory}`)).status, 0);
  t.equal(await daemon.ended(), 0, 'the daemon notices and ends');
  void ended;
});

t.test('7 root of a user name space may mount', { skip: skip || (!isRoot && 'needs root') }, async (t) => {
  const directory = mountPoint();
  await shell(`chmod 777 ${directory}`);
  const nobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups';
  const readable = (await shell(`${nobody} test -r ${TOY}`)).status === 0;
  if (!readable) return t.comment('not looked at: the clone is private');
  if ((await shell(`${nobody} unshare -rm true`)).status !== 0) return t.comment('not looked at: no user name spaces');
  const script = `(sleep 5; echo quit) | ${process.execPath} ${TOY} ${directory} & until test -e ${directory}/devices; do sleep 0.1; done
cat ${directory}/devices/toy/fixed; echo own > ${directory}/devices/toy/value; cat ${directory}/devices/toy/value; wait`;
  const { stdout } = await shell(`AP_SYSFS_TEST_TRANSPORT=dev-fuse ${nobody} unshare -rm bash -c '${script}'`, 15);
  t.equal(stdout, 'mounted\nfixed\nown\nunmounted\n');
});

t.test('8 where the event loop cannot wait for the device, a timer looks', { skip }, async (t) => {
  const daemon = await Daemon.toy(t, { env: { AP_SYSFS_TEST_TIMER: '1' } });
  const device = `${daemon.directory}/devices/toy`;
  t.equal((await shell(`echo new > ${device}/value && cat ${device}/value`)).stdout, 'new\n');
  const { process: writer, ended } = client(t, `exec 5> ${device}/slow; echo x >&5`);
  await pending(daemon, 1);
  writer.kill('SIGTERM');
  t.equal(await ended, 'SIGTERM');
  t.equal(await daemon.ask('quit'), 'unmounted');
});

t.test('9 nobody finds what was there before a store returned', { skip, timeout: 120_000 }, async (t) => {
  const daemon = Daemon.start(t, {
    command: mountCommand(),
    seconds: 100,
  });
  t.match(await daemon.line(), /mounted on/);
  const matrix = `${daemon.directory}/devices/vfio_ap/matrix`;
  const noise = [
    'stat $M/nothing$((i++)) $M/$RANDOM',
    'ls -la $M $M/*',
    'echo x > $M/nothing',
    'chmod 755 $M',
    'mkdir $M/nothing',
    'touch $M; find $M',
  ].map((round) => client(t, `M=${matrix}; while :; do { ${round}; } > /dev/null 2>&1; done`));
  const { stdout, stderr } = await shell(`python3 ${join(PROJECT, 'test/mounted/stale.py')} ${matrix} 1000`, 90);
  for (const { process: child } of noise) child.kill('SIGKILL');
  t.equal(stderr, '');
  t.equal(stdout, '2000 changes, 0 stale\n');
});

/** A machine, with a hard limit. */
async function machine(t: Test): Promise<Daemon> {
  const daemon = Daemon.start(t, {
    command: ['dist/scripts/ap-sysfs.js', 'mount', '--foreground', '--transport', TRANSPORT, 'DIR'],
    seconds: 60,
  });
  t.match(await daemon.line(), /mounted on/);
  return daemon;
}

t.test('10 who is told that a file is gone does not find it', { skip }, async (t) => {
  const { directory } = await machine(t);
  const { stdout, stderr } = await shell(`python3 ${join(PROJECT, 'test/mounted/gone.py')} ${directory} 500`, 50);
  t.equal(stderr, '');
  t.equal(stdout, "500 changes; told nothing: [] ; found: {'open': 0, 'read': 0, 'poll': 0}\n");
});

t.test('11 whoever deletes a file while its store takes the directory away', { skip, timeout: 90_000 }, async (t) => {
  const { directory } = await machine(t);
  const matrix = `${directory}/devices/vfio_ap/matrix`;
  const uuid = '44444444-1111-4111-8111-111111111111';
  // Each waits for the file's lock with the directory's in hand.
  const script = `import os, sys
while True:
    try: os.${'{}'}("${matrix}/${uuid}/remove"{})
    except OSError: pass`;
  for (const [call, more] of [
    ['unlink', ''],
    ['rename', `, "${matrix}/${uuid}/x"`],
    ['link', `, "${matrix}/${uuid}/x"`],
  ] as const)
    client(t, `exec python3 -c '${script.replace('{}', call).replace('{}', more)}'`);
  const rounds = `sleep 0.5; for i in {1..10}; do
echo ${uuid} > ${matrix}/mdev_supported_types/vfio_ap-passthrough/create
cat ${matrix}/${uuid}/matrix && echo 1 > ${matrix}/${uuid}/remove && ! test -e ${matrix}/${uuid} && echo gone
done`;
  t.equal((await shell(rounds, 40)).stdout, 'gone\n'.repeat(10));
});
