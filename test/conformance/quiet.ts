/**
 * When do the programs of a step wait, all of them?
 *
 * Nothing in a replay may depend on how fast the host is. So nobody waits for
 * some milliseconds in the hope that the others have got somewhere: the daemon
 * looks at every process in the replay's namespace. All are quiet when none is
 * running or ready to run (a process that waits for a processor is ready), none
 * has run since the last look, and the daemon has answered nothing meanwhile.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';

/** A process that never waits (a loop in the background) is not waited for longer, in real time. */
const PATIENCE_MS = 3000;
/** System calls that sleep: nanosleep, clock_nanosleep; on x86-64, and where Linux numbers them alike. */
const DOZE = new Set(process.arch === 'x64' ? ['35', '230'] : ['101', '115', '407']);
/** Between two looks, in real time: for what is on its way between two processes. */
const GLANCE_MS = 2;

export class Quiet {
  #top: number | undefined;
  readonly #answered: () => number;
  readonly #deliver: () => Promise<unknown>;
  /** At the last look somebody slept in real time: a program that does not know of machine time. */
  dozing = false;

  /** `answered` counts what the daemon has done for others; `deliver` does what it can do without time passing. */
  constructor(answered: () => number, deliver: () => Promise<unknown>) {
    this.#answered = answered;
    this.#deliver = deliver;
  }

  /** Watches everything that this process has started, and what they start. */
  watch(pid: number): void {
    this.#top = pid;
  }

  /** Resolves when every process waits: true; or with false if some never do. */
  async wait(): Promise<boolean> {
    if (this.#top === undefined) return true;
    const end = performance.now() + PATIENCE_MS;
    let before: string | undefined;
    do {
      await this.#deliver();
      const now = this.#look();
      if (now !== undefined && now === before) return true;
      before = now;
      await turn();
      await wait(GLANCE_MS);
      await turn();
    } while (performance.now() < end);
    return false;
  }

  /** What has run so far, in one string; undefined: something runs now. */
  #look(): string | undefined {
    let text = `${this.#answered()}`;
    this.dozing = false;
    for (const pid of descendants(this.#top ?? 0)) {
      const one = processState(pid);
      if (one === undefined) return undefined;
      text += one;
      this.dozing ||= DOZE.has(read(`/proc/${pid}/syscall`).split(' ')[0] ?? '');
    }
    return helpersRun() ? undefined : text;
  }
}

/** Switches of all threads of a process; undefined: one of them runs; empty: it has ended. */
function processState(pid: number): string | undefined {
  const status = read(`/proc/${pid}/status`);
  const tasks = /^Threads:\s+1$/m.test(status) ? [status] : tasksOf(pid);
  let text = '';
  for (const task of tasks) {
    const state = /^State:\s+(\S)/m.exec(task)?.[1];
    if (state === undefined || state === 'Z' || state === 'X') continue;
    if (state === 'R') return undefined;
    text += `,${pid}:${task.match(/ctxt_switches:\s+\d+/g)?.join()}`;
  }
  return text;
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((tid) => read(`/proc/${pid}/task/${tid}/status`));
  } catch {
    return [];
  }
}

/** Threads of this process that bring requests in (the main one is looking, of course). */
function helpersRun(): boolean {
  return readdirSync('/proc/self/task').some(
    (tid) => tid !== `${process.pid}` && /^State:\s+R/m.test(read(`/proc/self/task/${tid}/status`)),
  );
}

function descendants(pid: number): number[] {
  const found: number[] = [];
  const todo = [pid];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    found.push(next);
    for (const child of read(`/proc/${next}/task/${next}/children`).split(' '))
      if (child !== '') todo.push(Number(child));
  }
  return found;
}

/** Empty if the process has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
