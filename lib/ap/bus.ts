/**
 * The AP bus: what adapters and domains become in a kernel.
 *
 * Mirrors ap_bus.c, its module init and its state. Scanning is in scan.ts,
 * masks in masks.ts, the bindings event in bindings.ts, polling in poll.ts.
 * spec/ap-bus.md.
 */
import { Bus } from '../driver-core/bus.js';
import type { DriverCore } from '../driver-core/core.js';
import { Device, type DeviceType } from '../driver-core/device.js';
import type { Driver } from '../driver-core/driver.js';
import { Kobject } from '../driver-core/kobject.js';
import { KernelError } from '../errno.js';
import { type ApConfigInfo, type ApInstructions, QCI } from '../hardware/instructions.js';
import type { Profile } from '../profile/profile.js';
import { Mutex } from '../sync/mutex.js';
import type { Task } from '../sync/task.js';
import { Mask, parseMaskText } from '../text/bitmap.js';
import { scanI } from '../text/kstrto.js';
import { ActiveQueues } from './active.js';
import { Bindings } from './bindings.js';
import { ApCard } from './card.js';
import { ApDriver, type ApDriverOps } from './driver.js';
import type { ApMessage } from './message.js';
import type { ApParameters } from './parameters.js';
import { Poll } from './poll.js';
import { ApQueue } from './queue.js';
import type { SmState } from './queue-sm.js';
import { Scan } from './scan.js';
import { RemovalEvent, type RemovalStep, StateEvent } from './trace.js';

export interface ApBusOptions {
  readonly parameters?: ApParameters;
  /** Built with CONFIG_AP_DEBUG: `states` and `last_err_rc` of queues. */
  readonly debugAttributes?: boolean;
}

export class ApBus {
  readonly core: DriverCore;
  readonly hw: ApInstructions;
  readonly profile: Profile;
  readonly parameters: ApParameters;
  readonly bus: Bus;
  /** /sys/devices/ap */
  readonly rootDevice: Device;
  readonly queueType: DeviceType;
  /** Guards the masks, the override count and the zcdn masks (`ap_attr_mutex`, before 7.2 `ap_perms_mutex`). */
  readonly attrMutex: Mutex;
  apm = Mask.ones();
  aqm = Mask.ones();
  readonly ioctlm = Mask.ones();
  /** Computed at each commit: not both masks all ones. */
  masksInUse = false;
  /** Queues with a driver_override, ever less those cleared (a deleted queue stays counted). */
  overrideCount = 0;
  /** Current and previous QCI block; undefined: none was ever fetched. */
  qci: ApConfigInfo | undefined;
  qciBefore: ApConfigInfo | undefined;
  maxAdapterId = 63;
  maxDomainId = 15;
  /** Default domain; -1: none. */
  domainIndex = -1;
  usesInterrupts = false;
  /** Largest message any card takes, bytes; never shrinks. */
  maxMessageSize = 12 * 1024;
  /** Card devices by number: every scan asks for each. */
  readonly #cards: (ApCard | undefined)[] = [];
  /** Queues with a driver, in order of binding: those are polled. */
  readonly active = new ActiveQueues();
  readonly poll: Poll;
  readonly scan: Scan;
  readonly bindings: Bindings;
  /** Receives the removal steps of a queue, in order. */
  onRemovalStep: ((queue: ApQueue, step: RemovalStep) => void) | undefined;

