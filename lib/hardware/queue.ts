/**
 * One hardware queue: an adapter's domain, answering AP instructions.
 *
 * Mirrors the AP queue of the architecture (spec/ap-bus.md 1, 7) with the
 * decisions of the recorded machine (traces/README.md). An instruction that gets
 * here is known to reach the queue; what the machine's configuration hides
 * (response code 01) is decided in instruction-set.ts. Left out: message
 * priorities.
 */
import { type Nanoseconds, type Timer, USEC } from '../ports.js';
import { type Adapter, maxMessageSize } from './adapter.js';
import { copied } from './bytes.js';
import { answerRequest } from './firmware/firmware.js';
import { type ApQueueStatus, type AqicControl, type DqapResult, mkQid, RC, type TapqInfo } from './instructions.js';
import type { Machine } from './machine.js';
import { queueName } from './names.js';
import { NO_REPLY, Replies } from './replies.js';
import { faultyReply, type ReplyFault } from './reply-fault.js';
import { STATUS, statusWord } from './status.js';

/** Instructions of one queue that are counted and that faults can be injected into. */
export const QUEUE_INSTRUCTIONS = ['tapq', 'rapq', 'zapq', 'aqic', 'nqap', 'dqap', 'bapq', 'aapq'] as const;
export type QueueInstruction = (typeof QUEUE_INSTRUCTIONS)[number];

/** From NQAP to the reply, if nothing else is set. */
export const DEFAULT_PROCESSING_DELAY: Nanoseconds = 200 * USEC;

interface Request {
  readonly psmid: bigint;
  readonly message: Uint8Array;
  /** When its answer is ready, in machine time. */
  due: Nanoseconds;
}

/** Where a queue's interrupts go. */
export interface InterruptTarget {
  readonly isc: number;
  /** 0: the host's own. */
  readonly gisa: number;
  /** Sub class of a guest. */
  readonly gisc: number;
  readonly indicator: number;
}

/** None ever comes into this list. */
const NO_REQUESTS: Request[] = [];

export class HardwareQueue {
  readonly qid: number;

  // Knobs of the vocabulary.
  /** Requests are accepted and not answered. */
  hold: boolean;
  /** Own reset duration; undefined: the machine's. */
  resetDuration: Nanoseconds | undefined;
  /** Own number of polls that a reset takes; undefined: the machine's. */
  resetPolls: number | undefined;
  /** Polls until an enabled interrupt shows. */
  irqPolls = 0;
  /** So many further instructions are answered with 05. */
  busy = 0;
  /** Polls that a running reset still takes. */
  resetPollsLeft = 0;
  /** Response code of a failed earlier asynchronous operation; 0: none. */
  asyncResponse = 0;
  /** Secure-execution bind state, 0..3. */
  bindState: number;
  replyFault: ReplyFault | undefined;

  /** A secure-execution guest has it, and must bind it before use. */
  #secureGuest = false;

  /** Requests answered since the queue came into being. */
  answered = 0;

  readonly #machine: Machine;
  readonly #adapter: Adapter;
  readonly #counts: number[] = [0, 0, 0, 0, 0, 0, 0, 0];
  #injected: Map<QueueInstruction, { rc: number; left: number }> | undefined;
  /** Of its own from the first request on: most queues of a machine never get one. */
  #requests: Request[] = NO_REQUESTS;
  #replies: Replies | undefined;
  #irq: InterruptTarget | undefined;
  #irqPollsLeft = 0;
  #assocPollsLeft = 0;
  /** When a running reset is done; 0: none runs. */
  #resetUntil: Nanoseconds = 0;
  #timer: Timer | undefined;
  /** Made with the first request: most queues of a machine never get one. */
  #timerOptions: { readonly name: string } | undefined;
  #whenDue: (() => void) | undefined;

  constructor(machine: Machine, adapter: Adapter, domain: number) {
    this.#machine = machine;
    this.#adapter = adapter;
    this.qid = mkQid(adapter.id, domain);
    this.hold = machine.holdNewQueues;
    this.bindState = this.#unboundState();
  }

