/**
 * AP instructions as a guest's kernel has them.
 *
 * Interpreted by the machine as far as the APCB lets them through; AQIC alone
 * is intercepted and handled by the host (spec/vfio-ap.md 11). What the machine
 * says of itself is what KVM and a VMM that offers everything give a guest:
 * facility 65 only with adapter interruption virtualisation, no SCLP for
 * adapters, never a z/VM guest.
 */
import { InterpretedInstructions, queueless } from '../hardware/instruction-set.js';
import {
  type ApConfigInfo,
  type ApInstructions,
  type ApInterruptHandler,
  type ApQueueStatus,
  type AqicControl,
  type Qid,
  qidCard,
  qidQueue,
  RC,
  type SclpApResult,
} from '../hardware/instructions.js';
import type { Machine } from '../hardware/machine.js';
import type { PqapOutcome, PqapRegisters } from '../kvm/pqap.js';
import type { Vm } from '../kvm/vm.js';

/** The virtual machine as its instructions know it. */
export interface GuestPlatform {
  readonly name: string;
  readonly vm: Vm;
  /** It is switched on. */
  readonly on: boolean;
  /** AP instructions are interpreted: as it was when the guest was switched on. */
  readonly hasAp: boolean;
  /** Adapter interruptions reach the virtual CPUs. */
  readonly aiv: boolean;
  readonly protectedGuest: boolean;
  /** Guest address of the byte that says "an AP queue has a reply". */
  readonly indicator: number;
  /** PQAP that the machine hands to the host; undefined: the guest has ended meanwhile. */
  intercepted(registers: PqapRegisters): Promise<PqapOutcome | undefined>;
  onAdapterInterrupt(handler: ApInterruptHandler): () => void;
  onConfigChanged(handler: () => void): () => void;
  /** It cannot go on: a program exception in its kernel. */
  crash(why: string): void;
}

const FC_AQIC = 3n << 24n;
const IR_BIT = 1n << (63n - 16n);

/** No AP command in the SCLP of a virtual machine. */
const NO_SCLP: SclpApResult = { supported: false, response: 0, command: 0 };

export class GuestInstructions extends InterpretedInstructions implements ApInstructions {
  readonly #platform: GuestPlatform;

  constructor(machine: Machine, platform: GuestPlatform) {
    const { vm } = platform;
    /** Interpretation that was taken from a running guest leaves instructions without anybody to execute them. */
    const interpreted = (): boolean => {
      if (!platform.on) return false;
      if (!vm.apie) platform.crash('operation exception');
      return platform.on;
    };
    super(machine, {
      label: platform.name,
      reaches: (qid) => interpreted() && vm.apcb.apm.has(qidCard(qid)) && vm.apcb.aqm.has(qidQueue(qid)),
      config: () => (interpreted() ? guestConfig(machine, vm) : undefined),
      sclpConfigureAp: () => Promise.resolve(NO_SCLP),
      onAdapterInterrupt: (handler) => platform.onAdapterInterrupt(handler),
      onConfigChanged: (handler) => platform.onConfigChanged(handler),
    });
    this.#platform = platform;
  }

  override get available(): boolean {
    return super.available && this.#platform.hasAp;
  }

  /** Guests of guests are not offered, as with `nested=0` of kvm. */
  override get sief2(): boolean {
    return false;
  }

  override get zvm(): boolean {
    return false;
  }

  override get protVirtGuest(): boolean {
    return this.#platform.protectedGuest;
  }

  override hasFacility(bit: 12 | 15 | 65): boolean {
    return super.hasFacility(bit) && (bit !== 65 || this.#platform.aiv);
  }

  /** Ends when the host has handled it. */
  async aqic(qid: Qid, { ir, isc }: AqicControl, indicator: number): Promise<ApQueueStatus> {
    const outcome = await this.#platform.intercepted({
      gr0: FC_AQIC | BigInt(qid),
      gr1: (ir ? IR_BIT : 0n) | BigInt(isc),
      gr2: indicator === 0 ? 0n : BigInt(this.#platform.indicator),
    });
    if (outcome?.kind !== 'done') {
      if (outcome) this.#platform.crash(`${outcome.kind === 'user space' ? 'operation' : outcome.exception} exception`);
      return queueless(RC.Q_NOT_AVAIL);
    }
    const status = statusIn(outcome.gr1);
    this.trace('AQIC', qid, status);
    return status;
  }

  protected override get running(): boolean {
    return this.#platform.on;
  }
}

/** The host's block with the masks of the guest. */
function guestConfig(machine: Machine, { apcb }: Vm): ApConfigInfo | undefined {
  const info = machine.configInfo();
  return info && { ...info, apm: apcb.apm.bytes.slice(), aqm: apcb.aqm.bytes.slice(), adm: apcb.adm.bytes.slice() };
}

/** The status stands in the lower half of GR1; what the upper half says nobody looks at. */
function statusIn(gr1: bigint): ApQueueStatus {
  const bit = (at: bigint): boolean => ((gr1 >> at) & 1n) !== 0n;
  return {
    queueEmpty: bit(31n),
    repliesWaiting: bit(30n),
    queueFull: bit(29n),
    async: bit(25n),
    irqEnabled: bit(24n),
    responseCode: Number((gr1 >> 16n) & 0xffn),
  };
}
