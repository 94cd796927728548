/**
 * The container, without Docker: its root file system is built by the scripts
 * that the Dockerfile runs too, entered with a container's name spaces and
 * capabilities, and its entrypoint mounts machines and runs commands on them.
 *
 * Needs root and mmdebstrap; takes half a minute, most of it packages.
 */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ASKED_TRANSPORT, cannotMount, isRoot, type Outcome, PROJECT, shell } from '../support/mounted.js';
import { onlyDevFuse } from '../support/transport-differences.js';

const SCRIPTS = join(PROJECT, 'scripts/container');
/** The build ends by then, for better or worse. */
const BUILD_SECONDS = 300;

const hasMmdebstrap = (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, 'mmdebstrap')));
const absent = !hasMmdebstrap && 'no mmdebstrap to build a root file system with: apt-get install mmdebstrap';
const elsewhere = onlyDevFuse('clients/container', ASKED_TRANSPORT);
const skip = elsewhere || (!isRoot && 'only root can build and enter a root file system') || absent || cannotMount();
if (skip) process.stderr.write(`the container is not tested: ${skip}\n`);

t.test(
  'in CI, root tests the container',
  { skip: elsewhere || (process.env.CI && isRoot ? false : 'not root in CI') },
  async (t) => {
    t.equal(skip, false);
  },
);

t.test('what the Dockerfile takes from the clone is there', async (t) => {
  const dockerfile = readFileSync(join(SCRIPTS, 'Dockerfile'), 'utf8').replace(/^#.*$/gm, '');
  const named = [...dockerfile.matchAll(/(?:scripts)?\/container\/([\w.-]+\.\w+)/g)].map(([, name]) => name as string);
  t.same(new Set(named), new Set(['install.sh', 'packages.txt', 'prepare.sh', 'entrypoint.sh']));
  for (const name of named) t.ok(existsSync(join(SCRIPTS, name)), name);
});

t.test('the root file system', { skip, timeout: 360_000 }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'ap-sysfs-rootfs-'));
  t.teardown(async () => {
    // Nothing is mounted there outside of its own name spaces; should it be, it stays.
    await shell(`rm -rf --one-file-system ${root}`, 30);
  });
  const built = await shell(
    `timeout -k 5 ${BUILD_SECONDS} ${SCRIPTS}/build-rootfs.sh ${root} --built`,
    BUILD_SECONDS + 10,
  );
  t.equal(built.status, 0, `is built ${built.stderr}`);
  if (built.status !== 0) return;

  const container = (words: string, input = ''): Promise<Outcome> =>
    shell(`printf '%s' '${input}' | timeout -k 2 20 ${SCRIPTS}/run-rootfs.sh ${root} ${words}`, 30);

  t.test('an ordinary user reads and writes the default machine', async (t) => {
    const { status, stdout, stderr } = await container(
      `bash -c 'id -un; pwd; cat devices/ap/card0*/type; echo -3 > bus/ap/apmask; cut -c1-8 bus/ap/apmask
        ls bus/ap/drivers/vfio_ap | grep ^03; stat -c %U bus/ap/apmask; echo 2 > bus/ap/config_time'`,
    );
    t.equal(
      stdout,
      'ap\n/mnt/sys\nCEX8C\nCEX8P\nCEX7A\nCEX6C\n0xefffff\n03.0004\n03.0006\n03.001b\n03.0047\nap\n',
      'the tree is his',
    );
    t.match(stderr, /Invalid argument/, 'and refuses what the kernel refuses');
    t.not(status, 0, 'the status is that of the command');
  });

  t.test('the command works, on the machine that was chosen', async (t) => {
    const show = await container('--machine small --kernel 6.1 ap-sysfs status --json');
    t.equal(show.status, 0, show.stderr);
    t.match(JSON.parse(show.stdout), [{ machine: 'small', kernel: /^6\.1\./, mountPoint: '/mnt/sys', uid: 1000 }]);
    const hw = await container(`sh -c 'ap-sysfs hw card 3 deconfigure && cat devices/ap/card03/config'`);
    t.match(hw, { status: 0, stdout: /^0$/m });
  });

  t.test('without a command, a shell', async (t) => {
    t.match(await container('', 'cat devices/ap/card01/hwtype; exit 7'), { status: 7, stdout: '14\n', stderr: '' });
  });

  t.test('root may have it as /sys', async (t) => {
    const words = `-u root --at-sys stat -c '%U %n' /sys/bus/ap/apmask /sys/devices/ap/card00`;
    t.match(await container(words), { status: 0, stdout: 'root /sys/bus/ap/apmask\nroot /sys/devices/ap/card00\n' });
    t.match(await container('--at-sys true'), { status: 2, stderr: /docker run -u root/ });
  });

  t.test('what is missing is named', async (t) => {
    t.match(await container('--no-fuse true'), { status: 15, stderr: /docker run --device \/dev\/fuse/ });
    t.match(await container('--no-sys-admin true'), { status: 19, stderr: /docker run --cap-add SYS_ADMIN/ });
    t.match(await container('--machine nosuch true'), { status: 2, stderr: /nosuch.*presets: default, small/ });
    t.match(await container('--frob'), { status: 2, stderr: /no option --frob/ });
    t.match(await container('--machine'), { status: 2, stderr: /--machine needs a value/ });
    t.match(await container('--help'), { status: 0, stdout: /^ap-sysfs-entrypoint \[OPTION/, stderr: '' });
  });

  t.test('nothing outlives it', async (t) => {
    t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), root);
    t.equal((await shell(`ls -l /proc/[0-9]*/root 2>/dev/null | grep -c ${root}`)).stdout, '0\n');
  });
});
