/**
 * The command as people use it: every command of --help on real mounts, with
 * good and with bad input. Each complaint says what to do next.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import t, { type Test } from 'tap';
import { runHardwareCommand } from '../../lib/hardware/vocabulary.js';
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
  plainNode,
  shell,
  TRANSPORT,
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
  const { status, stdout, stderr } = await ap(`mount ${directory} --transport ${TRANSPORT} ${options}`);
  t.equal(status, 0, `mounts: ${stderr}`);
  t.match(stdout, new RegExp(`mounted on ${directory}.*\\n.*process \\d+, log \\S+\\nTry:\\n`));
  return directory;
}

/** Shell words that wait for a mount. */
const UNTIL_MOUNTED = (directory: string): string =>
  `for i in $(seq 200); do grep -q ' ${directory} ' /proc/self/mountinfo && break; sleep 0.05; done; ls ${directory}/bus >/dev/null`;

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
    await check(t, 'help hw', { out: /^Usage: ap-sysfs hw/ });
    await check(t, 'help', { out: stdout });
  });
  t.test('1.2 wrong words', async (t) => {
    const cases: [line: string, err: RegExp][] = [
      ['shwo', /unknown command 'shwo'\n\(Did you mean show\?\)\n.*--help/],
      ['show --jsno', /unknown option '--jsno'\n\(Did you mean --json\?\)\n.*show --help/],
      ['mount', /missing required argument 'directory'\n.*mount --help/],
      ['mount x --kernel 6.13', /--kernel: '6.13' is no good. It is one of 6.1, 6.12, 7.2\.\n.*mount --help/],
      ['mount x --transport fuse-natvie', /did you mean fuse-native/],
      ['mount x --owner somebody', /It is root, me, or UID:GID/],
      ['machine lagre', /'lagre' is no preset. .*did you mean large/],
      ['dmesg --level wran', /did you mean warn/],
      ['completion bsh', /did you mean bash/],
      ['hw --syss x show', /unknown option '--syss' \(did you mean --sys\?\)\n.*hw --help/],
      ['rmmod', /missing required argument 'modules'/],
      ['load', /required option '-k, --kind <kind>' not specified\n.*load --help/],
      ['load --kind rsa2084', /It is one of rsa1024, .* rng\.\n.*load --help/],
      ['load --kind cac', /did you mean cca\?/],
      ['load -k cca --count 0', /--count: '0' is no good\. It is a whole number above 0\./],
      ['load -k cca --rate fast', /--rate: 'fast' is no good\. It is a number above 0\./],
      ['load -k cca --duration 10', /It is a time above 0 with its unit: 10s, 500ms, 2min\./],
      ['load -k cca --adapter 1ff', /It is a number as in sysfs, hexadecimal: 03\./],
      ['load -k cca --domain x', /hexadecimal: 0003\./],
      ['trace --request seven', /It is the number of a request/],
      ['trace --queue 03', /It is a queue as in sysfs: 03\.0006\./],
      ['completion fish', /'fish' is no shell\. It is one of bash, zsh\.\n.*completion --help/],
      ['machine --list small', /--list is about no preset in particular\n.*ap-sysfs machine small /],
      ['machine --schema --list', /'--list' cannot be used with option '--schema'\n.*machine --help/],
      ['help bogus', /unknown command 'bogus'\n.*ap-sysfs --help/],
      ['help shwo', /unknown command 'shwo' \(did you mean show\?\)\n.*ap-sysfs --help/],
      ['mount ', /'' is no directory\. It is empty\.\n.*mount --help/],
      ['start ', /'' is no directory\. It is empty\.\n.*start --help/],
      ['umount ', /'' is no directory\. It is empty\.\n.*umount --help/],
      ['--sys  show', /--sys: '' is no good\. It is empty\.\n.*--help/],
      ['dmesg --level err,', /--level: 'err,' is no good\./],
      ...['show', 'status', 'lsmod', 'dmesg', 'trace', 'doctor'].map((name): [string, RegExp] => [
        `${name} more`,
        new RegExp(`too many arguments for '${name}'.*\n.*${name} --help`),
      ]),
      ['guest --no-such', /unknown option '--no-such'\n.*guest --help/],
      ['modprobe', /missing required argument 'module'/],
      ['fault bogus', /unknown command 'bogus'\n.*fault --help/],
      ['record more', /too many arguments for 'record'.*\n.*record --help/],
      ['import', /missing required argument 'file'\n.*import --help/],
      ['run', /missing required argument 'command'\n.*run --help/],
      ['run --recipe chroot -- true', /It is one of namespace, preload, env\.\n.*run --help/],
      ['run --recipe namspace -- true', /did you mean namespace\?/],
      ['run --kernel 6.13 -- true', /--kernel: '6.13' is no good\. It is one of 6\.1, 6\.12, 7\.2\./],
      ['run --kernels 6.1 -- true', /--kernels: '6\.1' is no good\. Name at least two, each once: 6\.1,6\.12,7\.2\./],
      ['run --kernels 6.1,7.2,6.1 -- true', /each once/],
      ['run --kernels 6.1,6.2 -- true', /It is one of 6\.1, 6\.12, 7\.2\./],
      ['run --kernels 6.1,7.2 --kernel 7.2 -- true', /cannot be used with option '--kernel/],
      ['run --json -- true', /--json is about --kernels\n.*--kernels 6\.1,7\.2 --json/],
      ['run --machine lagre -- true', /did you mean large\?/],
      ['run --ueevnts -- true', /unknown option '--ueevnts'\n\(Did you mean --uevents\?\)/],
      ['shell more', /too many arguments for 'shell'.*\n.*shell --help/],
      ['shell --kernels 6.1,7.2', /unknown option '--kernels'/],
      ['snapshot', /missing required argument 'name\|file'.*\n.*snapshot --help/],
      ['restore', /missing required argument 'name\|file'.*\n.*restore --help/],
      ['export more', /too many arguments for 'export'.*\n.*export --help/],
    ];
    for (const [line, err] of cases) {
      const { status, stderr } = await refusal(line);
      t.equal(status, EXIT.usage, line);
      t.match(stderr, err, line);
    }
    const refused = new Set(cases.flatMap(([line]) => line.split(' ')));
    const all = createProgram().commands.map((command) => command.name());
    t.same(
      all.filter((name) => name !== 'complete' && !refused.has(name)),
      [],
      'of each command some words are wrong',
    );
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
    await check(t, "complete -- run --recipe ''", { out: 'namespace\t\npreload\t\nenv\t\n:4\n' });
    await check(t, "complete -- shell --machine ''", { out: /^default\s[\s\S]*^large\s/m });
    await check(t, 'complete -- dm', { out: /^dmesg\s/m });
    t.notMatch((await ap('completion --help')).stdout, /fish|powershell/, 'shells that no test tries');
    await check(t, "complete -- rmmod ''", { out: ':4\n' });
    await check(t, "complete -- mount ''", { out: ':16\n' });
    await check(t, "complete -- load --kind ''", { out: /^rsa1024\s[\s\S]*^rng\s/m });
    await check(t, "complete -- trace --queue ''", { out: ':4\n' });
    await check(t, "complete -- completion ''", { out: 'bash\t\nzsh\t\n:4\n' });
    await check(t, 'complete -- help mo', { out: 'mount\t\nmodprobe\t\n:4\n' });
    const offered = async (line: string): Promise<string[]> =>
      [...(await ap(`complete -- ${line} ''`)).stdout.matchAll(/^(\S+)\t$/gm)].map(([, word = '']) => word);
    /** The words that the vocabulary itself names when one is missing. */
    const known = (line: string): string[] => {
      try {
        runHardwareCommand({} as never, line);
        return [];
      } catch (e) {
        const { message } = e as Error;
        return (/\(known: (.*?)\)/.exec(message)?.[1] ?? /([\w|-]+) is missing/.exec(message)?.[1] ?? '').split(/[ |]/);
      }
    };
    t.same(await offered('hw'), known('no-such'));
    for (const line of ['card 3', 'domain 3', 'cdomain 3']) t.same(await offered(`hw ${line}`), known(line), line);
    const queue = await offered('hw queue 00.0004');
    t.match(queue, ['hold'], 'there are words for queues');
    const words = known('queue 00.0004');
    t.same(
      queue.filter((word) => !words.includes(word)),
      [],
      'and the vocabulary has them',
    );
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
    t.match(stdout, isRoot ? /mount and umount: not there\n +install / : /mount and umount: ordinary users/);
    t.match(stdout, /libfuse2: no libfuse\.so\.2.*\n +install /);
    t.match(stdout, /fusermount: not there/);
    if (!isRoot) t.match(stdout, /name of the user: user \d+ has none in \/etc\/passwd\n +as root: echo "user/);
    t.match(stdout, /user name spaces: this kernel has none/);
    t.match(stdout, /missing: type what stands below each, then ap-sysfs doctor again\n$/);
    const found = JSON.parse((await ap('doctor --json', env)).stdout) as { need: string; verdict: string }[];
    t.ok(found.some(({ need, verdict }) => need === 'libfuse2' && verdict === (isRoot ? 'optional' : 'missing')));
  });
});

