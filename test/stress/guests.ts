/**
 * Two guests and their host under load for a while of real time, as a command:
 *
 *   npm run stress:guests -- [--seconds 60] [--seed 1] [--kernel 7.2]
 *
 * Exit status 0 if no request of the host or the second guest failed, no lock
 * was taken in a wrong order, and nothing was wrong with what the host keeps
 * for interrupts at any look at it.
 */
import { hostClock } from '../../fs-tree/host/clock-host.js';
import { SeededRandom } from '../../fs-tree/host/random.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { FOUR_CARDS, GuestLoad } from '../support/guest-load.js';
import { bootMachine } from '../support/machine.js';
import { optionsOf } from '../support/options.js';
import { Scenario } from '../support/scenario.js';

const USAGE = `npm run stress:guests -- [--seconds 60] [--seed 1] [--kernel 7.2]

Two guests and their host under load, while adapters are unplugged from one of them.

Exit status 0 if nothing went wrong, 1 if something did, 2 for a wrong option.
`;

const values = optionsOf(USAGE, {
  seconds: { type: 'string', default: '60' },
  seed: { type: 'string', default: '1' },
  kernel: { type: 'string', default: '7.2' },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);

const machine = await bootMachine({
  hardware: FOUR_CARDS,
  seed,
  kernel: values.kernel as KernelVersion,
  host: hostClock,
});
machine.world.clock.mode = 'real';
const s = new Scenario(machine, { records: false });
const load = await GuestLoad.start(s, new SeededRandom(seed));
machine.world.clock.after(seconds * 1e9, () => load.stop(), { name: 'end of the load' });
await load.run(4);
const { tallies, faults, looks, actions, forgotten } = load;
const kernels = [machine.world.kernel, load.first.kernel, load.second.kernel];
await load.end();
const violations = kernels.flatMap(({ core }) => core.lockdep.violations.map(({ text }) => text));
const pins = s.va.mdevs
  .flatMap(({ vfioDevice }) => [...(vfioDevice?.pins.values() ?? [])])
  .reduce((sum, n) => sum + n, 0);
const failed = [tallies.host, tallies.second].flatMap((tally) => Object.keys(tally).filter((how) => how !== 'ok'));
const strange = Object.keys(tallies.first).filter((how) => how !== 'ok' && how !== 'ENODEV');
console.log(
  JSON.stringify(
    {
      seconds,
      seed,
      tallies,
      unplugged: actions.length,
      looks,
      forgotten,
      faults: [...faults],
      violations,
      pins,
      bugs: machine.bugs.map(String),
    },
    undefined,
    2,
  ),
);
machine.world.stop();
process.exit(
  failed.length + strange.length + faults.size + violations.length + (pins - forgotten) + machine.bugs.length > 0
    ? 1
    : 0,
);
