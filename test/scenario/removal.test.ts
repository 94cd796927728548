/**
 * Files that are in use while what they belong to goes away.
 */
import t from 'tap';
import { O_WRONLY } from '../../fs-tree/ops.js';
import { bootMachine, errnoOf, ROOT } from '../support/machine.js';

for (const kernel of ['7.2', '6.12', '6.1'] as const) {
  t.test(`a read that asks for a scan does not hold up the scan that removes its card (${kernel})`, async (t) => {
    const machine = await bootMachine({ kernel });
    const { sh } = machine;
    await machine.hw('notify off; card 0 remove');
    // The request is refused by hardware that is gone and waits for a scan; the scan flushes it, and
    // its sender asks for another one, while it is inside a file that the first one takes away.
    const reading = sh.read('devices/ap/card00/serialnr');
    const scanning = sh.echo(1, 'bus/ap/scans');
    await machine.settle();
    await scanning;
    t.equal(await reading, '\n');
    t.equal(sh.exists('devices/ap/card00'), false);
    t.same(machine.bugs, []);
    t.same(machine.world.kernel.core.lockdep.violations, []);
  });
}

t.test('an open file of a device that went away answers ENODEV, also when a new one has the name', async (t) => {
  const machine = await bootMachine();
  const { sh } = machine;
  const file = sh.ops.open(ROOT, sh.node('devices/ap/card03/config'), O_WRONLY);
  const online = sh.ops.open(ROOT, sh.node('devices/ap/card03/online'), 0);
  await machine.hw('card 3 remove');
  t.equal(await errnoOf(sh.ops.write(ROOT, file, '0')), 'ENODEV');
  t.equal(await errnoOf(sh.ops.read(ROOT, online, 0, 4096)), 'ENODEV');
  await machine.hw('card 3 add cex6 cca');
  t.equal(await errnoOf(sh.ops.write(ROOT, file, '0')), 'ENODEV');
  t.equal(await sh.read('devices/ap/card03/config'), '1\n');
});
