/**
 * The programs of a replay, word by word: also those that no recording uses.
 *
 * Expectations are the kernel's rules (recordings/README.md, drivers/s390/crypto), not recorded output.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ASKED_TRANSPORT, cannotMount, isRoot, PROJECT } from '../support/mounted.js';
import { nodeOpener } from './programs.js';
import { bootOptions, DEFAULT_HARDWARE, type Effects, type Recording } from './recording.js';
import { Session } from './session.js';

const EMPTY: Recording = {
  ...{ scenario: 'x', title: '', kernel: '', hw: DEFAULT_HARDWARE, append: '', se: false, steps: [], dmesg: '' },
  name: 'x',
};

/** A namespace like that of the real replay, without being seen outside: the test itself is run in one. */
const skip = !isRoot ? 'needs root for a mount namespace with /sys of its own' : cannotMount();

t.setTimeout(900_000);

type Shell = (cmd: string) => Promise<Effects>;

async function withMachine(recording: Partial<Recording>, body: (shell: Shell) => Promise<void>): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), 'ap-sysfs-words-'));
  chmodSync(base, 0o755);
  const preload = nodeOpener(base, PROJECT);
  const options = {
    work: join(base, '0'),
    packageRoot: PROJECT,
    throughMount: false,
    transport: ASKED_TRANSPORT,
    preload,
  };
  const session = await Session.start(
    { ...options, release: '7.2.13+deb14-s390x' },
    bootOptions({ ...EMPTY, ...recording }, '7.2', { start: 6, uptime: 3.5 }),
  );
  let now = 6;
  try {
    await body((cmd) => session.step(cmd, { begin: ++now, look: now + 0.5 }, false));
  } finally {
    await session.end();
    rmSync(base, { recursive: true, force: true });
  }
}

const says = async (t: Test, shell: Shell, cmd: string, stdout: string | RegExp, rc = 0): Promise<void> => {
  const step = await shell(cmd);
  t.match(step, { rc, stdout, timeout: false }, cmd);
};

t.test('time passes for programs when all of them wait', { skip }, async (t) => {
  await withMachine({}, async (shell) => {
    const takes = (cmd: string): string => `S=$(date +%s)\n${cmd}\necho $(($(date +%s)-S))`;
    await says(t, shell, takes('(sleep 3; echo late) & wait'), 'late\n3\n');
    await says(t, shell, takes('(sleep 1; sleep 1; echo a) | cat'), 'a\n2\n');
    await says(t, shell, takes('timeout 2 sleep 10; echo $?'), '124\n2\n');
    await says(t, shell, takes('timeout 5 true; echo $?'), '0\n0\n');
    await says(t, shell, takes('timeout -s KILL 1 sleep 9; echo $?'), '137\n1\n');
    await says(t, shell, takes('sleep 7 &'), '0\n');
    t.match(await shell('sleep 40'), { rc: 137, timeout: true }, 'a step that takes more than 30 s is killed');
  });
});

t.test('who waits inside the kernel waits no longer than that', { skip }, async (t) => {
  await withMachine({}, async (shell) => {
    await shell('echo -0 > $B/apmask; echo $U1 > $P/create; echo 0 > $M1/assign_adapter; echo 4 > $M1/assign_domain');
    const milliseconds = 'sed -n "s/^now //p" /sys/kernel/debug/ap_sim/clock | tr -d . | sed "s/...$//"';
    const rounds = 'for i in 1 2 3 4 5 6 7 8 9 10; do vfioguest cmd $U1 close; vfioguest cmd $U1 open; done';
    const { stdout } = await shell(
      `vfioguest start $U1; S=$(${milliseconds})\n${rounds}\necho $(($(${milliseconds})-S))`,
    );
    // The driver looks whether a queue's reset is over after 20 ms, and the jiffy that has begun.
    t.equal(stdout.trim().split('\n').at(-1), `${10 * 24}`);
  });
});

t.test('modules as kmod has them', { skip }, async (t) => {
  await withMachine({}, async (shell) => {
    const fails = async (cmd: string, stderr: string): Promise<void> =>
      void t.match(await shell(cmd), { rc: 1, stderr }, cmd);
    await fails(
      'modprobe nosuch',
      'modprobe: FATAL: Module nosuch not found in directory /lib/modules/7.2.13+deb14-s390x\n',
    );
    await says(t, shell, 'modprobe -q nosuch', '', 1);
    await says(t, shell, 'modprobe -n nosuch', '');
    await fails('modprobe', 'modprobe: ERROR: missing parameters. See -h.\n');
    await fails('rmmod', 'rmmod: ERROR: missing module name.\n');
    await fails('modprobe -r mdev', 'modprobe: FATAL: Module mdev is in use.\n');
    await fails('rmmod ap', 'rmmod: ERROR: Module ap is builtin.\n');
    await fails('rmmod zcrypt', 'rmmod: ERROR: Module zcrypt is in use by: zcrypt_cex4\n');
    await says(t, shell, 'modprobe zcrypt_cex4', '');
    await says(
      t,
      shell,
      'modprobe -r vfio_ap; lsmod | cut -d" " -f1',
      'Module\nvfio_iommu_type1\nvfio\nzcrypt_cex4\nzcrypt\n',
    );
    await says(t, shell, 'rmmod zcrypt_cex4; modprobe -a zcrypt_cex4 vfio_ap; lsmod | wc -l', '8\n');
    await says(
      t,
      shell,
      'modprobe -r vfio_ap; modprobe vfio-ap; dmesg -t | tail -1',
      'vfio_ap matrix: MDEV: Registered\n',
    );
    await says(t, shell, 'dmesg -c > /dev/null; dmesg | wc -l', '0\n');
  });
});