  constructor(core: DriverCore, hw: ApInstructions, profile: Profile, options: ApBusOptions = {}) {
    this.core = core;
    this.hw = hw;
    this.profile = profile;
    this.parameters = options.parameters ?? {};
    this.queueType = {
      name: 'ap_queue',
      groups: options.debugAttributes ? ['ap_queue', 'ap_queue_debug'] : ['ap_queue'],
    };
    this.attrMutex = new Mutex(core.lockdep, profile.attrMutexName);
    this.bus = new Bus(core, {
      name: 'ap',
      groups: ['ap_bus'],
      match: (dev, drv) => this.#match(dev, drv),
      listed: (dev, on) => this.#listed(dev, on),
      driven: (dev) => {
        if (dev instanceof ApQueue && dev.card.queues[dev.apqi] === dev) this.bindings.driven(dev);
      },
      uevent: (dev, keys) => this.#uevent(dev, keys),
      probe: (task, dev, drv) => this.#probe(task, dev, drv),
      remove: (task, dev, drv) => this.#remove(task, dev, drv),
    });
    this.rootDevice = new Device(core, { name: 'ap', parent: core.devicesDir });
    this.poll = new Poll(this);
    this.scan = new Scan(this);
    this.bindings = new Bindings(this);
  }

  /**
   * `ap_module_init`. The first scan is only queued.
   * @throws ENODEV the machine has no AP instructions
   */
  async init(task: Task): Promise<void> {
    this.#addModuleDir();
    if (!this.hw.available) {
      this.core.log.print('warning', 'ap: The hardware system does not support AP instructions');
      throw new KernelError('ENODEV');
    }
    this.#initMasks();
    this.#initQci();
    const domain = this.parameters.domain ?? -1;
    this.domainIndex = domain;
    if (domain < -1 || domain > this.maxDomainId || (domain >= 0 && !this.aqm.has(domain))) {
      this.core.log.print('warning', `ap: ${domain} is not a valid cryptographic domain`);
      this.domainIndex = -1;
    }
    this.bus.register();
    await this.rootDevice.add(task);
    this.rootDevice.bus = this.bus;
    if (this.hw.hasFacility(65) && (this.parameters.useirq ?? 1) !== 0) {
      this.usesInterrupts = true;
      this.hw.onAdapterInterrupt(() => this.poll.schedule());
    }
    this.hw.onConfigChanged(() => this.scan.machineEvent());
    if (this.parameters.pollThread) this.poll.startThread();
    this.scan.start();
  }

  /** The QCI facility answered at init: change detection works. */
  get qciSupported(): boolean {
    return this.profile.qciUnsupportedByFlags ? (this.qci?.flags ?? 0) !== 0 : this.qci !== undefined;
  }

  /** Queues get `se_bind` and `se_associate`. */
  get hasSecureExecutionQueues(): boolean {
    return this.profile.hasSecureExecutionFiles && this.hw.protVirtGuest && ((this.qci?.flags ?? 0) & QCI.APSB) !== 0;
  }

  /** `ap_test_config_card_id`. */
  cardConfigured(apid: number): boolean {
    if (apid > this.maxAdapterId) return false;
    return this.qciSupported ? bit(this.qci?.apm, apid) : true;
  }

  /** `ap_test_config_usage_domain`. */
  usageDomainConfigured(apqi: number): boolean {
    if (apqi > this.maxDomainId) return false;
    return this.qciSupported ? bit(this.qci?.aqm, apqi) : true;
  }

  /** `ap_test_config_ctrl_domain`. */
  controlDomainConfigured(apqi: number): boolean {
    if (apqi > this.maxDomainId) return false;
    return this.qciSupported ? bit(this.qci?.adm, apqi) : false;
  }

  /** All queue devices, in order of creation. */
  *queues(): Generator<ApQueue> {
    for (const dev of this.bus.devices.values()) if (dev instanceof ApQueue) yield dev;
  }

  /** All card devices, in order of creation. */
  *cards(): Generator<ApCard> {
    for (const dev of this.bus.devices.values()) if (dev instanceof ApCard) yield dev;
  }

  card(apid: number): ApCard | undefined {
    return this.#cards[apid];
  }

  queue(apid: number, apqi: number): ApQueue | undefined {
    return this.#cards[apid]?.queues[apqi];
  }

  /** `ap_driver_register`: afterwards the bindings are looked at. */
  async registerDriver(task: Task, ops: ApDriverOps): Promise<ApDriver> {
    const drv = new ApDriver(this.bus, ops);
    await this.bus.addDriver(task, drv);
    this.bindings.check('driver-registered');
    return drv;
  }

