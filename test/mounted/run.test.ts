/**
 * `ap-sysfs run` and `ap-sysfs shell`: what a program sees, and that nothing of
 * it is left. Everything is tried as this user, and if that is root, as an
 * ordinary user too: he has user name spaces only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { HELPERS } from '../../scripts/run/helper.js';
import { namespaceProblem } from '../../scripts/run/namespace.js';
import { packaged } from '../../scripts/run/plan.js';
import { preloadLibrary } from '../../scripts/run/recipes.js';
import { findEmulator } from '../../scripts/run/s390x.js';
import { ASKED_TRANSPORT, cannotMount, isRoot, type Outcome, PROJECT, shell } from '../support/mounted.js';
import { onlyDevFuse } from '../support/transport-differences.js';

const COMMAND = join(PROJECT, 'dist/scripts/ap-sysfs.js');
const home = mkdtempSync(join(tmpdir(), 'ap-sysfs-run-test-'));
chmodSync(home, 0o777);
t.teardown(() => rmSync(home, { recursive: true, force: true }));

/** Each run of this test: tells its processes from all others. */
const MARK = `${process.pid}.5`;

const ORDINARY = 'setpriv --reuid 4242 --regid 4242 --clear-groups --';

interface User {
  readonly name: string;
  /** Words in front of a command that make it his. */
  readonly as: string;
  readonly uid: number;
}

const ME: User = { name: isRoot ? 'root' : 'an ordinary user', as: '', uid: process.getuid?.() ?? 0 };
const USERS: readonly User[] = isRoot ? [ME, { name: 'an ordinary user', as: ORDINARY, uid: 4242 }] : [ME];

const elsewhere = onlyDevFuse('mounted/run', ASKED_TRANSPORT);

/** Why a user cannot run anything in name spaces here. */
async function cannotRun({ as }: User): Promise<string | false> {
  if (elsewhere) return elsewhere;
  if (as === '') return cannotMount() || namespaceProblem() || false;
  const tried = await shell(`${as} unshare --user --map-root-user --mount --pid --fork --mount-proc true`);
  if (tried.status !== 0) return `user 4242 cannot have name spaces: ${tried.stderr.trim()}`;
  const { status } = await shell(`${as} test -r ${COMMAND} -a -w /dev/fuse`);
  return status === 0 ? false : 'user 4242 may not read the clone or use /dev/fuse';
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const line = ({ as }: User, words: string): string =>
  `cd ${home} && ${as} env -u NODE_OPTIONS HOME=${home} NO_COLOR=1 COLUMNS=100 ${process.execPath} ${COMMAND} ${words}`;

/** Runs the command with these words. */
const ap = (user: User, words: string): Promise<Outcome> => shell(line(user, words), 90);

/** Runs a script inside. */
const inside = (user: User, script: string, options = ''): Promise<Outcome> =>
  ap(user, `run ${options} -- bash -c ${quoted(script)}`);

/** Its output; whatever it says on stderr fails the test. */
async function output(t: Test, user: User, script: string, options = ''): Promise<string> {
  const { status, stdout, stderr } = await inside(user, script, options);
  t.equal(stderr, '', `${options} ${script}`);
  t.equal(status, 0);
  return stdout;
}

/** Started, and watched while it runs. */
class Running {
  out = '';
  readonly ended: Promise<number | string>;

  constructor(readonly process: ChildProcess) {
    for (const stream of [process.stdout, process.stderr])
      stream?.on('data', (data: Buffer) => {
        this.out += data.toString();
      });
    process.stdin?.on('error', () => undefined);
    this.ended = new Promise((resolve) => process.once('close', (code, signal) => resolve(code ?? signal ?? '?')));
  }

  static start(t: Test, command: string): Running {
    // A process group of its own: what the terminal would do with it, the test does.
    const child = spawn(
      'bash',
      ['-c', /^cd \S+ && /.test(command) ? command.replace('&& ', '&& exec ') : `exec ${command}`],
      {
        detached: true,
      },
    );
    const running = new Running(child);
    t.teardown(() => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL');
    });
    return running;
  }

  /** Waits for a text in its output. */
  async says(t: Test, text: string | RegExp): Promise<void> {
    const there = (): boolean => (typeof text === 'string' ? this.out.includes(text) : text.test(this.out));
    for (let tries = 0; tries < 900 && !there(); tries++) await sleep(50);
    t.ok(there(), `says ${text}: ${this.out}`);
  }
}

