/**
 * Names and attributes that the host's kernel remembers: never older than the
 * last store, no lock that somebody waits for in vain. The long form of the
 * first test is `npm run stress:caching`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { cannotMount, Daemon, mountCommand, PROJECT, shell, TRANSPORT } from '../support/mounted.js';
import { onlyDevFuse } from '../support/transport-differences.js';

const skip = cannotMount() || onlyDevFuse('mounted/caching', TRANSPORT);
const CLIENTS = join(PROJECT, 'test/mounted/caching.py');

async function machine(t: Test): Promise<Daemon> {
  const daemon = Daemon.start(t, { command: mountCommand(), seconds: 280 });
  t.match(await daemon.line(), /mounted on/);
  await shell(`echo auto > ${daemon.directory}/kernel/debug/ap_sim/clock`);
  return daemon;
}

t.test('1 nobody finds what was there before a store returned, whoever holds a lock', { skip }, async (t) => {
  const { directory } = await machine(t);
  const { stdout, stderr } = await shell(`python3 ${CLIENTS} ${directory} 2000 ${process.pid}`, 280);
  t.equal(stderr, '');
  t.match(JSON.parse(stdout || '{}'), { stores: 2000, stale: 0, examples: [], hung: [] });
  t.equal((await shell(`grep -i violation ${directory}/kernel/debug/ap_sim/lockdep`)).stdout, '');
});

const requestsOf = async (daemon: Daemon): Promise<number> =>
  (JSON.parse((await daemon.ask('stats')) ?? '{}') as { answered: number }).answered;

t.test('2 what is remembered is not asked for', { skip }, async (t) => {
  const daemon = await Daemon.toy(t);
  const answered = (): Promise<number> => requestsOf(daemon);
  const look = `test -r ${daemon.directory}/devices/toy/fixed && test -L ${daemon.directory}/bus/toy`;
  await shell(`${look}; ${look}`);
  const before = await answered();
  await shell(`${look}; ${look}; ${look}`);
  t.equal(await answered(), before);
  await shell(`for i in 1 2 3; do test -e ${daemon.directory}/devices/toy/nothing; done`);
  t.equal(await answered(), before + 3, 'but what is not there is');
});

t.test('2.1 a listing tells of files those who have looked at what they listed before', { skip }, async (t) => {
  for (const [walk, requests] of [
    ['os.listdir("many"); os.listdir("devices/toy")', 1],
    ['os.stat("many/" + os.listdir("many")[0]); os.listdir("devices/toy")', 0],
  ] as const) {
    const daemon = await Daemon.toy(t);
    await shell(`cd ${daemon.directory} && python3 -c 'import os; ${walk}'`);
    const before = await requestsOf(daemon);
    await shell(`test -e ${daemon.directory}/devices/toy/fixed`);
    t.equal((await requestsOf(daemon)) - before, requests, walk);
  }
});

t.test('3 a daemon that is killed leaves nobody waiting', { skip }, async (t) => {
  for (let i = 0; i < 3; i++)
    t.test(`3.1 while names are taken back (${i})`, async (t) => {
      const daemon = await machine(t);
      const clients = shell(`python3 ${CLIENTS} ${daemon.directory} 0 ${i} --until-killed`, 120);
      await sleep(1000 + 300 * i);
      daemon.process.kill('SIGKILL');
      const { stdout, stderr } = await clients;
      t.equal(stderr, '');
      t.match(JSON.parse(stdout || '{}'), { hung: [] });
      t.equal(await daemon.ended(), 'SIGKILL');
    });
  t.test('3.2 while a thread of it waits for the lock that a client holds', async (t) => {
    const daemon = await Daemon.toy(t);
    const { directory, process: child } = daemon;
    await shell(`stat ${directory}/bus/toy`);
    const flag = `${directory}.flag`;
    t.equal(await daemon.ask(`wedge ${flag}`), 'wedged');
    const client = spawn('stat', [`${directory}/bus/nothing`], { stdio: 'ignore' });
    const ended = once(client, 'exit');
    const looks = (): string => readFileSync(`/proc/${client.pid}/wchan`, 'latin1');
    while (!/fuse|request_wait_answer/.test(looks())) await sleep(20);
    writeFileSync(flag, '');
    while (!(await waitsForLock(child.pid))) await sleep(50);
    rmSync(flag);
    child.kill('SIGKILL');
    t.same(await ended, [1, null], 'the client is let go');
    t.equal(await daemon.ended(), 'SIGKILL');
    t.notOk(existsSync(`/proc/${child.pid}`), 'nothing is left of the daemon');
  });
});

/** One of its threads is in the kernel, and no signal reaches it. */
async function waitsForLock(pid = 0): Promise<boolean> {
  return (await shell(`cat /proc/${pid}/task/*/stat | grep -c ') D '`)).stdout !== '0\n';
}
