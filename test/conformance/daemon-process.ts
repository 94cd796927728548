/**
 * A daemon process, as its parent sees it: one request, one answer.
 *
 * It serves one machine after the other, which saves starting and warming up a
 * process for each. One that does not let go of a machine is killed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { ReplyMessage, RequestName, Requests } from './daemon-protocol.js';

/** How long the end of a machine may take, in real time. */
const END_MS = 10_000;

export class DaemonProcess {
  readonly #child: ChildProcess;
  readonly #asked = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  #nextId = 1;
  /** Why it cannot be asked any more. */
  dead: string | undefined;

  constructor() {
    this.#child = fork(new URL('./daemon.js', import.meta.url), [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (message: ReplyMessage) => {
      const asked = this.#asked.get(message.id);
      this.#asked.delete(message.id);
      if (message.error !== undefined) asked?.reject(new Error(message.error));
      else asked?.resolve(message.result as never);
    });
    this.#child.on('exit', (code, signal) => this.#end(`the daemon has ended (${code ?? signal})`));
  }

  ask<N extends RequestName>(name: N, arg: Requests[N]['in']): Promise<Requests[N]['out']> {
    if (this.dead !== undefined) return Promise.reject(new Error(this.dead));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.#child.send({ id, name, arg });
    });
  }

  /** Ends the machine; the process is ready for another one, or dead. */
  async endMachine(): Promise<void> {
    if (this.dead !== undefined) return;
    const killer = setTimeout(() => this.kill(), END_MS);
    const clean = await this.ask('end', null).catch(() => false);
    clearTimeout(killer);
    if (!clean) this.kill();
  }

  kill(): void {
    this.#end('the daemon was killed');
    this.#child.kill('SIGKILL');
  }

  #end(why: string): void {
    this.dead ??= why;
    for (const { reject } of this.#asked.values()) reject(new Error(this.dead));
    this.#asked.clear();
  }
}
