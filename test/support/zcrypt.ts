/**
 * A machine with zcrypt loaded, in virtual time, for the unit tests of zcrypt.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { ApCard } from '../../lib/ap/card.js';
import type { ApQueue } from '../../lib/ap/queue.js';
import { SimClock } from '../../lib/clock.js';
import { KernelError } from '../../lib/errno.js';
import { fromBigInt, toBigInt } from '../../lib/hardware/bytes.js';
import { Machine, type MachineOptions } from '../../lib/hardware/machine.js';
import { runHardwareCommand } from '../../lib/hardware/vocabulary.js';
import { Kernel, type KernelOptions } from '../../lib/kernel.js';
import type { CryptoPort, Ports, Random, TraceEvent } from '../../lib/ports.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { PROFILES } from '../../lib/profile/tables.js';
import { Task } from '../../lib/sync/task.js';
import type { ZcryptCard } from '../../lib/zcrypt/card.js';
import { zcryptCard, zcryptQueue } from '../../lib/zcrypt/cex4.js';
import type { ZcryptFile } from '../../lib/zcrypt/file.js';
import type { ZcryptQueue } from '../../lib/zcrypt/queue.js';
import type { IcaRsaModexpo, IcaRsaModexpoCrt } from '../../lib/zcrypt/user.js';

export const KERNELS: readonly KernelVersion[] = ['7.2', '6.12', '6.1'];

/** Default hardware of the recordings. */
export const HARDWARE = [
  'card 0 add cex8 cca; card 1 add cex8 ep11; card 2 add cex7 accel; card 3 add cex6 cca',
  ...['0x04', '0x06', '0x1b', '0x47'].map((d) => `domain ${d} add; cdomain ${d} add`),
  'cdomain 0x55 add; cdomain 0xab add',
].join('; ');

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let b = base % modulus, e = exponent; e > 0n; e >>= 1n, b = (b * b) % modulus)
    if (e & 1n) result = (result * b) % modulus;
  return result;
}

const crypto: CryptoPort = {
  modExp: (base, exponent, modulus) =>
    fromBigInt(power(toBigInt(base), toBigInt(exponent), toBigInt(modulus)), modulus.length),
};

/** Bytes that only have to be there. */
const random: Random = {
  bytes: (length) => Uint8Array.from({ length }, (_, i) => i & 0xff),
  below: (bound) => bound >> 1,
};

export class ZcryptMachine {
  readonly trace: TraceEvent[] = [];
  readonly #events: string[] = [];
  readonly #log: string[] = [];
  #pid = 1000;

  private constructor(
    readonly clock: SimClock,
    readonly machine: Machine,
    readonly kernel: Kernel,
  ) {}

  static async boot(
    version: KernelVersion = '7.2',
    hardware: string = HARDWARE,
    {
      modules = ['zcrypt_cex4'],
      modulesAtBoot = false,
      machine: machineOptions,
      ...options
    }: KernelOptions & { machine?: MachineOptions; modulesAtBoot?: boolean } = {},
  ): Promise<ZcryptMachine> {
    const host = {
      monotonicNs: () => 0,
      setTimer: () => ({ cancel: () => undefined }),
      whenIdle: (fn: () => void) => void setImmediate(fn),
    };
    const clock = new SimClock(host, 'auto');
    const trace: TraceEvent[] = [];
    const ports: Ports = { clock, random, crypto, trace: { enabled: true, emit: (e) => void trace.push(e) } };
    const machine = new Machine(ports, machineOptions);
    runHardwareCommand(machine, hardware);
    const kernel = new Kernel(ports, machine.hostInstructions(), PROFILES[version], {
      modules: modulesAtBoot ? modules : [],
      ...options,
    });
    const made = new ZcryptMachine(clock, machine, kernel);
    ports.trace.emit = (e) => void made.trace.push(e);
    kernel.core.uevents.subscribe(
      (e) =>
        void made.#events.push(
          `${e.action}@${e.devpath}${e.keys
            .filter((k) => /^(ONLINE|MINOR|DEVNAME)=/.test(k))
            .map((k) => ` ${k}`)
            .join('')}`,
        ),
    );
    kernel.core.log.subscribe((line) => void made.#log.push(line.text));
    await kernel.boot();
    // As on the recorded machines: the first scan is over when the first program runs.
    await clock.settle();
    for (const name of modules) await kernel.core.modules.load(made.task(), name);
    await clock.settle();
    return made;
  }

