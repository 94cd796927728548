/**
 * Who looks after queues: interrupt, timer, or the poll thread.
 *
 * Mirrors ap_bus.c `ap_wait`, `ap_tasklet_fn`, `ap_poll_thread`,
 * `ap_poll_timeout`. spec/ap-bus.md 5.7.
 */
import { KernelError } from '../errno.js';
import { type Nanoseconds, type Timer, USEC } from '../ports.js';
import { after, type Soon } from '../sync/soon.js';
import { kstrtobool, kstrtoul, scanD, scanU64 } from '../text/kstrto.js';
import type { ApBus } from './bus.js';
import type { ApQueue } from './queue.js';
import { SmEvent, SmWait, type Step, smEventLoop } from './queue-sm.js';

const POLL_HIGH_LPAR: Nanoseconds = 250_000;
const POLL_HIGH_ZVM: Nanoseconds = 1_500_000;
const POLL_LOW: Nanoseconds = 40_000_000;
const POLL_MAX: Nanoseconds = 120_000_000_000;
/** One round of the poll thread: it spins, so this stands for the time a round takes. */
const THREAD_ROUND: Nanoseconds = 50 * USEC;

export class Poll {
  readonly #ap: ApBus;
  /** `poll_timeout`: period of the high-frequency timer. */
  highTimeout: Nanoseconds;
  #timer: Timer | undefined;
  #thread = false;
  #threadTimer: Timer | undefined;
  #scheduled = false;
  /** A round is held up. */
  #running = false;
  #again = false;

  constructor(ap: ApBus) {
    this.#ap = ap;
    this.highTimeout = ap.hw.zvm ? POLL_HIGH_ZVM : POLL_HIGH_LPAR;
  }

  /** The thread `appoll` exists. */
  get threadRuns(): boolean {
    return this.#thread;
  }

  /** `ap_wait`: acts on what a state machine asks for. */
  wait(step: Step): Soon<void> {
    return after(step, (wait) => this.#act(wait));
  }

  #act(wait: SmWait): void {
    switch (wait) {
      case SmWait.AGAIN:
      case SmWait.INTERRUPT:
        if (this.#ap.usesInterrupts) return;
        if (this.#thread) this.#wakeThread();
        else this.#startTimer(this.highTimeout);
        return;
      case SmWait.HIGH_TIMEOUT:
        this.#startTimer(this.highTimeout);
        return;
      case SmWait.LOW_TIMEOUT:
        this.#startTimer(this.#ap.profile.hasLowPollPeriod ? POLL_LOW : this.highTimeout);
        return;
      case SmWait.NONE:
    }
  }

  /** Schedules one round (`tasklet_schedule`). */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    void Promise.resolve().then(() => {
      this.#scheduled = false;
      this.#round();
    });
  }

  /** `poll_thread` written. @throws EINVAL */
  threadStore(written: string): void {
    const { profile } = this.#ap;
    let on: boolean;
    if (profile.pollThreadTakesBool) on = kstrtobool(written);
    else {
      const value = scanD(written, profile.scanOverflow);
      if (value === undefined) throw new KernelError('EINVAL');
      on = value !== 0;
    }
    if (on) this.startThread();
    else this.stopThread();
  }

  /** `ap_poll_thread_start`: nothing where interrupts are used. */
  startThread(): void {
    if (this.#ap.usesInterrupts || this.#thread) return;
    this.#thread = true;
    this.#wakeThread();
  }

  stopThread(): void {
    this.#thread = false;
    this.#threadTimer?.cancel();
    this.#threadTimer = undefined;
  }

  /** `poll_timeout` written: nanoseconds. @throws EINVAL, ERANGE */
  timeoutStore(written: string): void {
    const { profile } = this.#ap;
    let value: bigint;
    if (profile.pollTimeoutTakesKstrtoul) value = kstrtoul(written);
    else {
      const scanned = scanU64(written, profile.scanOverflow);
      if (scanned === undefined || scanned < 1n) throw new KernelError('EINVAL');
      value = scanned;
    }
    if (value > BigInt(POLL_MAX)) throw new KernelError('EINVAL');
    this.highTimeout = Number(value);
    this.#timer?.cancel();
    this.#timer = undefined;
    // The kernel starts it with this as an absolute time: mostly at once, and nobody waits for it unless requests do.
    const { active, core } = this.#ap;
    const idle = !active.anySent;
    this.#startTimer(Math.max(0, this.highTimeout - core.ports.clock.now()), idle);
  }

  /** `ap_tasklet_fn`: POLL for every active queue that something may happen to. */
  #round(): void {
    // A tasklet runs once at a time; a round that a stalled instruction holds up is followed by one more.
    if (this.#running) {
      this.#again = true;
      return;
    }
    const wait = this.#pollAll(this.#ap.active.awake().values(), SmWait.NONE);
    if (!(wait instanceof Promise)) {
      this.#act(wait);
      return;
    }
    this.#running = true;
    void wait.then((last) => {
      this.#running = false;
      this.#act(last);
      if (this.#again) this.schedule();
      this.#again = false;
    });
  }

  /** One queue after the other. @returns the smallest wait */
  #pollAll(queues: Iterator<ApQueue>, least: SmWait): Step {
    let smallest = least;
    for (let next = queues.next(); !next.done; next = queues.next()) {
      const step = smEventLoop(next.value, SmEvent.POLL);
      if (step instanceof Promise) return step.then((wait) => this.#pollAll(queues, Math.min(smallest, wait)));
      smallest = Math.min(smallest, step);
    }
    return smallest;
  }

  #startTimer(period: Nanoseconds, background = false): void {
    if (this.#timer?.pending) return;
    this.#timer = this.#ap.core.ports.clock.after(period, () => this.#round(), { name: 'ap_poll_timer', background });
  }

  #wakeThread(): void {
    if (this.#threadTimer?.pending) return;
    this.#threadTimer = this.#ap.core.ports.clock.after(
      THREAD_ROUND,
      () => {
        if (!this.#thread) return;
        this.#round();
        if (this.#ap.active.anySent) this.#wakeThread();
      },
      { name: 'appoll' },
    );
  }
}
