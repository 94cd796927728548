/**
 * The full machine in a process of its own: 256 adapters, 256 domains, 65,536
 * queues, with its trace as in a mount. Writes what its steps cost, as JSON.
 *
 * Usage: node dist/test/bench/full/machine.js [--machine PRESET]
 */
import { parseArgs } from 'node:util';
import { hostClock } from '../../../fs-tree/host/clock-host.js';
import { hostCrypto } from '../../../fs-tree/host/crypto.js';
import { SeededRandom } from '../../../fs-tree/host/random.js';
import { TraceRing } from '../../../fs-tree/host/trace.js';
import { worldTree } from '../../../fs-tree/world-tree.js';
import type { ApBus } from '../../../lib/ap/bus.js';
import { maskStore } from '../../../lib/ap/masks.js';
import { SimClock } from '../../../lib/clock.js';
import { worldFromDescription } from '../../../lib/description/index.js';
import { Task } from '../../../lib/sync/task.js';
import { MdevType } from '../../../lib/vfio-ap/mdev.js';
import type { World } from '../../../lib/world.js';
import { loadMachine } from '../../../scripts/machine-file/index.js';
import { median } from '../section.js';

/** Milliseconds of CPU, but for `assign-adapter`: of wall time; resident memory in MiB. */
export interface FullFigures {
  readonly boot: number;
  readonly bootResident: number;
  readonly scan: number;
  readonly handOver: number;
  readonly assignAdapter: number;
  readonly takeBack: number;
  readonly rmmod: number;
  readonly peakResident: number;
}

const { values } = parseArgs({ options: { machine: { type: 'string', default: 'full' } } });
const task = new Task({ pid: 4242, comm: 'bench' });

async function cpu(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const MIB = 2 ** 20;
const clock = new SimClock(hostClock, 'auto');
const trace = new TraceRing({ now: () => clock.now() });
const ports = { clock, random: new SeededRandom(1), crypto: hostCrypto, trace };

async function boot(): Promise<World> {
  const world = await worldFromDescription(ports, loadMachine(values.machine));
  worldTree(world, trace);
  return world;
}

/** The middle of several scans, of which none finds anything. */
async function scan(ap: ApBus): Promise<number> {
  const costs: number[] = [];
  for (let n = 0; n < 7; n++) costs.push(await cpu(() => ap.scan.force(task)));
  return median(costs);
}

/** An mdev with all domains; milliseconds that each further adapter takes, the middle one of half of them. */
async function assignAdapters({ kernel }: World): Promise<number> {
  const { vfioAp } = kernel.vfio;
  const types = vfioAp?.matrixDevice.children.get('mdev_supported_types')?.children.values() ?? [];
  for (const type of types)
    if (type instanceof MdevType) await type.createStore(task, '11111111-1111-4111-8111-111111111111');
  const mdev = vfioAp?.mdevs[0];
  if (!mdev) throw new Error('there is no mdev');
  const { apmMax, aqmMax } = mdev.matrix;
  for (let domain = 0; domain <= aqmMax; domain++) await mdev.assignDomainStore(task, String(domain));
  const times: number[] = [];
  for (let adapter = 0; adapter <= apmMax / 2; adapter++) {
    const begin = performance.now();
    await mdev.assignAdapterStore(task, String(adapter));
    times.push(performance.now() - begin);
  }
  const { boundQueues, expected } = {
    boundQueues: mdev.queuesInTableOrder().length,
    expected: (aqmMax + 1) * times.length,
  };
  if (values.machine === 'full' && boundQueues !== expected)
    throw new Error(`${boundQueues} queues linked of ${expected}`);
  await mdev.mdev.removeStore(task, '1');
  return median(times);
}

const ownedBy = (ap: ApBus, driver: string): number =>
  [...ap.queues()].filter((aq) => aq.driver?.name === driver).length;

async function main(): Promise<FullFigures> {
  let world: World | undefined;
  const bootCost = await cpu(async () => {
    world = await boot();
  });
  const bootResident = process.memoryUsage.rss() / MIB;
  const ap = world?.kernel.ap;
  if (!world || !ap) throw new Error('there is no AP bus');
  const all = ap.bindings.count().total;
  const scanCost = await scan(ap);
  const handOver = await cpu(() => maskStore(task, ap, 'apm', '-0-255'));
  if (ownedBy(ap, 'vfio_ap') !== all) throw new Error('not every queue went to vfio_ap');
  const takeBack = await cpu(() => maskStore(task, ap, 'apm', '+0-255'));
  if (ownedBy(ap, 'cex4queue') !== all) throw new Error('not every queue came back');
  await maskStore(task, ap, 'apm', '-0-255');
  const assignAdapter = await assignAdapters(world);
  const { modules } = world.kernel.core;
  const rmmod = await cpu(() => modules.unload(task, 'vfio_ap'));
  const peakResident = process.resourceUsage().maxRSS / 1024;
  return { boot: bootCost, bootResident, scan: scanCost, handOver, takeBack, assignAdapter, rmmod, peakResident };
}

console.log(JSON.stringify(await main()));
process.exit(0);