  async unregisterDriver(task: Task, drv: ApDriver): Promise<void> {
    await this.bus.removeDriver(task, drv);
  }

  /** AP drivers in order of registration. */
  *drivers(): Generator<ApDriver> {
    for (const drv of this.bus.drivers.values()) if (drv instanceof ApDriver) yield drv;
  }

  /** `ap_domain` written. @throws EINVAL no number, negative, too large, not in aqmask */
  domainStore(written: string): void {
    const domain = scanI(written, this.profile.scanOverflow);
    if (domain === undefined || domain < 0 || domain > this.maxDomainId || !this.aqm.has(domain))
      throw new KernelError('EINVAL');
    this.domainIndex = domain;
  }

  /** The APQN belongs to the default drivers by the bus masks alone. */
  inHostPool(apid: number, apqi: number): boolean {
    return this.apm.has(apid) && this.aqm.has(apqi);
  }

  /** The masks alone do not tell whose a queue is. */
  get #someOverride(): boolean {
    return this.profile.hasDriverOverride && this.overrideCount > 0;
  }

  /** `ap_owned_by_def_drv`; the caller holds the mask mutex. */
  ownedByDefaultDriver(task: Task, apid: number, apqi: number): boolean {
    this.attrMutex.assertHeld(task);
    if (this.#someOverride) {
      const aq = this.queue(apid, apqi);
      if (aq && this.active.has(aq) && aq.driverOverride !== undefined)
        return aq.driver instanceof ApDriver && aq.driver.ops.isDefault;
    }
    return this.inHostPool(apid, apqi);
  }

  /** `ap_apqn_in_matrix_owned_by_def_drv`; the caller holds the mask mutex. */
  matrixOwnedByDefaultDriver(task: Task, apm: Mask, aqm: Mask): boolean {
    if (!this.#someOverride) {
      this.attrMutex.assertHeld(task);
      return this.apm.intersects(apm) && this.aqm.intersects(aqm);
    }
    for (const apid of apm.bits())
      for (const apqi of aqm.bits()) if (this.ownedByDefaultDriver(task, apid, apqi)) return true;
    return false;
  }

  /** A line of the s390 debug feature `ap` (level 3 errors .. 6 debug); only the trace shows it. */
  dbf(level: number, text: string): void {
    const { trace } = this.core.ports;
    if (trace.enabled) trace.emit({ kind: 's390dbf.ap', text, data: { level } });
  }

  traceState(aq: ApQueue, before: SmState): void {
    const { trace } = this.core.ports;
    if (trace.enabled) trace.emit(new StateEvent(aq.name, before, aq.smState, aq.devState));
  }

  /** One step of a request on its way through a queue. @param how by which instruction, or why */
  traceRequest(message: ApMessage, what: string, aq: ApQueue, how?: string): void {
    const { trace } = this.core.ports;
    if (!trace.enabled) return;
    trace.emit({
      kind: 'ap.request',
      text: `request ${message.requestId} ${what} ${aq.name}${how === undefined ? '' : ` (${how})`}`,
      data: { queue: aq.name, request: message.requestId, what },
    });
  }

  traceRemoval(aq: ApQueue, step: RemovalStep): void {
    this.onRemovalStep?.(aq, step);
    const { trace } = this.core.ports;
    if (trace.enabled) trace.emit(new RemovalEvent(aq.name, step));
  }

  /** /sys/module/ap of a kernel with the bus built in: a name and its parameters. */
  #addModuleDir(): void {
    const dir = new Kobject(this.core.tree, 'ap', this.core.moduleDir);
    dir.addDir();
    dir.addGroup('builtin_module');
    const parameters = new Kobject(this.core.tree, 'parameters', dir);
    parameters.addDir();
    parameters.addGroup('ap_parameters');
  }

  #initMasks(): void {
    const { apmask, aqmask } = this.parameters;
    this.apm = bootMask(apmask, this.profile);
    this.aqm = bootMask(aqmask, this.profile);
  }

  #initQci(): void {
    this.qci = this.hw.hasFacility(12) ? this.hw.qci() : undefined;
    const info = this.qci;
    if (info && (info.flags & QCI.APXA) !== 0) {
      if (info.na !== 0) this.maxAdapterId = info.na;
      if (info.nd !== 0) this.maxDomainId = info.nd;
    }
  }

  /** `ap_bus_match`: kind and type only. */
  #match(dev: Device, drv: Driver): boolean {
    if (!(drv instanceof ApDriver)) return false;
    return drv.ops.serves === 'queues'
      ? dev instanceof ApQueue && isServed(dev.card.hwtype)
      : dev instanceof ApCard && isServed(dev.hwtype);
  }

  #listed(dev: Device, on: boolean): void {
    if (dev instanceof ApQueue) {
      dev.card.queues[dev.apqi] = on ? dev : undefined;
      this.bindings.listed(dev, on);
    } else if (dev instanceof ApCard) this.#cards[dev.apid] = on ? dev : undefined;
  }

  #uevent(dev: Device, keys: string[]): void {
    if (dev instanceof ApCard) {
      const hex = dev.hwtype.toString(16).toUpperCase();
      keys.push(`DEV_TYPE=${hex.padStart(4, '0')}`, `MODALIAS=ap:t${hex.padStart(2, '0')}`);
    }
    const mode = dev instanceof ApCard ? dev.mode : dev instanceof ApQueue ? dev.card.mode : undefined;
    if (mode) keys.push(`MODE=${mode}`);
  }

  /** `ap_device_probe`: whose queue is it? spec/ap-bus.md 4.2 */
  async #probe(task: Task, dev: Device, drv: Driver): Promise<void> {
    if (!(drv instanceof ApDriver)) throw new KernelError('ENODEV');
    if (dev instanceof ApQueue) {
      if (dev.driverOverride !== undefined) {
        if (dev.driverOverride !== drv.name) throw NOT_MINE;
      } else {
        const wait = this.attrMutex.lock(task);
        if (wait) await wait;
        const host = this.inHostPool(dev.card.apid, dev.apqi);
        this.attrMutex.unlock(task);
        if (host !== drv.ops.isDefault) throw NOT_MINE;
      }
    }
    this.bindings.rearm();
    if (dev instanceof ApQueue) this.active.add(dev);
    try {
      await drv.ops.probe?.(task, dev);
    } catch (e) {
      if (dev instanceof ApQueue) this.active.delete(dev);
      throw e;
    }
    this.bindings.check('probed');
  }

  /** `ap_device_remove`: the three steps. spec/ap-bus.md 4.4 */
  async #remove(task: Task, dev: Device, drv: Driver): Promise<void> {
    const aq = dev instanceof ApQueue ? dev : undefined;
    const held = aq?.prepareRemove();
    if (held) await held;
    if (drv instanceof ApDriver) await drv.ops.remove?.(task, dev);
    if (!aq) return;
    this.traceRemoval(aq, 'driver');
    aq.finalRemove();
    this.active.delete(aq);
    this.traceRemoval(aq, 'inactive');
  }
}

/** Card types that zcrypt's and vfio_ap's drivers have in their tables: CEX4 to CEX8. */
const isServed = (type: number): boolean => type >= 10 && type <= 14;

/** What a probe of the wrong driver returns, for every queue of the machine: one will do for all. */
const NOT_MINE = new KernelError('ENODEV');

const bit = (mask: Uint8Array | undefined, n: number): boolean =>
  mask !== undefined && ((mask[n >> 3] ?? 0) & (0x80 >> (n & 7))) !== 0;

/** A mask given at boot starts from zero; one that cannot be parsed leaves all zero, silently. */
function bootMask(text: string | undefined, profile: Profile): Mask {
  if (text === undefined) return Mask.ones();
  try {
    return parseMaskText(Mask.zeros(), text, profile.maskNumberOverflow);
  } catch (e) {
    if (e instanceof KernelError) return Mask.zeros();
    throw e;
  }
}
