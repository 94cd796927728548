/**
 * zcrypt: takes requests, finds queues for them, gives the answers back.
 *
 * Mirrors zcrypt_api.c without its device nodes (nodes.ts), open files
 * (file.ts) and statistics (status.ts). One object lives from loading the
 * module to unloading it. spec/zcrypt.md 3, 4.
 */
import type { ApBus } from '../ap/bus.js';
import type { DriverCore } from '../driver-core/core.js';
import type { HwRandom } from '../driver-core/hw-random.js';
import type { LogLevel } from '../driver-core/printk.js';
import { isKernelError, KernelError } from '../errno.js';
import { rsaSpeed, SPEED } from '../hardware/speed.js';
import { speedIndexCca, speedIndexEp11 } from '../hardware/speed-index.js';
import type { Profile } from '../profile/profile.js';
import type { Task } from '../sync/task.js';
import type { CcaInfo } from './ccamisc.js';
import { prepareCca } from './cprb.js';
import { prepareEp11 } from './ep11-cprb.js';
import type { Ep11CardInfo } from './ep11misc.js';
import { ZcryptRng } from './hwrng.js';
import { ZcryptClass } from './nodes.js';
import type { Sender } from './ops.js';
import { type ApPerms, busPerms } from './perms.js';
import { Track, withRetry } from './retry.js';
import { Distributor, type Picked, type Wanted } from './select.js';
import {
  AUTOSEL_AP,
  AUTOSEL_DOM,
  AUTOSELECT,
  type Ep11Target,
  type Ep11Urb,
  type IcaRsaModexpo,
  type IcaRsaModexpoCrt,
  type IcaXcRb,
} from './user.js';

/** Number of domains that permissions know. */
const AP_DOMAINS = 256;

export interface ZcryptOptions {
  readonly core: DriverCore;
  readonly profile: Profile;
  /** Undefined on a machine without AP instructions. */
  readonly ap: ApBus | undefined;
  readonly hwRandom: HwRandom;
  /** Parameter of the module (7.2). */
  readonly mempoolThreshold: number;
  /** Parameter of the module (6.1); 0: random numbers are no entropy. */
  readonly hwrngSeed: number;
}

export class Zcrypt {
  readonly core: DriverCore;
  readonly profile: Profile;
  readonly ap: ApBus | undefined;
  readonly distributor = new Distributor();
  readonly busPerms: ApPerms;
  readonly rng: ZcryptRng;
  /** Class `zcrypt` and its device nodes. */
  readonly nodes: ZcryptClass;
  readonly mempoolThreshold: number;
  readonly hwrngSeed: number;
  /** Opens of all nodes. */
  openCount = 0;
  /** Kept answers of cards (6.1, 6.12), by card and domain. */
  readonly ccaCache = new Map<string, CcaInfo>();
  /** Kept answers of EP11 cards (6.1, 6.12), by card. */
  readonly ep11Cache = new Map<number, Ep11CardInfo>();
  readonly #steps = { 50: 0, 6: 0 };
  #requests = 0;
  /** 6.1: a reply has asked for a rescan. */
  #rescanRequested = false;

  constructor({ core, profile, ap, hwRandom, mempoolThreshold, hwrngSeed }: ZcryptOptions) {
    this.core = core;
    this.profile = profile;
    this.ap = ap;
    this.mempoolThreshold = mempoolThreshold;
    this.hwrngSeed = hwrngSeed;
    this.busPerms = busPerms(ap);
    this.rng = new ZcryptRng(this, hwRandom);
    this.nodes = new ZcryptClass(this);
  }

  log(level: LogLevel, text: string): void {
    this.core.log.print(level, `zcrypt: ${text}`);
  }

  /** A line of the s390 debug feature `zcrypt`; only the trace shows it. */
  dbf(level: number, text: string): void {
    const { trace } = this.core.ports;
    if (trace.enabled) trace.emit({ kind: 's390dbf.zcrypt', text, data: { level } });
  }

