/**
 * Queue devices: lists of requests and the state they are in.
 *
 * Mirrors the device side of ap_queue.c and struct ap_queue; the state machine
 * stands in queue-sm.ts. Sections that the kernel runs under the queue lock
 * (a spinlock) contain no await. spec/ap-bus.md 5, spec/attributes.md F.
 */
import { Device } from '../driver-core/device.js';
import { type Errno, KernelError } from '../errno.js';
import { mkQid } from '../hardware/instructions.js';
import { queueName } from '../hardware/names.js';
import type { Timer, TimerOptions } from '../ports.js';
import { after, type Soon } from '../sync/soon.js';
import type { Task } from '../sync/task.js';
import type { ApBus } from './bus.js';
import type { ApCard } from './card.js';
import type { ApMessage } from './message.js';
import { DevState, SmEvent, SmState, smEvent, smEventLoop } from './queue-sm.js';

/** No association index. */
export const ASSOC_IDX_INVALID = 0x10000;

/** File groups besides those of every queue. */
const SECURE_EXECUTION = ['ap_queue_se'] as const;
const NOTHING_MORE = [] as const;

export class ApQueue extends Device {
  readonly ap: ApBus;
  readonly card: ApCard;
  readonly apqi: number;
  readonly qid: number;
  config: boolean;
  chkstop: boolean;
  devState: DevState = DevState.UNINITIATED;
  /** Response code of the last error. */
  lastErrRc = 0;
  assocIdx = 0;
  /** Secure-execution bind state of the last TAPQ. */
  seBs: number;
  /** The next reset goes with the F bit (`se_bind` 0). */
  rapqFbit = false;
  /** Requests in the hardware, as far as the driver knows. */
  queueCount = 0;
  /** Requests queued so far. */
  totalRequestCount = 0;
  /** Waiting to be sent. */
  requestq: ApMessage[] = [];
  /** Sent, not answered. */
  pendingq: ApMessage[] = [];
  /** Bytes of the reply buffer that a driver has given it; 0: none. */
  replyBuffer = 0;
  /** Nanoseconds until a request in the hardware is looked after; 0: never. */
  requestTimeout = 0;
  requestTimer: Timer | undefined;
  /** A virtual CPU holds the queue lock and is stalled in an intercepted instruction: until then. */
  stall: Promise<unknown> | undefined;
  /** 6.1: remembered interrupt state. */
  interruptFlag = false;
  /** `driver_override`; undefined: not set. */
  driverOverride: string | undefined;
  #smState: SmState = SmState.RESET_START;
  /** Made with the first request: most queues of a machine never get one. */
  #timeout: (() => void) | undefined;
  #timeoutOptions: TimerOptions | undefined;

  constructor(ap: ApBus, card: ApCard, apqi: number, config: boolean, chkstop: boolean, seBs: number) {
    super(ap.core, {
      name: queueName(mkQid(card.apid, apqi)),
      parent: card,
      bus: ap.bus,
      type: ap.queueType,
      groups: ap.hasSecureExecutionQueues && card.mode !== 'cca' ? SECURE_EXECUTION : NOTHING_MORE,
    });
    this.ap = ap;
    this.card = card;
    this.apqi = apqi;
    this.qid = mkQid(card.apid, apqi);
    this.config = config;
    this.chkstop = chkstop;
    this.seBs = seBs;
  }

  get smState(): SmState {
    return this.#smState;
  }

  set smState(state: SmState) {
    this.#smState = state;
    this.ap.active.look(this);
  }

  /** A step of the state machine that ends later: until then the lock is held. */
  stallUntil<T>(step: Promise<T>): Promise<T> {
    const stall = step.then((result) => {
      this.stall = undefined;
      return result;
    });
    this.stall = stall;
    return stall;
  }

  /** Runs a section under the queue lock: at once, unless a stalled virtual CPU holds it. */
  underLock<T>(section: () => Soon<T>): Soon<T> {
    return this.stall ? this.stall.then(() => this.underLock(section)) : section();
  }

  /** `ap_queue_init_state`: from the top, with one POLL. Lists and counters stay. */
  initState(): Soon<void> {
    return this.underLock(() => {
      this.devState = DevState.OPERATING;
      this.smState = SmState.RESET_START;
      this.lastErrRc = 0;
      this.assocIdx = ASSOC_IDX_INVALID;
      return this.ap.poll.wait(smEvent(this, SmEvent.POLL));
    });
  }

  /** `ap_queue_init_reply`: the driver gives it a reply buffer. */
  initReply(size: number): Soon<void> {
    this.replyBuffer = size;
    return this.ap.poll.wait(smEvent(this, SmEvent.POLL));
  }

