/**
 * A program with an open device node that sends one request after the other.
 *
 * It is what a process of a user is to the kernel: a task of its own, an open
 * file, a signal that can reach it. Everything goes through the open file.
 */
import type { DriverCore } from '../../driver-core/core.js';
import { type Errno, isKernelError } from '../../errno.js';
import type { Nanoseconds } from '../../ports.js';
import { Task } from '../../sync/task.js';
import type { ZcryptFile } from '../file.js';
import type { Work } from './work.js';

/** How a request ended: `wrong` is an answer that no working adapter gives. */
export type RequestResult = 'ok' | 'wrong' | Errno;

/** What a program can tell of one request, and what only an onlooker sees. */
export interface Answer {
  readonly result: RequestResult;
  /** Its number in the trace. */
  readonly request: number;
  /** Queue that it was given to last, as in sysfs: the one that answered. Undefined: none took it. */
  readonly apqn: string | undefined;
  /** Tries after the first one. */
  readonly retries: number;
  /** From the call to its return, in machine time. */
  readonly latency: Nanoseconds;
  /** When it returned. */
  readonly time: Nanoseconds;
}

export class Program {
  readonly #core: DriverCore;
  readonly file: ZcryptFile;
  readonly pid: number;
  readonly comm: string;
  #task: Task;
  #signals = new AbortController();
  #busy = false;

  /** @param task opened the file */
  constructor(core: DriverCore, task: Task, file: ZcryptFile) {
    this.#core = core;
    this.file = file;
    this.pid = task.pid;
    this.comm = task.comm;
    this.#task = this.#newTask();
  }

  /** Waits for an answer. */
  get busy(): boolean {
    return this.#busy;
  }

  /** The running task: its signal is this program's. */
  get task(): Task {
    return this.#task;
  }

  /** One request, to its end. One at a time. */
  async send(work: Work<unknown>): Promise<Answer> {
    const { clock } = this.#core.ports;
    const track = this.file.newTrack();
    const started = clock.now();
    this.#busy = true;
    let result: RequestResult;
    try {
      await work.call(this.file, this.#task, track);
      result = work.right() ? 'ok' : 'wrong';
    } catch (e) {
      if (isKernelError(e)) result = e.errno;
      else {
        result = 'EIO';
        this.#core.onBug(this.#task, e);
      }
    }
    this.#busy = false;
    const time = clock.now();
    const { requestId: request, queue: apqn, retries } = track;
    return { result, request, apqn, retries, latency: time - started, time };
  }

  /** A signal: the request that waits ends with EINTR; later ones do not know of it. */
  signal(): void {
    const signals = this.#signals;
    this.#signals = new AbortController();
    this.#task = this.#newTask();
    signals.abort();
  }

  close(): void {
    this.file.close();
  }

  #newTask(): Task {
    return new Task({ pid: this.pid, comm: this.comm, signal: this.#signals.signal });
  }
}
