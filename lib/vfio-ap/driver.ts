/**
 * The module vfio_ap while it is loaded: matrix device, AP driver, mdev driver.
 *
 * Mirrors vfio_ap_drv.c and struct ap_matrix_dev. The order of its parts is
 * that of the module's init and exit. spec/vfio-ap.md 1, spec/sysfs-tree.md 3.
 */
import type { ApBus } from '../ap/bus.js';
import type { ApDriver } from '../ap/driver.js';
import { ApQueue } from '../ap/queue.js';
import { Bus } from '../driver-core/bus.js';
import type { DriverCore } from '../driver-core/core.js';
import { Device } from '../driver-core/device.js';
import { Driver } from '../driver-core/driver.js';
import type { Module } from '../driver-core/module.js';
import { RateLimit } from '../driver-core/printk.js';
import { KernelError } from '../errno.js';
import type { ApInstructions } from '../hardware/instructions.js';
import type { Profile } from '../profile/profile.js';
import { Mutex } from '../sync/mutex.js';
import type { Task } from '../sync/task.js';
import { type HostConfig, hostConfigOf, NO_HOST_CONFIG } from './ap-matrix.js';
import { onConfigChanged, onScanComplete } from './host-config.js';
import { MatrixMdev, matrixMdevOf } from './matrix.js';
import { type MdevCore, MdevDevice, type MdevDriver, type MdevParent } from './mdev.js';
import { probeQueue, queueObjectOf, removeQueue, statusText, type VfioApQueue } from './queue.js';
import { resourceInUse } from './validate.js';
import type { Vfio } from './vfio.js';

/** MAX_ZDEV_ENTRIES_EXT: as many as there are queues. */
const MAX_INSTANCES = 65536;

/** /sys/devices/vfio_ap/matrix. File group 'matrix': `features`. */
export class MatrixDevice extends Device {
  /** The file `features`. */
  get featuresText(): string {
    return 'guest_matrix hotplug ap_config\n';
  }
}

/** What it needs of the rest of the kernel. */
export interface VfioApParts {
  readonly core: DriverCore;
  readonly profile: Profile;
  readonly hw: ApInstructions;
  readonly ap: ApBus;
  readonly vfio: Vfio;
  readonly mdev: MdevCore;
  readonly module: Module;
}

export class VfioAp {
  readonly core: DriverCore;
  readonly profile: Profile;
  readonly hw: ApInstructions;
  readonly ap: ApBus;
  readonly vfio: Vfio;
  readonly #mdevCore: MdevCore;
  readonly #module: Module;

  /** Guards VM pointers and the list of mdevs. Order of locks: locks.ts. */
  readonly guestsLock: Mutex;
  /** Guards the contents of mdevs and queue objects. */
  readonly mdevsLock: Mutex;
  /** The host's configuration as of the last scan. */
  info: HostConfig = NO_HOST_CONFIG;
  /** Newest first. */
  readonly mdevs: MatrixMdev[] = [];
  /** Limits "Waited ... for reset": over all queues. */
  readonly waitingLines: RateLimit;
  readonly #requestLines: RateLimit;
  /** Places that have warned. */
  readonly warnedOnce = new Set<string>();

  readonly #rootDevice: Device;
  readonly #matrixBus: Bus;
  readonly matrixDevice: MatrixDevice;
  readonly #matrixDriver: Driver;
  #apDriver: ApDriver | undefined;
  #mdevDriver: MdevDriver | undefined;
  /** The divided matrix device with its type. */
  parent: MdevParent | undefined;

  constructor(parts: VfioApParts) {
    const { core, profile } = parts;
    this.core = core;
    this.profile = profile;
    this.hw = parts.hw;
    this.ap = parts.ap;
    this.vfio = parts.vfio;
    this.#mdevCore = parts.mdev;
    this.#module = parts.module;
    this.guestsLock = new Mutex(core.lockdep, 'guests_lock');
    this.mdevsLock = new Mutex(core.lockdep, 'mdevs_lock');
    this.waitingLines = new RateLimit(core.ports.clock);
    this.#requestLines = new RateLimit(core.ports.clock);
    this.#rootDevice = new Device(core, { name: 'vfio_ap', parent: core.devicesDir });
    this.#matrixBus = new Bus(core, { name: 'matrix', match: () => true });
    this.matrixDevice = new MatrixDevice(core, {
      name: 'matrix',
      parent: this.#rootDevice,
      bus: this.#matrixBus,
      groups: profile.hasFeatures ? ['matrix'] : [],
    });
    this.#matrixDriver = new Driver(this.#matrixBus, { name: 'vfio_ap', suppressBindAttrs: true });
  }

