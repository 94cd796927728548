/**
 * When do the programs of a step wait, all of them?
 *
 * Nothing in a replay may depend on how fast the host is. So nobody waits for
 * some milliseconds in the hope that the others have got somewhere: the daemon
 * looks at every process in the replay's namespace. All are quiet when none is
 * running or ready to run (a process that waits for a processor is ready), none
 * has run since the last look, and the daemon has answered nothing meanwhile.
 */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';

/**
 * What never waits (a loop in the background) is not waited for longer: in clock
 * ticks that the programs have used, since a busy host gives them few.
 */
const PATIENCE_TICKS = 200;
/** Nor is anything waited for longer in real time. */
const LIMIT_MS = 120_000;
/** System calls that sleep: nanosleep, clock_nanosleep; on x86-64, and where Linux numbers them alike. */
const DOZE = new Set(process.arch === 'x64' ? ['35', '230'] : ['101', '115', '407']);
/** Between two looks, in real time: for what is on its way between two processes. */
const GLANCE_MS = 2;

export interface QuietHost {
  /** Counts what the daemon has done for others. */
  answered(): number;
  /** How many programs wait for an answer to a file operation. */
  pending(): number;
  /** Those of them who are inside the kernel still; the others' answers are on their way. */
  inside(): ReadonlySet<number>;
  /** Wakes one program that can go on without time passing; false: there is none. */
  deliver(): Promise<boolean>;
}

export class Quiet {
  #top: number | undefined;
  readonly #host: QuietHost;
  /** At the last look somebody slept in real time: a program that does not know of machine time. */
  dozing = false;

  constructor(host: QuietHost) {
    this.#host = host;
  }

  /** Watches everything that this process has started, and what they start. */
  watch(pid: number): void {
    this.#top = pid;
  }

  /** Resolves when every process waits: true; or with false if some never do. */
  async wait(): Promise<boolean> {
    if (this.#top === undefined) return true;
    const end = performance.now() + LIMIT_MS;
    const ticks = this.#ticks();
    let before: string | undefined;
    do {
      const now = this.#look();
      // One after the other: each goes on until it waits again.
      if (now !== undefined && now === before && !(await this.#host.deliver())) return true;
      before = now;
      await turn();
      await wait(GLANCE_MS);
      await turn();
    } while (this.#ticks() - ticks < PATIENCE_TICKS && performance.now() < end);
    await this.#host.deliver();
    return false;
  }

  /** What has run so far, in one string; undefined: something runs now. */
  #look(): string | undefined {
    const inside = this.#host.inside();
    // An answer may have to wait for another thread.
    if (this.#host.pending() > inside.size) return undefined;
    let text = `${this.#host.answered()},${[...inside].join()}`;
    let blocked = 0;
    this.dozing = false;
    for (const pid of descendants(this.#top ?? 0))
      for (const { state, switches } of threadsOf(pid)) {
        if (state === 'R') return undefined;
        if (state === 'D') blocked++;
        text += `,${pid}:${switches}`;
        this.dozing ||= DOZE.has(read(`/proc/${pid}/syscall`).split(' ')[0] ?? '');
      }
    // Uninterruptible: a killed one that waits for us, or one that waits for a disk and will go on.
    return blocked > this.#host.pending() || helpersRun() ? undefined : text;
  }

  /** Processor time that the programs and their children have used. */
  #ticks(): number {
    const fields = (pid: number): string[] =>
      read(`/proc/${pid}/stat`)
        .replace(/^.*\) /s, '')
        .split(' ');
    const used = (pid: number): number =>
      fields(pid)
        .slice(11, 15)
        .reduce((sum, text) => sum + Number(text), 0);
    return descendants(this.#top ?? 0).reduce((sum, pid) => sum + used(pid), 0);
  }
}

interface Thread {
  readonly state: string;
  /** How often it gave up the processor, or lost it. */
  readonly switches: string;
}

/** None if the process has ended. */
function threadsOf(pid: number): Thread[] {
  const status = read(`/proc/${pid}/status`);
  return (/^Threads:\s+1$/m.test(status) ? [status] : tasksOf(pid)).flatMap((text) => {
    const state = /^State:\s+(\S)/m.exec(text)?.[1];
    if (state === undefined || state === 'Z' || state === 'X') return [];
    return [{ state, switches: text.match(/ctxt_switches:\s+\d+/g)?.join() ?? '' }];
  });
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

/** Files of /proc are read by the thousand: into one buffer, in one piece. */
const page = Buffer.alloc(4096);

/** Empty if the process has ended. */
function read(path: string): string {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    return page.toString('latin1', 0, readSync(file, page));
  } catch {
    return '';
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