  /** `ap_queue_usable`: may requests be sent here? */
  get usable(): boolean {
    if (!this.config || this.chkstop) return false;
    if (!this.ap.profile.usableNeedsOperating) return true;
    if (this.devState !== DevState.OPERATING) return false;
    if (this.ap.hasSecureExecutionQueues) {
      if (this.card.mode === 'cca') return false;
      if (this.seBs > 1) return false;
    }
    return true;
  }

  /** `ap_queue_message`. @returns ENODEV, and nothing is counted, unless the queue is OPERATING */
  queueMessage(message: ApMessage): Soon<Errno | undefined> {
    return this.underLock(() => {
      const accepted = this.devState === DevState.OPERATING;
      if (accepted) {
        this.requestq.push(message);
        this.ap.active.look(this);
        this.totalRequestCount++;
        this.card.totalRequestCount++;
        this.ap.traceRequest(message, 'queued', this);
      }
      return after(this.ap.poll.wait(smEventLoop(this, SmEvent.POLL)), () => (accepted ? undefined : 'ENODEV'));
    });
  }

  /** `ap_cancel_message`: taken off its list; a reply that still comes is dropped. */
  cancelMessage(message: ApMessage): void {
    for (const list of [this.pendingq, this.requestq]) {
      const at = list.indexOf(message);
      if (at >= 0) list.splice(at, 1);
    }
    this.ap.traceRequest(message, 'cancelled', this);
  }

  /**
   * `ap_flush_queue`: every request goes back to its sender with EAGAIN, pending ones first. The lock is held.
   * @param why what the trace says of it
   */
  flush(why: string): void {
    for (const list of ['pendingq', 'requestq'] as const) {
      const messages = this[list];
      this[list] = [];
      for (const message of messages) {
        message.rc = 'EAGAIN';
        this.ap.traceRequest(message, 'flushed', this, `EAGAIN, ${why}`);
        message.receive(this, message, undefined);
      }
    }
    this.queueCount = 0;
  }

  /** `reset` written. */
  resetStore(): Soon<void> {
    const done = this.underLock(() => {
      this.flush('reset by a user');
      this.smState = SmState.RESET_START;
      return this.ap.poll.wait(smEvent(this, SmEvent.POLL));
    });
    return after(done, () => this.ap.dbf(5, `reset_store reset queue=${this.name} triggered by user`));
  }

  /** Removal, step 1 (`ap_queue_prepare_remove`): nothing is accepted any more, everybody gets EAGAIN. */
  prepareRemove(): Soon<void> {
    return this.underLock(() => this.#shutDown());
  }

  #shutDown(): void {
    this.flush('step 1 of the removal');
    this.devState = DevState.SHUTDOWN;
    this.requestTimer?.cancel();
    this.requestTimer = undefined;
    this.ap.traceRemoval(this, 'prepare');
  }

  /** Removal, step 3 (`ap_queue_remove`): reset with zero, not waited for. */
  finalRemove(): void {
    this.ap.hw.zapq(this.qid, false);
    this.devState = DevState.UNINITIATED;
    this.ap.traceRemoval(this, 'zapq');
  }

  /** (Re)starts the request timer (`mod_timer(&aq->timeout, ...)`). */
  armRequestTimer(): void {
    this.requestTimer?.cancel();
    this.requestTimer = undefined;
    if (this.requestTimeout <= 0) return;
    const { clock } = this.ap.core.ports;
    this.#timeout ??= () => void this.ap.poll.wait(smEvent(this, SmEvent.TIMEOUT));
    this.#timeoutOptions ??= { background: true, name: `ap_request_timeout ${this.name}` };
    this.requestTimer = clock.after(this.requestTimeout, this.#timeout, this.#timeoutOptions);
  }

  /**
   * `driver_override` written (7.2): counts at the next probe.
   * @throws EINTR; EINVAL the bus masks are in use, or the text is 4095 bytes or longer
   */
  async driverOverrideStore(task: Task, written: string): Promise<void> {
    await this.ap.attrMutex.lockInterruptible(task);
    try {
      if (this.ap.masksInUse || written.length >= 4095) throw new KernelError('EINVAL');
      const end = written.search(/[\n\0]/);
      const text = end < 0 ? written : written.slice(0, end);
      const before = this.driverOverride !== undefined;
      this.driverOverride = text === '' ? undefined : text;
      const after = this.driverOverride !== undefined;
      if (before !== after) this.ap.overrideCount += after ? 1 : -1;
    } finally {
      this.ap.attrMutex.unlock(task);
    }
  }

  /** `ap_send_config_uevent`. */
  sendConfigUevent(): void {
    this.sendUevent('change', [`CONFIG=${this.config ? 1 : 0}`]);
  }

  /** `ap_send_online_uevent`. */
  sendOnlineUevent(online: boolean): void {
    this.sendUevent('change', [`ONLINE=${online ? 1 : 0}`]);
  }
}
