/**
 * The commands record, import, export and fault, on real mounts.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EXIT } from '../../scripts/exit-status.js';
import { createProgram } from '../../scripts/program.js';
import { cannotMount, Daemon, mountCommand, type Outcome, PROJECT, shell } from '../support/mounted.js';

const COMMAND = join(PROJECT, 'dist/scripts/ap-sysfs.js');
const skip = cannotMount();
const home = mkdtempSync(join(tmpdir(), 'ap-sysfs-exchange-'));
const RUN = join(home, 'run');
t.teardown(() => rmSync(home, { recursive: true, force: true }));

/** Runs the command as a user would type it. */
const ap = (line: string, sys = ''): Promise<Outcome> =>
  shell(
    `cd ${home} && env AP_SYSFS=${sys} AP_SYSFS_RUNTIME_DIR=${RUN} COLUMNS=100 ${process.execPath} ${COMMAND} ${line}`,
    120,
  );

async function good(t: Test, line: string, sys = ''): Promise<string> {
  const { status, stdout, stderr } = await ap(line, sys);
  t.equal(status, 0, `${line}: ${stderr}`);
  return stdout;
}

async function mounted(t: Test, machine: string, options: readonly string[] = []): Promise<string> {
  const daemon = Daemon.start(t, {
    command: mountCommand('--machine', machine, ...options),
    env: { AP_SYSFS_RUNTIME_DIR: RUN },
    seconds: 240,
  });
  t.match(await daemon.line(), /mounted on/);
  return daemon.directory;
}

t.test('a machine that is recorded, imported and mounted again is the same', { skip }, async (t) => {
  // No scan comes between, however slow this system is.
  const preset = readFileSync(join(PROJECT, 'scripts/presets/large.yaml'), 'utf8');
  writeFileSync(join(home, 'large.yaml'), `${preset}state: { bus: { config-time: 120 } }\n`);
  await good(t, 'record -o one.record', await mounted(t, join(home, 'large.yaml')));
  const { status, stderr } = await ap('import one.record -o again.yaml');
  t.equal(status, 0);
  t.match(stderr, /^ap-sysfs: not known from one\.record:\n {2}what the system runs in/);
  await good(t, 'record -o two.record', await mounted(t, join(home, 'again.yaml')));
  t.same(await shell(`cd ${home}; diff one.record two.record`), { status: 0, stdout: '', stderr: '' });
  t.ok(readFileSync(join(home, 'one.record'), 'latin1').split('\n').length > 8000, 'all of it');
});

