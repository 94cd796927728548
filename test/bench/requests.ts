/**
 * What a request costs the model: queue, send, answer, receive. Nobody
 * listens to the trace, and the adapters' arithmetic is left out.
 */
import { standingClock } from '../../fs-tree/host/clock-host.js';
import { SeededRandom } from '../../fs-tree/host/random.js';
import { SimClock } from '../../lib/clock.js';
import type { CryptoPort, Random } from '../../lib/ports.js';
import { Task } from '../../lib/sync/task.js';
import { createWorld, type World } from '../../lib/world.js';
import type { ZcryptFile } from '../../lib/zcrypt/file.js';
import type { IcaRsaModexpo } from '../../lib/zcrypt/user.js';
import { ccaRequest } from '../support/cca-request.js';
import type { Benchmark, Runnable } from './bench.js';

const LENGTH = 128;

/** An adapter that computes nothing. */
const noArithmetic: CryptoPort = { modExp: (_base, _exponent, modulus) => new Uint8Array(modulus.length) };
/** Random bytes that cost nothing: the same ones every time. */
const BLOCK = new Uint8Array(4096);
const noRandom = (seed: number): Random => {
  const random = new SeededRandom(seed);
  return { bytes: (length) => BLOCK.subarray(0, length), below: (bound) => random.below(bound) };
};

/** A machine that nobody traces, in virtual time. */
export async function quietWorld(hardware?: string): Promise<World> {
  const clock = new SimClock(standingClock, 'auto');
  const trace = { enabled: false, emit: () => undefined };
  const ports = { clock, random: noRandom(1), crypto: noArithmetic, trace };
  return createWorld(ports, hardware === undefined ? {} : { hardware });
}

/** 16 adapters with 85 domains each, as in the preset `large` but with one kind of card. */
const LARGE = [
  ...Array.from({ length: 16 }, (_, n) => `card ${n} add cex8 cca`),
  ...Array.from({ length: 85 }, (_, n) => `domain ${n} add`),
].join('; ');

async function open(world: World): Promise<{ task: Task; file: ZcryptFile }> {
  const task = new Task({ pid: 4242, comm: 'bench' });
  const { zcrypt, profile } = world.kernel;
  return { task, file: await zcrypt.open(task, { major: 10, minor: profile.z90cryptMinor }) };
}

/** Sends `operations` requests, so many at a time. */
async function repeat(operations: number, atOnce: number, send: () => Promise<unknown>): Promise<void> {
  let left = operations;
  const sender = async (): Promise<void> => {
    while (left-- > 0) await send();
  };
  await Promise.all(Array.from({ length: atOnce }, sender));
}

const modexpo = (): IcaRsaModexpo => ({
  inputdata: BLOCK.subarray(0, LENGTH),
  inputdatalength: LENGTH,
  outputdata: new Uint8Array(LENGTH),
  outputdatalength: LENGTH,
  bKey: new Uint8Array(LENGTH).fill(3),
  nModulus: new Uint8Array(LENGTH).fill(0xc1),
});

interface Traffic {
  readonly operations?: number;
  readonly atOnce: number;
  readonly hardware?: string;
}

const rsa = ({ operations = 20_000, atOnce, hardware }: Traffic): Benchmark['prepare'] =>
  async function prepare(): Promise<Runnable> {
    const world = await quietWorld(hardware);
    const { task, file } = await open(world);
    const mex = modexpo();
    const run = (): Promise<void> => repeat(operations, atOnce, () => file.modexpo(task, mex));
    return { operations, run, close: () => world.stop() };
  };

const rng = ({ operations = 20_000, atOnce }: Traffic): Benchmark['prepare'] =>
  async function prepare(): Promise<Runnable> {
    const world = await quietWorld();
    const { task } = await open(world);
    const { api } = world.kernel.zcrypt;
    const run = (): Promise<void> => repeat(operations, atOnce, async () => api?.rngBlock(task));
    return { operations, run, close: () => world.stop() };
  };

const cca = ({ operations = 10_000, atOnce }: Traffic): Benchmark['prepare'] =>
  async function prepare(): Promise<Runnable> {
    const world = await quietWorld();
    const { task, file } = await open(world);
    const run = (): Promise<void> => repeat(operations, atOnce, () => file.sendCprb(task, ccaRequest()));
    return { operations, run, close: () => world.stop() };
  };

/** The least that any request costs here: a timer of machine time that is waited for. */
async function timers(): Promise<Runnable> {
  const clock = new SimClock(standingClock, 'auto');
  const operations = 50_000;
  const wait = (): Promise<void> => new Promise((resolve) => void clock.after(200_000, resolve));
  return { operations, run: () => repeat(operations, 1, wait), close: () => clock.stop() };
}

export const REQUESTS: readonly Benchmark[] = [
  { name: 'clock.timer', what: 'a wait of 200 us on the virtual clock', prepare: timers },
  {
    name: 'requests.rsa',
    what: 'mod-expo, one at a time',
    limit: 20,
    against: 'clock.timer',
    prepare: rsa({ atOnce: 1 }),
  },
  {
    name: 'requests.rsa-32',
    what: 'mod-expo, 32 at a time',
    limit: 20,
    against: 'requests.rsa',
    prepare: rsa({ atOnce: 32 }),
  },
  { name: 'requests.rng', what: 'random block, one at a time', limit: 20, prepare: rng({ atOnce: 1 }) },
  { name: 'requests.rng-32', what: 'random block, 32 at a time', limit: 20, prepare: rng({ atOnce: 32 }) },
  { name: 'requests.cca', what: 'CCA facility query (4 KiB), one at a time', prepare: cca({ atOnce: 1 }) },
  {
    name: 'requests.rsa-large',
    what: 'mod-expo, 32 at a time, among 1360 queues',
    against: 'requests.rsa-32',
    prepare: rsa({ operations: 4_000, atOnce: 32, hardware: LARGE }),
  },
];