  /** Message id: thread id and a running number of the message type. */
  nextPsmid(task: Task, type: 50 | 6): bigint {
    return (BigInt(task.pid) << 32n) + BigInt(++this.#steps[type]);
  }

  newTrack(): Track {
    return new Track(++this.#requests);
  }

  requestRescan(): void {
    this.#rescanRequested = true;
  }

  /** A request ended with ENODEV: look at the hardware again. @returns whether to try once more */
  async rescan(task: Task): Promise<boolean> {
    if (this.profile.enodevForcesRescan) return (await this.ap?.scan.force(task)) ?? false;
    if (!this.#rescanRequested) return false;
    this.#rescanRequested = false;
    await this.ap?.scan.force(task);
    return true;
  }

  /**
   * A user's request with all its tries.
   * @param what the call that it is, for the trace
   */
  retrying<T>(task: Task, what: string, track: Track, attempt: () => Promise<T>): Promise<T> {
    return this.#told(task, what, track, () =>
      withRetry(track, attempt, () => {
        this.tell(track, 'zcrypt.rescan', 'ENODEV: the bus is scanned');
        return this.rescan(task);
      }),
    );
  }

  /** `zcrypt_send_cprb`: a CCA request of the kernel itself. */
  kernelSendCprb(task: Task, xcrb: IcaXcRb): Promise<void> {
    return this.#kernelSend(task, 'zcrypt_send_cprb', (track) => this.sendCprb(task, this.busPerms, track, xcrb));
  }

  /** `zcrypt_send_ep11_cprb`: an EP11 request of the kernel itself. */
  kernelSendEp11Cprb(task: Task, urb: Ep11Urb): Promise<void> {
    return this.#kernelSend(task, 'zcrypt_send_ep11_cprb', (track) =>
      this.sendEp11Cprb(task, this.busPerms, track, urb),
    );
  }

  /** One try of RSA with a modulus. @throws EINVAL, EFAULT, ENODEV, EAGAIN, EMSGSIZE, EINTR */
  async rsaModexpo(task: Task, perms: ApPerms, track: Track, mex: IcaRsaModexpo): Promise<void> {
    const length = checkRsa(track, mex);
    const wanted = rsaWanted(perms, length, rsaSpeed(length, SPEED.MEX_1K), (zq) => zq.ops.rsaModexpo !== undefined);
    await this.#on(task, wanted, track, true, async (sender, { queue }) => queue.ops.rsaModexpo?.(sender, queue, mex));
    mex.outputdatalength = length;
  }

  /** One try of RSA by the Chinese remainder theorem. */
  async rsaModexpoCrt(task: Task, perms: ApPerms, track: Track, crt: IcaRsaModexpoCrt): Promise<void> {
    const length = checkRsa(track, crt);
    const wanted = rsaWanted(perms, length, rsaSpeed(length, SPEED.CRT_1K), (zq) => zq.ops.rsaModexpoCrt !== undefined);
    await this.#on(task, wanted, track, true, async (sender, { queue }) =>
      queue.ops.rsaModexpoCrt?.(sender, queue, crt),
    );
    crt.outputdatalength = length;
  }