t.test('records, imports and exports that are not what they should be', async (t) => {
  t.match(await ap('record'), { status: EXIT.noMachine, stderr: /no machine is mounted/ });
  t.match(await ap('record --script'), { status: 0, stdout: /^#!\/bin\/sh\n/ });
  t.match(await ap('import nothing'), {
    status: EXIT.usage,
    stderr: /^ap-sysfs: nothing: there is no such file\n.*import --help/,
  });
  writeFileSync(join(home, 'cut'), 'ap-sysfs-record 1\nrelease: 7.2\ndir 0755 0:0 0 /sys/bus/ap\n');
  t.match(await ap('import cut'), { status: EXIT.usage, stderr: /^ap-sysfs: cut:4: the end of the record is missing/ });
  t.match(await ap('import - < cut'), { status: EXIT.usage, stderr: /^ap-sysfs: -:4: the end/ });
  t.match(await ap('import'), { status: EXIT.usage, stderr: /missing required argument 'file'\n.*import --help/ });
  t.match(await ap('import cut --kernel 5'), { status: EXIT.usage, stderr: /one of 7.2|one of 6/ });
  t.match(await ap('export --record cut'), { status: EXIT.usage, stderr: /export as what\? --umockdev/ });
  t.match(await ap('export --umockdev --record cut'), { status: EXIT.usage, stderr: /cut:4: the end of the record/ });
  t.match(await ap('export --umockdev --record nothing'), { status: EXIT.failed, stderr: /nothing cannot be read/ });
});

/** The program of the package umockdev; as it must be run, tests are the same without it. */
const noUmockdev = async (): Promise<string | false> =>
  (await shell('umockdev-run --version')).status === 0 ? false : 'umockdev-run is not installed';

t.test('an export is a machine for umockdev', { skip }, async (t) => {
  const sys = await mounted(t, 'default');
  await good(t, 'guest', sys);
  const U = '11111111-1111-4111-8111-111111111111';
  const P = `${sys}/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough`;
  await shell(`echo -1 > ${sys}/bus/ap/apmask; echo ${U} > ${P}/create; echo n > ${sys}/class/zcrypt/create`);
  await good(t, 'export --umockdev -o ap.umockdev', sys);
  const text = readFileSync(join(home, 'ap.umockdev'), 'utf8');
  t.match(text, /^P: \/devices\/ap\/card00\nE: DEVTYPE=ap_card\nE: DRIVER=cex4card\nE: DEV_TYPE=000E\n/m);
  t.match(text, /^L: driver=\.\.\/\.\.\/\.\.\/\.\.\/bus\/ap\/drivers\/vfio_ap$/m);
  const missing = await noUmockdev();
  await t.test('umockdev-run loads it', { skip: missing }, async (t) => {
    const script = `cat /sys/bus/ap/devices/01.0004/status /sys/bus/ap/devices/card03/type
      cat /sys/bus/ap/devices/00.0004/mkvps; readlink /sys/devices/ap/card02/driver
      cat /sys/class/zcrypt/n/ioctlmask; stat -c %F:%t:%T /dev/z90crypt; ls /sys/bus/mdev/devices`;
    const { stdout } = await shell(`cd ${home}; umockdev-run --device ap.umockdev -- sh -c '${script}' 2>&1`, 60);
    const keys = await shell(`cat ${sys}/devices/ap/card00/00.0004/mkvps`);
    t.equal(
      stdout,
      `unassigned\nCEX6C\n${keys.stdout}../../../bus/ap/drivers/cex4card\n0x${'0'.repeat(64)}\n` +
        `character special file:a:104\n${U}\n`,
    );
  });
  await t.test('and is imported with all its cards', async (t) => {
    const { stdout, stderr } = await ap('import ap.umockdev', sys);
    t.match(stdout, /id: 3\n {4}type: cex6\n {4}mode: cca\n/);
    t.match(stderr, /umockdev description does not have them/);
  });
});

t.test('fault rules on a mount', { skip }, async (t) => {
  const sys = await mounted(t, 'default');
  const say = async (line: string, expected: object): Promise<boolean> => t.match(await ap(line, sys), expected, line);
  const cat = (path: string): Promise<Outcome> => shell(`cat ${sys}/${path} 2>&1`);
  await say('fault list', { status: 0, stdout: 'no faults\n' });
  await say('fault add --path "bus/ap/devices/*/mkvps" --op read --nth 2 --count 1 --errno EIO', { stdout: '1\n' });
  t.match(await cat('devices/ap/card00/00.0004/mkvps'), { status: 0, stdout: /^AES NEW: empty/ });
  t.match(await cat('bus/ap/devices/card00/00.0006/mkvps'), { status: 1, stdout: /: Input\/output error\n$/ });
  t.match(await cat('devices/ap/card00/00.0004/mkvps'), { status: 0 });
  await say('fault add --path bus/ap/bindings --op read --value "0/4 (of many)" --delay 300ms', { stdout: '2\n' });
  const before = Date.now();
  t.match(await cat('bus/ap/bindings'), { stdout: '0/4 (of many)\n' });
  t.ok(Date.now() - before >= 290, 'it took its time');
  await say('fault add --path "**/config_time" --op write --errno EBUSY', { stdout: '3\n' });
  t.match(await shell(`echo 20 > ${sys}/bus/ap/config_time`), { status: 1, stderr: /Device or resource busy/ });
  await say('fault list', {
    stdout: /id +op +calls +what +met +hit +path\n +1 +read +2 +EIO +3 +1 +over +bus\/ap\/devices\/\*\/mkvps\n/,
  });
  const list = JSON.parse(await good(t, 'fault list --json', sys));
  t.match(list, [
    {
      id: 1,
      matched: 3,
      hits: 1,
      over: true,
      op: 'read',
      path: 'bus/ap/devices/*/mkvps',
      nth: 2,
      count: 1,
      errno: 'EIO',
    },
    { id: 2, delay: '300ms', value: '0/4 (of many)', over: false },
    { id: 3, op: 'write', errno: 'EBUSY' },
  ]);
  await say('fault remove 1 3', { status: 0, stdout: '' });
  t.match(await shell(`echo 20 > ${sys}/bus/ap/config_time`), { status: 0 });
  await say('fault remove 3', { status: EXIT.failed, stderr: /there is no fault 3\n.*fault list/ });
  await say('fault remove', { status: EXIT.usage, stderr: /which rule\? a number, or --all/ });
  await say('fault remove --all', { status: 0 });
  await say('fault list', { stdout: 'no faults\n' });
  await say('fault add --path "x[" --op read --errno EIO', { status: EXIT.usage, stderr: /without its \]\n.*--help/ });
  await say('fault add --path x --op raed', { status: EXIT.usage, stderr: /did you mean read/ });
  await say('fault add --op read', { status: EXIT.usage, stderr: /'--path <glob>' not specified\n.*fault add --help/ });
});

t.test('faults of a machine file', { skip }, async (t) => {
  copyFileSync(join(PROJECT, 'scripts/presets/small.yaml'), join(home, 'f.yaml'));
  const machine = readFileSync(join(home, 'f.yaml'), 'utf8');
  writeFileSync(join(home, 'f.yaml'), `${machine}faults: [{ path: "**/type", op: read, value: CEX9C }]\n`);
  const sys = await mounted(t, join(home, 'f.yaml'));
  t.match(await shell(`cat ${sys}/devices/ap/card00/type`), { stdout: 'CEX9C\n' });
  writeFileSync(join(home, 'g.yaml'), `${machine}faults: [{ path: "a[", op: read, errno: EIO }]\n`);
  t.match(await ap(`mount ${home}/nowhere --machine g.yaml`), {
    stderr: /g\.yaml:\d+:\d+: faults\[0\]\.path: "a\[" has/,
  });
});

t.test('every part of fault has examples, and no line is too long', (t) => {
  const fault = createProgram().commands.find((command) => command.name() === 'fault');
  for (const command of fault?.commands ?? []) {
    if (command.name() === 'help') continue;
    let text = '';
    command.configureOutput({
      writeOut: (part) => {
        text += part;
      },
    });
    command.outputHelp();
    t.match(text, /Examples:\n {2}\S/, command.name());
    t.same(
      text.split('\n').filter((line) => line.length > 80),
      [],
    );
  }
  t.end();
});
