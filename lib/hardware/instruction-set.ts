/**
 * The AP instructions of one partition or guest, over a view of the machine.
 *
 * Mirrors what an AP instruction does before it gets to a queue: facilities,
 * which queues the issuer reaches (response code 01), the trace. A host's view
 * is the whole machine, a guest's is filtered by its APCB. AQIC of a guest is
 * intercepted: lib/guest has that.
 */
import type { TraceEvent } from '../ports.js';
import {
  type ApConfigInfo,
  type ApInterruptHandler,
  type ApQueueStatus,
  type AqicControl,
  type DqapResult,
  type HostInstructions,
  QCI,
  type Qid,
  qidCard,
  RC,
  type SclpApResult,
  type TapqInfo,
} from './instructions.js';
import type { Machine } from './machine.js';
import { queueName } from './names.js';
import type { HardwareQueue } from './queue.js';
import { NO_REPLY } from './replies.js';
import { statusWord } from './status.js';

/** What one issuer of instructions sees of the machine. */
export interface HardwareView {
  /** Names the guest in the trace. */
  readonly label?: string;
  /** Whether this adapter and domain are its own (an APCB's apm and aqm). */
  reaches(qid: Qid): boolean;
  /** The QCI block as it sees it. */
  config(): ApConfigInfo | undefined;
  sclpConfigureAp(apid: number, configure: boolean): Promise<SclpApResult>;
  onAdapterInterrupt(handler: ApInterruptHandler): () => void;
  onConfigChanged(handler: () => void): () => void;
}

const NO_INFO: TapqInfo = { fac: 0, bs: 0, at: 0, nd: 0, ml: 0, qd: 0 };

/** The status of an instruction that no queue answered. */
export const queueless = (responseCode: number): ApQueueStatus => statusWord(responseCode);

/** All instructions but AQIC: these the machine executes for every issuer. */
export abstract class InterpretedInstructions {
  readonly #machine: Machine;
  readonly #view: HardwareView;

  constructor(machine: Machine, view: HardwareView) {
    this.#machine = machine;
    this.#view = view;
  }

  get available(): boolean {
    return this.#machine.apInstructions;
  }

  get sief2(): boolean {
    return true;
  }

  get zvm(): boolean {
    return this.#machine.zvm;
  }

  get protVirtGuest(): boolean {
    return this.#machine.protVirtGuest;
  }

  hasFacility(bit: 12 | 15 | 65): boolean {
    if (!this.available) return false;
    if (bit === 12) return this.#machine.qciInstalled;
    return bit === 15 || this.#machine.apInterrupts;
  }

