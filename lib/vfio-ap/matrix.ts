/**
 * One mediated device of vfio_ap: its matrix, guest configuration and queues.
 *
 * Mirrors struct ap_matrix_mdev, `vfio_ap_mdev_probe`, `vfio_ap_mdev_remove`
 * and the show functions; the stores stand in assign.ts and ap-config.ts, what
 * a VM sees of it in open.ts. spec/vfio-ap.md 1, 2 and 4.
 */
import type { LogLevel } from '../driver-core/printk.js';
import { PAGE_SIZE, type Vm } from '../kvm/vm.js';
import type { Task } from '../sync/task.js';
import { Mask } from '../text/bitmap.js';
import { apConfigStore } from './ap-config.js';
import { ApMatrix } from './ap-matrix.js';
import { assignControlDomain, assignStore, unassignControlDomain, unassignStore } from './assign.js';
import { VfioDevice } from './device.js';
import type { VfioAp } from './driver.js';
import type { Eventfd } from './eventfd.js';
import { getUpdateLocksForMdev, holding } from './locks.js';
import type { MdevDevice } from './mdev.js';
import { MatrixMdevOps } from './open.js';
import type { VfioApQueue } from './queue.js';
import { resetQueues } from './reset.js';

export class MatrixMdev {
  readonly va: VfioAp;
  readonly mdev: MdevDevice;
  #vfioDevice: VfioDevice | undefined;
  /** What was assigned. */
  readonly matrix: ApMatrix;
  /** The guest configuration: what of it a guest gets (`shadow_apcb`). */
  readonly shadowApcb: ApMatrix;
  /** Linked queues by APQN (`qtable`), newest first. */
  readonly #queues = new Map<number, VfioApQueue>();
  /** The VM that has it open. */
  kvm: Vm | undefined;
  reqTrigger: Eventfd | undefined;
  cfgChgTrigger: Eventfd | undefined;
  /** What the host has just got and this mdev has assigned: filtered at the end of the scan. */
  apmAdd = Mask.zeros();
  aqmAdd = Mask.zeros();
  admAdd = Mask.zeros();

  constructor(va: VfioAp, mdev: MdevDevice) {
    this.va = va;
    this.mdev = mdev;
    this.matrix = new ApMatrix(va.info);
    this.shadowApcb = new ApMatrix(va.info);
  }

  get uuid(): string {
    return this.mdev.uuid;
  }

  get vfioDevice(): VfioDevice | undefined {
    return this.#vfioDevice;
  }

  /** `vfio_ap_mdev_probe`. */
  async probe(task: Task): Promise<void> {
    const { va } = this;
    this.#vfioDevice = await VfioDevice.register(task, va.vfio, this.mdev, new MatrixMdevOps(this));
    const lock = va.profile.listUnderGuestsLock ? va.guestsLock : va.mdevsLock;
    await lock.with(task, () => {
      this.mdev.driverData = this;
      va.mdevs.unshift(this);
    });
  }

  /** `vfio_ap_mdev_remove`: waits for the VM, then gives everything back. */
  async remove(task: Task): Promise<void> {
    const { va } = this;
    await this.#vfioDevice?.unregister(task);
    await va.guestsLock.with(task, () =>
      va.mdevsLock.with(task, async () => {
        await resetQueues(this);
        for (const apid of this.matrix.apm.bits())
          for (const apqi of this.matrix.aqm.bits()) {
            const q = va.findQueue(apid, apqi);
            if (q?.owner === this) q.owner = undefined;
          }
        this.#queues.clear();
        va.mdevs.splice(va.mdevs.indexOf(this), 1);
      }),
    );
  }

  /** A log line about this device. */
  print(level: LogLevel, text: string): void {
    this.va.core.log.print(level, `${this.mdev.logPrefix}${text}`);
  }

  // The table of queues.

  /** `vfio_ap_mdev_get_queue`: a linked queue. */
  queue(apqn: number): VfioApQueue | undefined {
    return this.#queues.get(apqn);
  }

  /** `vfio_ap_mdev_link_queue`. */
  link(q: VfioApQueue): void {
    q.owner = this;
    this.#queues.set(q.apqn, q);
  }

  /** `vfio_ap_mdev_link_apqn`: if a queue object of that APQN exists. */
  linkApqn(apid: number, apqi: number): void {
    const q = this.va.findQueue(apid, apqi);
    if (q) this.link(q);
  }

  /** `vfio_ap_unlink_queue_fr_mdev`: out of the table; the owner stays for what is still to be freed. */
  unlink(q: VfioApQueue): void {
    if (this.#queues.get(q.apqn) === q) this.#queues.delete(q.apqn);
  }

  /** Queues in the order of the hash table: by bucket, in a bucket the latest first. */
  queuesInTableOrder(): VfioApQueue[] {
    return [...this.#queues.values()].reverse().sort((a, b) => bucket(a.apqn) - bucket(b.apqn));
  }

  /** `vfio_pin_pages` of the page with this address. */
  pin(address: number): boolean {
    return this.#vfioDevice?.pin(pageOf(address)) ?? false;
  }

  unpin(address: number): void {
    this.#vfioDevice?.unpin(pageOf(address));
  }

  // Files.

  assignAdapterStore(task: Task, written: string): Promise<void> {
    return assignStore(task, this, 'adapter', written);
  }

  unassignAdapterStore(task: Task, written: string): Promise<void> {
    return unassignStore(task, this, 'adapter', written);
  }

  assignDomainStore(task: Task, written: string): Promise<void> {
    return assignStore(task, this, 'domain', written);
  }

  unassignDomainStore(task: Task, written: string): Promise<void> {
    return unassignStore(task, this, 'domain', written);
  }

  assignControlDomainStore(task: Task, written: string): Promise<void> {
    return assignControlDomain(task, this, written);
  }

  unassignControlDomainStore(task: Task, written: string): Promise<void> {
    return unassignControlDomain(task, this, written);
  }

  apConfigStore(task: Task, written: string): Promise<void> {
    return apConfigStore(task, this, written);
  }

  /** `ap_config`: no lock is taken. */
  apConfigText(): string {
    return this.matrix.configText();
  }

  controlDomainsText(task: Task): Promise<string> {
    return this.va.mdevsLock.with(task, () => this.matrix.controlDomainsText());
  }

  /** The whole list: files cut it at a page. */
  matrixText(task: Task): Promise<string> {
    return this.va.mdevsLock.with(task, () => this.matrix.listText());
  }

  /** As `matrix`, of the guest configuration; also without a guest. */
  guestMatrixText(task: Task): Promise<string> {
    return this.va.mdevsLock.with(task, () => this.shadowApcb.listText());
  }

  /** Runs a section under the locks of an update of this mdev (`get_update_locks_for_mdev`). */
  async updating<T>(task: Task, section: () => T | Promise<T>): Promise<T> {
    return holding(await getUpdateLocksForMdev(task, this.va, this), section);
  }
}

const pageOf = (address: number): number => Math.floor(address / PAGE_SIZE) * PAGE_SIZE;

/** hash_min of a 32-bit key in a table of 256. */
const bucket = (apqn: number): number => Math.imul(apqn, 0x61c88647) >>> 24;

/** The state behind an mdev device that is bound to vfio_ap. */
export const matrixMdevOf = (mdev: MdevDevice): MatrixMdev | undefined =>
  mdev.driverData instanceof MatrixMdev ? mdev.driverData : undefined;
