/**
 * Programs that send requests of every kind, one after the other, and look at
 * what each came to.
 */

import { isKernelError } from '../../lib/errno.js';
import { EP11_FLAG, EP11_QUERY, encodeEp11Cprb, encodeXcpQuery } from '../../lib/hardware/messages.js';
import type { Random } from '../../lib/ports.js';
import { USEC } from '../../lib/ports.js';
import { Task } from '../../lib/sync/task.js';
import { sleep } from '../../lib/sync/wait.js';
import type { ZcryptFile } from '../../lib/zcrypt/file.js';
import type { Ep11Target } from '../../lib/zcrypt/user.js';
import { ccaRequest } from '../support/cca-request.js';
import type { Scenario } from '../support/scenario.js';
import { crtJob, modexpoJob } from './numbers.js';
import type { Watch, Way } from './watch.js';

/** One request about to be sent. */
interface Request {
  readonly kind: string;
  /** Administrative requests are not tried again. */
  readonly admin: boolean;
  send(task: Task): Promise<void>;
  /** The answer is the right one. */
  right(): boolean;
}

const yes = (): boolean => true;

export class Senders {
  /** How many requests came to what: `rsa ok`, `cca ENODEV`. */
  readonly outcomes = new Map<string, number>();
  readonly complaints: string[] = [];
  /** Requests whose end has not come. */
  readonly pending = new Set<Way>();
  finished = 0;
  /** So much longer are the pauses: while the disturbers wait for long, senders need not fill the time. */
  pace = (): number => 1;
  #stopped = false;
  #busy = 0;
  #pid = 10_000;

  constructor(
    readonly s: Scenario,
    readonly random: Random,
    readonly watch: Watch,
    readonly file: ZcryptFile,
    readonly cards: readonly number[],
    readonly domains: readonly number[],
  ) {}

  /** Senders that are not resting. */
  get busy(): number {
    return this.#busy;
  }

  start(count: number): void {
    this.#stopped = false;
    for (let n = 0; n < count; n++) void this.#run();
  }

  /** Each ends after the request it is at. */
  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    const { clock } = this.s.m.world;
    this.#busy++;
    while (!this.#stopped) {
      await this.#one();
      await sleep(clock, this.random.below(400) * this.pace() * USEC);
    }
    this.#busy--;
  }

  async #one(): Promise<void> {
    const { clock } = this.s.m.world;
    const request = this.#request();
    const abort = new AbortController();
    const signalled = this.random.below(40) === 0;
    const killer = signalled
      ? clock.after(this.random.below(600) * USEC, () => abort.abort(), { name: 'signal' })
      : undefined;
    const task = new Task({ pid: this.#pid++, comm: 'sender', signal: abort.signal });
    const { done, way } = this.watch.starting(() => request.send(task));
    if (way) this.pending.add(way);
    let outcome = 'ok';
    try {
      await done;
      if (!request.right()) outcome = 'wrong result';
    } catch (e) {
      if (!isKernelError(e)) throw e;
      outcome = e.errno;
    }
    killer?.cancel();
    this.finished++;
    this.#judge(request, outcome, way, abort.signal.aborted);
    if (way) {
      this.pending.delete(way);
      this.watch.forget(way);
    }
    // Who has nobody to talk to does not ask again at once.
    if (outcome === 'ENODEV') await sleep(clock, this.random.below(3000) * this.pace() * USEC);
  }

  /** Is this an end that the rules know? spec/zcrypt.md 4 */
  #judge(request: Request, outcome: string, way: Way | undefined, signalled: boolean): void {
    const name = `${request.kind} ${outcome}`;
    this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1);
    const last = way?.last ?? '';
    const why = ((): string | undefined => {
      if (!way) return 'never tried';
      if (way.picked || way.queue) return `ended while on ${way.queue ?? 'a picked queue'}`;
      switch (outcome) {
        case 'ok':
          return last === 'ok' ? undefined : `but its last try was ${last}`;
        case 'ENODEV':
          return last === 'none' || last === 'ENODEV' ? undefined : `but its last try was ${last}`;
        case 'EIO':
          if (request.admin) return last === 'EIO' ? undefined : `but its last try was ${last}`;
          return way.again >= 10 ? undefined : `after ${way.again} times EAGAIN`;
        case 'EAGAIN':
          return request.kind === 'rng' && last === 'EAGAIN' ? undefined : 'is not told to programs';
        case 'EINTR':
          return signalled ? undefined : 'without a signal';
        case 'EINVAL':
        case 'EMSGSIZE':
          return last === outcome ? undefined : `but its last try was ${last}`;
        default:
          return 'is no end that there is';
      }
    })();
    if (why !== undefined && this.complaints.length < 20)
      this.complaints.push(`request ${way?.id} (${request.kind}): ${outcome} ${why}`);
  }

  #request(): Request {
    const { random, file } = this;
    const one = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
    const message = BigInt(1 + random.below(0xffff_ffff)) ** 5n;
    const kind = one(['me', 'me', 'me', 'crt', 'cca', 'cca to', 'cca admin', 'ep11', 'ep11 to', 'ep11 admin', 'rng']);
    switch (kind) {
      case 'me': {
        const { request, right } = modexpoJob(message);
        return { kind, admin: false, send: (task) => file.modexpo(task, request), right };
      }
      case 'crt': {
        const { request, right } = crtJob(message);
        return { kind, admin: false, send: (task) => file.modexpoCrt(task, request), right };
      }
      case 'cca':
        return this.#cca(kind, ccaRequest());
      case 'cca to':
        return this.#cca(kind, ccaRequest({ userDefined: one(this.cards), domain: one(this.domains) }));
      case 'cca admin':
        return this.#cca(kind, ccaRequest({ userDefined: one(this.cards), domain: one(this.domains), funcId: 'T3' }));
      case 'ep11':
        return this.#ep11(kind, undefined, 0);
      case 'ep11 to':
        return this.#ep11(kind, { apId: one(this.cards), domId: one(this.domains) }, 0);
      case 'ep11 admin':
        return this.#ep11(kind, { apId: one(this.cards), domId: one(this.domains) }, EP11_FLAG.ADMIN);
      default:
        return this.#rng();
    }
  }

  #cca(kind: string, request: ReturnType<typeof ccaRequest>): Request {
    return { kind, admin: kind.endsWith('admin'), send: (task) => this.file.sendCprb(task, request), right: yes };
  }

  #ep11(kind: string, target: Ep11Target | undefined, flags: number): Request {
    const targetId = target?.domId ?? 0xffff;
    const req = encodeEp11Cprb({ funcId: 'T4', flags, targetId }, encodeXcpQuery(EP11_QUERY.MODULE));
    const resp = new Uint8Array(1024);
    const urb = {
      targetsNum: target ? 1 : 0,
      targets: target && [target],
      reqLen: req.length,
      req,
      respLen: resp.length,
      resp,
    };
    return { kind, admin: flags !== 0, send: (task) => this.file.sendEp11Cprb(task, urb), right: yes };
  }

  #rng(): Request {
    const zcrypt = this.s.m.world.kernel.zcrypt.api;
    let length = 0;
    return {
      kind: 'rng',
      admin: false,
      send: async (task) => {
        const block = await zcrypt?.rngBlock(task);
        length = block?.length ?? 0;
      },
      right: () => length === 4096,
    };
  }
}
