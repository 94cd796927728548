/**
 * Does memory grow with the number of requests?
 *
 * Usage: npm run bench:memory -- [--requests N] [--at-once N] [--limit PERCENT]
 *
 * Random blocks on the default machine, with its trace as in a mount. Resident
 * memory is looked at 300 times; the mean of the last third may be so many
 * percent above that of the first. Ends with 1 if it is more.
 */
import { standingClock } from '../../fs-tree/host/clock-host.js';
import { hostCrypto } from '../../fs-tree/host/crypto.js';
import { SeededRandom } from '../../fs-tree/host/random.js';
import { TraceRing } from '../../fs-tree/host/trace.js';
import { SimClock } from '../../lib/clock.js';
import { Task } from '../../lib/sync/task.js';
import { createWorld } from '../../lib/world.js';
import { optionsOf } from '../support/options.js';

const USAGE = `npm run bench:memory -- [--requests 1000000] [--at-once 32] [--limit 5]

Does memory grow with the number of requests, by more than so many percent?

Exit status 0 if not, 1 if so, 2 for a wrong option.
`;

const values = optionsOf(USAGE, {
  requests: { type: 'string', default: '1000000' },
  'at-once': { type: 'string', default: '32' },
  limit: { type: 'string', default: '5' },
});
const LOOKS = 300;
const requests = Number(values.requests);
const limit = Number(values.limit);

const clock = new SimClock(standingClock, 'auto');
const trace = new TraceRing({ now: () => clock.now() });
const world = await createWorld({ clock, random: new SeededRandom(1), crypto: hostCrypto, trace });
const { api } = world.kernel.zcrypt;
if (!api) throw new Error('zcrypt is not loaded');

const resident: number[] = [];
let left = requests;
let bytes = 0;
async function sender(pid: number): Promise<void> {
  const task = new Task({ pid, comm: 'memory' });
  while (left > 0) {
    if (--left % Math.ceil(requests / LOOKS) === 0) resident.push(process.memoryUsage.rss());
    const block = await api?.rngBlock(task);
    bytes += block?.length ?? 0;
  }
}

const cpu = process.cpuUsage();
await Promise.all(Array.from({ length: Number(values['at-once']) }, (_, n) => sender(1000 + n)));
const { user, system } = process.cpuUsage(cpu);
world.stop();
if (bytes !== 4096 * requests) throw new Error(`${bytes} random bytes of ${4096 * requests}`);

const mean = (list: readonly number[]): number => list.reduce((sum, n) => sum + n, 0) / list.length;
const third = Math.floor(resident.length / 3);
const [first, second, last] = [0, 1, 2].map((n) => mean(resident.slice(n * third, (n + 1) * third))) as [
  number,
  number,
  number,
];
const growth = 100 * (last / first - 1);
const mib = (n: number): string => `${(n / 2 ** 20).toFixed(1)} MiB`;
console.log(
  `${requests} random blocks, ${((user + system) / requests).toFixed(1)} us of CPU each with the trace on\n` +
    `resident memory: first third ${mib(first)}, second ${mib(second)}, last ${mib(last)} ` +
    `(${growth >= 0 ? '+' : ''}${growth.toFixed(1)} %, limit +${limit} %)`,
);
process.exit(growth > limit ? 1 : 0);
