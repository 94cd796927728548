/**
 * The same inputs give the same trace, byte for byte.
 */
import t from 'tap';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { Requests } from '../support/requests.js';
import { type Asserter, B, boot, D, KERNELS, SIM, U1, U2, U3 } from '../support/scenario.js';

/** Masks, mdevs, guests, hot plug, resets and requests, much of it at once; everything that was seen of it. */
async function busyRun(t: Asserter, kernel: KernelVersion, seed: number): Promise<string> {
  const s = await boot({ kernel, seed });
  const seen: string[] = [];
  s.m.trace.onEntry(({ seq, time, kind, text }) => seen.push(`${seq} ${time} ${kind} ${text}`));
  const note = async (what: string, result: Promise<unknown>): Promise<void> => {
    seen.push(`${what}: ${await result}`);
  };
  const requests = await Requests.open(s);
  await s.hw('card 7 add cex7 accel; queue 05.0004 reset-ms 70; delay 3000; domain 9 add');
  await note('mask', s.put('-5', `${B}/apmask`));
  await s.create(U1);
  await s.create(U2);
  for (let round = 0; round < 3; round++) {
    await Promise.all([
      note('U1', s.assign(U1, 'assign_adapter 5', 'assign_domain 4', 'assign_domain 9', 'unassign_domain 9')),
      note('U2', s.assign(U2, 'assign_domain 0xab', 'assign_adapter 5', 'assign_adapter 6', 'unassign_adapter 5')),
      note('U3', s.put(U3, 'devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/create')),
      note('requests', Promise.all(Array.from({ length: 20 }, () => requests.rsa()))),
      note('serial', s.read(`${D}/card06/serialnr`)),
      note('scan', s.put(1, `${B}/scans`)),
      note('mask', s.put(round % 2 ? '+6' : '-6', `${B}/apmask`)),
    ]);
    await note('start', s.guest(`json start ${U1}`));
    const meanwhile = Promise.all([
      note('reset', s.guest(`json reset ${U1}`)),
      note('unbind', s.put('05.00ab', `${B}/drivers/vfio_ap/unbind`)),
      note(
        'unplug',
        s.m.sh.ask(`${SIM}/hw`, round % 2 ? 'card 7 checkstop on' : 'card 7 remove; card 7 add cex7 accel'),
      ),
      note('requests', Promise.all(Array.from({ length: 9 }, () => requests.rsa()))),
    ]);
    // Requests on a card that check-stops wait for the next scan.
    await s.pass(31_000);
    await meanwhile;
    await note('bind', s.put('05.00ab', `${B}/drivers/vfio_ap/bind`));
    await s.hw('card 5 apm off');
    await s.pass(31_000);
    await s.hw('card 5 apm on');
    const removal = note('remove', s.put(1, s.mdev(U1, 'remove')));
    await s.pass(12_000);
    await note('exit', s.guest(`json exit ${U1}`));
    await removal;
    await s.create(U1);
  }
  await note('kmsg', s.read(`${SIM}/kmsg`));
  await note('uevents', s.read(`${SIM}/uevents`));
  await note('clock', s.read(`${SIM}/clock`));
  await note('hw', s.read(`${SIM}/hw`));
  s.sound(t, { warnings: true });
  return seen.join('\n');
}

for (const kernel of KERNELS)
  t.test(`${kernel}: a busy machine runs twice in the same way`, async (t) => {
    const first = await busyRun(t, kernel, 7);
    const second = await busyRun(t, kernel, 7);
    t.ok(first.length > 50_000, `${first.length} bytes of story`);
    t.ok(first === second, 'byte for byte');
    if (first !== second) {
      const [a, b] = [first.split('\n'), second.split('\n')];
      const at = a.findIndex((line, i) => line !== b[i]);
      t.same(b.slice(at - 3, at + 5), a.slice(at - 3, at + 5));
    }
  });