/** Processes of these tests, mounts of a run, files in the temporary directory: as seen from outside. */
async function traces(): Promise<string> {
  const { stdout } = await shell(`pgrep -af 'sleep ${MARK}' | grep -v pgrep
    grep -E 'ap-sysfs-(run|dev)' /proc/self/mountinfo`);
  const files = readdirSync(tmpdir()).filter((name) => /^ap-sysfs-run-(?!test-)/.test(name));
  return stdout + files.join('\n');
}

/** The kernel takes a moment to end what is left. */
async function nothingIsLeft(t: Test, what: string): Promise<void> {
  for (let tries = 0; tries < 200 && (await traces()) !== ''; tries++) await sleep(50);
  t.equal(await traces(), '', `nothing is left ${what}`);
}

for (const user of USERS)
  t.test(`run, as ${user.name}`, async (t) => {
    const skip = await cannotRun(user);
    if (skip) return t.plan(0, skip);

    await t.test('the machine is in /sys, beside what the host has', async (t) => {
      const host = await shell('ls /sys/class/net /sys/class /sys/bus; stat -f -c %T /sys');
      const out = await output(
        t,
        user,
        `ls /sys/class/net /sys/class /sys/bus; stat -f -c %T /sys
         echo ---; cat /sys/bus/ap/bindings; cd /sys/bus/ap/devices/card00 && pwd -P; readlink -f subsystem
         cat /sys/class/misc/z90crypt/dev; cd /sys/dev/char/10:260 && pwd -P; ls -d /sys/module/zcrypt`,
      );
      const [theirs = '', ours] = out.split('---\n');
      for (const name of host.stdout.split('\n')) t.ok(theirs.split('\n').includes(name), `the host's ${name}`);
      for (const name of ['ap', 'mdev', 'matrix', 'zcrypt', 'mdev_bus'])
        t.ok(theirs.split('\n').includes(name), `and ${name}`);
      t.equal(
        ours,
        [
          '16/16 (complete)',
          '/sys/devices/ap/card00',
          '/sys/bus/ap',
          '10:260',
          '/sys/devices/virtual/misc/z90crypt',
          '/sys/module/zcrypt\n',
        ].join('\n'),
      );
      t.equal(
        (await shell('ls -d /sys/bus/ap')).status === 0,
        existsSync('/sys/bus/ap'),
        'and outside nothing changed',
      );
    });

    await t.test('the exit status is the program’s', async (t) => {
      t.equal((await inside(user, 'exit 7')).status, 7);
      const killed = await inside(user, 'kill -9 $$');
      t.equal(killed.status, 137, 'as a shell says it');
      t.equal(killed.stderr, '');
      const missing = await ap(user, 'run -- no-such-program');
      t.equal(missing.status, 127);
      t.match(missing.stderr, /^ap-sysfs: no-such-program: there is no such program\n {2}ap-sysfs run -- sh -c/);
      writeFileSync(join(home, 'plain'), '');
      const plain = await ap(user, 'run -- ./plain');
      t.equal(plain.status, 126);
      t.match(plain.stderr, /may not be executed\n {2}chmod \+x/);
      const wrong = await ap(user, 'run --machine no-such.yaml -- true');
      t.equal(wrong.status, 2);
      t.match(wrong.stderr, /no-such\.yaml:1:1: there is no such file/);
    });

    await t.test('standard input and output are the program’s own', async (t) => {
      const big = await shell(`head -c 3000000 /dev/zero | { ${line(user, 'run -- cat')} ; } | wc -c`, 60);
      t.equal(big.stdout.trim(), '3000000');
      const text = '{adapters: [{id: 7, type: cex7, mode: cca}], domains: {usage: 4}}';
      const machine = await shell(
        `echo '${text}' | { ${line(user, 'run --machine - -- ls /sys/bus/ap/devices')}; }`,
        60,
      );
      t.equal(machine.stdout, '07.0004\ncard07\n', 'but a machine file may come by it');
    });

    await t.test('signals are for the program', async (t) => {
      for (const [name, status] of [
        ['TERM', 5],
        ['INT', 5],
        ['USR1', 5],
      ] as const) {
        const script = `trap 'echo got ${name}; exit 5' ${name}; echo up; while :; do sleep 0.05; done`;
        const running = Running.start(t, line(user, `run -- bash -c ${quoted(script)}`));
        await running.says(t, 'up\n');
        running.process.kill(`SIG${name}`);
        t.equal(await running.ended, status, running.out);
        t.match(running.out, `got ${name}`);
      }
      const ended = Running.start(t, line(user, "run -- sh -c 'echo up; exec sleep 100'"));
      await ended.says(t, 'up\n');
      ended.process.kill('SIGTERM');
      t.equal(await ended.ended, 'SIGTERM', 'it ends as the program did');
    });

    await t.test('nothing is left behind', async (t) => {
      await t.test('of what the program leaves', async (t) => {
        await output(t, user, `setsid sleep ${MARK} >/dev/null 2>&1 & disown; echo done`);
        await nothingIsLeft(t, 'of background processes');
      });
      await t.test('when run is killed', async (t) => {
        const script = `setsid sleep ${MARK} & echo up; sleep ${MARK}`;
        const running = Running.start(t, line(user, `run -- bash -c ${quoted(script)}`));
        await running.says(t, 'up\n');
        t.not(await traces(), '', 'it can be seen as long as it runs');
        running.process.kill('SIGKILL');
        await nothingIsLeft(t, 'after SIGKILL');
      });
      await t.test('when it is told to end before it has begun', async (t) => {
        const running = Running.start(t, line(user, `run -- sleep ${MARK}`));
        await sleep(300);
        running.process.kill('SIGTERM');
        t.not(await running.ended, 0);
        await nothingIsLeft(t, 'after an early SIGTERM');
      });
    });

    await t.test('modules come and go, also in directories that the host has too', async (t) => {
      const out = await output(
        t,
        user,
        `here() { for d in module/vfio_ap devices/vfio_ap class/mdev_bus module/loop; do [ -d /sys/$d ] && echo $d; done; true; }
         rmmod vfio_ap; here; modprobe vfio_ap; here; lsmod | grep -c ^vfio_ap; dmesg | tail -1 | sed 's/.*] //'`,
      );
      const [kept, ...others] = existsSync('/sys/module/loop') ? ['module/loop\n'] : [''];
      t.same(others, []);
      t.equal(
        out,
        `class/mdev_bus\n${kept}module/vfio_ap\ndevices/vfio_ap\nclass/mdev_bus\n${kept}1\nvfio_ap matrix: MDEV: Registered\n`,
      );
      t.equal(
        await output(
          t,
          user,
          'modprobe -r -a vfio_ap zcrypt_cex4; lsmod | grep -c zcrypt_cex4; modprobe -a vfio-ap zcrypt_cex4; lsmod | grep -cE "^(vfio_ap|zcrypt_cex4)"',
        ),
        '0\n2\n',
      );
      const mixed = await inside(user, 'rmmod no_such_module vfio_ap');
      t.match(
        mixed.stderr,
        /Module no_such_module is not/,
        'no list of modules goes to the host that names one of ours',
      );
      const failed = await inside(user, 'rmmod zcrypt; modprobe no_such_module; echo $?; dmesg --level wran');
      t.match(failed.stderr, /^rmmod: ERROR: Module zcrypt is in use by: zcrypt_cex4/);
      t.match(failed.stderr, /no_such_module|modprobe: not found/, 'others are the system’s business');
      t.match(failed.stdout, /^[1-9]/);
    });

    await t.test('whose daemon has died, keeps its names from the host’s modules, and goes on', async (t) => {
      const { status, stdout, stderr } = await inside(
        user,
        `kill -9 $(sed -n 's/^pid //p' /sys/kernel/debug/ap_sim/about)
         while ls /sys/bus/ap >/dev/null 2>&1; do sleep 0.1; done
         rmmod vfio_ap || echo $?; modprobe kvm || echo $?; ap-sysfs status || echo $?; exit 9`,
      );
      t.match(stdout, /^1\n1\n[\s\S]*its daemon has died[\s\S]*\n5\n$/);
      t.equal(
        stderr,
        ['rmmod', 'modprobe'].map((name) => `${name}: the machine of this run does not answer\n`).join(''),
      );
      t.equal(status, 9);
    });

    await t.test('status tells of this machine, umount and restore leave it', async (t) => {
      const { stdout, stderr } = await inside(
        user,
        'ap-sysfs status; ap-sysfs umount || echo $?; ap-sysfs snapshot a >/dev/null; ap-sysfs restore a || echo $?; ap-sysfs run --machine /dev/.ap-sysfs/snapshots/a.yaml -- ls /sys/bus/ap',
      );
      t.match(stdout, /● +default +7\.2\.13 .* \/sys\n\/sys: that of the run that you are in\n3\n1\n.*apmask/s);
      t.match(stderr, /^ap-sysfs: the machine on \/sys is that of the run you are in, and ends[\s\S]*and stays/);
    });

    await t.test('device nodes come and go in /dev', async (t) => {
      const out = await output(
        t,
        user,
        `kind() { for n; do stat -c '%F %n' /dev/$n 2>&1 | sed 's/.*No such.*/none/'; done; }
         kind null z90crypt mine; echo mine > /sys/class/zcrypt/create; kind mine; cat /sys/class/zcrypt/mine/uevent
         echo mine > /sys/class/zcrypt/destroy; kind mine; echo > /dev/null; ls /dev/vfio`,
      );
      t.equal(
        out,
        [
          'character special file /dev/null',
          'character special file /dev/z90crypt',
          'none',
          'character special file /dev/mine',
          'MAJOR=247',
          'MINOR=0',
          'DEVNAME=mine',
          'none',
          'vfio\n',
        ].join('\n'),
      );
      const { stderr } = await inside(user, ': < /dev/z90crypt');
      t.match(stderr, /Permission denied|No such device/, 'nobody can open them');
    });

    await t.test('programs inside can have terminals of their own', async (t) => {
      if ((await shell('command -v script')).status !== 0) return t.plan(0, 'no program script');
      for (const options of ['', '--uevents'])
        t.match(await output(t, user, 'script -qc tty /dev/null </dev/null', options), /\/pts\/\d+\s*$/);
    });

    await t.test('the other commands are about this machine', async (t) => {
      const U = '11111111-1111-4111-8111-111111111111';
      const out = await output(
        t,
        user,
        `ap-sysfs hw card 3 deconfigure; cat /sys/devices/ap/card03/config
         echo -0 > /sys/bus/ap/apmask; echo -4 > /sys/bus/ap/aqmask
         echo ${U} > /sys/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/create
         M=/sys/bus/mdev/devices/${U}; echo 0 > $M/assign_adapter; echo 4 > $M/assign_domain
         ap-sysfs guest start ${U}; cat $M/matrix; readlink -f $M/iommu_group; ls /dev/vfio
         ap-sysfs load --kind cca --adapter 01 --domain 0006 --count 2 2>/dev/null | head -1 | sed 's/ in .*//'
         ap-sysfs show | head -1 | sed 's/ · up.*//'; ap-sysfs record | grep -c apmask`,
      );
      t.match(
        out,
        new RegExp(
          [
            '^0',
            'guest .* running',
            '00\\.0004',
            '/sys/kernel/iommu_groups/\\d+',
            '\\d+',
            'vfio',
            '.*',
            'default · kernel 7\\.2\\.13 · on /sys',
            '[1-9]\\d*\n$',
          ].join('\n'),
        ),
      );
    });

    if (user.uid !== 0)
      await t.test('--as-user keeps the user’s number', async (t) => {
        t.equal(await output(t, user, 'id -u'), '0\n', 'root inside, without');
        const out = await output(
          t,
          user,
          'id -u; stat -c %u /sys/bus/ap/apmask; ap-sysfs hw show | wc -l',
          '--as-user',
        );
        t.match(out, new RegExp(`^${user.uid}\n${user.uid}\n[1-9]`));
      });

    if (user.uid === 0)
      await t.test('sudo run --as-user is the user who typed it', async (t) => {
        const { status, stdout, stderr } = await shell(
          line(
            user,
            "run --as-user -- bash -c 'id -u; cat /sys/bus/ap/bindings; echo -1 > /sys/bus/ap/apmask'",
          ).replace(' HOME=', ' SUDO_UID=65534 SUDO_GID=65534 HOME='),
          90,
        );
        t.equal(stdout, '65534\n16/16 (complete)\n');
        t.match(stderr, /apmask: Permission denied\n$/, 'the files are root’s');
        t.equal(status, 1);
        const nobody = await ap(user, 'run --as-user -- true');
        t.equal(nobody.status, 2);
        t.match(nobody.stderr, /root is root inside; who else would it be\?/);
      });

    await t.test('a run may be started in a run', async (t) => {
      const out = await output(
        t,
        user,
        'ap-sysfs run --machine small -- ls /sys/bus/ap/devices; ap-sysfs show | head -1',
      );
      t.match(out, /^00\.0006\ncard00\ndefault · /);
    });

    await t.test('two runs do not know each other', async (t) => {
      const script = 'echo -$0 > /sys/bus/ap/apmask; sleep 1; head -c 3 /sys/bus/ap/apmask';
      const both = await Promise.all([0, 1].map((n) => ap(user, `run -- bash -c ${quoted(script)} ${n}`)));
      t.same(
        both.map(({ stdout }) => stdout),
        ['0x7', '0xb'],
      );
    });
  });