  async hw(command: string): Promise<string> {
    const output = runHardwareCommand(this.machine, command);
    await this.clock.settle();
    return output;
  }

  task(signal?: AbortSignal): Task {
    return new Task({ pid: this.#pid++, comm: 'test', signal });
  }

  takeEvents(): string[] {
    return this.#events.splice(0);
  }

  takeLog(): string[] {
    return this.#log.splice(0);
  }

  get ap(): NonNullable<Kernel['ap']> {
    const { ap } = this.kernel;
    if (!ap) throw new Error('no AP bus');
    return ap;
  }

  card(apid: number): ApCard {
    const card = this.ap.card(apid);
    if (!card) throw new Error(`no card ${apid}`);
    return card;
  }

  /** By name, `02.0004`. */
  queue(name: string): ApQueue {
    const [card, dom] = name.split('.').map((part) => Number.parseInt(part, 16));
    const queue = this.ap.queue(card ?? -1, dom ?? -1);
    if (!queue) throw new Error(`no queue ${name}`);
    return queue;
  }

  zc(apid: number): ZcryptCard {
    const zc = zcryptCard(this.card(apid));
    if (!zc) throw new Error(`card ${apid} is not bound`);
    return zc;
  }

  zq(name: string): ZcryptQueue {
    const zq = zcryptQueue(this.queue(name));
    if (!zq) throw new Error(`queue ${name} is not bound`);
    return zq;
  }

  /** request_count of cards and queues, those that are not 0. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const dev of [...this.ap.cards(), ...this.ap.queues()])
      if (dev.totalRequestCount > 0) counts[dev.name] = dev.totalRequestCount;
    return counts;
  }

  resetCounts(): void {
    for (const card of this.ap.cards()) card.resetRequestCount();
  }

  open(): Promise<ZcryptFile> {
    return this.kernel.zcrypt.open(this.task(), { major: 10, minor: this.kernel.profile.z90cryptMinor });
  }

  /** Modules in use as lsmod shows. */
  refcnt(module: string): number {
    return this.kernel.core.modules.loaded.get(module)?.refcnt ?? -1;
  }
}

/** The errno a promise ends with, 'ok' if it does not fail. */
export async function errnoOf(attempt: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof attempt === 'function' ? attempt() : attempt);
    return 'ok';
  } catch (e) {
    if (e instanceof KernelError) return e.errno;
    throw e;
  }
}

/** An RSA key pair as the ioctls want it, and a message. */
export class RsaJob {
  readonly length: number;
  readonly #key: Record<string, Uint8Array>;

  constructor(readonly bits: 1024 | 2048 | 4096 = 1024) {
    this.length = bits / 8;
    const jwk = generateKeyPairSync('rsa', { modulusLength: bits }).privateKey.export({ format: 'jwk' });
    const part = (text: unknown): Uint8Array => new Uint8Array(Buffer.from(String(text), 'base64url'));
    this.#key = Object.fromEntries(['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'].map((k) => [k, part(jwk[k as 'n'])]));
  }

  #number(name: string, length: number): Uint8Array {
    return fromBigInt(toBigInt(this.#key[name] ?? new Uint8Array(0)), length);
  }

  readonly input = (): Uint8Array => fromBigInt(0x1234567890n, this.length);

  /** What both kinds of request with the private key must give. */
  expected(): Uint8Array {
    return crypto.modExp(this.input(), this.#number('d', this.length), this.#number('n', this.length));
  }

  me(over: Partial<IcaRsaModexpo> = {}): IcaRsaModexpo {
    return {
      inputdata: this.input(),
      inputdatalength: this.length,
      outputdata: new Uint8Array(this.length),
      outputdatalength: this.length,
      bKey: this.#number('d', this.length),
      nModulus: this.#number('n', this.length),
      ...over,
    };
  }

  crt(over: Partial<IcaRsaModexpoCrt> = {}): IcaRsaModexpoCrt {
    const short = this.length / 2;
    return {
      inputdata: this.input(),
      inputdatalength: this.length,
      outputdata: new Uint8Array(this.length),
      outputdatalength: this.length,
      bpKey: this.#number('dp', short + 8),
      bqKey: this.#number('dq', short),
      npPrime: this.#number('p', short + 8),
      nqPrime: this.#number('q', short),
      uMultInv: this.#number('qi', short + 8),
      ...over,
    };
  }
}
