/**
 * The AP architecture as a driver sees it: instructions and their answers.
 *
 * Mirrors arch/s390/include/asm/ap.h (spec/ap-bus.md 1). A host kernel gets an
 * implementation straight on the machine, a guest's kernel one that its APCB
 * filters; drivers know nothing else of the hardware.
 */

import type { Soon } from '../sync/soon.js';

/** Queue number: adapter * 256 + domain. */
export type Qid = number;

export const mkQid = (apid: number, apqi: number): Qid => (apid << 8) | apqi;
export const qidCard = (qid: Qid): number => qid >> 8;
export const qidQueue = (qid: Qid): number => qid & 0xff;

/** AP response codes (spec/ap-bus.md 7). */
export const RC = {
  NORMAL: 0x00,
  Q_NOT_AVAIL: 0x01,
  RESET_IN_PROGRESS: 0x02,
  DECONFIGURED: 0x03,
  CHECKSTOPPED: 0x04,
  BUSY: 0x05,
  INVALID_ADDRESS: 0x06,
  OTHERWISE_CHANGED: 0x07,
  INVALID_GISA: 0x08,
  STATE_CHANGE_IN_PROGRESS: 0x0a,
  /** NQAP: queue full. DQAP: no reply pending. */
  Q_FULL: 0x10,
  NO_PENDING_REPLY: 0x10,
  INDEX_TOO_BIG: 0x11,
  NO_FIRST_PART: 0x13,
  MESSAGE_TOO_BIG: 0x15,
  REQ_FAC_NOT_INST: 0x16,
  ASSOC_SECRET_NOT_UNIQUE: 0x35,
  ASSOC_FAILED: 0x36,
  INVALID_DOMAIN: 0x42,
} as const;

/** The queue status word (GR1 of every instruction). */
export interface ApQueueStatus {
  readonly queueEmpty: boolean;
  readonly repliesWaiting: boolean;
  readonly queueFull: boolean;
  /** An earlier asynchronous operation failed; the response code is its code. */
  readonly async: boolean;
  readonly irqEnabled: boolean;
  readonly responseCode: number;
}

/** TAPQ information word (GR2), decoded. */
export interface TapqInfo {
  /** Upper 32 bits: the 8 facility bits (apsc mex4k crt4k cca accel ep11 apxa slcf), class, bs. */
  readonly fac: number;
  /** Secure-execution bind state 0..3 (also contained in `fac`). */
  readonly bs: number;
  /** Adapter type. */
  readonly at: number;
  /** Number of domains. */
  readonly nd: number;
  /** Message limit in units of 4096 bytes; 0: 12 KiB. */
  readonly ml: number;
  /** Queue depth minus 1. */
  readonly qd: number;
}

/** Facility bits in `TapqInfo.fac`. */
export const FAC = {
  APSC: 0x80000000,
  MEX4K: 0x40000000,
  CRT4K: 0x20000000,
  CCA: 0x10000000,
  ACCEL: 0x08000000,
  EP11: 0x04000000,
  APXA: 0x02000000,
  SLCF: 0x01000000,
} as const;

/** The QCI block, 128 bytes. Masks: bit 0 is the most significant bit of byte 0. */
export interface ApConfigInfo {
  /** apsc 0x80000000, apxa 0x40000000, qact 0x20000000, rc8a 0x10000000, apsb 0x00800000. */
  readonly flags: number;
  /** Maximum adapter id. */
  readonly na: number;
  /** Maximum domain id. */
  readonly nd: number;
  readonly apm: Uint8Array;
  readonly aqm: Uint8Array;
  readonly adm: Uint8Array;
}

export const QCI = {
  APSC: 0x80000000,
  APXA: 0x40000000,
  QACT: 0x20000000,
  RC8A: 0x10000000,
  APSB: 0x00800000,
} as const;

