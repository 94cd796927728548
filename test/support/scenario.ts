/**
 * What the scenario tests share: the small machine of the worked example
 * (adapters 5 and 6, domains 4 and 0xab), short names for its files, and
 * records of what a file cannot show (instructions, locks, removal steps).
 */
import type { Test } from 'tap';
import type { ApBus } from '../../lib/ap/bus.js';
import type { ApQueue } from '../../lib/ap/queue.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import type { LockClass } from '../../lib/sync/lockdep.js';
import type { Task } from '../../lib/sync/task.js';
import type { VfioAp } from '../../lib/vfio-ap/driver.js';
import type { MatrixMdev } from '../../lib/vfio-ap/matrix.js';
import { queueObjectOf, type VfioApQueue } from '../../lib/vfio-ap/queue.js';
import type { Vmm } from '../../lib/vmm/vmm.js';
import type { WorldOptions } from '../../lib/world.js';
import { bootMachine, errnoOf, type TestMachine } from './machine.js';

export const B = 'bus/ap';
export const D = 'devices/ap';
export const P = 'devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough';
export const SIM = 'kernel/debug/ap_sim';
export const U1 = '11111111-1111-4111-8111-111111111111';
export const U2 = '22222222-2222-4222-8222-222222222222';
export const U3 = '33333333-3333-4333-8333-333333333333';
export const KERNELS: readonly KernelVersion[] = ['7.2', '6.12', '6.1'];
export const SMALL_MACHINE =
  'card 5 add cex8 cca; card 6 add cex8 cca; domain 4 add; domain 0xab add; cdomain 4 add; cdomain 0xab add';

/** What tap gives a test, as far as it is needed here. */
export type Asserter = Pick<Test, 'same'>;

/** The locks of vfio_ap and above, whose order the seeds speak of. */
const TRACKED = /^(ap_attr_mutex|ap_perms_mutex|guests_lock|kvm->lock|pqap_hook_rwsem|mdevs_lock)$/;

export class Scenario {
  readonly #events: string[] = [];
  readonly #instructions: string[] = [];
  readonly #locks: string[] = [];
  readonly #story: string[] = [];

  /** @param records false: events, instructions and locks are not kept (a long run has many) */
  constructor(
    readonly m: TestMachine,
    { records = true } = {},
  ) {
    if (!records) return;
    const { core } = m.world.kernel;
    core.uevents.subscribe(({ action, devpath, keys }) => {
      const own = keys.filter((k) => !/^(ACTION|DEVPATH|SUBSYSTEM|DEV_TYPE|DEVTYPE|MODALIAS|MODE|DRIVER)=/.test(k));
      this.#events.push([`${action}@${devpath}`, ...own.map((k) => k.trimEnd())].join(' '));
    });
    m.trace.onEntry(({ kind, text }) => {
      if (kind === 'ap.instr') this.#instructions.push(text);
      if (kind === 'ap.instr' || kind === 'ap.remove' || kind === 'ap.request') this.#story.push(text);
    });
    const { lockdep } = core;
    const acquired = lockdep.acquired.bind(lockdep);
    const released = lockdep.released.bind(lockdep);
    lockdep.acquired = (task: Task, cls: LockClass, lock: object): void => {
      acquired(task, cls, lock);
      if (TRACKED.test(cls.name)) this.#locks.push(`+${cls.name}`);
    };
    lockdep.released = (task: Task, cls: LockClass, lock: object): void => {
      released(task, cls, lock);
      if (TRACKED.test(cls.name)) this.#locks.push(`-${cls.name}`);
    };
  }

  get ap(): ApBus {
    const { ap } = this.m.world.kernel;
    if (!ap) throw new Error('no AP bus');
    return ap;
  }

  get va(): VfioAp {
    const { vfioAp } = this.m.world.kernel.vfio;
    if (!vfioAp) throw new Error('vfio_ap is not loaded');
    return vfioAp;
  }

  read(path: string): Promise<string> {
    return this.m.sh.read(path);
  }

  /** `echo WORDS > PATH`: 'ok' or the errno. */
  async put(words: string | number, path: string): Promise<string> {
    return (await errnoOf(this.m.sh.echo(words, path))) ?? 'ok';
  }

  /** One write of exactly this text: 'ok' or the errno. */
  async write(text: string, path: string): Promise<string> {
    return (await errnoOf(this.m.sh.write(path, text))) ?? 'ok';
  }

  hw(command: string): Promise<string> {
    return this.m.hw(command);
  }

  guest(command: string): Promise<string> {
    return this.m.guest(command);
  }

  /** What a command file answers with: 'ok' or the errno. */
  control(file: string, command: string): Promise<string> {
    return this.put(command, `${SIM}/${file}`);
  }

  mdev(uuid: string, file = ''): string {
    return `devices/vfio_ap/matrix/${uuid}${file && `/${file}`}`;
  }

  queue(name: string, file = ''): string {
    return `${D}/card${name.slice(0, 2)}/${name}${file && `/${file}`}`;
  }

  async create(uuid: string): Promise<void> {
    await this.m.sh.echo(uuid, `${P}/create`);
  }

  /** Several writes to an mdev, `assign_adapter 5` each; their results. */
  async assign(uuid: string, ...lines: string[]): Promise<string[]> {
    const results: string[] = [];
    for (const line of lines) {
      const [file = '', id = ''] = line.split(' ');
      results.push(await this.put(id, this.mdev(uuid, file)));
    }
    return results;
  }

  matrix(uuid: string): Promise<string> {
    return this.read(this.mdev(uuid, 'matrix'));
  }

  guestMatrix(uuid: string): Promise<string> {
    return this.read(this.mdev(uuid, 'guest_matrix'));
  }