/** What somebody types, each behind what he waits for, at a terminal of its own; his command's exit status is the status. */
async function typing(t: Test, command: string, dialogue: readonly (readonly [RegExp, string])[]): Promise<Outcome> {
  const running = Running.start(t, `script -qec ${quoted(command)} /dev/null`);
  for (const [wait, keys] of dialogue) {
    await running.says(t, wait);
    running.out = '';
    running.process.stdin?.write(keys);
  }
  const status = await running.ended;
  return { status: typeof status === 'number' ? status : null, stdout: running.out, stderr: '' };
}

t.test('at a terminal', async (t) => {
  const skip = (await cannotRun(ME)) || ((await shell('command -v script')).status === 0 ? false : 'no program script');
  if (skip) return t.plan(0, skip);

  await t.test('Ctrl-C ends the program, and with it run', async (t) => {
    const { status } = await typing(t, line(ME, "run -- sh -c 'echo u''p; sleep 100'"), [[/up/, '\x03']]);
    t.equal(status, 130);
  });

  await t.test('Ctrl-Z stops both, fg goes on', async (t) => {
    const { status } = await typing(t, 'env PS1="ready> " bash --norc --noprofile -i', [
      [/ready> /, `${line(ME, "run -- sh -c 'echo u''p; sleep 2; echo en''d; exit 4'")}\n`],
      [/up/, '\x1a'],
      [/Stopped/, 'fg\n'],
      [/end/, 'exit\n'],
    ]);
    t.equal(status, 4);
  });

  for (const shellName of ['/bin/bash', '/bin/sh'])
    await t.test(`shell is ${shellName}, and its prompt says so`, async (t) => {
      const { status } = await typing(t, line(ME, 'shell').replace(' HOME=', ` SHELL=${shellName} HOME=`), [
        [/\(ap-sysfs\) /, 'cat /sys/bus/ap/bind*\n'],
        [/16\/16 \(complete\)[\s\S]*\(ap-sysfs\) /, 'exit 3\n'],
      ]);
      t.equal(status, 3);
    });
});