  /** One try of a CCA request. @throws also EOPNOTSUPP neither usage nor administrative; EIO administrative and EAGAIN */
  async sendCprb(task: Task, perms: ApPerms, track: Track, xcrb: IcaXcRb): Promise<void> {
    xcrb.status = 0;
    const message = forget(track, () => prepareCca(xcrb, this.#maxMessageSize));
    forget(track, () => checkDomain(perms, message.domain, message.admin, message.usage));
    const domain = this.#isControlOnly(message.domain) ? AUTOSEL_DOM : message.domain;
    const wanted: Wanted = {
      card: (zc) =>
        zc.card.has('cca') &&
        (xcrb.userDefined === AUTOSELECT || xcrb.userDefined === zc.card.apid) &&
        message.bytes.length <= zc.card.maxMsgSize &&
        perms.apm.has(zc.card.apid),
      weight: (zc) => speedIndexCca(message.functionCode) * zc.type.speedRating[SPEED.SECKEY],
      queue: (zq) =>
        zq.ops.sendCprb !== undefined &&
        (domain === AUTOSEL_DOM || domain === zq.queue.apqi) &&
        perms.aqm.has(zq.queue.apqi),
    };
    await this.#on(task, wanted, track, this.profile.ccaRemembersQueue, async (sender, { queue }) =>
      queue.ops.sendCprb?.(sender, queue, xcrb, message),
    );
  }

  /** One try of an EP11 request. */
  async sendEp11Cprb(task: Task, perms: ApPerms, track: Track, urb: Ep11Urb): Promise<void> {
    const targets = forget(track, () => ep11Targets(urb));
    const message = forget(track, () => prepareEp11(urb, this.#maxMessageSize));
    forget(track, () => checkDomain(perms, message.domain, message.admin, !message.admin));
    const wanted: Wanted = {
      card: (zc) =>
        zc.card.has('ep11') &&
        targets.some((t) => isApOf(t, zc.card.apid)) &&
        message.bytes.length <= zc.card.maxMsgSize &&
        perms.apm.has(zc.card.apid),
      weight: (zc) => speedIndexEp11(message.functionCode) * zc.type.speedRating[SPEED.SECKEY],
      queue: (zq) =>
        zq.ops.sendEp11Cprb !== undefined &&
        targets.some((t) => isApOf(t, zq.queue.card.apid) && isDomainOf(t, zq.queue.apqi)) &&
        perms.aqm.has(zq.queue.apqi),
    };
    await this.#on(task, wanted, track, true, async (sender, { queue }) =>
      queue.ops.sendEp11Cprb?.(sender, queue, urb, message),
    );
  }

  /** `zcrypt_rng`: one block of random bytes; a single try, no permissions. */
  async rngBlock(task: Task): Promise<Uint8Array> {
    const wanted: Wanted = {
      card: (zc) => zc.card.has('cca'),
      weight: (zc) => zc.type.speedRating[SPEED.RNG],
      queue: (zq) => zq.ops.rng !== undefined,
    };
    const track = this.newTrack();
    track.tries = 1;
    const block = await this.#told(task, 'zcrypt_rng', track, () =>
      this.#on(task, wanted, track, false, async (sender, { queue }) => queue.ops.rng?.(sender, queue)),
    );
    if (!block) throw new KernelError('EIO');
    return block;
  }

  get #maxMessageSize(): number {
    return this.ap?.maxMessageSize ?? 12 * 1024;
  }

