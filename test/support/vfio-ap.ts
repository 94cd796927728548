/**
 * A machine with vfio_ap for tests below the files: stores and shows are called
 * as the tables call them, in virtual time.
 */
import { standingClock } from '../../fs-tree/host/clock-host.js';
import { hostCrypto } from '../../fs-tree/host/crypto.js';
import { SeededRandom } from '../../fs-tree/host/random.js';
import { maskStore } from '../../lib/ap/masks.js';
import type { ApQueue } from '../../lib/ap/queue.js';
import { SimClock } from '../../lib/clock.js';
import { KernelError } from '../../lib/errno.js';
import { runHardwareCommand } from '../../lib/hardware/vocabulary.js';
import type { Kernel } from '../../lib/kernel.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { Task } from '../../lib/sync/task.js';
import type { VfioAp } from '../../lib/vfio-ap/driver.js';
import { type MatrixMdev, matrixMdevOf } from '../../lib/vfio-ap/matrix.js';
import type { MdevType } from '../../lib/vfio-ap/mdev.js';
import { type GuestCommandResult, runGuestCommand } from '../../lib/vmm/vmms.js';
import { createWorld, type World } from '../../lib/world.js';

export const U1 = '11111111-1111-4111-8111-111111111111';
export const U2 = '22222222-2222-4222-8222-222222222222';
export const U3 = '33333333-3333-4333-8333-333333333333';

/** Adapters 5 and 6 with domains 4 and 0xab, as in vfio-ap.md 14. */
export const TWO_BY_TWO = 'card 5 add cex8 cca; card 6 add cex8 cca; domain 4 add; domain 0xab add; cdomain 4 add';

export const VERSIONS: readonly KernelVersion[] = ['6.1', '6.12', '7.2'];

export class VfioTest {
  readonly clock: SimClock;
  readonly #events: string[] = [];
  readonly #log: string[] = [];
  #pid = 5000;

  private constructor(
    readonly world: World,
    clock: SimClock,
  ) {
    this.clock = clock;
    world.kernel.core.uevents.subscribe((e) => this.#events.push(`${e.action}@${e.devpath}`));
    world.kernel.core.log.subscribe((line) => this.#log.push(line.text));
  }

  static async boot(kernel: KernelVersion = '7.2', hardware: string = TWO_BY_TWO): Promise<VfioTest> {
    const clock = new SimClock(standingClock, 'auto');
    const trace = { enabled: false, emit: () => undefined };
    const world = await createWorld(
      { clock, random: new SeededRandom(1), crypto: hostCrypto, trace },
      { kernel, hardware },
    );
    return new VfioTest(world, clock);
  }

  get kernel(): Kernel {
    return this.world.kernel;
  }

  get va(): VfioAp {
    const { vfioAp } = this.kernel.vfio;
    if (!vfioAp) throw new Error('vfio_ap is not loaded');
    return vfioAp;
  }

  get type(): MdevType {
    if (!this.va.parent) throw new Error('no parent');
    return this.va.parent.type;
  }

  task(comm = 'bash', signal?: AbortSignal): Task {
    return new Task({ pid: this.#pid++, comm, signal });
  }

  create(uuid: string): Promise<void> {
    return this.type.createStore(this.task(), `${uuid}\n`);
  }

  mdev(uuid: string = U1): MatrixMdev {
    const device = this.kernel.vfio.mdev?.list.get(uuid);
    const mdev = device && matrixMdevOf(device);
    if (!mdev) throw new Error(`no mdev ${uuid}`);
    return mdev;
  }

  remove(uuid: string = U1, signal?: AbortSignal): Promise<void> {
    return this.mdev(uuid).mdev.removeStore(this.task('bash', signal), '1\n');
  }

  adapter(id: number, uuid: string = U1): Promise<void> {
    return this.mdev(uuid).assignAdapterStore(this.task(), `${id}\n`);
  }

  domain(id: number, uuid: string = U1): Promise<void> {
    return this.mdev(uuid).assignDomainStore(this.task(), `${id}\n`);
  }

  matrix(uuid: string = U1): Promise<string> {
    return this.mdev(uuid).matrixText(this.task());
  }

  guestMatrix(uuid: string = U1): Promise<string> {
    return this.mdev(uuid).guestMatrixText(this.task());
  }

  queue(apid: number, apqi: number): ApQueue {
    const aq = this.kernel.ap?.queue(apid, apqi);
    if (!aq) throw new Error(`no queue ${apid}.${apqi}`);
    return aq;
  }

  status(apid: number, apqi: number): Promise<string> {
    return this.va.statusText(this.task(), this.queue(apid, apqi));
  }

  async apmask(text: string): Promise<void> {
    if (!this.kernel.ap) throw new Error('no AP bus');
    await maskStore(this.task(), this.kernel.ap, 'apm', text);
  }

  async bind(what: 'bind' | 'unbind', driver: string, queue: string): Promise<void> {
    const drv = this.kernel.ap?.bus.drivers.get(driver);
    if (!drv) throw new Error(`no driver ${driver}`);
    await drv[what](this.task(), queue);
  }

  async hw(text: string): Promise<string> {
    const out = runHardwareCommand(this.world.machine, text);
    await this.clock.settle();
    return out;
  }

  scan(): Promise<boolean> {
    if (!this.kernel.ap) throw new Error('no AP bus');
    return this.kernel.ap.scan.force(this.task());
  }

  guest(words: string): Promise<GuestCommandResult> {
    return runGuestCommand(this.world.vmms, this.task('vfioguest'), words.split(' '));
  }

  events(): string[] {
    return this.#events.splice(0);
  }

  log(): string[] {
    return this.#log.splice(0);
  }

  /** Classes in the order in which a piece of work takes them, from the first vfio_ap lock (or mask mutex) on. */
  async locksOf(work: () => Promise<unknown>): Promise<string[]> {
    const { lockdep } = this.kernel.core;
    const taken: string[] = [];
    const original = lockdep.acquired;
    lockdep.acquired = (task, cls, lock) => {
      if (LOCKS.has(cls.name)) taken.push(cls.name);
      original.call(lockdep, task, cls, lock);
    };
    try {
      await work();
    } finally {
      lockdep.acquired = original;
    }
    return taken;
  }

  /** Nothing took locks in a wrong order. */
  get violations(): string[] {
    return this.kernel.core.lockdep.violations.map((v) => v.text);
  }
}

const LOCKS = new Set(['ap_attr_mutex', 'ap_perms_mutex', 'guests_lock', 'kvm->lock', 'pqap_hook_rwsem', 'mdevs_lock']);

/** The errno of a call that fails, or 'ok'. */
export async function errnoOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'ok';
  } catch (e) {
    if (e instanceof KernelError) return e.errno;
    throw e;
  }
}
