/**
 * The command as people use it: every command of --help on real mounts, with
 * good and with bad input. Each complaint says what to do next.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import t, { type Test } from 'tap';
import { EXIT, MOUNT_EXIT } from '../../scripts/exit-status.js';
import { Failure } from '../../scripts/failure.js';
import { createProgram } from '../../scripts/program.js';
import {
  cannotMount,
  cleanUp,
  isMounted,
  isRoot,
  mountPoint,
  type Outcome,
  PROJECT,
  shell,
} from '../support/mounted.js';

const COMMAND = join(PROJECT, 'dist/scripts/ap-sysfs.js');
const skip = cannotMount();
const U = '11111111-1111-4111-8111-111111111111';

/** Mounts of this test are noted apart from all others. */
const home = mkdtempSync(join(tmpdir(), 'ap-sysfs-command-'));
const registry = join(home, 'run');
t.teardown(() => rmSync(home, { recursive: true, force: true }));

/** Daemons outlive whoever starts them, and must not outlive a test that is killed. */
const WATCHDOG = `while kill -0 $0 2>/dev/null; do sleep 1; done
sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p' $1/*.json 2>/dev/null | xargs -r kill; sleep 2; rm -rf $1`;
spawn('sh', ['-c', WATCHDOG, String(process.pid), registry], { detached: true, stdio: 'ignore' }).unref();

/** Runs the command as a user would type it. */
function ap(line: string, env = ''): Promise<Outcome> {
  const set = `AP_SYSFS= AP_SYSFS_RUNTIME_DIR=${registry} NO_COLOR= DEBUG= ${env}`;
  return shell(`cd ${home} && env ${set} ${process.execPath} ${COMMAND} ${line}`, 30);
}

/** A mounted machine that goes with the test. */
async function machine(t: Test, options = ''): Promise<string> {
  const directory = mountPoint();
  t.teardown(async () => {
    await ap(`umount ${directory}`);
    await cleanUp(directory);
  });
  const { status, stdout, stderr } = await ap(`mount ${directory} ${options}`);
  t.equal(status, 0, `mounts: ${stderr}`);
  t.match(stdout, new RegExp(`mounted on ${directory}.*\\n.*process \\d+, log \\S+\\nTry:\\n`));
  return directory;
}

interface Expected {
  readonly status?: number;
  readonly out?: RegExp | string;
  readonly err?: RegExp | string;
}

async function check(t: Test, line: string, { status = 0, out = '', err = '' }: Expected, env = ''): Promise<Outcome> {
  const found = await ap(line, env);
  t.equal(found.status, status, `${env} ap-sysfs ${line}: ${found.stderr}`);
  if (out instanceof RegExp) t.match(found.stdout, out, `${line}: stdout`);
  else t.equal(found.stdout, out, `${line}: stdout`);
  if (err instanceof RegExp) t.match(found.stderr, err, `${line}: stderr`);
  else t.equal(found.stderr, err, `${line}: stderr`);
  return found;
}

/** What the command says to words that it refuses, in this very process: nothing is mounted yet. */
async function refusal(line: string): Promise<{ status: number; stderr: string }> {
  process.env.AP_SYSFS_RUNTIME_DIR = registry;
  const program = createProgram();
  let stderr = '';
  for (const command of [program, ...program.commands])
    command.configureOutput({
      writeErr: (text) => {
        stderr += text;
      },
    });
  try {
    await program.parseAsync(line.split(' '), { from: 'user' });
    return { status: 0, stderr };
  } catch (e) {
    if (e instanceof CommanderError) return { status: e.exitCode === 0 ? EXIT.ok : EXIT.usage, stderr };
    if (e instanceof Failure) return { status: e.status, stderr: e.report };
    throw e;
  }
}

/** What `--help` prints of each command, by name. */
function helps(): Map<string, string> {
  return new Map(
    createProgram().commands.map((command) => {
      let text = '';
      command.configureOutput({
        writeOut: (part) => {
          text += part;
        },
      });
      command.outputHelp();
      return [command.name(), text];
    }),
  );
}

