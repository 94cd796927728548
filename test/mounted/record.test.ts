/**
 * Recording a mount with the shell script, as it runs on real machines: in
 * every shell that is here, with files that fail, hang or hold anything.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadMachine } from '../../scripts/machine-file/index.js';
import { parseRecord, printRecord, type RecordEntry } from '../../scripts/record/format.js';
import { recordTree } from '../../scripts/record/walk.js';
import { bootDescription, ROOT } from '../support/machine.js';
import { cannotMount, Daemon, isRoot, mountCommand, PROJECT, shell } from '../support/mounted.js';

const SCRIPT = join(PROJECT, 'scripts/record/ap-sysfs-record.sh');
const home = mkdtempSync(join(tmpdir(), 'ap-sysfs-record-test-'));
t.teardown(() => rmSync(home, { recursive: true, force: true }));

/** The default machine with a clock that jumps over waits: no scan comes between. */
const MACHINE = join(home, 'machine.yaml');
writeFileSync(
  MACHINE,
  readFileSync(join(PROJECT, 'scripts/presets/default.yaml'), 'utf8').replace(/^clock: real$/m, 'clock: auto'),
);

async function mounted(t: Test, seconds = 60): Promise<string> {
  const daemon = Daemon.start(t, {
    command: mountCommand('--machine', MACHINE),
    env: { AP_SYSFS_RUNTIME_DIR: join(home, 'run') },
    seconds,
  });
  t.match(await daemon.line(), /mounted on/);
  return daemon.directory;
}

/** What an ordinary user mounts is his own; the walk looks at a tree of root's. */
function ownedByRoot(record: string): string {
  const mine = `${process.getuid?.()}:${process.getgid?.()}`;
  return record.replaceAll(new RegExp(`^((?:dir|file|link) \\d+) ${mine} `, 'gm'), '$1 0:0 ');
}

const SHELLS = ['sh', 'dash', 'busybox sh', 'bash --posix'];

t.test('the script writes what a walk through the same tree finds', { skip: cannotMount() }, async (t) => {
  const directory = await mounted(t);
  const { status, stdout, stderr } = await shell(`sh ${SCRIPT} -r ${directory}`, 60);
  t.equal(stderr, '');
  t.equal(status, 0);
  const m = await bootDescription(loadMachine(MACHINE));
  t.teardown(() => m.world.stop());
  const walked = printRecord(await recordTree(m.world, m.sh.ops, ROOT));
  const recorded = isRoot ? stdout : ownedByRoot(stdout);
  t.ok(recorded === walked, 'byte by byte');
  if (recorded !== walked) t.same(recorded.split('\n'), walked.split('\n'));
});

t.test('in every shell, with any file', { skip: cannotMount() }, async (t) => {
  const directory = await mounted(t, 180);
  const control = `${directory}/kernel/debug/ap_sim/faults`;
  const rules = [
    'read bus/ap/ap_domain value \\x00\\xff\\\\|x\\n\\n!y\\c',
    'read bus/ap/config_time errno ENXIO',
    'read bus/ap/poll_thread errno EBUSY',
    'open bus/ap/scans errno EINVAL',
    'read bus/ap/poll_timeout delay 9s',
  ];
  await shell(
    `${rules.map((rule) => `echo 'add ${rule}' > ${control}`).join('; ')}; echo real > ${directory}/kernel/debug/ap_sim/clock`,
  );
  for (const sh of SHELLS) {
    const skip = (await installed(sh)) ? false : 'not installed';
    await t.test(sh, { skip }, async (t) => recordsOddFiles(t, sh, directory));
  }
});

const installed = async (sh: string): Promise<boolean> => (await shell(`${sh} -c true`)).status === 0;

async function recordsOddFiles(t: Test, sh: string, directory: string): Promise<void> {
  const out = join(home, 'record');
  const { status, stdout, stderr } = await shell(`${sh} ${SCRIPT} -r ${directory} -t 2 -o ${out}`, 60);
  t.equal(`${status} ${stdout}${stderr}`, '0 ');
  const { entries } = parseRecord(readFileSync(out, 'latin1'), out);
  const entry = (name: string): RecordEntry | undefined => entries.find(({ path }) => path === `/sys/bus/ap/${name}`);
  t.match(entry('ap_domain'), { content: '\0\xff\\|x\n\n!y' });
  t.match(entry('config_time'), { content: '', error: 'ENXIO' });
  t.match(entry('poll_thread'), { content: '', error: 'EBUSY' });
  t.match(entry('scans'), { content: '', error: 'EINVAL' });
  t.match(entry('poll_timeout'), { content: '', error: 'timeout' });
  t.match(entry('ap_max_domain_id'), { content: '255\n' }, 'what comes after a file that hangs');
  t.match(entry('uevent'), { mode: 0o200, content: undefined });
}

t.test('the script on a directory that is no sysfs, and with wrong words', async (t) => {
  const cases: [words: string, status: number, says: RegExp][] = [
    ['-r /nowhere', 1, /\/nowhere: no such directory/],
    [`-r ${home}`, 1, /is no sysfs/],
    ['-t x', 2, /-t x: not a number/],
    ['more', 2, /more: unexpected/],
    ['-q', 2, /sh ap-sysfs-record\.sh \[-r ROOT\]/],
  ];
  for (const [words, expected, says] of cases) {
    const { status, stderr } = await shell(`sh ${SCRIPT} ${words}`);
    t.equal(status, expected, words);
    t.match(stderr, says, words);
  }
  const { stdout } = await shell(`sh ${SCRIPT} -h`);
  t.match(stdout, /-t SECONDS/);
});
