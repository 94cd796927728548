/**
 * `ap-sysfs snapshot` and `restore`: what was done to an idle machine comes back; what cannot come back is refused.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ASKED_TRANSPORT, cannotMount, cleanUp, isRoot, type Outcome, PROJECT, shell } from '../support/mounted.js';

const U = '11111111-1111-4111-8111-111111111111';
const home = mkdtempSync(join(tmpdir(), 'ap-sysfs-snapshot-'));
const sys = join(home, 'sys');
const sim = `${sys}/kernel/debug/ap_sim`;
mkdirSync(sys);
/** Others see to it that they may write what they own. */
const OWNER = isRoot ? '--owner 1:2' : '';

const ap = (words: string): Promise<Outcome> =>
  shell(
    `cd ${home}; export AP_SYSFS_RUNTIME_DIR=${home}/run; exec timeout -k 5 90 node ${PROJECT}dist/scripts/ap-sysfs.js ${words}`,
    100,
  );

t.test('a machine between two tests', { skip: cannotMount() }, async (t) => {
  t.teardown(async () => {
    await ap('umount sys');
    await cleanUp(sys);
    rmSync(home, { recursive: true, force: true });
  });
  writeFileSync(
    join(home, 'machine.yaml'),
    'adapters: [{id: 0-2, type: cex8, mode: cca}]\ndomains: {usage: [4, 6]}\nkernel: {version: 6.12}\n',
  );
  t.match(await ap(`mount sys --transport ${ASKED_TRANSPORT} --machine machine.yaml ${OWNER}`), { status: 0 });
  const look = async (): Promise<string> => {
    const files = 'bus/ap/apmask bus/ap/config_time devices/ap/card01/online devices/ap/card02/config bus/ap/ap_domain';
    const { stdout, stderr } = await shell(
      `cd ${sys}; cat ${files} devices/vfio_ap/matrix/${U}/matrix; stat -c '%u %g' bus; sed -n 2p kernel/debug/ap_sim/hw
       cat module/zcrypt/parameters/* kernel/debug/ap_sim/about | grep -E '^(kernel|clock|transport)'; ls bus/ap/drivers/vfio_ap class/zcrypt`,
    );
    return stdout + stderr.replaceAll(sys, '');
  };

  await t.test('what was done to it comes back', async (t) => {
    const done = await shell(
      `cd ${sys}; echo -0 > bus/ap/apmask; echo 77 > bus/ap/config_time; echo 0 > devices/ap/card01/online; echo 6 > bus/ap/ap_domain
       echo ${U} > devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/create; echo mine > class/zcrypt/create
       cd devices/vfio_ap/matrix/${U}; echo 0 > assign_adapter; echo 4 > assign_domain; echo 0 > ${sys}/devices/ap/card02/config
       echo reset-ms 30 > ${sim}/hw; echo auto > ${sim}/clock`,
    );
    t.same(done, { status: 0, stdout: '', stderr: '' });
    const before = await look();
    t.match(await ap('snapshot prepared'), {
      status: 0,
      stdout: `${sys} is kept in ${home}/run/snapshots/prepared.yaml`,
    });
    t.equal(await look(), before, 'taking it changes nothing');
    await shell(
      `cd ${sys}; echo 1 > devices/vfio_ap/matrix/${U}/remove; echo +0 > bus/ap/apmask; echo 'card 1 remove' > ${sim}/hw`,
    );
    t.not(await look(), before);
    t.match(await ap('restore prepared'), { status: 0 });
    t.equal(await look(), before);
  });

  await t.test('the file is a machine file', async (t) => {
    t.match(await ap('snapshot ./here.yaml'), { status: 0 });
    t.match(
      readFileSync(join(home, 'here.yaml'), 'utf8'),
      /^# A snapshot of .* with kernel 6\.12\.[\s\S]*\nmdevs:\n[\s\S]*reset: 30ms\n[\s\S]*clock: auto\n$/,
    );
  });

  await t.test('what cannot come back is refused, with its name', async (t) => {
    const refusals: readonly (readonly [make: string, says: RegExp, unmake: string])[] = [
      [`echo 'start ${U}' > ${sim}/guest`, /a guest runs/, `echo 'exit ${U}' > ${sim}/guest`],
      [`echo 'add read **/type errno EIO' > ${sim}/faults`, /files fail by rules/, `echo 'remove all' > ${sim}/faults`],
      [
        `echo 'open z90crypt' > ${sim}/load`,
        /device nodes open/,
        `echo "close $(sed -n 's/ .*//p' ${sim}/load)" > ${sim}/load`,
      ],
      [
        `echo 'queue 01.0004 inject nqap 0x05' > ${sim}/hw`,
        /cannot bring this machine back\n {2}hardware: queue 01\.0004 /,
        `echo 'queue 01.0004 drop' > ${sim}/hw`,
      ],
    ];
    for (const [make, says, unmake] of refusals) {
      t.equal((await shell(make)).status, 0, make);
      t.match(await ap('snapshot refused'), { status: 1, stderr: says });
      await shell(unmake);
    }
    t.notOk(existsSync(join(home, 'run/snapshots/refused.yaml')), 'and nothing is kept');
  });

  await t.test('nothing is taken away for a snapshot that is none', async (t) => {
    const before = await look();
    t.match(await ap('restore nosuch'), {
      status: 2,
      stderr: /there is no snapshot .*nosuch\.yaml\n {2}ap-sysfs snapshot nosuch/,
    });
    writeFileSync(join(home, 'wrong.yaml'), 'adapters: [{id: 999}]\n');
    t.match(await ap('restore ./wrong.yaml'), { status: 2, stderr: /wrong\.yaml:1/ });
    t.match(await ap('snapshot ..'), { status: 2, stderr: /is no name/ });
    t.equal(await look(), before);
  });
});
