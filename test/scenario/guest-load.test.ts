/**
 * Traffic inside guests, by the control file `load`.
 */
import t from 'tap';
import { startGuest } from '../support/guests.js';
import { errnoOf } from '../support/machine.js';
import { bootWithMdev, SIM, U1 } from '../support/scenario.js';

const LOAD = `${SIM}/load`;

t.test('a job in a guest is answered by the queues of its APCB', async (t) => {
  const s = await bootWithMdev();
  await startGuest(s, 'name=web');
  const before = await s.read('devices/ap/card06/request_count');
  await s.m.sh.write(LOAD, 'run cca count=40 concurrency=4 guest=web');
  await s.m.sh.write(LOAD, 'wait 1');
  const told = await s.read(LOAD);
  t.match(told, /^1 load cca in web ended: 40 of 40, ok 40 wrong 0 failed 0/m);
  t.equal(await s.read('devices/ap/card06/request_count'), before, 'the host had nothing to do with it');
  s.sound(t);
});

t.test('a guest that is switched off takes its programs with it', async (t) => {
  const s = await bootWithMdev();
  await startGuest(s, 'name=web');
  await s.hw('hold');
  await s.m.sh.write(LOAD, 'run cca concurrency=3 guest=web');
  await s.guest(`exit ${U1}`);
  await s.m.world.clock.settle();
  t.match(await s.read(LOAD), /^1 load cca in web ended: 3, ok 0 wrong 0 failed 3 retries 0 in flight 0/m);
  s.sound(t);
});

t.test('a job wants a guest with a kernel', async (t) => {
  const s = await bootWithMdev();
  t.equal(await errnoOf(s.m.sh.write(LOAD, 'run cca count=1 guest=web')), 'ENOENT');
  t.match(await s.read(`${SIM}/error`), /there is no guest web with a kernel \(known: none runs a kernel\)/);
  await startGuest(s, 'name=web');
  t.equal(await errnoOf(s.m.sh.write(LOAD, 'run cca count=1 guest=wbe')), 'ENOENT');
  t.match(await s.read(`${SIM}/error`), /\(known: web\)/);
  s.sound(t);
});
