/**
 * The bus scan: compare the hardware with the devices, and make them agree.
 *
 * Mirrors ap_bus.c `ap_scan_bus`, `ap_scan_adapter`, `ap_scan_domains`,
 * `ap_queue_info`, `ap_select_domain`, `ap_bus_force_rescan`. spec/ap-bus.md 3.
 */
import { KernelError } from '../errno.js';
import { type ApConfigInfo, QCI, RC, type TapqInfo } from '../hardware/instructions.js';
import { SEC, type Timer } from '../ports.js';
import { Mutex } from '../sync/mutex.js';
import { after, type Soon } from '../sync/soon.js';
import type { Task } from '../sync/task.js';
import { WaitQueue } from '../sync/wait.js';
import { scanD } from '../text/kstrto.js';
import type { ApBus } from './bus.js';
import { ApCard } from './card.js';
import { ApQueue } from './queue.js';
import { DevState, SmState } from './queue-sm.js';

/** What a card keeps of the TAPQ word since 6.12: `fac` without class and bs. */
const HWINFO_FAC_MASK = 0xffff0000;

interface QueueInfo {
  readonly info: TapqInfo;
  readonly decfg: boolean;
  readonly chkstop: boolean;
}

export class Scan {
  readonly #ap: ApBus;
  readonly #mutex: Mutex;
  readonly #finished = new WaitQueue();
  #runner: Task | undefined;
  #lastResult = false;
  #timer: Timer | undefined;
  #events = 0;
  #eventThread = false;
  /** 6.1: the scan work is queued (again). */
  #workQueued = false;
  #workDone = 0;
  #workAsked = 0;
  /** Finished scans (`scans`). */
  count = 0;
  /** Seconds between the end of a scan and the next one (`config_time`). */
  time = 30;

  constructor(ap: ApBus) {
    this.#ap = ap;
    this.#mutex = new Mutex(ap.core.lockdep, 'ap_scan_bus_mutex');
  }

  /** Queues the first scan. */
  start(): void {
    this.#ap.core.spawn('kworker/u:ap_scan', (task) => this.#work(task));
  }

  /** Until the first scan is over: by then no program has run yet that could load a module. */
  waitForFirst(): Promise<void> {
    return this.#finished.until(() => this.count > 0);
  }

