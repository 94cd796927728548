/**
 * Machine time for the programs of the replay: `sleep`, `timeout`, `date`.
 *
 * A socket that takes one line a connection. `sleep SECONDS fg` lets the time
 * pass and answers when it has; `sleep SECONDS bg` (a process in the background
 * of a step) only waits until others have let it pass; `now` tells the time;
 * `load N fg|bg` answers when request N of the control file `load` is over (in
 * the foreground, nothing else goes on and time passes meanwhile);
 * `node MAJOR MINOR` opens a device node as long as the connection lasts;
 * `hold` lasts as long as its connection: nobody is to be called stuck;
 * `interrupt` is a fatal signal for whoever waits inside the kernel.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { SimClock } from '../../lib/clock.js';

/** Real time that a process gets to act when its sleep in the background is over. */
const WAKE_MS = 25;

/** How often to look whether a request is over, in real time. */
const LOOK_MS = 4;

/** How much machine time passes between two looks, and how long a step may take, in ns. */
const SLICE = 100_000_000;
const LONGEST = 30_000_000_000;

export interface SleepHost {
  interrupt(): void;
  loadPending(id: string): Promise<boolean>;
  /** The program was killed. */
  closeLoad(id: string): void;
  /** Opens a device node; the result closes it. Undefined when that fails. */
  openNode(major: number, minor: number): Promise<(() => void) | undefined>;
}

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

export class SleepServer {
  readonly #path: string;
  readonly #clock: SimClock;
  readonly #host: SleepHost;
  readonly #server: Server;
  #sleepers: Sleeper[] = [];
  /** Programs that look after a stuck command themselves. */
  held = 0;
  #passing: Promise<void> = Promise.resolve();

  constructor(path: string, clock: SimClock, host: SleepHost) {
    this.#path = path;
    this.#clock = clock;
    this.#host = host;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#path, resolve);
    });
  }

  close(): void {
    this.#server.close();
    for (const { wake } of this.#sleepers.splice(0)) wake();
  }

  /** Lets machine time pass, one after the other; who sleeps in the background wakes on the way. */
  pass(ns: number): Promise<void> {
    this.#passing = this.#passing.then(() => this.#pass(ns));
    return this.#passing;
  }

  async #pass(ns: number): Promise<void> {
    const end = this.#clock.now() + ns;
    for (;;) {
      const next = this.#sleepers.reduce<Sleeper | undefined>((a, b) => (a && a.until <= b.until ? a : b), undefined);
      if (!next || next.until > end) break;
      await this.#clock.advance(Math.max(0, next.until - this.#clock.now()));
      this.#sleepers = this.#sleepers.filter((sleeper) => sleeper !== next);
      next.wake();
      await wait(WAKE_MS);
    }
    if (end > this.#clock.now()) await this.#clock.advance(end - this.#clock.now());
  }

  async #loadOver(id: string, foreground: boolean, gone: () => boolean): Promise<void> {
    for (let passed = 0; !gone() && (await this.#host.loadPending(id)); passed++) {
      if (foreground && passed < LONGEST / SLICE) await this.pass(SLICE);
      await wait(LOOK_MS);
    }
  }

  #serve(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.once('data', (data) => {
      const [verb, amount, where] = data.toString().trim().split(' ');
      const answer = (text: string): void => void socket.end(`${text}\n`);
      const ns = Math.round(Number(amount) * 1e9);
      if (verb === 'now') answer((this.#clock.now() / 1e9).toFixed(6));
      else if (verb === 'interrupt') {
        this.#host.interrupt();
        answer('ok');
      } else if (verb === 'hold') {
        this.held++;
        socket.on('close', () => {
          this.held--;
        });
      } else if (verb === 'node') {
        void this.#host.openNode(Number(amount), Number(where)).then((close) => {
          if (!close) return answer('refused');
          socket.on('close', close);
          socket.write('ok\n');
        });
      } else if (verb === 'load') {
        let gone = false;
        let over = false;
        socket.once('data', () => {
          over = true;
        });
        socket.on('close', () => {
          gone = true;
          if (!over) this.#host.closeLoad(`${amount}`);
        });
        void this.#loadOver(`${amount}`, where === 'fg', () => gone || over).then(() => {
          over ||= !gone;
          answer('ok');
        });
      } else if (verb === 'sleep' && where === 'fg') void this.pass(ns).then(() => answer('ok'));
      else if (verb === 'sleep') {
        const sleeper = { until: this.#clock.now() + ns, wake: () => answer('ok') };
        this.#sleepers.push(sleeper);
        socket.on('close', () => {
          this.#sleepers = this.#sleepers.filter((one) => one !== sleeper);
        });
      } else answer('what?');
    });
  }
}