  tapq(qid: Qid): { status: ApQueueStatus; info: TapqInfo } {
    const result = this.#queue(qid)?.tapq() ?? {
      status: queueless(RC.Q_NOT_AVAIL),
      info: NO_INFO,
    };
    this.trace('TAPQ', qid, result.status);
    return result;
  }

  rapq(qid: Qid, fbit = false): ApQueueStatus {
    return this.onQueue('RAPQ', qid, (queue) => queue.rapq(fbit));
  }

  zapq(qid: Qid, fbit = false): ApQueueStatus {
    return this.onQueue('ZAPQ', qid, (queue) => queue.zapq(fbit));
  }

  qci(): ApConfigInfo | undefined {
    const info = this.hasFacility(12) ? this.#view.config() : undefined;
    if (this.#tracing) this.#emit('QCI', info ? 'ok' : 'failed');
    return info;
  }

  /** Every newer type is compatible with what is asked for. */
  qact(qid: Qid, hwtype: number, _fac: number): { status: ApQueueStatus; apType: number } {
    let rc: number = RC.NORMAL;
    if ((this.#machine.qciFlags & QCI.QACT) === 0) rc = RC.REQ_FAC_NOT_INST;
    else if (!this.#queue(qid)) rc = RC.Q_NOT_AVAIL;
    const status = queueless(rc);
    this.trace('QACT', qid, status);
    return { status, apType: rc === RC.NORMAL ? hwtype : 0 };
  }

  bapq(qid: Qid): ApQueueStatus {
    return this.onQueue('BAPQ', qid, (queue) => queue.bapq());
  }

  aapq(qid: Qid, _secretIndex: number): ApQueueStatus {
    return this.onQueue('AAPQ', qid, (queue) => queue.aapq());
  }

  nqap(qid: Qid, psmid: bigint, message: Uint8Array, _special: boolean): ApQueueStatus {
    return this.onQueue('NQAP', qid, (queue) => queue.nqap(psmid, message));
  }

  dqap(qid: Qid, room: number, resume = false): DqapResult {
    const result = this.#queue(qid)?.dqap(room, resume) ?? { status: queueless(RC.Q_NOT_AVAIL), ...NO_REPLY };
    this.trace('DQAP', qid, result.status);
    return result;
  }

  async sclpConfigureAp(apid: number, configure: boolean): Promise<SclpApResult> {
    const result = await this.#view.sclpConfigureAp(apid, configure);
    if (this.#tracing) {
      this.#emit('SCLP', `${configure ? 'configure' : 'deconfigure'} ${apid} -> ${hex(result.response, 4)}`);
    }
    return result;
  }

  onAdapterInterrupt(handler: ApInterruptHandler): () => void {
    return this.#view.onAdapterInterrupt(handler);
  }

  onConfigChanged(handler: () => void): () => void {
    return this.#view.onConfigChanged(handler);
  }

  #queue(qid: Qid): HardwareQueue | undefined {
    if (!this.available || qidCard(qid) > 255 || !this.#view.reaches(qid)) return undefined;
    return this.#machine.reachableQueue(qid);
  }

  protected onQueue(name: string, qid: Qid, run: (queue: HardwareQueue) => ApQueueStatus): ApQueueStatus {
    const queue = this.#queue(qid);
    const status = queue ? run(queue) : queueless(RC.Q_NOT_AVAIL);
    this.trace(name, qid, status);
    return status;
  }

  /** The issuer executes instructions at all; what one does that is switched off is not told. */
  protected get running(): boolean {
    return true;
  }

  get #tracing(): boolean {
    return this.#machine.ports.trace.enabled && this.#machine.traceInstructions && this.running;
  }

  /** One line per instruction: "TAPQ 02.0004 -> 00 empty irq". */
  protected trace(name: string, qid: Qid, status: ApQueueStatus): void {
    if (this.#tracing) this.#machine.ports.trace.emit(new QueueInstructionEvent(this.#view.label, name, qid, status));
  }

  #emit(name: string, text: string): void {
    const guest = this.#view.label;
    this.#machine.ports.trace.emit({
      kind: 'ap.instr',
      text: `${guest === undefined ? '' : `${guest}: `}${name} ${text}`,
      data: { instr: name, ...(guest === undefined ? {} : { guest }) },
    });
  }
}

/** An instruction on a queue, and what it was answered. */
class QueueInstructionEvent implements TraceEvent {
  constructor(
    readonly guest: string | undefined,
    readonly instr: string,
    readonly qid: Qid,
    readonly status: ApQueueStatus,
  ) {}

  get kind(): string {
    return 'ap.instr';
  }

  get text(): string {
    const { guest, instr, qid, status } = this;
    const flags =
      (status.queueEmpty ? ' empty' : '') +
      (status.repliesWaiting ? ' replies' : '') +
      (status.queueFull ? ' full' : '') +
      (status.async ? ' async' : '') +
      (status.irqEnabled ? ' irq' : '');
    const issuer = guest === undefined ? '' : `${guest}: `;
    return `${issuer}${instr} ${queueName(qid)} -> ${hex(status.responseCode, 2)}${flags}`;
  }

  get data(): NonNullable<TraceEvent['data']> {
    const { guest, instr, qid, status } = this;
    return { instr, qid, rc: status.responseCode, ...(guest === undefined ? {} : { guest }) };
  }
}

/** The instructions of a partition. */
export class InstructionSet extends InterpretedInstructions implements HostInstructions {
  aqic(qid: Qid, control: AqicControl, indicator: number): ApQueueStatus {
    return this.onQueue('AQIC', qid, (queue) => queue.aqic(control, indicator));
  }
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
