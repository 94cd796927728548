/**
 * Ordinary users without libfuse2: dev-fuse behind fusermount3, received by
 * Python or Perl; without either a shell in a user name space. What is not to
 * be there is hidden in a mount name space of the test.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  ASKED_TRANSPORT,
  cannotMount,
  cleanUp,
  isRoot,
  mountPoint,
  type Outcome,
  PROJECT,
  shell,
} from '../support/mounted.js';
import { onlyDevFuse } from '../support/transport-differences.js';

const NOBODY = 'setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH=/usr/bin:/bin HOME=/nonexistent';
const COMMAND = join(PROJECT, 'dist/scripts/ap-sysfs.js');
const LIBRARY = '$(/sbin/ldconfig -p | sed -n "s/.*libfuse.so.2 .*=> //p")';

async function reason(): Promise<string | false> {
  if (cannotMount()) return cannotMount();
  if (!isRoot) return 'needs root, to become somebody else';
  if ((await shell(`${NOBODY} test -r ${COMMAND} -a -x ${process.execPath}`)).status !== 0)
    return 'the clone is private';
  return false;
}
const skip = onlyDevFuse('mounted/ordinary-user', ASKED_TRANSPORT) || (await reason());

/** Runs a script as an ordinary user, with those programs and libfuse2 hidden. $AP is the command, $DIR a directory. */
async function asNobody(hidden: readonly string[], script: string): Promise<Outcome & { directory: string }> {
  const directory = mountPoint();
  await shell(`chown 65534 ${directory}`);
  const hide = `for f in ${hidden.map((name) => `$(command -v ${name})`).join(' ')} ${LIBRARY}; do mount --bind /dev/null $(readlink -f $f); done`;
  const runtime = `AP_SYSFS_RUNTIME_DIR=${directory}.notes`;
  const inside = `${NOBODY} ${runtime} DIR=${directory} AP="${process.execPath} ${COMMAND}" SHELL=/bin/sh sh -c '${script}'`;
  await shell(`mkdir ${directory}.notes && chown 65534 ${directory}.notes`);
  const outcome = await shell(
    `PATH=/usr/bin:/bin unshare -m sh -c '${`${hide}; ${inside}`.replaceAll("'", "'\\''")}'`,
    60,
  );
  await shell(`rm -rf ${directory}.notes`);
  return { ...outcome, directory };
}

const ROUND = `$AP mount $DIR > /dev/null || exit
grep transport $DIR/kernel/debug/ap_sim/about; $AP status | grep -c dev-fuse
echo -0 > $DIR/bus/ap/apmask && ls $DIR/bus/ap/drivers/vfio_ap | grep -c "^00"
$AP umount $DIR > /dev/null && ls -A $DIR`;

for (const [receiver, hidden] of [
  ['Python', []],
  ['Perl', ['python3']],
] as const)
  t.test(`fusermount mounts, and ${receiver} hands the device over`, { skip }, async (t) => {
    const { stdout, stderr, directory } = await asNobody(hidden, ROUND);
    t.equal(stderr, '');
    t.equal(stdout, 'transport dev-fuse\n1\n4\n');
    await cleanUp(directory);
  });

t.test('run without name spaces goes that way too', { skip }, async (t) => {
  const { status, stdout, stderr, directory } = await asNobody(
    [],
    '$AP run --recipe env -- sh -c "grep transport \\$AP_SYSFS/kernel/debug/ap_sim/about; exit 4"; echo $?; grep -c /ap-sysfs-run- /proc/self/mountinfo',
  );
  t.same({ stdout, stderr }, { stdout: 'transport dev-fuse\n4\n0\n', stderr: '' });
  t.equal(status, 1, 'of grep');
  await cleanUp(directory);
});

t.test('what fails before the machine is served leaves no mount', { skip }, async (t) => {
  const { stdout, directory } = await asNobody(
    [],
    'for how in "mount" "mount --foreground" start; do echo "x: 1" | $AP $how $DIR --machine - 2> /dev/null; echo $?; ls -A $DIR; done',
  );
  t.equal(stdout, '2\n2\n2\n');
  await cleanUp(directory);
});

t.test('a signal to start takes the mount away', { skip }, async (t) => {
  const script =
    '$AP start $DIR > /dev/null & until test -e $DIR/bus/ap; do sleep 0.1; done; kill -TERM $!; wait $!; echo $?; ls -A $DIR';
  const { stdout, directory } = await asNobody([], script);
  t.equal(stdout, '0\n');
  await cleanUp(directory);
});

t.test('without either there is a shell in a user name space', { skip }, async (t) => {
  const possible = (await shell(`${NOBODY} unshare -rm true`)).status === 0;
  if (!possible) return t.comment('not looked at: no user name spaces');
  const { stdout, directory } = await asNobody(
    ['python3', 'perl'],
    'echo "id -u; cat bus/ap/bindings; pwd; grep transport kernel/debug/ap_sim/about" | $AP start $DIR | tail -n 5; ls -A $DIR',
  );
  t.equal(stdout, `0\n16/16 (complete)\n${directory}\ntransport dev-fuse\nap-sysfs: ${directory} is unmounted\n`);
  t.notOk(existsSync(join(directory, 'bus')));
  const { status, stderr, directory: other } = await asNobody(['python3', 'perl'], '$AP mount $DIR');
  t.match({ status, stderr }, { status: 18, stderr: /neither python3 nor perl.*\n.*ap-sysfs start DIR/ });
  await cleanUp(directory);
  await cleanUp(other);
});