t.test('1 words', async (t) => {
  t.test('1.1 --version, --help', async (t) => {
    const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'));
    await check(t, '--version', { out: `${version}\n` });
    const { stdout } = await check(t, '--help', { out: /Exit status:/ });
    t.match(stdout, /ap:ap:instr/, 'namespaces of DEBUG');
    const texts = helps();
    t.ok(texts.size > 15);
    for (const [name, text] of texts) {
      if (name !== 'complete') t.match(stdout, `\n  ${name} `, `${name} is in the list`);
      if (name !== 'complete') t.match(text, /Examples:\n {2}\S/, `${name} has examples`);
    }
    const lines = [stdout, ...texts.values()].join('\n').split('\n');
    t.same(
      lines.filter((line) => [...line].length > 80),
      [],
      'no line is too long',
    );
    await check(t, 'hw card --help', { out: /^Usage: ap-sysfs hw/ });
  });
  t.test('1.2 wrong words', async (t) => {
    const cases: [line: string, err: RegExp][] = [
      ['shwo', /unknown command 'shwo'\n\(Did you mean show\?\)\n.*--help/],
      ['show --jsno', /unknown option '--jsno'\n\(Did you mean --json\?\)\n.*show --help/],
      ['mount', /missing required argument 'directory'\n.*mount --help/],
      ['mount x --kernel 6.13', /--kernel: '6.13' is no good. It is one of 6.1, 6.12, 7.2\.\n.*mount --help/],
      ['mount x --owner somebody', /It is root, me, or UID:GID/],
      ['machine lagre', /'lagre' is no preset. .*did you mean large/],
      ['dmesg --level wran', /did you mean warn/],
      ['completion bsh', /did you mean bash/],
      ['hw --syss x show', /unknown option '--syss' \(did you mean --sys\?\)\n.*hw --help/],
      ['rmmod', /missing required argument 'modules'/],
    ];
    for (const [line, err] of cases) {
      const { status, stderr } = await refusal(line);
      t.equal(status, EXIT.usage, line);
      t.match(stderr, err, line);
    }
    await check(t, 'shwo', { status: EXIT.usage, err: cases[0]?.[1] as RegExp });
  });
  t.test('1.3 machine', async (t) => {
    await check(t, 'machine', { out: /^# A machine for ap-sysfs[\s\S]*adapters:/ });
    await check(t, 'machine --list', { out: /^default +four cards[\s\S]*full / });
    const { stdout } = await check(t, 'machine --schema', { out: /\$schema/ });
    t.ok(JSON.parse(stdout));
  });
  t.test('1.4 completion', async (t) => {
    t.equal((await shell(`${process.execPath} ${COMMAND} completion bash | bash -n`)).stderr, '', 'bash reads it');
    await check(t, 'completion zsh', { out: /#compdef ap-sysfs/ });
    await check(t, "complete -- mount --machine ''", { out: /^default\s[\s\S]*^large\s/m });
    await check(t, 'complete -- dm', { out: /^dmesg\s/m });
    await check(t, "complete -- rmmod ''", { out: ':4\n' });
    await check(t, "complete -- mount ''", { out: ':16\n' });
  });
  t.test('1.5 doctor on a system without anything', async (t) => {
    const empty = join(home, 'empty');
    mkdirSync(empty);
    const env = `AP_SYSFS_DOCTOR_ROOT=${empty}`;
    const { stdout } = await check(
      t,
      'doctor',
      { status: EXIT.failed, out: /missing +\/dev\/fuse: is not there/ },
      env,
    );
    t.match(stdout, /modprobe fuse/);
    t.match(stdout, /libfuse2: no libfuse\.so\.2\n +install /);
    t.match(stdout, /fusermount: not there/);
    t.match(stdout, /user name spaces: this kernel has none/);
    t.match(stdout, /missing: type what stands below each, then ap-sysfs doctor again\n$/);
    const found = JSON.parse((await ap('doctor --json', env)).stdout) as { need: string; verdict: string }[];
    t.ok(found.some(({ need, verdict }) => need === 'libfuse2' && verdict === 'missing'));
  });
});

t.test('2 without a machine', async (t) => {
  await check(t, 'status', { out: /^no machine is mounted\n.*ap-sysfs mount sys/ });
  const lines = [
    'show',
    'hw show',
    'guest',
    'lsmod',
    'modprobe zcrypt',
    'rmmod zcrypt',
    'dmesg',
    'trace',
    'umount',
    'record',
  ];
  for (const line of lines) {
    const { status, stderr } = await refusal(line);
    t.equal(status, EXIT.noMachine, line);
    t.match(stderr, /^ap-sysfs: no machine is mounted\n {2}mkdir -p sys && ap-sysfs mount sys/);
  }
  await check(t, `show --sys ${home}`, {
    status: EXIT.noMachine,
    err: /no machine is mounted on .*\(named by --sys\)\n.*status/,
  });
  await check(t, 'show', { status: EXIT.noMachine, err: /named by AP_SYSFS/ }, `AP_SYSFS=${home}`);
  await check(t, `umount ${home}`, { status: EXIT.noMachine, err: /no machine is mounted on/ });
});

t.test('3 mounts that fail', { skip }, async (t) => {
  await check(t, 'mount nothing', { status: MOUNT_EXIT.missing, err: /nothing does not exist: make it with mkdir/ });
  const directory = mountPoint();
  t.teardown(() => cleanUp(directory));
  await check(t, `mount ${directory} --machine lrage`, { status: EXIT.usage, err: /did you mean large\?/ });
  writeFileSync(join(home, 'bad.yaml'), 'adapters:\n  - id: 0\n    type: cex8\n    mode: ccc\n');
  await check(t, `mount ${directory} --machine bad.yaml`, {
    status: EXIT.usage,
    err: /^bad\.yaml:4:\d+: adapters\[0\]\.mode: .*did you mean cca\?[\s\S]*`ap-sysfs machine` prints one/,
  });
  if (!isRoot && !/^\s*user_allow_other/m.test(readFileSync('/etc/fuse.conf', 'utf8')))
    await check(t, `mount ${directory} --allow-other`, { status: 16, err: /user_allow_other >> \/etc\/fuse\.conf/ });
  t.notOk(isMounted(directory));
  t.same(readdirSync(registry), [], 'nothing is left behind');
});

t.test('4 a machine', { skip }, async (t) => {
  const dir = await machine(t, '--kernel 6.12');

  t.test('4.1 status', async (t) => {
    await check(t, 'status', { out: new RegExp(`default +6\\.12\\.107 +\\d+ +\\S+ +\\d+ s +${dir}\n`) });
    const [mount] = JSON.parse((await ap('status --json')).stdout);
    t.match(mount, { mountPoint: dir, machine: 'default', kernel: '6.12.107', state: 'live' });
    t.equal((await shell(`ps -o sid= -p ${mount.pid}`)).stdout.trim(), String(mount.pid), 'a session of its own');
    t.equal((await shell(`readlink /proc/${mount.pid}/cwd`)).stdout, '/\n', 'working directory /');
    const about = (await shell(`cat ${dir}/kernel/debug/ap_sim/about`)).stdout;
    t.match(about, `machine default\nkernel 6.12.107\nprofile 6.12\n`);
    t.match(about, `pid ${mount.pid}\n`);
    t.equal(await ap(`mount ${dir}`).then(({ status }) => status), MOUNT_EXIT.busy);
  });

  t.test('4.2 hw', async (t) => {
    await check(t, 'hw card 3 deconfigure', {});
    await check(t, 'hw show', { out: /^card 03 .* deconfigured$/m });
    await check(t, `hw card 3 configure --sys ${dir}`, {});
    await check(t, 'hw', { out: /^card 03 .* configured$/m });
    await check(t, "hw 'domain 7 add; domain 7 remove'", {});
    await check(t, 'hw queue 00.0004 reply 0x82 0x90 -1', {});
    await check(t, 'hw queue 00.0004 reply off', {});
    await check(t, 'hw --help', { out: /card N remove \| configure/ });
    await check(t, 'hw card 3 decnfigure', {
      status: EXIT.usage,
      err: /hw: card 3 decnfigure: .*\(did you mean deconfigure\?\)\n.*hw --help/,
    });
    await check(t, 'hw crad 3', { status: EXIT.usage, err: /unknown command "crad" .*\(did you mean card\?\)/ });
    await check(t, 'hw card 9 remove', { status: EXIT.failed, err: /there is no card 9\n.*hw show/ });
  });

  t.test('4.3 guests, and show', async (t) => {
    const matrix = `${dir}/devices/vfio_ap/matrix`;
    const setUp = [
      `echo -1,-2 > ${dir}/bus/ap/apmask`,
      `echo ${U} > ${matrix}/mdev_supported_types/vfio_ap-passthrough/create`,
      `for id in 1 2; do echo $id > ${matrix}/${U}/assign_adapter; done`,
      `for id in 4 6; do echo $id > ${matrix}/${U}/assign_domain; done`,
    ];
    t.equal((await shell(setUp.join(' && '))).stderr, '');
    await check(t, 'guest', { out: 'no guests\n' });
    await check(t, 'guest start 22222222-2222-4222-8222-222222222222', {
      status: EXIT.failed,
      err: /\(ENOENT\)\n.*show/,
    });
    await check(t, 'guest strat x', { status: EXIT.usage, err: /did you mean start\?\)\n.*guest --help/ });
    await check(t, `guest reset ${U}`, { status: EXIT.failed, err: /connect: .*\n +ap-sysfs guest / });
    await check(t, `guest start ${U}`, { out: `guest ${U} running\n` });
    await check(t, 'guest', { out: new RegExp(`^${U} pid `) });
    await shell(`echo 02.0006 > ${dir}/bus/ap/drivers/vfio_ap/unbind`);
    const { stdout } = await check(t, 'show', { out: /^default · kernel 6\.12\.107 · on / });
    t.match(stdout, /^ {2}domain +04 +06 +1b +47$/m);
    t.match(stdout, /^ {2}00 CEX8C +Z +Z +Z +Z$/m);
    t.match(stdout, /^ {2}01 CEX8P +a\* +a\* +v +v$/m, 'the guest’s');
    t.match(stdout, /^ {2}02 CEX7A +a~ +-~ +v +v$/m, 'kept from it');
    t.match(stdout, new RegExp(`^ {2}a {2}${U} {2}running, 0 vcpus\n +APCB +adapters +01\n +domains +04 06$`, 'm'));
    t.match(stdout, /kept from it: adapter 02: 02\.0006 has no driver/);
    t.notMatch(stdout, /\x1b/, 'no colours in a pipe');
    t.same(
      stdout.split('\n').filter((line) => line.length > 80),
      [],
      'no line is too long',
    );
    t.match((await ap('show', 'FORCE_COLOR=1')).stdout, /\x1b\[/, 'unless asked for');
    const view = JSON.parse((await ap('show --json')).stdout);
    t.match(view.mdevs, [{ uuid: U, filtered: [{ adapter: 2, reason: '02.0006 has no driver' }] }]);
    t.equal(view.queues.length, 16);
    await check(t, `guest exit ${U}`, { out: 'bye\n' });
    await shell(`echo 1 > ${matrix}/${U}/remove`);
  });

  t.test('4.4 modules', async (t) => {
    await check(t, 'lsmod', { out: /^Module +Size {2}Used by\n[\s\S]*^zcrypt +131072 {2}1 zcrypt_cex4$/m });
    const listed = JSON.parse((await ap('lsmod --json')).stdout);
    t.match(
      listed.find(({ name }: { name: string }) => name === 'zcrypt'),
      { references: 1, users: ['zcrypt_cex4'] },
    );
    const failed = EXIT.failed;
    await check(t, 'rmmod zcrypt', {
      status: failed,
      err: /^rmmod: ERROR: Module zcrypt is in use by: zcrypt_cex4\n.*rmmod zcrypt_cex4\n$/,
    });
    await check(t, 'rmmod nosuch', {
      status: failed,
      err: /^rmmod: ERROR: Module nosuch is not currently loaded\n.*lsmod/,
    });
    await check(t, 'rmmod ap', { status: failed, err: /^rmmod: ERROR: Module ap is builtin\.\n/ });
    await check(t, 'rmmod zcrypt-cex4 zcrypt', {});
    await check(t, 'modprobe zcrypt nosuch', { status: failed, err: /"nosuch" is no PARAMETER=VALUE\n/ });
    await check(t, 'modprobe zcrypt_cex4', {});
    await check(t, 'modprobe nosuch', {
      status: failed,
      err: /^modprobe: FATAL: Module nosuch not found in directory \/lib\/modules\/6\.12\.107\n.*modules of this kernel: /,
    });
    await check(t, 'modprobe -r mdev', {
      status: failed,
      err: /^modprobe: FATAL: Module mdev is in use\.\n.*modprobe -r vfio_ap/,
    });
    await check(t, 'modprobe -r vfio_ap', {});
    await check(t, 'modprobe -r vfio_ap', {});
    await check(t, 'modprobe -r nosuch', { status: failed, err: /Module nosuch not found\.\n/ });
    await check(t, 'modprobe vfio-ap', {});
    await check(t, "complete -- rmmod ''", { out: /^vfio_ap\s/m });
  });

  t.test('4.5 dmesg, trace', async (t) => {
    await check(t, 'dmesg', { out: /^\[ +\d+\.\d{6}\] vfio_ap matrix: MDEV: Registered$/m });
    await check(t, 'dmesg --raw', { out: /^<6>\[/m });
    t.match(JSON.parse((await ap('dmesg --json')).stdout.split('\n')[0] as string), { level: String, time: Number });
    await check(t, 'dmesg --level emerg', {});
    await check(t, 'trace --kind ap.state', { out: /^\d+ \[ +\d+\.\d+\] ap\.state: 00\.0004 / });
    t.match(JSON.parse((await ap('trace --json')).stdout.split('\n')[0] as string), { seq: Number, kind: String });
    await check(t, 'trace --kind ap.sate', {
      err: /nothing of kind ap\.sate; there are .*ap\.state.*did you mean ap\.state\?/,
    });
    const followed = shell(`AP_SYSFS=${dir} timeout -s INT 3 ${process.execPath} ${COMMAND} dmesg --follow`);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await ap('modprobe -r vfio_ap');
    t.match((await followed).stdout, /MDEV: Unregistering\n$/, '--follow');
    await check(t, 'dmesg --clear', {});
    await check(t, 'dmesg', {});
    await check(t, 'trace --clear', {});
    await check(t, 'trace --kind ap.state', { err: /the trace is empty|there are/ });
  });
});

t.test('5 which machine', { skip }, async (t) => {
  const [a, b] = [await machine(t, '--machine small'), await machine(t, '--machine small')];
  await check(t, 'lsmod', {
    status: EXIT.noMachine,
    err: /several machines are mounted: \S+, \S+\n {2}say which with --sys DIR or AP_SYSFS:\n {4}export AP_SYSFS=/,
  });
  await check(t, 'show', { out: new RegExp(`^small · kernel 7\\.2\\.13 · on ${a}`) }, `AP_SYSFS=${a}`);
  await check(t, `show --sys ${b}`, { out: new RegExp(` on ${b}`) }, `AP_SYSFS=${a}`);
  await check(t, `--sys ${b} show`, { out: new RegExp(` on ${b}`) });
  await check(t, `umount ${a}`, { out: `ap-sysfs: ${a} is unmounted\n` });
  await check(t, 'show', { out: new RegExp(` on ${b}`) });
  t.equal(readdirSync(a).length, 0, 'the directory is as before');
  t.same(readdirSync(registry).filter((name) => name.endsWith('.json')).length, 1, 'its note is gone');

  t.test('a daemon that was killed', async (t) => {
    const [{ pid }] = JSON.parse((await ap('status --json')).stdout);
    process.kill(pid, 'SIGKILL');
    for (let i = 0; i < 50 && existsSync(`/proc/${pid}`); i++) await new Promise((resolve) => setTimeout(resolve, 20));
    await check(t, 'status', { out: /its daemon has died\n[\s\S]*ap-sysfs umount / });
    await check(t, 'show', { status: EXIT.noMachine, err: /the daemon of \S+ has died\n {2}ap-sysfs umount / });
    await check(t, `hw show --sys ${b}`, { status: EXIT.noMachine, err: /has died/ });
    await check(t, 'umount', { out: `ap-sysfs: ${b} is unmounted\n` });
    await check(t, 'status', { out: /no machine/ });
    t.notOk(isMounted(b));
    t.same(
      readdirSync(registry).filter((name) => name.endsWith('.json')),
      [],
      'its note is cleaned',
    );
  });
});

t.test('6 another user', { skip: skip || (!isRoot && 'needs root') }, async (t) => {
  const nobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups';
  if ((await shell(`${nobody} test -r ${COMMAND}`)).status !== 0) return void t.pass('the clone is private');
  await shell(`chmod 755 ${home} ${registry}`);
  const dir = await machine(t, '--machine small --owner root');
  const as = (line: string): Promise<Outcome> =>
    shell(`cd / && ${nobody} env AP_SYSFS_RUNTIME_DIR=${registry} ${process.execPath} ${COMMAND} ${line}`);
  const shown = await as(`show --sys ${dir}`);
  t.equal(shown.status, 0, shown.stderr);
  t.match(shown.stdout, /00 CEX8C +Z[\s\S]*not to be seen: the control files belong to another user/);
  const refused = await as('hw show');
  t.equal(refused.status, EXIT.failed);
  t.match(refused.stderr, /control files of .* belong to another user\n.*--owner 65534:65534/);
  const ended = await as('umount');
  t.equal(ended.status, EXIT.unmount);
  t.match(ended.stderr, /cannot be told to end: .*\n.*sudo ap-sysfs umount/);
});

t.test('7 the log', { skip }, async (t) => {
  const directory = mountPoint();
  t.teardown(async () => {
    await ap(`umount ${directory}`);
    await cleanUp(directory);
  });
  const { stdout } = await ap(`mount ${directory} --machine small`, 'DEBUG=ap:ap:state');
  const log = /log (\S+)/.exec(stdout)?.[1] as string;
  t.match(readFileSync(log, 'utf8'), /ap:ap:state 00\.0006 /);
  t.notMatch(readFileSync(log, 'utf8'), /ap:ap:instr/);
});