t.test('events come by netlink', async (t) => {
  const udev = (await shell('command -v udevadm')).status === 0;
  if (!udev) return t.plan(0, 'no udevadm');
  for (const user of USERS)
    await t.test(`as ${user.name}`, async (t) => {
      const skip = await cannotRun(user);
      if (skip) return t.plan(0, skip);

      await t.test('udevadm monitor hears the kernel', async (t) => {
        const out = await output(
          t,
          user,
          `L=$(mktemp); udevadm monitor --kernel --property >$L & for i in {1..100}; do grep -q ^KERNEL $L && break; sleep 0.1; done
           ap-sysfs hw card 3 deconfigure; for i in {1..100}; do [ $(grep -c ^SEQNUM $L) -ge 5 ] && break; sleep 0.1; done
           sed -n '/card03 (ap)/,/^$/p' $L | sed 's/\\[.*\\]//; s/^SEQNUM=.*/SEQNUM=n/'; rm $L`,
          '--uevents',
        );
        t.equal(
          out,
          [
            'KERNEL change   /devices/ap/card03 (ap)',
            ...['ACTION=change', 'DEVPATH=/devices/ap/card03', 'SUBSYSTEM=ap', 'CONFIG=0', 'DEVTYPE=ap_card'],
            ...['DRIVER=cex4card', 'DEV_TYPE=000C', 'MODALIAS=ap:t0C', 'MODE=cca', 'SEQNUM=n', '\n'],
          ].join('\n'),
        );
      });

      await t.test('and /dev has nothing of the host’s that could be changed', async (t) => {
        const modes = 'stat -c "%a %U %n" /dev/null /dev/full /dev/tty';
        const before = (await shell(modes)).stdout;
        const { stdout } = await inside(
          user,
          `chmod 600 /dev/full 2>/dev/null; chown 4243 /dev/tty 2>/dev/null; echo > /dev/null; ls /dev | grep -c ^tty`,
          '--uevents',
        );
        t.equal(stdout, '1\n', 'no terminals, no disks');
        t.equal((await shell(modes)).stdout, before);
      });

      const udevd = ['/lib/systemd/systemd-udevd', '/usr/lib/systemd/systemd-udevd'].find((path) => existsSync(path));
      await t.test('udevd applies rules', { skip: udevd ? false : 'no systemd-udevd' }, async (t) => {
        const rule = 'ACTION=="change", SUBSYSTEM=="ap", KERNEL=="card01", ATTR{../../../bus/ap/config_time}="77"';
        const out = await output(
          t,
          user,
          `mount -t tmpfs none /run && mkdir -p /run/udev/rules.d && echo '${rule}' > /run/udev/rules.d/99-ap.rules
           ${udevd} --daemon >/dev/null 2>&1; udevadm control --ping; cat /sys/bus/ap/config_time
           udevadm trigger --action change /sys/devices/ap/card01; udevadm settle; cat /sys/bus/ap/config_time`,
          '--uevents',
        );
        t.equal(out, '30\n77\n');
      });
    });
});

