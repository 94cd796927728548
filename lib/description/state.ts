/**
 * What was done to a system since it came up: masks that were written, drivers
 * that were changed, cards and queues that were switched off, device nodes.
 *
 * Each is done by the store that a root shell would use, so the kernel checks
 * what it always checks. Two halves: whose the queues are and which nodes there
 * are, before mdevs and guests take theirs; what is switched off, after that.
 */
import type { ApBus } from '../ap/bus.js';
import { maskStore } from '../ap/masks.js';
import type { ApQueue } from '../ap/queue.js';
import { seAssociateStore, seBindStore } from '../ap/secure-execution.js';
import type { Device } from '../driver-core/device.js';
import { KernelError } from '../errno.js';
import { queueName } from '../hardware/names.js';
import type { Task } from '../sync/task.js';
import type { World } from '../world.js';
import { ZcryptCard } from '../zcrypt/card.js';
import type { Zcdn, ZcdnMask, ZcryptClass } from '../zcrypt/nodes.js';
import { ZcryptQueue } from '../zcrypt/queue.js';
import { idsOf } from './build.js';
import type { QueueState, StateDescription, ZcryptNodeState } from './description.js';
import type { FieldPath } from './problem.js';

/** One store, and the field that wants it. */
export interface Step {
  readonly path: FieldPath;
  /** What a user would say he did: `unbind 00.0004`. */
  readonly what: string;
  readonly store: () => void | Promise<void>;
}

/** Of a machine without AP instructions none of these files is there. */
function busOf(world: World): ApBus {
  const { ap } = world.kernel;
  if (!ap) throw new KernelError('ENOENT');
  return ap;
}

/** Before mdevs are made: who has which queue; nodes. */
export function* ownerSteps(world: World, task: Task, state: StateDescription): Generator<Step> {
  const { bus = {} } = state;
  for (const [field, which] of [
    ['apmask', 'apm'],
    ['aqmask', 'aqm'],
  ] as const) {
    const mask = bus[field];
    if (mask !== undefined)
      yield {
        path: ['bus', field],
        what: field,
        store: () => maskStore(task, busOf(world), which, `${mask}\n`),
      };
  }
  for (const [i, entry] of (state.queues ?? []).entries()) yield* queueOwnerSteps(world, task, entry, i);
  for (const [i, { id, driver }] of (state.adapters ?? []).entries())
    if (driver !== undefined)
      for (const apid of idsOf(id))
        yield {
          path: ['adapters', i, 'driver'],
          what: `${driver === 'none' ? 'unbind' : 'bind'} card${apid.toString(16).padStart(2, '0')}`,
          store: () => setDriver(world, task, busOf(world).card(apid), driver),
        };
  for (const [i, node] of (state.zcryptNodes ?? []).entries()) yield* nodeSteps(world, task, node, i);
}

function* queueOwnerSteps(world: World, task: Task, entry: QueueState, i: number): Generator<Step> {
  const { driverOverride, driver } = entry;
  for (const { name, queue } of queuesOf(world, entry)) {
    if (driverOverride !== undefined)
      yield {
        path: ['queues', i, 'driverOverride'],
        what: `driver_override of ${name}`,
        store: () => there(queue()).driverOverrideStore(task, `${driverOverride}\n`),
      };
    if (driver !== undefined)
      yield {
        path: ['queues', i, 'driver'],
        what: `${driver === 'none' ? 'unbind' : 'bind'} ${name}`,
        store: () => setDriver(world, task, queue(), driver),
      };
  }
}

/** By `unbind` of the driver that it has and `bind` of the one that it shall have. */
async function setDriver(world: World, task: Task, dev: Device | undefined, driver: string): Promise<void> {
  const device = there(dev);
  if ((device.driver?.name ?? 'none') === driver) return;
  await device.driver?.unbind(task, device.name);
  if (driver !== 'none') await there(busOf(world).bus.drivers.get(driver)).bind(task, device.name);
}

function* nodeSteps(world: World, task: Task, node: ZcryptNodeState, i: number): Generator<Step> {
  const { name } = node;
  const nodes = (): ZcryptClass => there(world.kernel.zcrypt.api).nodes;
  yield {
    path: ['zcryptNodes', i],
    what: `create ${name}`,
    store: () => nodes().createStore(task, name),
  };
  const made = (): Zcdn => there([...nodes().nodes()].find((found) => found.name === name.replaceAll('/', '!')));
  const MASKS: readonly (readonly [keyof ZcryptNodeState, ZcdnMask])[] = [
    ['ioctlmask', 'ioctlm'],
    ['apmask', 'apm'],
    ['aqmask', 'aqm'],
    ['admask', 'adm'],
  ];
  for (const [field, which] of MASKS) {
    const mask = node[field];
    if (mask !== undefined)
      yield {
        path: ['zcryptNodes', i, field],
        what: `${field} of ${name}`,
        store: () => made().maskStore(task, which, mask),
      };
  }
}