  /** `vfio_ap_init`. @throws EOPNOTSUPP QCI fails though it is installed; what a registration returns */
  async init(task: Task): Promise<void> {
    await this.#createMatrixDevice(task);
    const module = this.#module;
    this.#apDriver = await this.ap.registerDriver(task, {
      name: 'vfio_ap',
      module,
      serves: 'queues',
      isDefault: false,
      probe: (t, dev) => (dev instanceof ApQueue ? probeQueue(t, this, dev) : Promise.resolve()),
      remove: (t, dev) => (dev instanceof ApQueue ? removeQueue(t, this, dev) : Promise.resolve()),
      inUse: (t, apm, aqm) => resourceInUse(t, this, apm, aqm),
      onConfigChanged: (t, now, before) => onConfigChanged(t, this, now, before),
      onScanComplete: (t) => onScanComplete(t, this),
    });
    this.#mdevDriver = await this.#mdevCore.registerDriver(task, {
      name: 'vfio_ap_mdev',
      module,
      devGroups: ['vfio_ap_mdev'],
      deviceApi: 'vfio-ap',
      maxInstances: MAX_INSTANCES,
      probe: async (t, dev) => {
        if (dev instanceof MdevDevice) await new MatrixMdev(this, dev).probe(t);
      },
      remove: async (t, dev) => {
        if (dev instanceof MdevDevice) await matrixMdevOf(dev)?.remove(t);
      },
    });
    this.parent = this.#mdevCore.registerParent(
      this.matrixDevice,
      this.#mdevDriver,
      'passthrough',
      'VFIO AP Passthrough Device',
    );
  }

  /** `vfio_ap_exit`. */
  async exit(task: Task): Promise<void> {
    if (this.parent) await this.#mdevCore.unregisterParent(task, this.parent);
    this.parent = undefined;
    if (this.#mdevDriver) await this.#mdevCore.unregisterDriver(task, this.#mdevDriver);
    if (this.#apDriver) await this.ap.unregisterDriver(task, this.#apDriver);
    await this.#matrixBus.removeDriver(task, this.#matrixDriver);
    await this.matrixDevice.del(task);
    await this.#matrixBus.unregister(task);
    this.#rootDevice.removeLink('module');
    await this.#rootDevice.del(task);
  }

  /** `vfio_ap_matrix_dev_create`. */
  async #createMatrixDevice(task: Task): Promise<void> {
    await this.#rootDevice.add(task);
    this.#rootDevice.addLink('module', this.#module);
    this.#matrixBus.register();
    if (this.hw.hasFacility(12)) {
      const info = this.hw.qci();
      if (!info) {
        await this.#matrixBus.unregister(task);
        await this.#rootDevice.del(task);
        throw new KernelError('EOPNOTSUPP');
      }
      this.info = hostConfigOf(info);
    }
    await this.matrixDevice.add(task);
    await this.#matrixBus.addDriver(task, this.#matrixDriver);
  }

  /** `vfio_ap_find_queue`: the object of a queue that is bound to this driver. */
  findQueue(apid: number, apqi: number): VfioApQueue | undefined {
    const aq = this.ap.queue(apid, apqi);
    return aq && queueObjectOf(aq);
  }

  /** The file `status` of a bound queue. */
  statusText(task: Task, aq: ApQueue): Promise<string> {
    return statusText(task, this, aq);
  }

  /** `dev_notice_ratelimited` of the request callback. */
  printRequest(text: string): void {
    const { print, suppressed } = this.#requestLines.pass();
    if (suppressed > 0) this.core.log.print('warning', `vfio_ap_mdev_request: ${suppressed} callbacks suppressed`);
    if (print) this.core.log.print('notice', text);
  }
}