t.test('whoever speaks netlink sends events', async (t) => {
  const event = Buffer.from('add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=ap\0').toString('hex');
  for (const helper of HELPERS) {
    const [name, script] = helper;
    const cannot = await shell(`command -v udevadm && ${name} -h && unshare --user --map-root-user --net true`);
    await t.test(name, { skip: cannot.status === 0 ? false : `no ${name}, udevadm or name spaces` }, async (t) => {
      const { stdout } = await shell(
        `unshare --user --map-root-user --net bash -c 'udevadm monitor --kernel > ${home}/${name} & sleep 1
         echo ${event} | ${name} ${packaged(script)}; for i in {1..50}; do grep ^KERNEL.*add ${home}/${name} && break; sleep 0.1; done; kill %1'`,
      );
      t.match(stdout, /^KERNEL\[[\d.]+\] add +\/devices\/x \(ap\)\n$/);
    });
  }
});

t.test('the procedures of the guides have their documented results', async (t) => {
  const demos = join(PROJECT, 'scripts/demos');
  for (const user of USERS)
    for (const [name, options] of [
      ['three-guests', `--machine ${demos}/three-guests.yaml`],
      ['host-devices', ''],
    ] as const)
      await t.test(`${name}, as ${user.name}`, async (t) => {
        const skip = await cannotRun(user);
        if (skip) return t.plan(0, skip);
        const { status, stdout, stderr } = await ap(user, `run ${options} -- ${demos}/${name}.sh`);
        t.equal(stderr, '');
        t.equal(status, 0);
        const expected = readFileSync(join(PROJECT, `test/mounted/${name}.expected`), 'utf8');
        t.same(stdout.split('\n'), expected.split('\n'));
      });
});

