/**
 * Machine time for the programs of the replay: `sleep`, `timeout`, `date`.
 *
 * A socket that takes one line a connection. `sleep SECONDS` answers when so
 * much machine time has passed; `now` tells the time; `load N` answers when
 * request N of the control file `load` is over; `node MAJOR MINOR` opens a
 * device node as long as the connection lasts; `interrupt` is a fatal signal for
 * whoever waits inside the kernel. Nothing here makes time pass: that is for the
 * session, once everybody waits.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { SimClock } from '../../lib/clock.js';

export interface SleepHost {
  /** Resolves when all programs wait. */
  quiet(): Promise<unknown>;
  /** How many programs are in a read or write that has not returned. */
  inside(): number;
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
  /** Programs that wait for their request, by its number. */
  readonly #loads = new Map<string, () => void>();
  /** Requests and answers so far. */
  served = 0;
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

  /** Does somebody wait for machine time? */
  get waits(): boolean {
    return this.#sleepers.length > 0 || this.#loads.size > 0;
  }

  /** When the next sleep is over; undefined: nobody sleeps. */
  get nextWake(): number | undefined {
    return this.#next()?.until;
  }

  /** Tells one program whose request is over, the one that has opened its node first; false: there is none. */
  async deliver(): Promise<boolean> {
    for (const [id, over] of [...this.#loads].sort(([a], [b]) => Number(a) - Number(b)))
      if (!(await this.#host.loadPending(id))) {
        over();
        return true;
      }
    return false;
  }

  /** Lets machine time pass, one after the other; who sleeps wakes on the way, and acts before it goes on. */
  pass(ns: number): Promise<void> {
    this.#passing = this.#passing.then(() => this.#pass(ns));
    return this.#passing;
  }

  async #pass(ns: number): Promise<void> {
    const end = this.#clock.now() + ns;
    for (;;) {
      const next = this.#next();
      const stop = Math.min(end, next?.until ?? end);
      await this.#advance(stop);
      if (!next || next.until > end) return;
      this.#forget(next);
      this.served++;
      next.wake();
      await this.#host.quiet();
    }
  }

  /** Timer by timer as long as somebody waits for what a timer does: he goes on at that time. */
  async #advance(until: number): Promise<void> {
    while (this.#loads.size > 0 || this.#host.inside() > 0) {
      const timer = this.#clock.pendingTimers()[0]?.expires ?? until;
      if (timer >= until) break;
      await this.#advanceTo(timer);
    }
    await this.#advanceTo(until);
  }

  async #advanceTo(time: number): Promise<void> {
    const before = this.#host.inside();
    await this.#clock.advance(Math.max(0, time - this.#clock.now()));
    const delivered = await this.deliver();
    if (delivered || this.#host.inside() !== before) await this.#host.quiet();
  }

  #next(): Sleeper | undefined {
    return this.#sleepers.reduce<Sleeper | undefined>((a, b) => (a && a.until <= b.until ? a : b), undefined);
  }

  #forget(sleeper: Sleeper): void {
    this.#sleepers = this.#sleepers.filter((one) => one !== sleeper);
  }

  #serve(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.once('data', (data) => {
      this.served++;
      const [verb, amount = '', where] = data.toString().trim().split(' ');
      const answer = (text: string): void => {
        this.served++;
        socket.end(`${text}\n`);
      };
      if (verb === 'now') answer((this.#clock.now() / 1e9).toFixed(6));
      else if (verb === 'interrupt') {
        this.#host.interrupt();
        answer('ok');
      } else if (verb === 'node') this.#openNode(socket, Number(amount), Number(where));
      else if (verb === 'load') this.#waitForLoad(socket, amount, answer);
      else if (verb === 'sleep') {
        const until = this.#clock.now() + Math.round(Number(amount) * 1e9);
        const sleeper = { until, wake: () => answer('ok') };
        this.#sleepers.push(sleeper);
        socket.on('close', () => this.#forget(sleeper));
      } else answer('what?');
    });
  }

  #openNode(socket: Socket, major: number, minor: number): void {
    void this.#host.openNode(major, minor).then((close) => {
      this.served++;
      if (!close) return socket.end('refused\n');
      socket.on('close', close);
      return socket.write('ok\n');
    });
  }

  #waitForLoad(socket: Socket, id: string, answer: (text: string) => void): void {
    const forget = (): boolean => this.#loads.delete(id);
    this.#loads.set(id, () => {
      forget();
      answer('ok');
    });
    // It was interrupted, and says so.
    socket.once('data', forget);
    socket.on('close', () => {
      if (forget()) this.#host.closeLoad(id);
    });
  }
}