t.test('queues do what they are told', { skip }, async (t) => {
  await withMachine({}, async (shell) => {
    const Q = '$D/card02/02.0004';
    await says(
      t,
      shell,
      `hw queue 02.0004 reset-ms 1500; echo 1 > ${Q}/reset; cat ${Q}/reset; sleep 1; cat ${Q}/reset; sleep 1; cat ${Q}/reset ${Q}/interrupt`,
      'Reset in progress.\nReset in progress.\nNo Reset Timer set.\nInterrupts enabled.\n',
    );
    await says(
      t,
      shell,
      'hw queue 02.0004 reset-ms 0; hw queue 02.0004 irqoff; cryptoload; cat $D/card02/02.0004/interrupt',
      /^mex #0 rc=0 ok\nInterrupts (?:enabled|disabled)\.\n$/,
    );
    await says(
      t,
      shell,
      'for q in 04 06 1b 47; do hw queue 02.00$q hold; done; (cryptoload > /run/l 2>&1 &); sleep 0.5; cat $D/card02/pendingq_count',
      '1\n',
    );
    await says(
      t,
      shell,
      'for q in 04 06 1b 47; do hw queue 02.00$q drop; done; hw release; sleep 5; cat /run/l; grep -c armed $D/card02/*/reset | grep -c :1',
      '1\n',
    );
    await says(
      t,
      shell,
      'for q in 04 06 1b 47; do echo 1 > $D/card02/02.00$q/reset; done; sleep 1; cat /run/l',
      'mex #0 rc=0 ok\n',
    );
    await says(t, shell, 'hw card 2 sclp-rc 0x0840; echo 0 > $D/card02/config; echo $?; hw card 2 sclp-rc 0', '1\n');
    await says(
      t,
      shell,
      'hw card 9 add 15 ep11 depth=3 ml=6 serial=X1 decfg; sleep 0.5; cat $D/card09/{type,raw_hwtype,depth,max_msg_size,config}',
      'CEX8P\n15\n3\n24576\n0\n',
    );
    await says(t, shell, 'hw card 9 remove; hw card 9 remove 2> /dev/null; echo $?', '1\n');
  });
});

t.test('lost replies leave their program waiting; what the recorder kills is gone', { skip }, async (t) => {
  await withMachine({}, async (shell) => {
    await shell('for q in 04 06 1b 47; do hw queue 02.00$q reply lost 1; done');
    t.match(await shell('cryptoload'), { rc: 137, timeout: true });
    await says(
      t,
      shell,
      'hw queue 02.0004 reply off; cat $D/card02/pendingq_count; zcdev /dev/z90crypt totalopen',
      '0\n1\n',
    );
  });
});

t.test('a program that asks a card waits for its answer', { skip }, async (t) => {
  await withMachine({}, async (shell) => {
    const asks = 'zcdev /dev/z90crypt cca any any & zcdev /dev/z90crypt ep11 1 4 & sleep 1';
    await says(t, shell, `hw hold; ${asks}; cat $D/card0[01]/pendingq_count`, '1\n1\n');
    await says(t, shell, 'hw release; sleep 1; cat $D/card0[01]/pendingq_count', '0\n0\n');
    await says(
      t,
      shell,
      'hw hold; zcdev /dev/z90crypt cca any any & sleep 1; hw release; wait',
      /^cca rc 0\/0 domain \d+ serial \w+\n$/,
    );
  });
});

t.test('the tree dumper takes roots', { skip }, async (t) => {
  await withMachine({}, async (shell) => {
    await says(
      t,
      shell,
      'orun dump -c /sys/class/zcrypt | jq -r .path',
      '/sys/class/zcrypt\n/sys/class/zcrypt/create\n/sys/class/zcrypt/destroy\n',
    );
    await says(t, shell, 'orun dump -c $D/card00 | jq -r "select(.skipped).path"', '/sys/devices/ap/card00/serialnr\n');
  });
});
