/**
 * Waiting for something to happen: completions and wait queues.
 *
 * Mirrors include/linux/completion.h and wait.h. Interruptible waits end with
 * EINTR when the caller's signal fires; the others do not look at it.
 */
import { KernelError } from '../errno.js';
import type { Clock, Nanoseconds } from '../ports.js';
import type { Task } from './task.js';

/** Tasks that sleep until somebody wakes them. */
export class WaitQueue {
  readonly #sleepers = new Set<() => void>();

  wakeAll(): void {
    const all = [...this.#sleepers];
    this.#sleepers.clear();
    for (const wake of all) wake();
  }

  /** `wait_event`: until the condition holds. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((wake) => this.#sleepers.add(wake));
  }

  /** `wait_event_interruptible`: EINTR on a signal. */
  async untilInterruptible(task: Task, condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (task.signalPending) throw new KernelError('EINTR');
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          task.signal?.removeEventListener('abort', wake);
          this.#sleepers.delete(wake);
          resolve();
        };
        this.#sleepers.add(wake);
        task.signal?.addEventListener('abort', wake, { once: true });
      });
    }
  }

  /** `wait_event_timeout`: false when the time ran out first. */
  async untilTimeout(
    clock: Clock,
    timeout: Nanoseconds,
    condition: () => boolean,
    background = false,
  ): Promise<boolean> {
    let expired = false;
    const timer = clock.after(
      timeout,
      () => {
        expired = true;
        this.wakeAll();
      },
      { background, name: 'wait-timeout' },
    );
    while (!condition() && !expired) await new Promise<void>((wake) => this.#sleepers.add(wake));
    timer.cancel();
    return condition();
  }
}

/** struct completion, in its complete_all / reinit form. */
export class Completion {
  #done = false;
  readonly #queue = new WaitQueue();

  get done(): boolean {
    return this.#done;
  }

  completeAll(): void {
    this.#done = true;
    this.#queue.wakeAll();
  }

  reinit(): void {
    this.#done = false;
  }

  wait(): Promise<void> {
    return this.#queue.until(() => this.#done);
  }

  waitInterruptible(task: Task): Promise<void> {
    return this.#queue.untilInterruptible(task, () => this.#done);
  }

  waitTimeout(clock: Clock, timeout: Nanoseconds, background = false): Promise<boolean> {
    return this.#queue.untilTimeout(clock, timeout, () => this.#done, background);
  }
}

/** `msleep`: lets machine time pass. */
export function sleep(clock: Clock, duration: Nanoseconds, name = 'sleep'): Promise<void> {
  return new Promise((resolve) => {
    clock.after(duration, resolve, { name });
  });
}

/** `msleep_interruptible`, for those who tell their caller of the signal. @throws EINTR */
export function sleepInterruptible(clock: Clock, task: Task, duration: Nanoseconds, name = 'sleep'): Promise<void> {
  if (task.signalPending) return Promise.reject(new KernelError('EINTR'));
  return new Promise((resolve, reject) => {
    const timer = clock.after(
      duration,
      () => {
        task.signal?.removeEventListener('abort', interrupted);
        resolve();
      },
      { name },
    );
    const interrupted = (): void => {
      timer.cancel();
      reject(new KernelError('EINTR'));
    };
    task.signal?.addEventListener('abort', interrupted, { once: true });
  });
}
