/**
 * One crypto adapter as the machine has it: its description, its state, its queues.
 *
 * Mirrors what SE and HMC know of a card. Says nothing of drivers; queues come
 * into being when an instruction or a command first names them.
 */
import type { Nanoseconds } from '../ports.js';
import type { TapqInfo } from './instructions.js';
import {
  type AdapterMode,
  cexType,
  DEFAULT_DEPTH,
  DEFAULT_FAC,
  DEFAULT_ML,
  defaultSerial,
  EP11_DEFAULTS,
} from './made-up.js';
import type { MasterKeys } from './master-keys.js';
import type { HardwareQueue } from './queue.js';
import { processingTime } from './speed.js';

/** What an EP11 card says about itself. */
export interface Ep11Firmware {
  readonly apiOrdinal: number;
  readonly firmwareMajor: number;
  readonly firmwareMinor: number;
  /** Bit mask, spec/attributes.md E (op_modes). */
  readonly opModes: bigint;
}

/** What is different in one domain of a card. */
export interface DomainDescription {
  /** EP11: instead of the card's. */
  readonly opModes?: bigint;
  readonly masterKeys?: MasterKeys;
}

/** Everything about a card that does not change while it is plugged. */
export interface AdapterDescription {
  /** Type number as TAPQ reports it: 10 CEX4 .. 14 CEX8; newer and older ones are possible. */
  readonly type: number;
  /** Decides which firmware runs and, by default, the facility bits. */
  readonly mode: AdapterMode;
  /** Upper 32 bits of the TAPQ information word (without bind state). */
  readonly fac: number;
  /** Requests a queue holds, 1..16. */
  readonly depth: number;
  /** Message limit in units of 4096 bytes, 0..15; 0: 12 KiB. */
  readonly ml: number;
  /** 8 characters; with 16 it is the whole number of an EP11 card. */
  readonly serial: string;
  readonly ep11: Ep11Firmware;
  /** Registers that are not as usual. */
  readonly masterKeys?: MasterKeys;
  /** Domains that are not like the rest of the card. */
  readonly domains?: ReadonlyMap<number, DomainDescription>;
}

/** The description of a card that is like a recorded one, with changes. */
export function describeAdapter(
  apid: number,
  type: number,
  mode: AdapterMode,
  changes: Partial<AdapterDescription> = {},
): AdapterDescription {
  return {
    type,
    mode,
    fac: DEFAULT_FAC[mode],
    depth: DEFAULT_DEPTH,
    ml: DEFAULT_ML,
    serial: defaultSerial(apid),
    ep11: EP11_DEFAULTS,
    ...changes,
  };
}

/** Largest message in bytes that NQAP accepts (12 KiB where the card states no limit). */
export const maxMessageSize = (card: AdapterDescription): number => (card.ml > 0 ? card.ml * 4096 : 12288);

export class Adapter {
  configured = true;
  checkstopped = false;
  /** False: the slot is empty although the configuration still lists it. */
  present = true;
  /** Response code that SCLP gives to every (de)configure request instead of doing it. */
  sclpResponse: number | undefined;
  /** By domain; undefined: nothing has touched it. */
  readonly queues: (HardwareQueue | undefined)[] = [];
  /** Where work takes time by the card's speed: until then it is busy. */
  #busyUntil: Nanoseconds = 0;

  #description: AdapterDescription;
  /** The latest answer: nearly always that of the next queue too. */
  #tapqInfo: TapqInfo | undefined;

  constructor(
    readonly id: number,
    description: AdapterDescription,
  ) {
    this.#description = description;
  }

  /** TAPQ information of one of its queues; `bs`: secure-execution bind state, `nd`: domains. */
  tapqInfo(bs: number, nd: number): TapqInfo {
    const d = this.#description;
    let info = this.#tapqInfo;
    if (info?.bs !== bs || info.nd !== nd) {
      info = { fac: (d.fac | (bs << 14)) >>> 0, bs, at: d.type, nd, ml: d.ml, qd: d.depth - 1 };
      this.#tapqInfo = info;
    }
    return info;
  }

  get description(): AdapterDescription {
    return this.#description;
  }

  /** Another kind of card. */
  set description(description: AdapterDescription) {
    this.#description = description;
    this.#tapqInfo = undefined;
  }

  /**
   * Takes on a request, whichever of its queues it came from: one after the
   * other. The time of a request that is reset meanwhile is not given back.
   * @returns when it will be done
   */
  workOn(request: Uint8Array, now: Nanoseconds): Nanoseconds {
    this.#busyUntil = Math.max(this.#busyUntil, now) + processingTime(this.description, request);
    return this.#busyUntil;
  }

  /** Deconfigured, check-stopped, pulled: what the queues held and their interrupts are gone. */
  loseQueueState(): void {
    this.#busyUntil = 0;
    for (const queue of this.queues) queue?.loseState();
  }

  /** "CEX8 cca" as commands spell it. */
  get typeText(): string {
    const { type, mode } = this.description;
    const name = type >= cexType(4) && type <= cexType(9) ? `cex${type - 6}` : `type ${type}`;
    return `${name} ${mode}`;
  }
}
