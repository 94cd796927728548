/**
 * Sleeping locks: mutex and rw-semaphore, with an owner and a checked order.
 *
 * A free lock is taken at once in our own record; only tasks that must wait
 * go through async-mutex, which queues them first come, first served. A waiter
 * that a signal ends leaves its place in that queue behind: when the place
 * comes up, it is passed on at once.
 */
import { Mutex as WaitLine } from 'async-mutex';
import { KernelError } from '../errno.js';
import type { LockClass, Lockdep } from './lockdep.js';
import type { Task } from './task.js';

/** struct mutex. Not recursive. */
export class Mutex {
  readonly cls: LockClass;
  readonly #lockdep: Lockdep;
  #owner: Task | undefined;
  #waiters = 0;
  #line: WaitLine | undefined;
  #wake: (() => void) | undefined;

  constructor(lockdep: Lockdep, className: string) {
    this.#lockdep = lockdep;
    this.cls = lockdep.classOf(className);
  }

  get locked(): boolean {
    return this.#owner !== undefined;
  }

  /** Nobody has it, and nobody waits for it. */
  get free(): boolean {
    return this.#owner === undefined && this.#waiters === 0;
  }

  get owner(): Task | undefined {
    return this.#owner;
  }

  /** `mutex_lock`: waits without regard to signals. */
  lock(task: Task): Promise<void> | undefined {
    this.#lockdep.acquiring(task, this.cls);
    if (this.free) {
      this.#take(task);
      return undefined;
    }
    return task.waiting(this, this.#wait(task, undefined));
  }

  /** `mutex_lock_interruptible`: EINTR when a signal is or becomes pending. */
  async lockInterruptible(task: Task): Promise<void> {
    this.#lockdep.acquiring(task, this.cls);
    if (this.free) {
      this.#take(task);
      return;
    }
    if (task.signalPending) throw new KernelError('EINTR');
    await task.waiting(this, this.#wait(task, task.signal));
  }

  /** `mutex_trylock`. */
  tryLock(task: Task): boolean {
    if (!this.free) return false;
    this.#take(task);
    return true;
  }

  unlock(task: Task): void {
    this.#lockdep.released(task, this.cls, this);
    this.#owner = undefined;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Runs a section under the lock. */
  async with<T>(task: Task, section: () => T | Promise<T>): Promise<T> {
    const wait = this.lock(task);
    if (wait) await wait;
    try {
      return await section();
    } finally {
      this.unlock(task);
    }
  }

  /** `lockdep_assert_held`: the witness of functions that need this lock. */
  assertHeld(task: Task): void {
    if (this.#owner !== task) this.#lockdep.notHeld(task, this.cls);
  }

  #take(task: Task): void {
    this.#owner = task;
    this.#lockdep.acquired(task, this.cls, this);
  }

  async #wait(task: Task, signal: AbortSignal | undefined): Promise<void> {
    this.#waiters++;
    this.#line ??= new WaitLine();
    const place = this.#line.acquire();
    let abandoned = false;
    const turn = place.then(async (leave) => {
      // First in line: wait for the owner, unless nobody is interested any more.
      while (this.#owner !== undefined && !abandoned)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      this.#waiters--;
      if (!abandoned) this.#take(task);
      leave();
      // An abandoned place may have swallowed the wake-up of the next in line; that one looks at the owner itself.
    });
    if (!signal) return turn;
    await new Promise<void>((resolve, reject) => {
      let done = false;
      const onAbort = (): void => {
        if (done) return;
        done = true;
        abandoned = true;
        this.#wake?.();
        reject(new KernelError('EINTR'));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      turn.then(() => {
        signal.removeEventListener('abort', onAbort);
        if (done) return;
        done = true;
        resolve();
      }, reject);
    });
  }
}

/** struct rw_semaphore: many readers or one writer, in order of arrival. */
export class RwSemaphore {
  readonly cls: LockClass;
  readonly #lockdep: Lockdep;
  #readers = 0;
  #writer = false;
  readonly #queue: { write: boolean; go: () => void }[] = [];

  constructor(lockdep: Lockdep, className: string) {
    this.#lockdep = lockdep;
    this.cls = lockdep.classOf(className);
  }

  async downRead(task: Task): Promise<void> {
    this.#lockdep.acquiring(task, this.cls);
    if (this.#writer || this.#queue.length > 0) await this.#enqueue(false);
    else this.#readers++;
    this.#lockdep.acquired(task, this.cls, this);
  }

  async downWrite(task: Task): Promise<void> {
    this.#lockdep.acquiring(task, this.cls);
    if (this.#writer || this.#readers > 0 || this.#queue.length > 0) await this.#enqueue(true);
    else this.#writer = true;
    this.#lockdep.acquired(task, this.cls, this);
  }

  upRead(task: Task): void {
    this.#lockdep.released(task, this.cls, this);
    this.#readers--;
    this.#next();
  }

  upWrite(task: Task): void {
    this.#lockdep.released(task, this.cls, this);
    this.#writer = false;
    this.#next();
  }

  #enqueue(write: boolean): Promise<void> {
    return new Promise((go) => this.#queue.push({ write, go }));
  }

  #next(): void {
    for (;;) {
      const first = this.#queue[0];
      if (!first || this.#writer || (first.write && this.#readers > 0)) return;
      this.#queue.shift();
      if (first.write) this.#writer = true;
      else this.#readers++;
      first.go();
    }
  }
}
