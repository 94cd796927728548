/**
 * Who runs: a task of the simulated kernel.
 *
 * Mirrors what the model needs of struct task_struct: a pid and a name for log
 * lines, pending signals for interruptible waits, and the locks it holds (for
 * the order checker). Every entry from outside (a store, a guest instruction,
 * a timer's work) runs in a task, and each function that may wait takes it.
 */
import type { LockClass } from './lockdep.js';

/** A lock as the order checker sees it while it is held. */
export interface HeldLock {
  readonly cls: LockClass;
  readonly lock: object;
}

export interface TaskOptions {
  readonly pid: number;
  readonly comm: string;
  /** Aborted when a signal is pending for the caller. */
  readonly signal?: AbortSignal | undefined;
}

export class Task {
  readonly pid: number;
  readonly comm: string;
  readonly signal: AbortSignal | undefined;
  /** Innermost last. */
  readonly held: HeldLock[] = [];

  constructor(options: TaskOptions) {
    this.pid = options.pid;
    this.comm = options.comm;
    this.signal = options.signal;
  }

  /** `signal_pending(current)`. */
  get signalPending(): boolean {
    return this.signal?.aborted ?? false;
  }

  holds(lock: object): boolean {
    return this.held.some((h) => h.lock === lock);
  }
}
