/**
 * The machine below the drivers: adapters, domains, facilities, SCLP, machine events.
 *
 * Mirrors what a Z machine's firmware keeps for one logical partition. It knows
 * nothing of kernels: they come with hostInstructions(), find out by response
 * codes and are told only "an adapter interrupt" and "the AP configuration
 * changed". Changing methods say whether something changed and raise no event:
 * who changes the machine from outside calls announceChange() once.
 */
import type { Nanoseconds, Ports } from '../ports.js';
import { Adapter, type AdapterDescription } from './adapter.js';
import { IdMask } from './id-mask.js';
import { type HardwareView, InstructionSet } from './instruction-set.js';
import type { ApConfigInfo, ApInterruptHandler, HostInstructions, Qid, SclpApResult } from './instructions.js';
import { DEFAULT_PROCESSING_DELAY, HardwareQueue } from './queue.js';

/** What cannot be changed while kernels run. */
export interface MachineOptions {
  /** AP instructions installed (default true). */
  readonly apInstructions?: boolean;
  /** Facility 12, QCI (default true); also `qci off` of the vocabulary before boot. */
  readonly qci?: boolean;
  /** Facility 65, AP interrupts (default true). */
  readonly apInterrupts?: boolean;
  /** The system under test is a z/VM guest (default false). */
  readonly zvm?: boolean;
  /** The system under test is a secure-execution guest (default false). */
  readonly protVirtGuest?: boolean;
  /** SCLP can configure adapters (default true). */
  readonly sclpConfigure?: boolean;
}

/** SCLP commands and answers (drivers/s390/char/sclp_ap.c; traces/README.md). */
const SCLP = {
  CONFIGURE: 0x001f0001,
  DECONFIGURE: 0x001e0001,
  DONE: 0x0020,
  NOTHING_TO_DO: 0x0120,
  UNKNOWN_ID: 0x09f0,
} as const;

export class Machine {
  readonly apInstructions: boolean;
  readonly apInterrupts: boolean;
  readonly zvm: boolean;
  readonly protVirtGuest: boolean;
  readonly sclpConfigure: boolean;

  readonly adapters = new Map<number, Adapter>();
  /** What QCI lists: normally the plugged adapters. */
  readonly adapterMask = new IdMask();
  readonly usageDomains = new IdMask();
  readonly controlDomains = new IdMask();

  // Knobs of the vocabulary.
  qciInstalled: boolean;
  qciFlags = 0xf0800000;
  maxAdapter = 255;
  maxDomain = 255;
  notify = true;
  holdNewQueues = false;
  /** From a request to its reply; `by-speed`: as long as the kind of card needs for the kind of request (speed.ts). */
  processingDelay: Nanoseconds | 'by-speed' = DEFAULT_PROCESSING_DELAY;
  resetDuration: Nanoseconds = 0;
  resetPolls = 0;
  /** TAPQs that an association takes. */
  assocPolls = 0;
  traceInstructions = true;

  readonly #interruptHandlers = new Set<ApInterruptHandler>();
  readonly #gisaHandlers = new Map<number, (queue: HardwareQueue) => void>();
  readonly #configHandlers = new Set<() => void>();

  constructor(
    readonly ports: Ports,
    options: MachineOptions = {},
  ) {
    this.apInstructions = options.apInstructions ?? true;
    this.qciInstalled = options.qci ?? true;
    this.apInterrupts = options.apInterrupts ?? true;
    this.zvm = options.zvm ?? false;
    this.protVirtGuest = options.protVirtGuest ?? false;
    this.sclpConfigure = options.sclpConfigure ?? true;
  }