t.test('1.6 doctor here', { skip }, async (t) => {
  await check(t, 'doctor', {
    out: /^ok +Node\.js: [\s\S]*A machine can be mounted: mkdir -p sys && ap-sysfs mount sys\n$/,
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
    'load -k cca',
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
  t.same(existsSync(registry) ? readdirSync(registry) : [], [], 'nothing is left behind');

  t.test('machine files that cannot be read', async (t) => {
    const NEXT = /\n.*machine --list .*\n.*machine > mine\.yaml/.source;
    writeFileSync(join(home, 'latin1.yaml'), Buffer.from('# caf\xe9\n', 'latin1'));
    const cases: [file: string, found: string][] = [
      ['nothing.yaml', 'nothing\\.yaml:1:1: there is no such file'],
      ['.', '\\.:1:1: this is a directory'],
      ['bad.yaml/x', 'bad\\.yaml/x:1:1: there is no such file: .* is no directory'],
      ['/dev/zero', '/dev/zero:1:1: a machine file has at most 1 MiB'],
      ['latin1.yaml', 'latin1\\.yaml:1:6: the byte 0xe9 is no UTF-8'],
    ];
    for (const [file, found] of cases)
      await check(t, `mount ${directory} --machine ${file}`, {
        status: EXIT.usage,
        err: new RegExp(`^${found}.*${NEXT}`),
      });
    const bad = await ap(`mount ${directory} --machine - < bad.yaml`);
    t.equal(bad.status, EXIT.usage);
    t.match(bad.stderr, /^stdin:4:\d+: adapters\[0\]\.mode: /);
  });
});

t.test('3.1 machine files that only the command itself can read', { skip }, async (t) => {
  const FILE = 'adapters: [{id: 0x2a, type: cex8, mode: cca}]\\ndomains: {usage: 6}\\n';
  writeFileSync(join(home, 'mine.yaml'), FILE.replaceAll('\\n', '\n'));
  const ways: [options: string, name: string][] = [
    ['--machine - < mine.yaml', 'stdin'],
    ['--machine /dev/stdin < mine.yaml', '/dev/stdin'],
    [`--machine <(printf '${FILE}')`, '/dev/fd/\\d+'],
    ['--machine ./mine.yaml', '\\./mine\\.yaml'],
  ];
  for (const [options, name] of ways) {
    const dir = await machine(t, options);
    const { stdout } = await check(t, 'show', { out: new RegExp(`^${name} · kernel `) });
    t.match(stdout, /^ {2}2a CEX8C +Z$/m, options);
    await check(t, `umount ${dir}`, { out: /is unmounted/ });
  }
});

t.test('3.2 in a terminal: Ctrl-C, and a reader that goes away', { skip }, async (t) => {
  const directory = mountPoint();
  t.teardown(() => cleanUp(directory));
  const command = `${process.execPath} ${COMMAND}`;
  const env = `cd ${home}; export AP_SYSFS_RUNTIME_DIR=${registry}`;
  for (const [words, first] of [
    [`start ${directory}`, `A machine with four crypto cards is mounted on ${directory}.\n`],
    [`start ${directory} --machine small`, `ap-sysfs: mounted on ${directory}: machine small, 1 card`],
    [`mount --foreground ${directory} --machine small`, `ap-sysfs: mounted on ${directory}\n`],
  ] as const) {
    const run = `${env}; ${command} ${words} & p=$!; ${UNTIL_MOUNTED(directory)}; kill -INT $p; wait $p`;
    const { status, stdout, stderr } = await shell(`set -m; ${run}`, 30);
    t.equal(status, 0, stderr);
    t.ok(stdout.startsWith(first), stdout);
    t.ok(stdout.endsWith(`\nap-sysfs: ${directory} is unmounted\n`), 'a farewell');
    t.notOk(isMounted(directory));
  }
  const pipe = `${env}; set -m; { ${command} start ${directory} & p=$!; ${UNTIL_MOUNTED(directory)}; sleep 0.5; kill -INT $p; wait $p; echo $? >&2; } | true`;
  t.equal((await shell(pipe, 30)).stderr, '0\n');
  t.notOk(isMounted(directory), 'nobody reads its words, and its mount goes all the same');
});

t.test('4 a machine', { skip }, async (t) => {
  const dir = await machine(t, '--kernel 6.12');

  t.test('4.1 status', async (t) => {
    await check(t, 'status', { out: new RegExp(`default +6\\.12\\.107 +\\d+ +\\S+ +\\d+ s +${dir}\n`) });
    const [mount] = JSON.parse((await ap('status --json')).stdout);
    t.match(mount, { mountPoint: dir, machine: 'default', kernel: '6.12.107', state: 'live', transport: TRANSPORT });
    t.equal((await shell(`ps -o sid= -p ${mount.pid}`)).stdout.trim(), String(mount.pid), 'a session of its own');
    t.equal((await shell(`readlink /proc/${mount.pid}/cwd`)).stdout, '/\n', 'working directory /');
    const about = (await shell(`cat ${dir}/kernel/debug/ap_sim/about`)).stdout;
    t.match(about, `machine default\nkernel 6.12.107\nprofile 6.12\n`);
    t.match(about, `transport ${TRANSPORT}\npid ${mount.pid}\n`);
    await check(t, `mount ${dir}`, {
      status: MOUNT_EXIT.busy,
      err: new RegExp(`${dir} is busy: .*\\n {2}ap-sysfs umount ${dir} {4}ends the machine`),
    });
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
    await check(t, "hw 'domain 7 add; bogus; domain 8 add'", {
      status: EXIT.usage,
      err: /hw: bogus: unknown command .*; nothing was done\n.*hw --help/,
    });
    await check(t, "hw 'domain 7 add; card 9 remove; domain 8 add'", {
      status: EXIT.failed,
      err: /there is no card 9; done before it: "domain 7 add"; not done: "domain 8 add"\n.*hw show/,
    });
    await check(t, 'hw domain 7 remove', {});
    await check(t, 'hw qci off', {
      status: EXIT.failed,
      err: /not before the kernel boots: facilities: \{ qci: false \}/,
    });
    await check(t, 'hw queue 5 hold', { status: EXIT.usage, err: /"5" is not a queue/ });
    for (const nothing of ["''", "';'"])
      await check(t, `hw ${nothing}`, { status: EXIT.usage, err: /hw: this is no command\n.*hw --help/ });
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
    await check(t, "complete -- guest start ''", { out: `${U}\t\n:4\n` });
    await check(t, "complete -- guest exit ''", { out: ':4\n' });
    await check(t, 'guest start 22222222-2222-4222-8222-222222222222', {
      status: EXIT.failed,
      err: /\(ENOENT\)\n.*show/,
    });
    await check(t, 'guest strat x', { status: EXIT.usage, err: /did you mean start\?\)\n.*guest --help/ });
    await check(t, 'guest strat x', {
      status: EXIT.usage,
      err: /^ap-sysfs: guest: unknown command "strat" \(known: start raw/,
    });
    await check(t, 'guest start', {
      status: EXIT.usage,
      err: /start: the UUID of an mdev is missing: start UUID\n.*show /,
    });
    await check(t, 'guest exit', {
      status: EXIT.usage,
      err: /exit: the guest is missing: exit UUID\|NAME\n {2}ap-sysfs guest +lists/,
    });
    await check(t, 'guest exit web', {
      status: EXIT.failed,
      err: /guest: no guest web runs \(ENOENT\)\n {2}ap-sysfs guest +lists/,
    });
    await check(t, 'guest start web', {
      status: EXIT.failed,
      err: /guest: there is no mdev web \(ENOENT\)\n {2}ap-sysfs show/,
    });
    t.notMatch((await ap('guest strat x')).stderr, /\bcmd\b/, 'words that nobody wrote');
    await check(t, `guest reset ${U}`, { status: EXIT.failed, err: /no guest \S+ runs \(ENOENT\)\n +ap-sysfs guest / });
    await check(t, `guest start ${U}`, { out: `guest ${U} running\n` });
    await check(t, 'guest', { out: new RegExp(`^${U} pid `) });
    await shell(`echo 02.0006 > ${dir}/bus/ap/drivers/vfio_ap/unbind`);
    const { stdout } = await check(t, 'show', { out: /^default · kernel 6\.12\.107 · on / });
    t.match(stdout, /^ {2}domain +04 +06 +1b +47$/m);
    t.match(stdout, /^ {2}00 CEX8C +Z +Z +Z +Z$/m);
    t.match(stdout, /^ {2}01 CEX8P +a\* +a\* +v +v$/m, 'the guest’s');
    t.match(stdout, /^ {2}02 CEX7A +a~ +-~ +v +v$/m, 'kept from it');
    t.match(stdout, new RegExp(`^ {2}a {2}${U} {2}running, 1 vcpu\n +APCB +adapters +01\n +domains +04 06$`, 'm'));
    t.match(stdout, /kept from it: adapter 02: 02\.0006 has no driver/);
    // A host of 6.12 does not tell its guests.
    t.match(stdout, /^ {5}kernel 7\.2 sees 01\.0004 01\.0006 02\.0004 02\.0006$/m);
    t.match(stdout, /it does not know that it has lost 02\.0004 02\.0006 \(until its next scan\)/);
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
    const FOUND = ['01.0004', '01.0006'];
    const LOST = ['02.0004', '02.0006'];
    t.same(
      view.guests[0].inside,
      { version: '7.2', state: 'running', queues: [...FOUND, ...LOST], notFound: [], lost: LOST },
      'both levels also for programs',
    );
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
    await check(t, 'modprobe zcrypt nosuch=1', {});
    await check(t, 'dmesg --level warn', { out: /zcrypt: unknown parameter 'nosuch' ignored\n$/ });
    await check(t, 'modprobe zcrypt_cex4', {});
    for (const name of ["''", '..', "'../kernel'"])
      for (const command of ['modprobe', 'modprobe -r', 'rmmod'])
        await check(t, `${command} ${name}`, { status: failed, err: /(?:not found|is not currently loaded)/ });
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
    const followed = running('dmesg --follow');
    t.ok(await until(() => followed.stdout().includes('MDEV: Registered')));
    await ap('modprobe -r vfio_ap');
    t.ok(await until(() => followed.stdout().endsWith('MDEV: Unregistering\n')), '--follow');
    followed.child.kill('SIGINT');
    t.equal(await followed.ended, EXIT.ok);
    await check(t, 'dmesg --clear', {});
    await check(t, 'dmesg', {});
    await check(t, 'trace --clear', {});
    await check(t, 'trace --kind ap.state', { err: /the trace is empty|there are/ });
  });
});

/** Runs the command in the background; `act` happens when so many lines have been printed. */
function running(
  line: string,
  seconds = 30,
): { child: ChildProcess; stdout: () => string; ended: Promise<number | null> } {
  const env = { ...process.env, AP_SYSFS: '', AP_SYSFS_RUNTIME_DIR: registry, NO_COLOR: '', DEBUG: '' };
  const child = spawn(...plainNode(COMMAND, ...line.split(' ')), { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const limit = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
  let text = '';
  child.stdout.on('data', (data: Buffer) => {
    text += data.toString();
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      clearTimeout(limit);
      resolve(code);
    });
  });
  return { child, stdout: () => text, ended };
}

async function until(what: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 200; tries++) {
    if (await what()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

t.test('8 load, and the story of a request', { skip }, async (t) => {
  const dir = await machine(t);
  const control = `${dir}/kernel/debug/ap_sim`;

  t.test('8.1 requests', async (t) => {
    const { stdout } = await check(t, 'load --kind rsa2048 --count 12 --concurrency 3', {
      out: /^rsa2048 by z90crypt: 12 requests in [\d.]+ \S+, [\d.e+]+ a second\n {2}ok 12 {3}wrong 0 {3}failed 0 {3}retries \d+\n/,
    });
    t.match(stdout, /^ {2}latency {3}p50 \S+ [mu]?s {3}p90 .* {3}p99 .* {3}max .*$/m);
    t.match(stdout, /^ {2}APQN +answered\n {2}0[023]\.00\S\S +\d+$/m);
    t.notMatch(stdout, /[\r\x1b]/, 'no progress in a pipe');
    const { stdout: each } = await check(t, 'load -k cca -n 3 --adapter 03 --domain 001b --each', {
      out: /^ +# {2}request {2}APQN +result +retries latency\n/,
    });
    t.equal([...each.matchAll(/^ +[123] {2}\d+ +03\.001b {2}ok +0 +[\d.]+ [mu]?s$/gm)].length, 3);
    await check(t, 'load -k rng -n 2 --rate 50', { out: /^rng by z90crypt: 2 requests/ });
    await check(t, 'load -k ep11 --duration 300ms --rate 20', { out: /^ep11 by z90crypt: [1-7] requests/ });
  });

  t.test('8.2 JSON', async (t) => {
    const one = JSON.parse((await ap('load -k crt1024 -n 4 --json')).stdout);
    t.match(one, {
      kind: 'crt1024',
      state: 'ended',
      count: 4,
      ok: 4,
      byErrno: {},
      latencyUs: { p50: Number, max: Number },
    });
    const lines = (await ap('load -k ep11 -n 2 --each --json')).stdout.trimEnd().split('\n');
    t.match(
      lines.map((line) => JSON.parse(line)),
      [{ seq: 1, apqn: /^01\./, result: 'ok' }, { seq: 2, result: 'ok' }, { summary: { ok: 2 } }],
    );
  });

  t.test('8.3 requests that fail, and jobs that cannot begin', async (t) => {
    await check(t, 'load -k ep11 -n 2 --adapter 00', {
      status: EXIT.failed,
      out: /failed 2[\s\S]*ENODEV +2$/m,
      err: /^ap-sysfs: not every request succeeded\n {2}ENODEV: no queue took them: ap-sysfs show /,
    });
    await check(t, 'load -k rsa1024 -n 1 --adapter 02', {
      status: EXIT.usage,
      err: /^ap-sysfs: load: rsa1024 has no address: [\s\S]*echo mine > create; .*\n.*--node mine\n$/,
    });
    await check(t, 'load -k cca --node mine', {
      status: EXIT.failed,
      err: /no zcrypt node mine .*\n {2}echo zcrypt_1 > /,
    });
    await shell(`echo mine > ${dir}/class/zcrypt/create`);
    await check(t, 'load -k cca -n 1 --node mine', {
      status: EXIT.failed,
      out: /EPERM +1$/m,
      err: /EPERM: the node's ioctlmask .*class\/zcrypt\/mine\/ioctlmask/,
    });
    // As the advice says.
    await shell(`cd ${dir}/class/zcrypt/mine; echo +5,+6 > ioctlmask; echo +2 > apmask; echo +6 > aqmask`);
    await check(t, 'load -k rsa2048 -n 2 --node mine', { out: /by mine: 2[\s\S]*\n {2}02\.0006 +2\n$/ });
    await check(t, 'hw queue 03.0006 reply cca 8 33 1', {});
    await check(t, 'load -k cca -n 1 --adapter 03 --domain 0006', {
      status: EXIT.failed,
      out: /wrong 1/,
      err: /wrong answers: /,
    });
    await check(t, 'load --kind cca --count 1 --node mine --concurrency 9999', {
      status: EXIT.usage,
      err: /concurrency 9999 is not more than 0 and at most 1024\n.*load --help/,
    });
  });

  t.test('8.4 Ctrl-C', async (t) => {
    for (let i = 0; i < 4; i++) {
      const early = running('load --kind rsa1024');
      await shell(`until grep -q ' running' ${control}/load; do :; done; kill -INT ${early.child.pid}`);
      t.equal(await early.ended, EXIT.ok, 'in the moment in which the job begins: ends as ever');
      t.notMatch((await shell(`cat ${control}/load`)).stdout, / running/, 'nothing is left behind');
    }
    const endless = running('load --kind rsa1024');
    t.ok(await until(async () => /running: \d{2,}/.test((await shell(`cat ${control}/load`)).stdout)));
    endless.child.kill('SIGINT');
    t.equal(await endless.ended, EXIT.ok);
    t.match(endless.stdout(), /^rsa1024 by z90crypt: \d{2,} requests/);
    await check(t, 'hw hold', {});
    const held = running('load --kind cca -c 2');
    t.ok(await until(async () => /cca running.*in flight 2/.test((await shell(`cat ${control}/load`)).stdout)));
    held.child.kill('SIGINT');
    await check(t, 'rmmod zcrypt_cex4', {
      status: EXIT.failed,
      err: /^rmmod: ERROR: Module zcrypt_cex4 is in use\n {2}requests are on their way.*ap_sim\/load/,
    });
    t.ok(await until(async () => /cca ending.*in flight 2/.test((await shell(`cat ${control}/load`)).stdout)), 'waits');
    held.child.kill('SIGINT');
    t.equal(await held.ended, EXIT.failed);
    t.match(held.stdout(), /failed 2[\s\S]*EINTR +2\n$/);
    await check(t, 'hw release', {});
  });

  t.test('8.5 the story of a request whose queue is unbound', async (t) => {
    for (const q of ['01', '02']) await shell(`echo 0 > ${dir}/devices/ap/card${q}/online`);
    await check(t, "hw 'hold; queue 03.0006 release'", {});
    await shell(`for q in 04 1b 47; do echo 0 > ${dir}/devices/ap/card03/03.00$q/online; done`);
    await shell(`for q in 06 1b 47; do echo 0 > ${dir}/devices/ap/card00/00.00$q/online; done`);
    await check(t, 'trace --clear', {});
    const followed = running('trace --queue 03.0006 --kind ap.request --follow --json');
    const sent = running('load -k rsa2048 -n 1 --each --json');
    t.ok(
      await until(async () => /^1\n/.test((await shell(`cat ${dir}/devices/ap/card00/00.0004/pendingq_count`)).stdout)),
    );
    await shell(`echo 00.0004 > ${dir}/bus/ap/drivers/cex4queue/unbind`);
    t.equal(await sent.ended, EXIT.ok);
    const result = JSON.parse(sent.stdout().split('\n')[0] as string);
    t.match(result, { result: 'ok', apqn: '03.0006', retries: 1 });
    const { stdout } = await check(t, `trace --request ${result.request}`, { out: /created: ICARSAMODEXPO/ });
    const steps = [
      'selected 00.0004',
      'queued',
      'sent',
      'flushed 00.0004 (EAGAIN, step 1 of the removal)',
      '00.0004 EAGAIN',
    ];
    steps.push(
      'retried on 03.0006',
      'queued 03.0006',
      'sent 03.0006 (NQAP)',
      'answered 03.0006 (DQAP)',
      'received',
      'ended: ok',
    );
    let from = 0;
    for (const step of steps) {
      const at = stdout.indexOf(step, from);
      t.ok(at >= from, `${step}, in order`);
      from = Math.max(from, at);
    }
    const lines = (
      await ap(`trace --request ${result.request} --queue 03.0006 --kind ap.request --json`)
    ).stdout.trimEnd();
    const events = lines.split('\n').map((line) => JSON.parse(line));
    t.match(
      events.map(({ text }) => text.split(' ')[2]),
      ['queued', 'sent', 'answered'],
    );
    t.ok(events.every(({ request, queue }) => request === result.request && queue === '03.0006'));
    t.ok(await until(() => followed.stdout().includes('answered 03.0006')), '--follow');
    followed.child.kill('SIGINT');
    t.equal(await followed.ended, EXIT.ok);
    t.same(
      followed
        .stdout()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
      events,
    );
    await check(t, 'trace --request 99999', { err: /nothing of request 99999; there are the requests \d+ to \d+/ });
    await check(t, 'trace --queue 9.9', { err: /nothing of queue 09\.0009; there are the queues .*03\.0006/ });
  });
});

const sends = async (directory: string): Promise<boolean> =>
  / running: \d/.test((await shell(`cat ${directory}/kernel/debug/ap_sim/load`)).stdout);

t.test('5 which machine', { skip }, async (t) => {
  const [a, b] = [await machine(t, '--machine small'), await machine(t, '--machine small')];
  await check(t, "complete -- rmmod ''", { out: ':4\n' });
  await check(t, `complete -- --sys ${a} rmmod ''`, { out: /^zcrypt\t$/m });
  await check(t, "complete -- --sys ''", { out: `${[a, b].sort().join('\t\n')}\t\n:4\n` });
  await check(t, 'lsmod', {
    status: EXIT.noMachine,
    err: /several machines are mounted: \S+, \S+\n {2}say which with --sys DIR or AP_SYSFS:\n {4}export AP_SYSFS=/,
  });
  await check(t, 'show', { out: new RegExp(`^small · kernel 7\\.2\\.13 · on ${a}`) }, `AP_SYSFS=${a}`);
  await check(t, `show --sys ${b}`, { out: new RegExp(` on ${b}`) }, `AP_SYSFS=${a}`);
  await check(t, `--sys ${b} show`, { out: new RegExp(` on ${b}`) });
  const followers = ['dmesg --follow', 'trace --follow --kind none'].map((line) => ap(`${line} --sys ${a}`));
  const sender = ap(`load --kind rsa1024 --sys ${a}`);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  t.ok(await until(() => sends(a)));
  await check(t, `umount ${a}`, { out: `ap-sysfs: ${a} is unmounted\n` });
  for (const follower of followers)
    t.match(await follower, { status: 0, stderr: `ap-sysfs: ${a} was unmounted\n` }, 'who follows it ends with it');
  t.match(
    await sender,
    { status: EXIT.noMachine, stderr: `ap-sysfs: ${a} was unmounted, with the requests on their way\n` },
    'who sends requests is told',
  );
  await check(t, 'show', { out: new RegExp(` on ${b}`) });
  t.equal(readdirSync(a).length, 0, 'the directory is as before');
  t.same(readdirSync(registry).filter((name) => name.endsWith('.json')).length, 1, 'its note is gone');

  t.test('a daemon that was killed', async (t) => {
    const [{ pid }] = JSON.parse((await ap('status --json')).stdout);
    const followers = ['dmesg --follow', 'trace --follow --kind none', 'load --kind rsa1024'].map((line) => ap(line));
    await new Promise((resolve) => setTimeout(resolve, 2000));
    t.ok(await until(() => sends(b)));
    process.kill(pid, 'SIGKILL');
    for (const follower of followers) {
      const { status, stderr } = await follower;
      t.equal(status, EXIT.noMachine, 'who follows it ends with it');
      t.match(stderr, new RegExp(`^ap-sysfs: the daemon of ${b} has died\n {2}ap-sysfs umount ${b} `));
    }
    for (let i = 0; i < 50 && existsSync(`/proc/${pid}`); i++) await new Promise((resolve) => setTimeout(resolve, 20));
    await check(t, 'status', { status: EXIT.dead, out: /its daemon has died\n[\s\S]*ap-sysfs umount / });
    t.equal((await ap('status --json')).status, EXIT.dead);
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
  t.match(shown.stdout, /00 CEX8C +Z[\s\S]*not to be seen\n\nNot shown\n {2}you may not read: guests, serial numbers/);
  t.match(shown.stdout, new RegExp(`sudo ap-sysfs show --sys ${dir} .*\n.*--owner 65534:65534`));
  t.same(JSON.parse((await as(`show --json --sys ${dir}`)).stdout).unreadable, ['kernel/debug/ap_sim']);
  t.same(JSON.parse((await ap('show --json')).stdout).unreadable, [], 'its owner sees all');
  const modprobe = await as('modprobe vfio_ap');
  t.equal(modprobe.status, EXIT.failed);
  t.match(modprobe.stderr, /control files of .* belong to another user\n.*--owner 65534:65534/);
  const refused = await as('hw show');
  t.equal(refused.status, EXIT.failed);
  t.match(refused.stderr, /control files of .* belong to another user\n.*--owner 65534:65534/);
  const ended = await as('umount');
  t.equal(ended.status, EXIT.unmount);
  t.match(ended.stderr, /cannot be told to end: .*\n.*sudo ap-sysfs umount/);
});

t.test('6.1 a user without a name', { skip: skip || (!isRoot && 'needs root') }, async (t) => {
  const nameless = 'setpriv --reuid 54321 --regid 54321 --clear-groups env NO_COLOR=1';
  if ((await shell(`${nameless} test -r ${COMMAND}`)).status !== 0) return void t.pass('the clone is private');
  const directory = mountPoint();
  t.teardown(() => cleanUp(directory));
  await shell(`chmod 777 ${directory}`);
  const as = (line: string): Promise<Outcome> =>
    shell(`cd ${directory} && ${nameless} AP_SYSFS_RUNTIME_DIR=${directory} ${process.execPath} ${COMMAND} ${line}`);
  for (const line of [`mount ${directory}`, `start ${directory}`]) {
    const { status, stderr } = await as(line);
    t.equal(status, MOUNT_EXIT['no-permission'], line);
    t.match(
      stderr,
      /users who have a name, and user 54321 has none in \/etc\/passwd\n {2}as root: echo "user54321:x:54321:54321:/,
    );
  }
  const doctor = await as('doctor');
  t.equal(doctor.status, EXIT.failed);
  t.match(doctor.stdout, /missing +name of the user: user 54321 has none[\s\S]*1 missing: /);
});

t.test(
  '6.2 root of a user name space mounts without further ado',
  { skip: skip || (!isRoot && 'needs root') },
  async (t) => {
    const nobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups';
    if ((await shell(`${nobody} test -r ${COMMAND}`)).status !== 0) return void t.pass('the clone is private');
    if ((await shell(`${nobody} unshare -rm true`)).status !== 0)
      return t.comment('not looked at: no user name spaces');
    const directory = mountPoint();
    const temporary = mkdtempSync(join(tmpdir(), 'ap-sysfs-nobody-'));
    t.teardown(() => rmSync(temporary, { recursive: true, force: true }));
    await shell(`chown 65534:65534 ${directory} ${temporary}`);
    // /run is the real root's: the note goes where it would go without the name space.
    const program = `${process.execPath} ${COMMAND}`;
    const script = `${program} mount ${directory} --machine small && ls ${directory}/bus/ap/devices; ls $TMPDIR; ${program} umount ${directory}`;
    const { stdout, stderr } = await shell(
      `cd ${directory} && ${nobody} env -u AP_SYSFS_RUNTIME_DIR -u XDG_RUNTIME_DIR -u AP_SYSFS TMPDIR=${temporary} unshare -rm sh -c '${script}'`,
      30,
    );
    t.equal(stderr, '');
    t.match(stdout, /mounted on [\s\S]*\n00\.0006\ncard00\nap-sysfs-65534\nap-sysfs: .* is unmounted\n$/);
  },
);

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
