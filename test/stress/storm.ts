/**
 * Requests of all kinds while their queues are taken away: the same seed gives
 * the same storm.
 *
 * Every so many steps the senders rest, the machine is put back in order, and
 * then nothing may be left over: no load, no reference, no request in a list
 * or in the hardware, no counter that is wrong.
 */
import { createHash } from 'node:crypto';
import { SeededRandom } from '../../fs-tree/host/random.js';
import type { ApCard } from '../../lib/ap/card.js';
import type { ApQueue } from '../../lib/ap/queue.js';
import { DevState, SmState } from '../../lib/ap/queue-sm.js';
import { SEC } from '../../lib/ports.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { PROFILES } from '../../lib/profile/tables.js';
import { Task } from '../../lib/sync/task.js';
import { sleep } from '../../lib/sync/wait.js';
import { boot, type Scenario } from '../support/scenario.js';
import { type CardSpec, Disturber } from './disturb.js';
import { Senders } from './senders.js';
import { Watch } from './watch.js';

/**
 * Queues of depth 1 (2 with kernel 6.1) are left out: there requests that wait
 * are only sent when something else polls, as in the kernel (ap_sm_read goes
 * from QUEUE_FULL to IDLE and asks for nothing).
 */
const CARDS: readonly CardSpec[] = [
  { id: 0, kind: 'cex8 cca' },
  { id: 1, kind: 'cex8 ep11' },
  { id: 2, kind: 'cex7 accel depth=4' },
  { id: 3, kind: 'cex6 cca depth=3' },
  { id: 5, kind: 'cex8 ep11 depth=3' },
];
const DOMAINS = [4, 6, 0x1b];

/**
 * Kernel 6.1 reads random numbers while it binds the first CCA queue. Where a
 * scan does that, and the card goes away before it has answered, the scan waits
 * for a request that only the next scan would give back: the bus is dead, there
 * as here. One CCA queue that nobody touches keeps that from happening.
 */
const GUARD = { card: { id: 9, kind: 'cex8 cca' }, domain: 0x47 } as const;

export interface StormOptions {
  readonly seed: number;
  readonly kernel?: KernelVersion;
  /** The storm ends with the first look for leftovers after this. */
  readonly steps: number;
  /** Asked before each round: false ends the storm. */
  readonly goOn?: () => boolean;
  readonly senders?: number;
  /** Steps between two looks for leftovers. */
  readonly round?: number;
  readonly commandLine?: string;
}

export interface StormReport {
  readonly seed: number;
  readonly steps: number;
  readonly rounds: number;
  readonly requests: number;
  /** Of machine time. */
  readonly seconds: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly events: Readonly<Record<string, number>>;
  readonly actions: Readonly<Record<string, number>>;
  readonly errnos: Readonly<Record<string, number>>;
  /** Of all that happened to requests: equal storms have equal ones. */
  readonly digest: string;
  readonly complaints: readonly string[];
}

export async function storm(options: StormOptions): Promise<StormReport> {
  return (await Storm.make(options)).run();
}

const sorted = (map: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));

class Storm {
  readonly #digest = createHash('sha256');
  readonly #complaints: string[] = [];
  /** What should have been counted since the last look. */
  readonly #counted = new Map<ApQueue | ApCard, number>();
  readonly #watch = new Watch();
  readonly #disturber: Disturber;
  readonly #base: string;
  /** So many there are when everything is bound. */
  readonly #queues: number;
  /** In 6.1 a queue whose card came back waits for the next request, or for another one's interrupt. */
  readonly #restStates: ReadonlySet<string>;