  /** Machine event "AP configuration changed": one scan for each, one after the other. */
  machineEvent(): void {
    this.#ap.core.log.print('debug', 'crw_info : CRW reports slct=0, oflw=0, chn=0, rsc=B, anc=0, erc=0, rsid=0');
    this.#events++;
    if (this.#eventThread) return;
    this.#eventThread = true;
    this.#ap.core.spawn('kmcheck', async (task) => {
      while (this.#events > 0) {
        this.#events--;
        await this.force(task);
      }
      this.#eventThread = false;
    });
  }

  /** `ap_bus_force_rescan`. @returns whether the QCI block changed (always false in 6.1) */
  async force(task: Task): Promise<boolean> {
    if (this.count === 0 || this.#runner === task) return false;
    if (!this.#ap.profile.rescanHasResult) {
      await this.#queueWorkAndFlush(task);
      return false;
    }
    if (this.#mutex.tryLock(task)) {
      try {
        return await this.#run(task);
      } finally {
        this.#mutex.unlock(task);
      }
    }
    try {
      await this.#mutex.lockInterruptible(task);
    } catch (e) {
      if (e instanceof KernelError) return false;
      throw e;
    }
    this.#mutex.unlock(task);
    return this.#lastResult;
  }

  /** `config_time` written. @throws EINVAL no number, below 5, above 120 */
  timeStore(written: string): void {
    const seconds = scanD(written, this.#ap.profile.scanOverflow);
    if (seconds === undefined || seconds < 5 || seconds > 120) throw new KernelError('EINVAL');
    this.time = seconds;
    this.#armTimer();
  }

  /** The timer's work: skipped if a scan is running. */
  async #work(task: Task): Promise<void> {
    if (!this.#mutex.tryLock(task)) return;
    try {
      await this.#run(task);
    } finally {
      this.#mutex.unlock(task);
    }
  }

  /** 6.1: the work runs once more after the running one, and everybody who asked before its start waits for its end. */
  async #queueWorkAndFlush(task: Task): Promise<void> {
    this.#timer?.cancel();
    const ticket = ++this.#workAsked;
    if (!this.#workQueued) {
      this.#workQueued = true;
      this.#ap.core.spawn('kworker/u:ap_scan', async (task) => {
        const wait = this.#mutex.lock(task);
        if (wait) await wait;
        this.#workQueued = false;
        const served = this.#workAsked;
        try {
          await this.#run(task);
        } finally {
          this.#mutex.unlock(task);
          this.#workDone = served;
          this.#finished.wakeAll();
        }
      });
    }
    await task.waiting(
      this.#mutex,
      this.#finished.until(() => this.#workDone >= ticket),
    );
  }

  #armTimer(): void {
    this.#timer?.cancel();
    this.#timer = this.#ap.core.ports.clock.after(
      this.time * SEC,
      () => {
        this.#ap.core.spawn('kworker/u:ap_scan', (task) => this.#work(task));
      },
      { background: true, name: 'ap_scan_bus_timer' },
    );
  }

  /** `ap_scan_bus`; the scan mutex is held. */
  async #run(task: Task): Promise<boolean> {
    const ap = this.#ap;
    this.#mutex.assertHeld(task);
    this.#runner = task;
    try {
      const changed = this.#fetchConfig();
      const { qci, qciBefore } = ap;
      if (changed && qci && qciBefore) {
        if (hasNew(qci.apm, qciBefore.apm) || hasNew(qci.aqm, qciBefore.aqm)) ap.bindings.rearm();
        await this.#notify(task, 'onConfigChanged', qci, qciBefore);
      }
      this.#selectDomain();
      for (let apid = 0; apid <= ap.maxAdapterId; apid++) await this.#scanAdapter(task, apid);
      if (changed && qci && qciBefore) await this.#notify(task, 'onScanComplete', qci, qciBefore);
      this.count++;
      this.#finished.wakeAll();
      if (this.count === 1) ap.rootDevice.sendUevent('change', ['INITSCAN=done']);
      ap.bindings.check('scan-end');
      this.#armTimer();
      this.#lastResult = changed;
      return changed;
    } finally {
      this.#runner = undefined;
    }
  }

  /** Previous block := current, fetch the new one. @returns whether any of the 128 bytes differ */
  #fetchConfig(): boolean {
    const ap = this.#ap;
    if (!ap.qciSupported || !ap.qci) return false;
    ap.qciBefore = ap.qci;
    ap.qci = ap.hw.qci() ?? ap.qci;
    return !sameConfig(ap.qci, ap.qciBefore);
  }

  async #notify(
    task: Task,
    what: 'onConfigChanged' | 'onScanComplete',
    now: ApConfigInfo,
    before: ApConfigInfo,
  ): Promise<void> {
    for (const drv of this.#ap.drivers()) {
      if (!drv.ops[what]) continue;
      if (drv.module && !drv.module.tryGet()) continue;
      await drv.ops[what](task, now, before);
      drv.module?.put();
    }
  }

  /** `ap_select_domain`: only while none is chosen. */
  #selectDomain(): void {
    const ap = this.#ap;
    if (ap.domainIndex >= 0) return;
    for (let dom = 0; dom <= ap.maxDomainId; dom++) {
      if (!ap.usageDomainConfigured(dom) || !ap.aqm.has(dom)) continue;
      for (let apid = 0; apid <= ap.maxAdapterId; apid++) {
        if (!ap.cardConfigured(apid) || !ap.apm.has(apid)) continue;
        if (ap.hw.tapq((apid << 8) | dom).status.responseCode === RC.NORMAL) {
          ap.domainIndex = dom;
          ap.dbf(5, `ap_select_domain new default domain is ${dom}`);
          return;
        }
      }
    }
  }

  /** `ap_queue_info`: undefined not there, null there but all zero. */
  #queueInfo(apid: number, apqi: number): QueueInfo | null | undefined {
    const ap = this.#ap;
    if (apid > ap.maxAdapterId || apqi > ap.maxDomainId) return undefined;
    const { status, info } = ap.hw.tapq((apid << 8) | apqi);
    const rc = status.responseCode;
    const known = rc <= RC.BUSY && rc !== RC.Q_NOT_AVAIL;
    if (!known && !(ap.profile.hasAsyncBit && status.async)) return undefined;
    if (info.fac === 0 && info.at === 0 && info.nd === 0 && info.ml === 0 && info.qd === 0) return null;
    return { info, decfg: rc === RC.DECONFIGURED, chkstop: rc === RC.CHECKSTOPPED };
  }

  /** `ap_scan_rm_card_dev_and_queue_devs`: queues in order of creation, then the card. */
  async #removeCard(task: Task, card: ApCard, why: string): Promise<void> {
    this.#ap.dbf(5, `ap_scan_adapter(${card.apid}) ${why}, rm card and queue devs`);
    for (const aq of [...card.children.values()]) if (aq instanceof ApQueue) await aq.del(task);
    await card.del(task);
  }

  /** `ap_scan_adapter`. spec/ap-bus.md 3.3 */
  async #scanAdapter(task: Task, apid: number): Promise<void> {
    const ap = this.#ap;
    let card = ap.card(apid);
    if (!ap.cardConfigured(apid)) {
      if (card) await this.#removeCard(task, card, 'ap not in config any more');
      return;
    }
    let first: QueueInfo | undefined;
    let firstDomain = -1;
    for (let dom = 0; dom <= ap.maxDomainId && !first; dom++) {
      if (!ap.usageDomainConfigured(dom)) continue;
      const info = this.#queueInfo(apid, dom);
      if (info) {
        first = info;
        firstDomain = dom;
      }
    }
    if (!first || first.info.at === 0) {
      if (card) await this.#removeCard(task, card, 'no type info (no APQN found)');
      return;
    }
    const info = this.#keptInfo(first.info);
    if (card && card.rawHwtype !== info.at) {
      await this.#removeCard(task, card, `hwtype ${info.at} changed`);
      card = undefined;
    } else if (card && card.hwinfo.fac !== info.fac) {
      await this.#removeCard(task, card, `functions 0x${info.fac.toString(16)} changed`);
      card = undefined;
    }
    if (card) this.#updateCard(card, first);
    else {
      const type = this.#compatibleType((apid << 8) | firstDomain, info);
      if (type === undefined) return;
      card = new ApCard(ap, apid, type, this.#oldTypeFunctions(info), !first.decfg, first.chkstop);
      if (card.maxMsgSize > ap.maxMessageSize) ap.maxMessageSize = card.maxMsgSize;
      await card.add(task);
      ap.dbf(5, `ap_scan_adapter(${apid}) new card dev type=${type} func=0x${info.fac.toString(16)} created`);
    }
    await this.#scanDomains(task, card);
  }

  #keptInfo(info: TapqInfo): TapqInfo {
    if (!this.#ap.profile.masksCardFunctions) return info;
    return { ...info, fac: (info.fac & HWINFO_FAC_MASK) >>> 0, bs: 0 };
  }

  /** 6.1: types 6 to 9 get their mode bit whatever TAPQ said. */
  #oldTypeFunctions(info: TapqInfo): TapqInfo {
    if (info.at === 6 || info.at === 8) return { ...info, fac: (info.fac | 0x08000000) >>> 0 };
    if (info.at === 7 || info.at === 9) return { ...info, fac: (info.fac | 0x10000000) >>> 0 };
    return info;
  }

  #updateCard(card: ApCard, { decfg, chkstop }: QueueInfo): void {
    if (card.chkstop !== chkstop) {
      card.chkstop = chkstop;
      this.#ap.dbf(5, `ap_scan_adapter(${card.apid}) card dev checkstop ${chkstop ? 'on' : 'off'}`);
    }
    if (card.config === decfg) {
      card.config = !decfg;
      this.#ap.dbf(5, `ap_scan_adapter(${card.apid}) card dev config ${decfg ? 'off' : 'on'}`);
      card.sendConfigUevent();
    }
  }

  /** `ap_get_compatible_type`: newer types are asked for by QACT. */
  #compatibleType(qid: number, info: TapqInfo): number | undefined {
    const ap = this.#ap;
    const raw = info.at;
    if (raw < ap.profile.smallestType) return undefined;
    if (raw <= 14) return raw;
    if (((ap.qci?.flags ?? 0) & QCI.QACT) === 0) return undefined;
    const { status, apType } = ap.hw.qact(qid, 14, info.fac);
    return status.responseCode === RC.NORMAL && apType >= 10 && apType <= 14 ? apType : undefined;
  }

  /** `ap_scan_domains`. spec/ap-bus.md 3.4 */
  async #scanDomains(task: Task, card: ApCard): Promise<void> {
    const ap = this.#ap;
    for (let dom = 0; dom <= ap.maxDomainId; dom++) {
      const aq = ap.queue(card.apid, dom);
      if (!ap.usageDomainConfigured(dom)) {
        if (aq) await aq.del(task);
        continue;
      }
      const found = this.#queueInfo(card.apid, dom);
      if (found === undefined) {
        if (aq) await aq.del(task);
      } else if (found === null) {
        // Left as it is.
      } else if (aq) {
        const held = aq.underLock(() => this.#updateQueue(aq, found));
        if (held) await held;
      } else {
        const fresh = new ApQueue(ap, card, dom, !found.decfg, found.chkstop, found.info.bs);
        await fresh.add(task);
        const held = ap.profile.scanInitialisesNewQueue && fresh.config && !fresh.chkstop && fresh.initState();
        if (held) await held;
      }
    }
  }

  /** An existing queue: exactly the first row that fits. */
  #updateQueue(aq: ApQueue, { info, decfg, chkstop }: QueueInfo): Soon<void> {
    const initialised = aq.devState > DevState.UNINITIATED;
    aq.seBs = info.bs;
    if (chkstop && !aq.chkstop) {
      aq.chkstop = true;
      if (initialised) this.#error(aq, RC.CHECKSTOPPED);
      aq.flush('check-stopped');
    } else if (!chkstop && aq.chkstop) {
      aq.chkstop = false;
      return initialised ? this.#return(aq) : undefined;
    } else if (decfg && aq.config) {
      aq.config = false;
      if (initialised) this.#error(aq, RC.DECONFIGURED);
      aq.sendConfigUevent();
      aq.flush('deconfigured');
    } else if (!decfg && !aq.config) {
      aq.config = true;
      return after(initialised ? this.#return(aq) : undefined, () => aq.sendConfigUevent());
    } else if (!decfg && aq.devState === DevState.ERROR) {
      aq.flush('error');
      return aq.initState();
    }
    return undefined;
  }

  #error(aq: ApQueue, rc: number): void {
    aq.devState = DevState.ERROR;
    aq.lastErrRc = rc;
  }

  #return(aq: ApQueue): Soon<void> {
    if (this.#ap.profile.scanPollsReturningQueue) return aq.initState();
    aq.devState = DevState.OPERATING;
    aq.smState = SmState.RESET_START;
    return undefined;
  }
}

/** Some bit of `now` is not in `before`. */
const hasNew = (now: Uint8Array, before: Uint8Array): boolean => now.some((b, i) => (b & ~(before[i] ?? 0)) !== 0);

function sameConfig(a: ApConfigInfo, b: ApConfigInfo): boolean {
  const same = (x: Uint8Array, y: Uint8Array): boolean => x.every((v, i) => v === y[i]);
  return (
    a.flags === b.flags &&
    a.na === b.na &&
    a.nd === b.nd &&
    same(a.apm, b.apm) &&
    same(a.aqm, b.aqm) &&
    same(a.adm, b.adm)
  );
}