/** Without name spaces there is still something. */
t.test('other recipes', { skip: elsewhere || cannotMount() }, async (t) => {
  await t.test('env: the environment says where the machine is', async (t) => {
    const { status, stdout, stderr } = await inside(
      ME,
      `[ $SYSFS_ROOT = $AP_SYSFS ] && cat $SYSFS_ROOT/bus/ap/bindings; ls -d $MDEVCTL_ENV_ROOT/sys; exit 3`,
      '--recipe env',
    );
    t.match(stdout, /^16\/16 \(complete\)\n\S+\/ap-sysfs-run-\w+\/sys\n$/);
    t.equal(stderr, '');
    t.equal(status, 3);
    await nothingIsLeft(t, 'of the directory');
    const running = Running.start(t, line(ME, `run --recipe env -- bash -c 'echo up; sleep 3'`));
    await running.says(t, 'up\n');
    running.process.kill('SIGKILL');
    await nothingIsLeft(t, 'when run is killed: the daemon sees it');
  });

  await t.test('what a run and its daemon leave, both killed, the next run takes away', async (t) => {
    const mounts = async (): Promise<string> =>
      (await shell('grep -o "[^ ]*/ap-sysfs-run-[A-Za-z0-9]*/sys " /proc/self/mountinfo')).stdout;
    for (const next of ['true', '--recipe env -- true']) {
      const running = Running.start(
        t,
        line(
          ME,
          `run --recipe env -- bash -c 'echo "pid $(sed -n "s/^pid //p" $AP_SYSFS/kernel/debug/ap_sim/about)"; exec sleep ${MARK}'`,
        ),
      );
      await running.says(t, /pid \d+\n/);
      const other = Running.start(
        t,
        line(ME, `run --recipe env -- bash -c 'echo up; read x; cat $AP_SYSFS/bus/ap/bindings'`),
      );
      await other.says(t, 'up\n');
      process.kill(Number(/pid (\d+)/.exec(running.out)?.[1]), 'SIGKILL');
      running.process.kill('SIGKILL');
      t.equal((await mounts()).split('\n').length, 3, 'it is there, and the other one');
      t.match(await ap(ME, `run ${next}`), { status: 0, stderr: '' });
      t.equal((await mounts()).split('\n').length, 2, 'only that of a run that lives');
      other.process.stdin?.end('\n');
      t.equal(await other.ended, 0, 'which has not noticed');
      t.match(other.out, '16/16 (complete)');
      await shell(`pkill -f 'sleep ${MARK}'`);
      await nothingIsLeft(t, 'of both');
    }
  });

  for (const recipe of ['env', ...(preloadLibrary() ? ['preload'] : [])])
    await t.test(`${recipe}: a run inside has its own machine, a killed daemon leaves no mount`, async (t) => {
      const own = await inside(
        ME,
        `ap-sysfs run --recipe env --machine small -- sh -c 'ls $SYSFS_ROOT/bus/ap/devices; env | grep -cE "^(UMOCKDEV_DIR|LD_PRELOAD)="'
         [ -e $SYSFS_ROOT/bus/ap/devices/card03 ]`,
        `--recipe ${recipe}`,
      );
      t.same([own.status, own.stdout, own.stderr], [0, '00.0006\ncard00\n0\n', '']);
      const killed = await inside(
        ME,
        'kill -9 $(sed -n "s/^pid //p" $AP_SYSFS/kernel/debug/ap_sim/about); sleep 0.2; exit 6',
        `--recipe ${recipe}`,
      );
      t.same([killed.status, killed.stderr], [6, '']);
      await nothingIsLeft(t, 'of a daemon that was killed');
      t.equal((await shell('grep -c /ap-sysfs-run-[A-Za-z0-9]*/sys /proc/self/mountinfo')).stdout, '0\n');
    });

  await t.test('preload: umockdev shows it in /sys', { skip: preloadLibrary() ? false : 'no umockdev' }, async (t) => {
    const out = await output(
      t,
      ME,
      `cat /sys/bus/ap/bindings; cd /sys/bus/ap; echo -1 > apmask; head -c 3 apmask; echo; ls /sys`,
      '--recipe preload',
    );
    t.equal(out, '16/16 (complete)\n0xb\nbus\nclass\ndev\ndevices\nkernel\nmodule\n');
  });

  await t.test('one is chosen that works, and said to be', async (t) => {
    const bin = join(home, 'bin');
    mkdirSync(bin);
    for (const name of ['sh', 'mount', 'umount', 'fusermount', 'cat', 'env', 'rm']) {
      const { stdout } = await shell(`command -v ${name}`);
      if (stdout !== '') symlinkSync(stdout.trim(), join(bin, name));
    }
    const { stdout, stderr } = await shell(
      `cd ${home} && PATH=${bin} ${process.execPath} ${COMMAND} run -- sh -c 'cat $AP_SYSFS/bus/ap/bindings'`,
      60,
    );
    t.equal(stdout, '16/16 (complete)\n');
    t.match(stderr, /^ap-sysfs: recipe (?:preload|env): .* \(no namespace: there is no program unshare .*\)\n$/);
    const asked = await shell(`PATH=${bin} ${process.execPath} ${COMMAND} run --recipe namespace -- cat`, 60);
    t.equal(asked.status, 1);
    t.match(asked.stderr, /a program cannot be run here: no namespace: there is no program unshare[\s\S]*doctor/);
  });
});