  /**
   * The instructions as the partition's own kernel has them. A guest's are
   * others, with a view that its APCB filters (lib/guest).
   */
  hostInstructions(): HostInstructions {
    const wholeMachine: HardwareView = {
      reaches: () => true,
      config: () => this.configInfo(),
      sclpConfigureAp: (apid, configure) => this.sclpConfigureAp(apid, configure),
      onAdapterInterrupt: (handler) => register(this.#interruptHandlers, handler),
      onConfigChanged: (handler) => register(this.#configHandlers, handler),
    };
    return new InstructionSet(this, wholeMachine);
  }

  // Adapters and domains. The results say whether anything changed.

  /** Plugs a card; one with the same id is replaced. */
  addAdapter(id: number, description: AdapterDescription): Adapter {
    this.removeAdapter(id);
    const adapter = new Adapter(id, description);
    this.adapters.set(id, adapter);
    this.adapterMask.set(id, true);
    return adapter;
  }

  removeAdapter(id: number): boolean {
    const adapter = this.adapters.get(id);
    adapter?.loseQueueState();
    this.adapters.delete(id);
    const listed = this.adapterMask.set(id, false);
    return listed || adapter !== undefined;
  }

  /** Another kind of card in the same slot; configured or not as before. */
  retypeAdapter(adapter: Adapter, description: AdapterDescription): void {
    adapter.description = description;
    adapter.loseQueueState();
  }

  setConfigured(adapter: Adapter, on: boolean): boolean {
    if (adapter.configured === on) return false;
    adapter.configured = on;
    if (!on) adapter.loseQueueState();
    return true;
  }

  setCheckstopped(adapter: Adapter, on: boolean): boolean {
    if (adapter.checkstopped === on) return false;
    adapter.checkstopped = on;
    if (on) adapter.loseQueueState();
    return true;
  }

  /** Takes the card out of its slot (or back) without telling the configuration. */
  setPresent(adapter: Adapter, on: boolean): boolean {
    if (adapter.present === on) return false;
    adapter.present = on;
    if (!on) adapter.loseQueueState();
    return true;
  }

  setUsageDomain(domain: number, on: boolean): boolean {
    if (!this.usageDomains.set(domain, on)) return false;
    if (!on) for (const adapter of this.adapters.values()) adapter.queues[domain]?.loseState();
    return true;
  }

  setControlDomain(domain: number, on: boolean): boolean {
    return this.controlDomains.set(domain, on);
  }

  // Queues.

  /** The queue of a plugged card, reachable or not; it comes into being here. */
  queue(qid: Qid): HardwareQueue | undefined {
    const adapter = this.adapters.get(qid >> 8);
    return adapter && this.#queueOf(adapter, qid & 0xff);
  }

  #queueOf(adapter: Adapter, domain: number): HardwareQueue {
    adapter.queues[domain] ??= new HardwareQueue(this, adapter, domain);
    return adapter.queues[domain];
  }

  /** The queue that instructions of this partition reach; undefined: response code 01. */
  reachableQueue(qid: Qid): HardwareQueue | undefined {
    const apid = qid >> 8;
    if (!this.adapterMask.has(apid) || !this.usageDomains.has(qid & 0xff)) return undefined;
    const adapter = this.adapters.get(apid);
    return adapter?.present ? this.#queueOf(adapter, qid & 0xff) : undefined;
  }

  /** Queues that something has touched so far, by queue number. */
  touchedQueues(): HardwareQueue[] {
    const touched = [...this.adapters.values()].flatMap((adapter) =>
      adapter.queues.filter((queue) => queue !== undefined),
    );
    return touched.sort((a, b) => a.qid - b.qid);
  }

  /** Stops (or starts) answering on all queues, also those to come. */
  setHoldAll(on: boolean): void {
    this.holdNewQueues = on;
    for (const queue of this.touchedQueues()) {
      if (on) queue.hold = true;
      else queue.release();
    }
  }

  /** RAPQ, ZAPQ, AQIC per queue since the last call, one line each; clears the counters. */
  takeResetReport(): string {
    let text = '';
    for (const queue of this.touchedQueues()) {
      const parts = (['rapq', 'zapq', 'aqic'] as const)
        .filter((instruction) => queue.count(instruction) > 0)
        .map((instruction) => ` ${instruction}=${queue.count(instruction)}`);
      if (parts.length > 0) text += `${queue.name}${parts.join('')}\n`;
      queue.clearCounts();
    }
    return text;
  }

  /** The QCI block; undefined without facility 12. */
  configInfo(): ApConfigInfo | undefined {
    if (!this.qciInstalled) return undefined;
    return {
      flags: this.qciFlags,
      na: this.maxAdapter,
      nd: this.maxDomain,
      apm: this.adapterMask.toBytes(),
      aqm: this.usageDomains.toBytes(),
      adm: this.controlDomains.toBytes(),
    };
  }

  // SCLP and events.

  /** (De)configures an adapter at a kernel's request: no event is raised for it. */
  sclpConfigureAp(apid: number, configure: boolean): Promise<SclpApResult> {
    const command = ((configure ? SCLP.CONFIGURE : SCLP.DECONFIGURE) | (apid << 8)) >>> 0;
    const answer = (response: number): Promise<SclpApResult> =>
      Promise.resolve({ supported: this.sclpConfigure, response, command });
    const adapter = this.adapters.get(apid);
    if (!this.sclpConfigure) return answer(0);
    if (!adapter?.present) return answer(SCLP.UNKNOWN_ID);
    if (adapter.sclpResponse !== undefined) return answer(adapter.sclpResponse);
    return answer(this.setConfigured(adapter, configure) ? SCLP.DONE : SCLP.NOTHING_TO_DO);
  }

  /** Machine event "AP configuration changed", unless notification is off; `always`: also then. */
  announceChange(always = false): void {
    if (!this.notify && !always) return;
    for (const handler of [...this.#configHandlers]) handler();
  }

  /** An enabled queue has replies: sets the indicator of whoever enabled it. */
  raiseAdapterInterrupt(queue: HardwareQueue): void {
    const target = queue.interruptTarget;
    if (!target) return;
    if (target.gisa !== 0) this.#gisaHandlers.get(target.gisa)?.(queue);
    else for (const handler of [...this.#interruptHandlers]) handler();
  }

  /** Who gets the interrupts of queues that were enabled for this guest (AQIC with a GISA). */
  onGisaInterrupt(gisa: number, handler: (queue: HardwareQueue) => void): () => void {
    this.#gisaHandlers.set(gisa, handler);
    return () => {
      if (this.#gisaHandlers.get(gisa) === handler) this.#gisaHandlers.delete(gisa);
    };
  }
}

function register<T>(handlers: Set<T>, handler: T): () => void {
  handlers.add(handler);
  return () => {
    handlers.delete(handler);
  };
}