  #isControlOnly(domain: number): boolean {
    const { ap } = this;
    if (domain >= AP_DOMAINS || !ap) return false;
    return !ap.usageDomainConfigured(domain) && ap.controlDomainConfigured(domain);
  }

  async #kernelSend(task: Task, what: string, attempt: (track: Track) => Promise<void>): Promise<void> {
    const track = this.newTrack();
    if (this.profile.kernelSendRetries) return this.retrying(task, what, track, () => attempt(track));
    track.tries = 1;
    return this.#told(task, what, track, () => attempt(track));
  }

  /** The first and the last word of a request's story. */
  async #told<T>(task: Task, what: string, track: Track, run: () => Promise<T>): Promise<T> {
    const { trace } = this.core.ports;
    if (!trace.enabled) return run();
    this.tell(track, 'zcrypt.request', `created: ${what} by ${task.comm}[${task.pid}]`);
    let ending = 'ok';
    try {
      return await run();
    } catch (e) {
      ending = isKernelError(e) ? e.errno : String(e);
      throw e;
    } finally {
      const tries = track.tries === 1 ? '1 try' : `${track.tries} tries`;
      this.tell(track, 'zcrypt.end', `ended: ${ending} after ${tries}`);
    }
  }

  /** Chooses a queue, works on it, gives it back. @throws ENODEV there is none */
  async #on<T>(
    task: Task,
    wanted: Wanted,
    track: Track,
    remember: boolean,
    work: (sender: Sender, picked: Picked) => Promise<T>,
  ): Promise<T> {
    const picked = this.distributor.pick(wanted, track);
    track.lastQid = 0;
    if (!picked) {
      this.tell(track, 'zcrypt.none', 'no matching queue');
      throw new KernelError('ENODEV', 'no matching queue');
    }
    const { queue } = picked;
    const { name } = queue.queue;
    track.queue = name;
    this.tell(
      track,
      'zcrypt.pick',
      `${track.tries > 1 ? 'retried on' : 'selected'} ${name} weight ${picked.weight}`,
      name,
    );
    try {
      const result = await work({ task, requestId: track.requestId }, picked);
      this.tell(track, 'zcrypt.done', `${name} ok`, name);
      return result;
    } catch (e) {
      this.tell(track, 'zcrypt.done', `${name} ${isKernelError(e) ? e.errno : String(e)}`, name);
      throw e;
    } finally {
      this.distributor.drop(picked);
      if (remember) track.lastQid = queue.queue.qid;
    }
  }

  /** A step of a request's story. */
  tell({ requestId }: { readonly requestId: number }, kind: string, text: string, queue?: string): void {
    const { trace } = this.core.ports;
    if (!trace.enabled) return;
    trace.emit({
      kind,
      text: `request ${requestId} ${text}`,
      data: { request: requestId, ...(queue === undefined ? {} : { queue }) },
    });
  }
}

/** A step before selection: when it fails no queue was used in this try. */
function forget<T>(track: Track, step: () => T): T {
  try {
    return step();
  } catch (e) {
    track.lastQid = 0;
    throw e;
  }
}

/** Checks of an RSA request that come before anything else; its length. @throws EINVAL */
function checkRsa(track: Track, rsa: IcaRsaModexpo | IcaRsaModexpoCrt): number {
  return forget(track, () => {
    if (rsa.outputdatalength < rsa.inputdatalength || rsa.inputdatalength === 0) throw new KernelError('EINVAL');
    return rsa.inputdatalength;
  });
}

function rsaWanted(perms: ApPerms, length: number, speed: ReturnType<typeof rsaSpeed>, can: Wanted['queue']): Wanted {
  return {
    card: (zc) =>
      (zc.card.has('accel') || zc.card.has('cca')) &&
      zc.type.minModSize <= length &&
      length <= zc.type.maxModSize &&
      perms.apm.has(zc.card.apid),
    weight: (zc) => zc.type.speedRating[speed],
    queue: (zq) => can(zq) && perms.aqm.has(zq.queue.apqi),
  };
}

/** What a zcdn node allows beyond adapters and domains. @throws ENODEV, EOPNOTSUPP */
function checkDomain(perms: ApPerms, domain: number, admin: boolean, usage: boolean): void {
  if (perms.isBus || domain >= AP_DOMAINS) return;
  if (admin) {
    if (!perms.adm.has(domain)) throw new KernelError('ENODEV', 'not in admask');
  } else if (!usage) throw new KernelError('EOPNOTSUPP');
}

const ANY_TARGET: readonly Ep11Target[] = [{ apId: AUTOSEL_AP, domId: AUTOSEL_DOM }];

/** @throws EFAULT */
function ep11Targets(urb: Ep11Urb): readonly Ep11Target[] {
  if (urb.targetsNum === 0) return ANY_TARGET;
  if (!urb.targets || urb.targets.length < urb.targetsNum) throw new KernelError('EFAULT');
  return urb.targets.slice(0, urb.targetsNum);
}

const isApOf = (target: Ep11Target, apid: number): boolean => target.apId === AUTOSEL_AP || target.apId === apid;
const isDomainOf = (target: Ep11Target, apqi: number): boolean => target.domId === AUTOSEL_DOM || target.domId === apqi;