t.test('on several kernels, or another processor', async (t) => {
  const skip = await cannotRun(ME);
  if (skip) return t.plan(0, skip);

  await t.test('--kernels tells what differed', async (t) => {
    const script =
      'echo same; uname -s >&2; cat /sys/bus/ap/features; [ -e /sys/bus/ap/devices/00.0004/driver_override ]';
    const { status, stdout } = await inside(ME, script, '--kernels 6.1,6.12,7.2');
    t.equal(status, 1);
    t.equal(
      stdout,
      `  kernel  exit status  stdout            stderr
  6.1     1            1 line            2 lines
  6.12    1            2 lines, differs  1 line, differs
  7.2     0            2 lines, differs  1 line, differs

stdout: 6.1 (-), 6.12 (+)
+ APSC APXA QACT RC8A APSB

stdout: 6.1 (-), 7.2 (+)
+ APSC APXA QACT RC8A APSB

stderr: 6.1 (-), 6.12 (+)
- cat: /sys/bus/ap/features: No such file or directory

stderr: 6.1 (-), 7.2 (+)
- cat: /sys/bus/ap/features: No such file or directory
`,
    );
    const json = await ap(ME, `run --kernels 6.12,7.2 --json -- cat /sys/bus/ap/bindings`);
    t.equal(json.status, 0, 'no difference');
    const run = { status: 0, stdout: '16/16 (complete)\n', stderr: '' };
    t.same(JSON.parse(json.stdout), {
      same: true,
      runs: [
        { kernel: '6.12', ...run },
        { kernel: '7.2', ...run },
      ],
    });
  });

  const emulator = findEmulator() ? false : 'no qemu-s390x: scripts/get-clients.sh fetches it';
  await t.test('--s390x runs the real lszcrypt', { skip: emulator }, async (t) => {
    const { status, stdout, stderr } = await ap(ME, 'run --s390x -- lszcrypt 0x02');
    if (status === 127) return t.plan(0, stderr);
    t.equal(status, 0, stderr);
    t.match(stdout, /\n02 +CEX7A Accelerator online/);
  });
});