/** When mdevs and guests are there: what is switched off, how the bus works. */
export function* workSteps(world: World, task: Task, state: StateDescription): Generator<Step> {
  const { bus = {} } = state;
  for (const [i, { id, online }] of (state.adapters ?? []).entries())
    if (online !== undefined)
      for (const apid of idsOf(id))
        yield {
          path: ['adapters', i, 'online'],
          what: `online of card${apid.toString(16).padStart(2, '0')}`,
          store: () => {
            const zc = there(busOf(world).card(apid)).driverData;
            there(zc instanceof ZcryptCard ? zc : undefined).onlineStore(task, flag(online));
          },
        };
  yield* secureSteps(world, state);
  yield* configSteps(world, task, state);
  for (const [i, entry] of (state.queues ?? []).entries())
    for (const { name, queue } of queuesOf(world, entry)) {
      const { online } = entry;
      if (online !== undefined)
        yield {
          path: ['queues', i, 'online'],
          what: `online of ${name}`,
          store: () => {
            const zq = there(queue()).driverData;
            there(zq instanceof ZcryptQueue ? zq : undefined).onlineStore(task, flag(online));
          },
        };
    }
  const NUMBERS = [
    ['domain', 'ap_domain', (ap: ApBus, text: string) => ap.domainStore(text)],
    ['configTime', 'config_time', (ap: ApBus, text: string) => ap.scan.timeStore(text)],
    ['pollTimeout', 'poll_timeout', (ap: ApBus, text: string) => ap.poll.timeoutStore(text)],
  ] as const;
  for (const [field, file, store] of NUMBERS) {
    const value = bus[field];
    if (value !== undefined) yield { path: ['bus', field], what: file, store: () => store(busOf(world), `${value}\n`) };
  }
  const { pollThread, autoprobe, scans } = bus;
  if (pollThread !== undefined)
    yield {
      path: ['bus', 'pollThread'],
      what: 'poll_thread',
      store: () => busOf(world).poll.threadStore(flag(pollThread)),
    };
  if (autoprobe !== undefined)
    yield {
      path: ['bus', 'autoprobe'],
      what: 'drivers_autoprobe',
      store: () => busOf(world).bus.setAutoprobe(flag(autoprobe)),
    };
  if (scans !== undefined) yield { path: ['bus', 'scans'], what: 'scans', store: () => scan(world, task, scans) };
}

function* secureSteps(world: World, { queues = [] }: StateDescription): Generator<Step> {
  for (const [i, entry] of queues.entries())
    for (const { name, queue } of queuesOf(world, entry)) {
      const { seBind, seAssociate } = entry;
      if (seBind !== undefined)
        yield {
          path: ['queues', i, 'seBind'],
          what: `se_bind of ${name}`,
          store: () => seBindStore(there(queue()), flag(seBind)),
        };
      if (seAssociate !== undefined)
        yield {
          path: ['queues', i, 'seAssociate'],
          what: `se_associate of ${name}`,
          store: () => seAssociateStore(there(queue()), `${seAssociate}\n`),
        };
    }
}

function* configSteps(world: World, task: Task, { adapters = [] }: StateDescription): Generator<Step> {
  for (const [i, { id, configured }] of adapters.entries())
    if (configured !== undefined)
      for (const apid of idsOf(id))
        yield {
          path: ['adapters', i, 'configured'],
          what: `config of card${apid.toString(16).padStart(2, '0')}`,
          store: () => there(busOf(world).card(apid)).configStore(task, flag(configured)),
        };
}

/** As somebody who writes to `scans` until it says so much. */
async function scan(world: World, task: Task, count: number): Promise<void> {
  const { scan } = busOf(world);
  while (scan.count < count) await scan.force(task);
}

interface NamedQueue {
  readonly name: string;
  readonly queue: () => ApQueue | undefined;
}

function* queuesOf(world: World, { adapters, domains }: QueueState): Generator<NamedQueue> {
  for (const apid of adapters)
    for (const apqi of domains)
      yield { name: queueName(apid * 256 + apqi), queue: () => busOf(world).queue(apid, apqi) };
}

const flag = (on: boolean): string => (on ? '1\n' : '0\n');

/** @throws ENOENT what a shell finds where the file is not there */
function there<T>(thing: T | undefined): T {
  if (thing === undefined) throw new KernelError('ENOENT');
  return thing;
}
