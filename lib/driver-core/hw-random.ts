/**
 * Hardware random number generators.
 *
 * Mirrors drivers/char/hw_random/core.c: a list of generators, the current
 * one, and the thread that feeds the kernel's pool from it, four bytes a
 * minute. What becomes of the bytes is left out. spec/zcrypt.md 1,
 * spec/sysfs-tree.md 6.
 */
import { isKernelError, KernelError } from '../errno.js';
import { type Nanoseconds, SEC } from '../ports.js';
import type { Profile } from '../profile/profile.js';
import type { Task } from '../sync/task.js';
import { sysfsName } from './bus.js';
import type { DriverCore } from './core.js';
import type { MiscClass } from './misc.js';

const HWRNG_MINOR = 183;
/** The pool takes more once a minute. */
const RESEED_INTERVAL: Nanoseconds = 60 * SEC;
const RETRY_INTERVAL: Nanoseconds = 10 * SEC;

/** struct hwrng with data_read. */
export interface HwRng {
  readonly name: string;
  /** Entropy in 1024 bits; 0: the thread does not read it. */
  readonly quality: number;
  /** A few bytes. @throws KernelError there are none */
  read(task: Task): Promise<Uint8Array>;
}

/** The thread `hwrng` while it exists. */
interface FillThread {
  stopped: boolean;
  /** Ends the pause it is in. */
  wake: (() => void) | undefined;
}

export class HwRandom {
  readonly #core: DriverCore;
  readonly #profile: Profile;
  readonly #rngs: HwRng[] = [];
  #current: HwRng | undefined;
  /** The user chose: registrations do not change the current one. */
  #setByUser = false;
  #thread: FillThread | undefined;

  constructor(core: DriverCore, profile: Profile) {
    this.#core = core;
    this.#profile = profile;
  }

  /** The misc device, /dev/hwrng. */
  async init(task: Task, misc: MiscClass): Promise<void> {
    await misc.register(task, { name: 'hw_random', minor: HWRNG_MINOR, node: 'hwrng', groups: ['hw_random'] });
  }

  /** `hwrng_register`. 6.1 reads from a new current one before it returns. @throws EEXIST */
  async register(task: Task, rng: HwRng): Promise<void> {
    if (this.#rngs.some((r) => r.name === rng.name)) throw new KernelError('EEXIST');
    this.#rngs.push(rng);
    if (this.#setByUser || (this.#current && rng.quality <= this.#current.quality)) return;
    this.#setCurrent(rng);
    await this.#readEarly(task, rng);
  }

  /** `hwrng_unregister`. */
  unregister(rng: HwRng): void {
    const at = this.#rngs.indexOf(rng);
    if (at < 0) return;
    this.#rngs.splice(at, 1);
    if (this.#current === rng) this.#enableBest();
    if (this.#rngs.length === 0) this.#stopThread();
    else this.#thread?.wake?.();
  }

  /** `rng_available`. */
  get availableText(): string {
    const names = this.#rngs.map((rng) => `${rng.name} `).join('');
    return `${names}${this.#profile.rngAvailableEndsWithNone ? 'none' : ''}\n`;
  }

  /** `rng_current`. */
  get currentText(): string {
    return `${this.#current?.name ?? 'none'}\n`;
  }

  /** `rng_current` written: a name, or nothing for the best one. Unknown names change nothing. */
  currentStore(written: string): void {
    const name = sysfsName(written);
    if (name === '') this.#enableBest();
    else if (name === 'none' && this.#profile.rngAvailableEndsWithNone) {
      this.#setByUser = true;
      this.#setCurrent(undefined);
    } else {
      const rng = this.#rngs.find((r) => r.name === name);
      if (rng) {
        this.#setCurrent(rng);
        this.#setByUser = true;
      }
    }
  }

  /** A read of /dev/hwrng. @throws ENODEV no generator; EIO it failed; EINTR */
  async read(task: Task, length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (!this.#current) throw new KernelError('ENODEV');
      const bytes = await this.#current.read(task);
      const part = bytes.subarray(0, length - filled);
      out.set(part, filled);
      filled += part.length;
      if (task.signalPending && filled < length) throw new KernelError('EINTR');
    }
    return out;
  }

  /** `add_early_randomness`, gone since 6.12: the caller waits; failing does not matter. */
  async #readEarly(task: Task, rng: HwRng): Promise<void> {
    if (!this.#profile.hwrngReadsInThread) await tryRead(task, rng);
  }

  #setCurrent(rng: HwRng | undefined): void {
    this.#current = rng;
    if (!rng || rng.quality === 0) this.#stopThread();
    else if (!this.#thread) this.#startThread();
  }

  #enableBest(): void {
    let best: HwRng | undefined;
    for (const rng of this.#rngs) if (!best || rng.quality > best.quality) best = rng;
    this.#setByUser = false;
    if (best !== this.#current) this.#setCurrent(best);
  }

  #startThread(): void {
    const thread: FillThread = { stopped: false, wake: undefined };
    this.#thread = thread;
    const start = (): void => {
      if (!thread.stopped) this.#core.spawn('hwrng', (task) => this.#fill(task, thread));
    };
    // A kernel that does not preempt runs it when everybody else waits.
    if (this.#profile.hwrngThreadStartsLate) this.#core.ports.clock.after(0, start, { name: 'hwrng' });
    else start();
  }

  /** Ends the thread; what it is waiting for in a card it leaves behind. */
  #stopThread(): void {
    const thread = this.#thread;
    this.#thread = undefined;
    if (!thread) return;
    thread.stopped = true;
    thread.wake?.();
  }

  /** `hwrng_fillfn`. */
  async #fill(task: Task, thread: FillThread): Promise<void> {
    while (!thread.stopped && this.#current) {
      const good = await tryRead(task, this.#current);
      if (!thread.stopped) await this.#pause(thread, good ? RESEED_INTERVAL : RETRY_INTERVAL);
    }
    if (this.#thread === thread) this.#thread = undefined;
  }

  #pause(thread: FillThread, duration: Nanoseconds): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        thread.wake = undefined;
        resolve();
      };
      const timer = this.#core.ports.clock.after(duration, done, { background: true, name: 'hwrng' });
      thread.wake = done;
    });
  }
}

async function tryRead(task: Task, rng: HwRng): Promise<boolean> {
  try {
    return (await rng.read(task)).length > 0;
  } catch (e) {
    if (isKernelError(e)) return false;
    throw e;
  }
}