  private constructor(
    readonly options: StormOptions,
    readonly s: Scenario,
    readonly senders: Senders,
    watch: Watch,
  ) {
    this.#watch = watch;
    const isGuarded = !s.m.world.kernel.profile.hwrngReadsInThread;
    const quiet = isGuarded ? [GUARD.domain] : [];
    const modules = isGuarded ? ['vfio_ap'] : ['zcrypt_cex4', 'vfio_ap'];
    const random = new SeededRandom(options.seed ^ 0x5eed);
    this.#disturber = new Disturber(s, random, CARDS, DOMAINS, quiet, modules);
    this.#queues = (CARDS.length + quiet.length) * (DOMAINS.length + quiet.length);
    senders.pace = () => (this.#disturber.isQuiet ? 1000 : 1);
    s.m.trace.onEntry((entry) => {
      if (entry.kind !== 'ap.request' && !entry.kind.startsWith('zcrypt.')) return;
      this.#digest.update(`${entry.time} ${entry.text}\n`);
      if (entry.data?.what === 'queued') this.#count(String(entry.data.queue));
      watch.see(entry);
    });
    this.#base = this.#references();
    const states = s.m.world.kernel.profile.scanPollsReturningQueue ? ['IDLE'] : ['IDLE', 'RESET_START'];
    this.#restStates = new Set(states.map((state) => `OPERATING ${state} 0 0 0`));
  }

  static async make(options: StormOptions): Promise<Storm> {
    const { seed, kernel = '7.2', commandLine = '' } = options;
    const guards = PROFILES[kernel].hwrngReadsInThread ? [] : [GUARD];
    const hardware = [
      ...[...CARDS, ...guards.map(({ card }) => card)].map(({ id, kind }) => `card ${id} add ${kind}`),
      ...[...DOMAINS, ...guards.map(({ domain }) => domain)].map((d) => `domain ${d} add; cdomain ${d} add`),
    ].join('; ');
    const s = await boot({ kernel, seed, hardware, commandLine });
    const { zcrypt, profile } = s.m.world.kernel;
    const task = new Task({ pid: 9999, comm: 'sender' });
    const file = await zcrypt.open(task, { major: 10, minor: profile.z90cryptMinor });
    const ids = CARDS.map(({ id }) => id);
    const watch = new Watch();
    return new Storm(options, s, new Senders(s, new SeededRandom(seed), watch, file, ids, DOMAINS), watch);
  }

  async run(): Promise<StormReport> {
    const { options, senders } = this;
    const { steps, round = 60, goOn = () => true } = options;
    let done = 0;
    let rounds = 0;
    while (done < steps && this.#complaints.length === 0 && goOn()) {
      await this.#forgetCounts();
      senders.start(options.senders ?? 32);
      const disturbers = Array.from({ length: 3 }, async () => {
        for (let n = 0; n < round / 3; n++) await this.#disturber.step();
      });
      await Promise.all(disturbers);
      done += round;
      rounds++;
      senders.stop();
      await this.#calm();
      await this.#look(rounds);
      this.#complaints.push(...senders.complaints.splice(0), ...this.#watch.complaints.splice(0));
    }
    const { world, bugs } = this.s.m;
    const { lockdep, log } = world.kernel.core;
    this.#complaints.push(...bugs.map(String), ...lockdep.violations.map(String));
    for (const { text } of log.lines()) if (text.includes('BUG')) this.#complaints.push(text);
    world.stop();
    return {
      seed: options.seed,
      steps: done,
      rounds,
      requests: senders.finished,
      seconds: world.clock.now() / SEC,
      outcomes: sorted(senders.outcomes),
      events: sorted(this.#watch.counts),
      actions: sorted(this.#disturber.done),
      errnos: sorted(this.#disturber.errnos),
      digest: this.#digest.digest('hex').slice(0, 16),
      complaints: this.#complaints,
    };
  }

  /** The machine in order again, and every request at its end. */
  async #calm(): Promise<void> {
    const { clock } = this.s.m.world;
    await this.#disturber.repair();
    // Requests that a card has lost are found when their queue's timer ends.
    for (const wait of [1, 35, 35, 1000, 1000]) {
      if (this.senders.busy === 0) break;
      await sleep(clock, wait * SEC);
    }
    for (const way of this.senders.pending)
      this.#complaints.push(`request ${way.id} is lost: ${way.queue ?? 'nowhere'}, last ${way.last || 'nothing'}`);
    await sleep(clock, 35 * SEC);
    await clock.settle();
  }

  /** Nothing may be left over. */
  async #look(round: number): Promise<void> {
    const wrong = (what: string): void => void this.#complaints.push(`round ${round}: ${what}`);
    const { kernel, machine } = this.s.m.world;
    for (const aq of this.s.ap.queues()) {
      const state = [DevState[aq.devState], SmState[aq.smState], aq.requestq.length, aq.pendingq.length, aq.queueCount];
      if (!this.#restStates.has(state.join(' '))) wrong(`${aq.name} is ${state.join(' ')}`);
      if (!aq.driver) wrong(`${aq.name} has no driver`);
    }
    const distributor = kernel.zcrypt.api?.distributor;
    const queues = [...(distributor?.queues() ?? [])];
    if (queues.length !== this.#queues) wrong(`zcrypt has ${queues.length} queues`);
    for (const zq of queues) {
      if (zq.load !== 0 || zq.inFlight !== 0) wrong(`${zq.queue.name} load ${zq.load} in flight ${zq.inFlight}`);
      if (!zq.online) wrong(`${zq.queue.name} is offline`);
    }
    for (const zc of distributor?.cards ?? []) if (zc.load !== 0) wrong(`${zc.card.name} load ${zc.load}`);
    for (const hw of machine.touchedQueues())
      if (hw.requests + hw.replies > 0) wrong(`${hw.name} holds ${hw.requests} requests, ${hw.replies} replies`);
    for (const [device, count] of this.#counted)
      if (device.totalRequestCount !== count)
        wrong(`${device.name} counts ${device.totalRequestCount} requests of ${count}`);
    for (const way of this.#watch.open()) wrong(`request ${way.id} is still on ${way.queue ?? 'a picked queue'}`);
    const references = this.#references();
    if (references !== this.#base) wrong(`references ${references} (before: ${this.#base})`);
  }

  #references(): string {
    const { loaded } = this.s.m.world.kernel.core.modules;
    const names = ['zcrypt', 'zcrypt_cex4', 'vfio_ap'];
    return names.map((name) => `${name} ${loaded.get(name)?.refcnt ?? 'none'}`).join(' ');
  }

  async #forgetCounts(): Promise<void> {
    this.#counted.clear();
    for (const device of [...this.s.ap.cards(), ...this.s.ap.queues()]) device.totalRequestCount = 0;
  }

  #count(name: string): void {
    const aq = this.s.apQueue(name);
    for (const device of [aq, aq.card]) this.#counted.set(device, (this.#counted.get(device) ?? 0) + 1);
  }
}