/** Parameters of AQIC: enable (ir) or disable interrupts of one queue. */
export interface AqicControl {
  readonly ir: boolean;
  /** Interrupt sub class, 0..7. */
  readonly isc: number;
  /** A guest's interruption: GISA designation; 0 for the host's own. */
  readonly gisa?: number;
  /** The guest's own sub class, pending in that area when the interruption comes. */
  readonly gisc?: number;
}

/** What a caught interrupt tells the kernel: only that some indicator was set. */
export type ApInterruptHandler = () => void;

export interface DqapResult {
  readonly status: ApQueueStatus;
  /** Program-supplied message id of the request this answers. */
  readonly psmid: bigint;
  /** The reply, or as much of it as the buffer takes. */
  readonly bytes: Uint8Array;
  /** Bytes of it that are left (GR2). Above 0 the status says nothing, and a DQAP that resumes brings the next part. */
  readonly residual: number;
}

/**
 * The instructions of one logical partition (or guest). They return at once, as
 * on the machine; what takes time shows in later response codes. Only AQIC of a
 * guest is intercepted: it ends when the host has handled it.
 */
export interface ApInstructions {
  /** AP instructions installed at all (`ap_instructions_available`). */
  readonly available: boolean;
  /** Facility bits: 12 QCI, 15 AP facilities test, 65 AP interrupts. */
  hasFacility(bit: 12 | 15 | 65): boolean;
  /** Can run guests itself (SIE, `sclp.has_sief2`): KVM needs it. */
  readonly sief2: boolean;
  /** Runs as a z/VM guest (slower high-frequency poll). */
  readonly zvm: boolean;
  /** Runs as a secure-execution guest (`is_prot_virt_guest`). */
  readonly protVirtGuest: boolean;

  tapq(qid: Qid): { status: ApQueueStatus; info: TapqInfo };
  rapq(qid: Qid, fbit?: boolean): ApQueueStatus;
  zapq(qid: Qid, fbit?: boolean): ApQueueStatus;
  /** `indicator`: any non-zero number stands for the address of the indicator byte. */
  aqic(qid: Qid, control: AqicControl, indicator: number): Soon<ApQueueStatus>;
  /** Fills in the QCI block; undefined when the instruction fails or is not installed. */
  qci(): ApConfigInfo | undefined;
  /** Compatible adapter type for `hwtype`, or the response code why not. */
  qact(qid: Qid, hwtype: number, fac: number): { status: ApQueueStatus; apType: number };
  bapq(qid: Qid): ApQueueStatus;
  aapq(qid: Qid, secretIndex: number): ApQueueStatus;
  /** `special`: GR0 bit for special requests. The message is copied. */
  nqap(qid: Qid, psmid: bigint, message: Uint8Array, special: boolean): ApQueueStatus;
  /** @param room bytes of the buffer @param resume with what GR0 held after the last part */
  dqap(qid: Qid, room: number, resume?: boolean): DqapResult;

  /** SCLP (de)configure of an adapter. Resolves to the SCLP response (0x0020 done, 0x0120 nothing to do, ...). */
  sclpConfigureAp(apid: number, configure: boolean): Promise<SclpApResult>;

  /** Registers the kernel's adapter-interrupt handler for its indicator; returns the unregister function. */
  onAdapterInterrupt(handler: ApInterruptHandler): () => void;
  /** Machine event "AP configuration changed" (CHSC); returns the unregister function. */
  onConfigChanged(handler: () => void): () => void;
}

/** Those of a partition: nothing is intercepted. */
export interface HostInstructions extends ApInstructions {
  aqic(qid: Qid, control: AqicControl, indicator: number): ApQueueStatus;
}

/** `supported: false`: the machine has no SCLP facility for it (EOPNOTSUPP). */
export interface SclpApResult {
  readonly supported: boolean;
  /** SCLP response code. */
  readonly response: number;
  /** SCLP command word, for the log line. */
  readonly command: number;
}