  get adapter(): Adapter {
    return this.#adapter;
  }

  get domain(): number {
    return this.qid & 0xff;
  }

  /** As in sysfs: 02.0004. */
  get name(): string {
    return queueName(this.qid);
  }

  get requests(): number {
    return this.#requests.length;
  }

  get replies(): number {
    return this.#replies?.length ?? 0;
  }

  get interruptTarget(): InterruptTarget | undefined {
    return this.#irq;
  }

  get irqEnabled(): boolean {
    return this.#irq !== undefined && this.#irqPollsLeft === 0;
  }

  /** Something is in it or set on it: worth a line in a description of the machine. */
  get isRemarkable(): boolean {
    const set = [this.hold, this.busy, this.resetPollsLeft, this.asyncResponse, this.irqPolls];
    return (
      set.some(Boolean) ||
      this.requests + this.replies > 0 ||
      this.bindState !== this.#unboundState() ||
      (this.#injected?.size ?? 0) > 0 ||
      [this.resetDuration, this.resetPolls, this.replyFault].some((knob) => knob !== undefined)
    );
  }

  // Instructions.

  tapq(): { status: ApQueueStatus; info: TapqInfo } {
    const refused = this.#begin('tapq');
    if (refused === undefined && this.#assocPollsLeft > 0 && --this.#assocPollsLeft === 0) {
      this.bindState = 0;
    }
    const info = this.#adapter.tapqInfo(this.bindState, this.#machine.maxDomain);
    return { status: this.#poll(refused), info };
  }

  rapq(fbit: boolean): ApQueueStatus {
    return this.#reset('rapq', fbit);
  }

  zapq(fbit: boolean): ApQueueStatus {
    return this.#reset('zapq', fbit);
  }

  aqic(control: AqicControl, indicator: number): ApQueueStatus {
    const refused = this.#begin('aqic');
    if (refused) return refused;
    if (control.ir === (this.#irq !== undefined)) return this.#status(RC.OTHERWISE_CHANGED);
    if (!control.ir) {
      this.disableInterrupts();
      return this.#status(RC.NORMAL);
    }
    if (indicator === 0) return this.#status(RC.INVALID_ADDRESS);
    this.#irq = { isc: control.isc, gisa: control.gisa ?? 0, gisc: control.gisc ?? 0, indicator };
    this.#irqPollsLeft = this.irqPolls;
    return this.#status(RC.NORMAL);
  }

  nqap(psmid: bigint, message: Uint8Array): ApQueueStatus {
    const refused = this.#begin('nqap');
    if (refused) return refused;
    if (message.length > maxMessageSize(this.#adapter.description)) {
      return this.#status(RC.MESSAGE_TOO_BIG);
    }
    if (this.#isFull()) return this.#status(RC.Q_FULL);
    if (this.#requests === NO_REQUESTS) this.#requests = [];
    this.#requests.push({ psmid, message: copied(message), due: this.hold ? 0 : this.#due(message) });
    this.#schedule();
    return this.#status(RC.NORMAL);
  }

  /** @param room bytes of the buffer @param resume goes on where the last part ended */
  dqap(room: number, resume: boolean): DqapResult {
    let refused = this.#begin('dqap');
    if (!refused && (this.#replies?.cannotResume(resume) ?? resume)) refused = this.#status(RC.NO_FIRST_PART);
    const part = refused ? undefined : this.#replies?.take(room, resume);
    const status = this.#poll(part ? undefined : (refused ?? this.#status(RC.NO_PENDING_REPLY)));
    return { status, ...(part ?? NO_REPLY) };
  }

  /** Binds the queue to a secure-execution guest. */
  bapq(): ApQueueStatus {
    const refused = this.#begin('bapq');
    if (refused) return refused;
    if (this.bindState !== 2) return this.#status(RC.OTHERWISE_CHANGED);
    this.bindState = this.#boundState();
    return this.#status(RC.NORMAL);
  }

  /** Associates a bound queue with a secret of the guest; which one is not looked at. */
  aapq(): ApQueueStatus {
    const refused = this.#begin('aapq');
    if (refused) return refused;
    if (this.bindState !== 1) return this.#status(RC.OTHERWISE_CHANGED);
    this.#assocPollsLeft = this.#machine.assocPolls;
    if (this.#assocPollsLeft === 0) this.bindState = 0;
    return this.#status(this.#assocPollsLeft > 0 ? RC.STATE_CHANGE_IN_PROGRESS : RC.NORMAL);
  }

  // What happens to it from outside.

  /** The next `count` instructions of this kind are answered with `rc` and do nothing else. */
  inject(instruction: QueueInstruction, rc: number, count: number): void {
    this.#injected ??= new Map();
    if (count > 0) this.#injected.set(instruction, { rc, left: count });
    else this.#injected.delete(instruction);
  }

  /** Everything in the queue vanishes, unanswered. */
  dropContents(): void {
    this.#requests = NO_REQUESTS;
    this.#replies?.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  disableInterrupts(): void {
    this.#irq = undefined;
    this.#irqPollsLeft = 0;
  }

  /** Deconfigured, check-stopped or gone: contents, interrupts, binding and running operations are lost. */
  loseState(): void {
    this.dropContents();
    this.disableInterrupts();
    this.resetPollsLeft = 0;
    this.#resetUntil = 0;
    this.#assocPollsLeft = 0;
    this.asyncResponse = 0;
    this.bindState = this.#unboundState();
  }

  /** A secure-execution guest gets it, or loses it: nothing of an earlier binding is left. */
  setSecureGuest(on: boolean): void {
    if (this.#secureGuest === on) return;
    this.#secureGuest = on;
    this.#assocPollsLeft = 0;
    this.bindState = this.#unboundState();
  }

  /** Held requests start to be worked on. */
  release(): void {
    if (!this.hold) return;
    this.hold = false;
    for (const request of this.#requests) request.due = Math.max(request.due, this.#due(request.message));
    this.#schedule();
  }

  /** How often an instruction was issued since the counters were last cleared. */
  count(instruction: QueueInstruction): number {
    return this.#counts[QUEUE_INSTRUCTIONS.indexOf(instruction)]!;
  }

  clearCounts(): void {
    this.#counts.fill(0);
  }

  // Internals.

  /** Common start of every instruction: counts it; a status if it ends here. */
  #begin(instruction: QueueInstruction): ApQueueStatus | undefined {
    this.#counts[QUEUE_INSTRUCTIONS.indexOf(instruction)]!++;
    const injected = this.#injected?.get(instruction);
    if (injected) {
      if (--injected.left <= 0) this.#injected!.delete(instruction);
      return this.#status(injected.rc);
    }
    if (!this.#adapter.configured) return this.#status(RC.DECONFIGURED);
    if (this.#adapter.checkstopped) return this.#status(RC.CHECKSTOPPED);
    if (this.busy > 0) {
      this.busy--;
      return this.#status(RC.BUSY);
    }
    if (this.resetPollsLeft > 0) {
      this.resetPollsLeft--;
      return this.#status(RC.RESET_IN_PROGRESS);
    }
    if (this.#resetUntil > 0) {
      if (this.#machine.ports.clock.now() < this.#resetUntil) return this.#status(RC.RESET_IN_PROGRESS);
      this.#resetUntil = 0;
    }
    const isReset = instruction === 'rapq' || instruction === 'zapq';
    if (this.asyncResponse !== 0 && !isReset) return { ...this.#status(this.asyncResponse), async: true };
    return undefined;
  }

  /** The end of TAPQ and DQAP, which count as polls of a pending interrupt enablement. */
  #poll(status: ApQueueStatus | undefined): ApQueueStatus {
    const result = status ?? this.#status(RC.NORMAL);
    if (this.#irqPollsLeft > 0) this.#irqPollsLeft--;
    return result;
  }

  #reset(instruction: 'rapq' | 'zapq', fbit: boolean): ApQueueStatus {
    const refused = this.#begin(instruction);
    if (refused) return refused;
    this.dropContents();
    this.disableInterrupts();
    this.asyncResponse = 0;
    this.#assocPollsLeft = 0;
    if (fbit) this.bindState = this.#unboundState();
    else if (this.bindState === 0) this.bindState = this.#boundState();
    this.resetPollsLeft = this.resetPolls ?? this.#machine.resetPolls;
    const duration = this.resetDuration ?? this.#machine.resetDuration;
    this.#resetUntil = duration > 0 ? this.#machine.ports.clock.now() + duration : 0;
    return this.#status(RC.NORMAL);
  }

  /** When a request that comes now will be answered. */
  #due(message: Uint8Array): Nanoseconds {
    const { processingDelay, ports } = this.#machine;
    const now = ports.clock.now();
    return processingDelay === 'by-speed' ? this.#adapter.workOn(message, now) : now + processingDelay;
  }

  #isFull(): boolean {
    return this.requests + this.replies >= this.#adapter.description.depth;
  }

  #status(responseCode: number): ApQueueStatus {
    const { replies } = this;
    const contents = this.requests + replies;
    return statusWord(
      responseCode,
      (contents === 0 ? STATUS.EMPTY : 0) |
        (replies > 0 ? STATUS.REPLIES : 0) |
        (contents >= this.#adapter.description.depth ? STATUS.FULL : 0) |
        (this.irqEnabled ? STATUS.IRQ : 0),
    );
  }

  get #isSecure(): boolean {
    return this.#machine.protVirtGuest || this.#secureGuest;
  }

  /** Without secure execution 0; with it EP11 and accelerators wait to be bound, CCA is unusable. */
  #unboundState(): number {
    if (!this.#isSecure) return 0;
    return this.#adapter.description.mode === 'cca' ? 3 : 2;
  }

  /** After binding, EP11 still needs a secret; also what a plain reset leaves of an association. */
  #boundState(): number {
    if (!this.#isSecure) return 0;
    return this.#adapter.description.mode === 'ep11' ? 1 : 0;
  }

  /** One timer for the request in front. */
  #schedule(): void {
    const first = this.#requests[0];
    if (this.hold || !first || this.#timer) return;
    const { clock } = this.#machine.ports;
    const delay = Math.max(0, first.due - clock.now());
    this.#timerOptions ??= { name: `ap.reply ${this.name}` };
    this.#whenDue ??= () => this.#work();
    this.#timer = clock.after(delay, this.#whenDue, this.#timerOptions);
  }

  /** The card has worked: everything due becomes a reply; one interrupt for all of it. */
  #work(): void {
    this.#timer = undefined;
    if (this.hold) return;
    const now = this.#machine.ports.clock.now();
    let replied = false;
    for (let first = this.#requests[0]; first && first.due <= now; first = this.#requests[0]) {
      this.#requests.shift();
      const message = this.#answer(first.message);
      if (!message) continue;
      this.#replies ??= new Replies();
      this.#replies.push({ psmid: first.psmid, message });
      this.answered++;
      replied = true;
    }
    this.#schedule();
    if (replied && this.#irq) this.#machine.raiseAdapterInterrupt(this);
  }

  /** The reply to one request; undefined: it is lost. */
  #answer(request: Uint8Array): Uint8Array | undefined {
    const good = (): Uint8Array =>
      answerRequest({ ports: this.#machine.ports, card: this.#adapter.description, qid: this.qid }, request);
    const fault = this.replyFault;
    if (!fault) return good();
    if (fault.left > 0 && --fault.left === 0) this.replyFault = undefined;
    return faultyReply(fault, request, good);
  }
}