  status(queue: string): Promise<string> {
    return this.read(this.queue(queue, 'status'));
  }

  /** Name of the bound driver. */
  driver(queue: string): string {
    const link = this.queue(queue, 'driver');
    return this.m.sh.exists(link) ? (this.m.sh.readlink(link).split('/').at(-1) as string) : 'none';
  }

  /** Events since the last call, with the keys of their own: `change@/devices/ap/card05 CONFIG=1`. */
  events(): string[] {
    return this.#events.splice(0);
  }

  /** Instructions since the last call: `ZAPQ 05.0004 -> 00 empty`. */
  instructions(pattern = /./): string[] {
    return this.#instructions.splice(0).filter((line) => pattern.test(line));
  }

  /** Instructions, steps of removals and ways of requests since the last call, in order. */
  story(pattern = /./): string[] {
    return this.#story.splice(0).filter((line) => pattern.test(line));
  }

  /** Takes and releases of the tracked locks since the last call. */
  locks(): string[] {
    return this.#locks.splice(0);
  }

  /** RAPQ, ZAPQ, AQIC since the last call. */
  resets(): Promise<string> {
    return this.m.takeResets();
  }

  vmm(uuid: string): Vmm {
    const vmm = this.m.world.vmms.guests.get(uuid);
    if (!vmm) throw new Error(`no guest ${uuid}`);
    return vmm;
  }

  /** How often the masks of the guest's VM were set or cleared. */
  updates(uuid: string): number {
    return this.vmm(uuid).vm?.apcbUpdates ?? 0;
  }

  /** The masks that the hardware has for a guest, as `matrix` would list them. */
  apcb(uuid: string): string {
    const apcb = this.vmm(uuid).vm?.apcb;
    const ids = (mask: { bits(): Iterable<number> }): string[] => [...mask.bits()].map((id) => id.toString(16));
    return apcb ? `${ids(apcb.apm)}.${ids(apcb.aqm)}.${ids(apcb.adm)}` : 'no VM';
  }

  matrixMdev(uuid: string): MatrixMdev {
    const found = this.va.mdevs.find((mdev) => mdev.uuid === uuid);
    if (!found) throw new Error(`no mdev ${uuid}`);
    return found;
  }

  apQueue(name: string): ApQueue {
    const aq = this.ap.queue(Number.parseInt(name, 16), Number.parseInt(name.slice(3), 16));
    if (!aq) throw new Error(`no queue ${name}`);
    return aq;
  }

  /** The vfio_ap object of a queue. */
  vfioQueue(name: string): VfioApQueue {
    const q = queueObjectOf(this.apQueue(name));
    if (!q) throw new Error(`${name} is not bound to vfio_ap`);
    return q;
  }

  /** Removal steps of all queues from now on: `05.0004 prepare`. */
  removalSteps(also?: (queue: ApQueue, step: string) => void): string[] {
    const steps: string[] = [];
    this.ap.onRemovalStep = (queue, step) => {
      steps.push(`${queue.name} ${step}`);
      also?.(queue, step);
    };
    return steps;
  }

  /** Tells when the remove function of an AP driver is called, before it does anything. */
  onDriverRemove(driver: string, called: (queue: string) => void): void {
    const drv = [...this.ap.drivers()].find(({ name }) => name === driver);
    if (!drv) throw new Error(`no driver ${driver}`);
    const { remove } = drv.ops;
    Object.assign(drv.ops, {
      remove: (task: Task, dev: ApQueue) => {
        called(dev.name);
        return remove?.call(drv.ops, task, dev);
      },
    });
  }

  refcnt(module: string): Promise<string> {
    return this.read(`module/${module}/refcnt`);
  }

  /** A quiet machine; what happened so far does not count. */
  async scanAndForget(): Promise<void> {
    await this.m.scan();
    this.events();
    this.instructions();
    this.locks();
    this.story();
    await this.resets();
    this.m.takeLog();
  }

  /** Lets machine time pass; the clock is `manual`. */
  async pass(ms: number): Promise<void> {
    await this.m.world.clock.advance(ms * 1e6);
  }

  /** Time stands still unless `pass` moves it. */
  standStill(): void {
    this.m.world.clock.mode = 'manual';
  }

  letGo(): void {
    this.m.world.clock.mode = 'auto';
  }

  /** The end of every scenario: no bug, no lock taken in a wrong order, no kernel warning. */
  sound(t: Asserter, { warnings = false } = {}): void {
    const { core } = this.m.world.kernel;
    t.same(this.m.bugs, [], 'no bugs');
    t.same(core.lockdep.violations, [], 'no lock order violation');
    if (!warnings)
      t.same(
        core.log.lines().filter((l) => l.text.includes('cut here')),
        [],
        'no kernel warning',
      );
    this.m.world.stop();
  }
}

/** The worked example's machine, or the one given. */
export async function boot(options: WorldOptions & { seed?: number } = {}): Promise<Scenario> {
  const s = new Scenario(await bootMachine({ hardware: SMALL_MACHINE, ...options }));
  s.events();
  s.instructions();
  s.locks();
  s.story();
  await s.resets();
  s.m.takeLog();
  return s;
}

/** The same with adapter 5 given to vfio_ap, and U1 with adapter 5 and domains 4, 0xab. */
export async function bootWithMdev(options: WorldOptions = {}): Promise<Scenario> {
  const s = await boot(options);
  await s.put('-5', `${B}/apmask`);
  await s.create(U1);
  await s.assign(U1, 'assign_adapter 5', 'assign_domain 4', 'assign_domain 0xab');
  await s.scanAndForget();
  return s;
}
