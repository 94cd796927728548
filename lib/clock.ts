/**
 * The machine's clock: real, auto or manual.
 *
 * real:   machine time follows the host's.
 * auto:   as real, but as soon as every task waits, it jumps to the next timer
 *         that somebody waits for; background timers (the 30 s scan) are not
 *         jumped to, only passed.
 * manual: stands still until it is advanced.
 * A host whose time source stands still (tests) makes `auto` fully virtual:
 * the same inputs then give the same trace.
 */
import type { Clock, Nanoseconds, Timer, TimerOptions } from './ports.js';

/** What the clock needs of the host. */
export interface ClockHost {
  /** A monotonic time source; constant for a virtual clock. */
  monotonicNs(): number;
  /** Calls back once after about `ms`; the result cancels. */
  setTimer(ms: number, fire: () => void): { cancel(): void };
  /** Calls back once when no task can run any more without time passing. */
  whenIdle(fn: () => void): void;
}

export type ClockMode = 'real' | 'auto' | 'manual';

class SimTimer implements Timer {
  pending = true;
  constructor(
    readonly expires: Nanoseconds,
    readonly order: number,
    public fire: () => void,
    readonly background: boolean,
    readonly name: string,
    readonly clock: SimClock,
  ) {}

  cancel(): boolean {
    if (!this.pending) return false;
    this.pending = false;
    // It may stay in the heap for a while; what it was for need not.
    this.fire = nothing;
    this.clock.forget(this);
    return true;
  }
}

const nothing = (): void => undefined;

const before = (a: SimTimer, b: SimTimer): boolean =>
  a.expires < b.expires || (a.expires === b.expires && a.order < b.order);

export class SimClock implements Clock {
  readonly #host: ClockHost;
  #mode: ClockMode;
  /** Machine time = host time + offset (real, auto), or `frozen` (manual). */
  #offset: number;
  #frozen = 0;
  #order = 0;
  /** Binary heap by expiry; cancelled timers stay until they surface. */
  readonly #heap: SimTimer[] = [];
  /** Those of them that were cancelled. */
  #cancelled = 0;
  #foreground = 0;
  #armed: { cancel(): void; expires: number } | undefined;
  #jumpPlanned = false;
  #stopped = false;

  constructor(host: ClockHost, mode: ClockMode = 'real') {
    this.#host = host;
    this.#mode = mode;
    this.#offset = -host.monotonicNs();
  }

  get mode(): ClockMode {
    return this.#mode;
  }

  set mode(mode: ClockMode) {
    const now = this.now();
    this.#mode = mode;
    this.#frozen = now;
    this.#offset = now - this.#host.monotonicNs();
    this.#arm();
  }

  now(): Nanoseconds {
    return this.#mode === 'manual' ? this.#frozen : this.#host.monotonicNs() + this.#offset;
  }

  after(delay: Nanoseconds, fire: () => void, options: TimerOptions = {}): Timer {
    const timer = new SimTimer(
      this.now() + Math.max(0, delay),
      this.#order++,
      fire,
      options.background ?? false,
      options.name ?? 'timer',
      this,
    );
    if (!timer.background) this.#foreground++;
    this.#push(timer);
    this.#arm();
    return timer;
  }

  /** Timers that are pending, soonest first. */
  pendingTimers(): { name: string; expires: Nanoseconds; background: boolean }[] {
    return this.#heap
      .filter((t) => t.pending)
      .sort((a, b) => (before(a, b) ? -1 : 1))
      .map(({ name, expires, background }) => ({ name, expires, background }));
  }

  /** Lets machine time pass, timer by timer; each one's work settles before the next fires. */
  async advance(duration: Nanoseconds): Promise<void> {
    const end = this.now() + duration;
    await this.idle();
    for (;;) {
      const next = this.#peek();
      if (!next || next.expires > end) break;
      this.#setNow(Math.max(this.now(), next.expires));
      this.#fireNext();
      await this.idle();
    }
    if (this.now() < end) this.#setNow(end);
    this.#arm();
  }

  /** Jumps from timer to timer until only background timers are pending and every task waits. */
  async settle(): Promise<void> {
    await this.idle();
    while (this.#foreground > 0) {
      const target = this.#nextForeground();
      const next = this.#peek();
      if (!target || !next) break;
      this.#setNow(Math.max(this.now(), next.expires));
      this.#fireNext();
      await this.idle();
    }
    this.#arm();
  }

  /** Resolves when no task can run without time passing. */
  idle(): Promise<void> {
    return new Promise((resolve) => this.#host.whenIdle(resolve));
  }

  /** Ends it: nothing fires any more. */
  stop(): void {
    this.#stopped = true;
    this.#armed?.cancel();
    this.#armed = undefined;
  }

  /** @internal */
  forget(timer: SimTimer): void {
    if (!timer.background) this.#foreground--;
    this.#cancelled++;
    // Cancelled timers are mostly at the top soon; a heap full of them is rebuilt.
    if (this.#heap.length > 64 && this.#cancelled > 0.75 * this.#heap.length) {
      const live = this.#heap.filter((t) => t.pending);
      this.#heap.length = 0;
      this.#cancelled = 0;
      for (const t of live) this.#push(t);
    }
  }

  #setNow(now: Nanoseconds): void {
    if (this.#mode === 'manual') this.#frozen = now;
    else this.#offset = now - this.#host.monotonicNs();
  }

  #nextForeground(): SimTimer | undefined {
    let best: SimTimer | undefined;
    for (const t of this.#heap) if (t.pending && !t.background && (!best || before(t, best))) best = t;
    return best;
  }

  #arm(): void {
    if (this.#stopped || this.#mode === 'manual') {
      this.#armed?.cancel();
      this.#armed = undefined;
      return;
    }
    if (this.#mode === 'auto' && this.#foreground > 0) this.#planJump();
    const next = this.#peek();
    if (this.#armed && this.#armed.expires === next?.expires) return;
    this.#armed?.cancel();
    this.#armed = undefined;
    if (!next) return;
    const ms = Math.max(0, Math.ceil((next.expires - this.now()) / 1e6));
    const handle = this.#host.setTimer(ms, () => {
      this.#armed = undefined;
      this.#fireExpired();
    });
    this.#armed = { cancel: () => handle.cancel(), expires: next.expires };
  }

  #fireExpired(): void {
    if (this.#stopped) return;
    const now = this.now();
    for (let next = this.#peek(); next && next.expires <= now; next = this.#peek()) this.#fireNext();
    this.#arm();
  }

  #planJump(): void {
    if (this.#jumpPlanned) return;
    this.#jumpPlanned = true;
    this.#host.whenIdle(() => {
      this.#jumpPlanned = false;
      if (this.#stopped || this.#mode !== 'auto' || this.#foreground === 0) return;
      const next = this.#peek();
      if (next) {
        this.#setNow(Math.max(this.now(), next.expires));
        this.#fireNext();
      }
      this.#arm();
    });
  }

  #fireNext(): void {
    const timer = this.#pop();
    if (!timer) return;
    timer.pending = false;
    if (!timer.background) this.#foreground--;
    timer.fire();
  }

  #peek(): SimTimer | undefined {
    while (this.#heap[0] && !this.#heap[0].pending) {
      this.#pop();
      this.#cancelled--;
    }
    return this.#heap[0];
  }

  #push(timer: SimTimer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as SimTimer;
      if (!before(timer, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = timer;
  }

  #pop(): SimTimer | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (!top || !last || top === last) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right && before(right, heap[child] as SimTimer)) child++;
      const smaller = heap[child] as SimTimer;
      if (!before(smaller, last)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
