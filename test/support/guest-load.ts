/**
 * Two guests and their host under load at the same time, while adapters come
 * and go in the first guest: programs, somebody at the mask files, and a watch
 * over what the host keeps for interrupts.
 */
import type { SeededRandom } from '../../fs-tree/host/random.js';
import type { Kernel } from '../../lib/kernel.js';
import type { LockClass } from '../../lib/sync/lockdep.js';
import type { Task } from '../../lib/sync/task.js';
import { type GuestSide, interruptFaults, startGuest } from './guests.js';
import { Requests } from './requests.js';
import { B, type Scenario, U1, U2 } from './scenario.js';

/** Adapters 5 and 6 are for the first guest, 8 for the second, 7 stays with the host. */
export const FOUR_CARDS = `${'5 6 7 8'.replace(/\d/g, 'card $& add cex8 cca;')}domain 4 add; domain 0xab add; delay 300`;

/** What became of the requests of one kernel. */
export type Tally = Record<string, number>;

export class GuestLoad {
  readonly tallies: Record<'host' | 'first' | 'second', Tally> = { host: {}, first: {}, second: {} };
  /** What was wrong with interrupt resources, each text once. */
  readonly faults = new Set<string>();
  /** Enablements that met a queue which the host had just lost: what the kernel then forgets is no fault here. */
  forgotten = 0;
  /** Times that the resources were looked at. */
  looks = 0;
  /** What was done to the first guest, and how it ended. */
  readonly actions: string[] = [];
  #stopped = false;

  private constructor(
    readonly s: Scenario,
    readonly first: GuestSide,
    readonly second: GuestSide,
    readonly random: SeededRandom,
  ) {}

  static async start(s: Scenario, random: SeededRandom, words = ''): Promise<GuestLoad> {
    await s.put('-5,-6,-8', `${B}/apmask`);
    for (const [uuid, ...adapters] of [
      [U1, 5, 6],
      [U2, 8],
    ] as const) {
      await s.create(uuid);
      await s.assign(uuid, ...adapters.map((id) => `assign_adapter ${id}`), 'assign_domain 4', 'assign_domain 0xab');
    }
    const first = await startGuest(s, `name=first vcpus=2 ${words}`, U1);
    const second = await startGuest(s, `name=second ${words}`, U2);
    const load = new GuestLoad(s, first, second, random);
    load.#watch();
    return load;
  }

  /** Looks at the interrupt resources whenever vfio_ap has left its innermost lock. */
  #watch(): void {
    const { lockdep, log } = this.s.m.world.kernel.core;
    log.subscribe(({ text }) => {
      if (/^vfio_ap_irq_enable: apqn 0[56]/.test(text)) this.forgotten++;
    });
    const released = lockdep.released.bind(lockdep);
    lockdep.released = (task: Task, cls: LockClass, lock: object): void => {
      released(task, cls, lock);
      if (cls.name !== 'mdevs_lock') return;
      this.looks++;
      for (const fault of interruptFaults(this.s, (uuid) => (uuid === U1 ? this.forgotten : 0))) this.faults.add(fault);
    };
  }

  /** So many programs on each of the three, and somebody who plugs; until `stop`. */
  async run(programs: number): Promise<void> {
    const kernels = { host: this.s.m.world.kernel, first: this.first.kernel, second: this.second.kernel };
    const work: Promise<void>[] = [this.#plugAndUnplug()];
    for (const [who, kernel] of Object.entries(kernels))
      for (let i = 0; i < programs; i++) work.push(this.#program(who as keyof GuestLoad['tallies'], kernel));
    await Promise.all(work);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #program(who: keyof GuestLoad['tallies'], kernel: Kernel): Promise<void> {
    const requests = await Requests.on(kernel);
    const tally = this.tallies[who];
    while (!this.#stopped) {
      const how = this.random.below(2) === 0 ? await requests.rsa() : await requests.cca();
      tally[how] = (tally[how] ?? 0) + 1;
      // Without a queue there is nothing to wait for: a program would try again after a while.
      if (how !== 'ok') await this.#pause(5);
    }
    requests.close();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.s.m.world.clock.after(ms * 1e6, resolve, { name: 'program' });
    });
  }

  /** The first guest loses adapters and gets them back, in every way that its host has. */
  async #plugAndUnplug(): Promise<void> {
    const { s } = this;
    const WAYS: readonly (readonly [() => Promise<unknown>, () => Promise<unknown>, string])[] = ['05', '06'].flatMap(
      (card) => [
        [
          () => s.put(`${card}.0004`, `${B}/drivers/vfio_ap/unbind`),
          () => s.put(`${card}.0004`, `${B}/drivers/vfio_ap/bind`),
          `unbind ${card}.0004`,
        ] as const,
        [
          () => s.assign(U1, `unassign_adapter 0x${card}`),
          () => s.assign(U1, `assign_adapter 0x${card}`),
          `unassign ${card}`,
        ] as const,
        [
          () => s.m.sh.ask('kernel/debug/ap_sim/hw', `card 0x${card} apm off`),
          () => s.m.sh.ask('kernel/debug/ap_sim/hw', `card 0x${card} apm on`),
          `host loses ${card}`,
        ] as const,
      ],
    );
    const out = new Map<string, () => Promise<unknown>>();
    while (!this.#stopped || out.size > 0) {
      const [away, back, what] = WAYS[this.random.below(WAYS.length)] ?? [];
      const card = what?.match(/0[56]/)?.[0] ?? '';
      const giveBack = out.get(card) ?? (this.#stopped ? [...out.values()][0] : undefined);
      if (giveBack) {
        await giveBack();
        for (const [key, value] of out) if (value === giveBack) out.delete(key);
      } else if (away && back && !this.#stopped) {
        await away();
        out.set(card, back);
        this.actions.push(what ?? '');
      }
      await this.#pause(20 + this.random.below(60));
    }
    await s.put(1, `${B}/scans`);
  }

  /** Everything after the run: nothing of it must be left. */
  async end(): Promise<void> {
    await this.s.m.settle();
    for (const uuid of [U1, U2]) await this.s.guest(`exit ${uuid}`);
    await this.s.m.settle();
  }
}
