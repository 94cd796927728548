/**
 * Signals to clients that wait in a store of a real machine: the waits that the
 * kernel makes interruptible end (specification of attributes, A.3), the others
 * do not, and whoever is left is let go with the daemon.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { cannotMount, Daemon, mountCommand, shell, TRANSPORT } from '../support/mounted.js';
import { onlyDevFuse } from '../support/transport-differences.js';

const skip = cannotMount() || onlyDevFuse('mounted/signals', TRANSPORT);
const UUID = '11111111-1111-4111-8111-111111111111';

interface Writer {
  readonly process: ChildProcess;
  /** Status, or the signal that killed it. */
  readonly ended: Promise<number | string>;
}

async function machine(t: Test, ...options: string[]): Promise<Daemon> {
  const daemon = Daemon.start(t, {
    command: mountCommand(...options),
  });
  t.match(await daemon.line(), /mounted on/);
  const setUp = `cd ${daemon.directory} && echo -0 > bus/ap/apmask
echo ${UUID} > devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/create`;
  t.equal((await shell(setUp)).stderr, '');
  return daemon;
}

/** A client that writes, once it waits in the kernel for its answer. */
async function blocked(t: Test, directory: string, path: string, text: string): Promise<Writer> {
  const child = spawn('sh', ['-c', `echo '${text}' > ${directory}/${path}`], { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = new Promise<number | string>((done) =>
    child.once('close', (code, signal) => done(code ?? signal ?? '?')),
  );
  while (!/fuse|request_wait_answer/.test(wchan(child.pid))) {
    if (child.exitCode !== null) throw new Error(`${path}: the store ended with ${child.exitCode}`);
    await sleep(10);
  }
  // The open may still be what it waits for.
  await sleep(100);
  return { process: child, ended };
}

function wchan(pid = 0): string {
  return readFileSync(`/proc/${pid}/wchan`, 'latin1');
}

const state = (pid = 0): string => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '?';

t.test('1 the mutex of the masks is waited for interruptibly, those of vfio_ap are not', { skip }, async (t) => {
  const daemon = await machine(t);
  const { directory } = daemon;
  const { stderr } = await shell(`cd ${directory} && echo 'queue 00.0004 reset-ms 600000' > kernel/debug/ap_sim/hw`);
  t.equal(stderr, '');
  // Holds mdevs_lock as long as the reset takes; the next one waits for that with ap_attr_mutex in hand.
  const unbind = await blocked(t, directory, 'bus/ap/drivers/vfio_ap/unbind', '00.0004');
  const apmask = await blocked(t, directory, 'bus/ap/apmask', '+0');
  for (const [path, text] of [
    ['bus/ap/apmask', '-1'],
    ['bus/ap/aqmask', '-7'],
    ['devices/ap/card01/01.0004/driver_override', 'vfio_ap'],
  ] as const)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
      const writer = await blocked(t, directory, path, text);
      writer.process.kill(signal);
      t.equal(await writer.ended, signal, `${signal} ends a wait in ${path}`);
    }
  for (const writer of [unbind, apmask]) writer.process.kill('SIGKILL');
  await sleep(300);
  t.same(
    [unbind, apmask].map(({ process: { pid } }) => state(pid)),
    ['D', 'D'],
    'the others wait on',
  );
  daemon.process.kill('SIGTERM');
  t.same(await Promise.all([unbind.ended, apmask.ended]), ['SIGKILL', 'SIGKILL'], 'and are let go with the daemon');
  t.equal(await daemon.ended(), 0);
});

for (const kernel of ['7.2', '6.12', '6.1'])
  t.test(
    `2 a signal to a remove that waits for a guest is logged, and does not end it (${kernel})`,
    { skip },
    async (t) => {
      const daemon = await machine(t, '--kernel', kernel);
      const { directory } = daemon;
      const inUse = async (): Promise<string[]> =>
        (await shell(`grep 'currently in use' ${directory}/kernel/debug/ap_sim/kmsg`)).stdout.split('\n').slice(0, -1);
      const guest = (command: string) => shell(`echo '${command} ${UUID}' > ${directory}/kernel/debug/ap_sim/guest`);
      t.equal((await guest('start')).stderr, '');
      const writer = await blocked(t, directory, `devices/vfio_ap/matrix/${UUID}/remove`, '1');
      t.same(await inUse(), []);
      writer.process.kill('SIGTERM');
      while ((await inUse()).length === 0) await sleep(20);
      const task = `task "sh" (${writer.process.pid})`;
      t.match(await inUse(), [
        `vfio_ap_mdev ${UUID}: Device is currently in use, ${task} blocked until device is released`,
      ]);
      t.equal(state(writer.process.pid), 'D', 'the store goes on');
      writer.process.kill('SIGKILL');
      await sleep(200);
      t.equal((await inUse()).length, 1, 'once');
      t.equal((await guest('exit')).stderr, '');
      t.match(await writer.ended, /^SIG(TERM|KILL)$/);
      t.equal((await shell(`test -e ${directory}/devices/vfio_ap/matrix/${UUID}`)).status, 1, 'and is done');
    },
  );
