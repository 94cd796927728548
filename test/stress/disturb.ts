/**
 * Takes queues away from under requests and gives them back, in every way
 * there is: drivers, masks, switches, hardware, modules.
 */
import { MSEC, type Random, SEC } from '../../lib/ports.js';
import { sleep } from '../../lib/sync/wait.js';
import { B, D, P, type Scenario, SIM } from '../support/scenario.js';

/** A card of the machine under stress. */
export interface CardSpec {
  readonly id: number;
  /** As in `card N add`: `cex8 cca`. */
  readonly kind: string;
}

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');
const queueName = (card: number, domain: number): string => `${hex(card, 2)}.${hex(domain, 4)}`;

/** Reply codes that mean "try another one", and such that mean "your request is wrong". */
const BAD_REPLIES = [
  '0x82 0x10 2',
  '0x82 0x90 -1',
  '0x88 0x20 3',
  '0x82 0x40 1',
  '0x87 0x0 1',
  '0x99 0 1',
  '0x80 0x12 1',
  '0x86 0x90 2',
  '0x86 0x22 1',
  'cca 8 33 1',
  'cca 12 769 1',
  'lost 1',
  'lost 4',
];

/** An action: what it did, for the count by name. */
type Action = (d: Disturber) => Promise<void>;

const ACTIONS: Readonly<Record<string, Action>> = {
  unbind: (d) => d.put(d.queue, `${B}/drivers/${d.one(['cex4queue', 'cex4queue', 'vfio_ap'])}/unbind`),
  bind: (d) => d.put(d.queue, `${B}/drivers/${d.one(['cex4queue', 'cex4queue', 'vfio_ap'])}/bind`),
  'unbind card': (d) => d.put(d.cardName, `${B}/drivers/cex4card/unbind`),
  'bind card': (d) => d.put(d.cardName, `${B}/drivers/cex4card/bind`),
  apmask: (d) => d.put(`${d.one(['+', '-'])}${d.card.id}`, `${B}/apmask`),
  aqmask: (d) => d.put(`${d.one(['+', '-'])}${d.domain}`, `${B}/aqmask`),
  'masks back': async (d) => {
    await d.put('+0-255', `${B}/apmask`);
    await d.put('+0-255', `${B}/aqmask`);
  },
  'queue online': (d) => d.put(d.one([0, 1, 1]), d.file('online')),
  'card online': (d) => d.put(d.one([0, 1, 1]), `${D}/${d.cardName}/online`),
  'card config': (d) => d.put(d.one([0, 1, 1]), `${D}/${d.cardName}/config`),
  configure: (d) => d.hw(`card ${d.card.id} configure`),
  deconfigure: (d) => d.hw(`card ${d.card.id} deconfigure`),
  'check-stop': (d) => d.hw(`card ${d.card.id} checkstop on`),
  'check-stop off': (d) => d.hw(`card ${d.card.id} checkstop off`),
  pull: (d) => d.hw(`card ${d.card.id} remove`),
  plug: (d) => d.plug(d.card),
  'another kind': (d) => d.hw(`card ${d.card.id} type ${d.card.kind}`),
  empty: (d) => d.hw(`card ${d.card.id} present ${d.one(['on', 'off'])}`),
  domain: (d) => d.hw(`domain ${d.domain} ${d.one(['add', 'add', 'remove'])}`),
  reset: (d) => d.put(1, d.file('reset')),
  scan: (d) => d.put(1, `${B}/scans`),
  'more scans': (d) => d.put(1, `${B}/scans`),
  hold: (d) => d.hw(`queue ${d.queue} hold`),
  release: (d) => d.hw(d.one([`queue ${d.queue} release`, 'release'])),
  drop: (d) => d.hw(`queue ${d.queue} ${d.one(['drop', 'irqoff'])}`),
  'slow resets': (d) => d.hw(`queue ${d.queue} reset-ms ${d.random.below(200)}`),
  busy: (d) => d.hw(`queue ${d.queue} busy ${d.random.below(5)}`),
  inject: (d) => d.inject(),
  'bad replies': (d) => d.hw(`queue ${d.queue} reply ${d.one(BAD_REPLIES)}`),
  'good replies': (d) => d.hw(`queue ${d.queue} reply off`),
  delay: (d) => d.hw(`delay ${d.one([0, 50, 200, 200, 3000])}`),
  modules: (d) => d.reload(),
  mdev: (d) => d.mdev(),
  attributes: (d) => d.attributes(),
  poll: (d) => d.put(d.one([100_000, 250_000, 1_500_000]), `${B}/poll_timeout`),
  'poll thread': (d) => d.put(d.one([0, 1]), `${B}/poll_thread`),
  // Without these most requests would find nobody.
  'mend card': (d) => d.mend(d.card),
  'mend another': (d) => d.mend(d.card),
  'mend a third': (d) => d.mend(d.card),
  'mend a fourth': (d) => d.mend(d.card),
  'wait for the scan': (d) => sleep(d.s.m.world.clock, 35 * SEC),
};

/** Of machine time. */
const QUIET = 20 * MSEC;

/** Seldom: what takes all queues away, or much time. */
const SELDOM: Readonly<Record<string, number>> = { modules: 12, 'wait for the scan': 8, mdev: 3 };

export class Disturber {
  /** How often each was done. */
  readonly done = new Map<string, number>();
  /** What a write came to, by errno. */
  readonly errnos = new Map<string, number>();
  #lastStep = 0;

  constructor(
    readonly s: Scenario,
    readonly random: Random,
    readonly cards: readonly CardSpec[],
    readonly domains: readonly number[],
    /** Domains that are left alone, but have queues too. */
    readonly quietDomains: readonly number[],
    /** Drivers whose modules come and go. */
    readonly modules: readonly string[],
  ) {}

  /** Nothing has happened for a while: all disturbers wait for something. */
  get isQuiet(): boolean {
    return this.s.m.world.clock.now() - this.#lastStep > QUIET;
  }

  one<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)] as T;
  }

  get card(): CardSpec {
    return this.one(this.cards);
  }

  get cardName(): string {
    return `card${hex(this.card.id, 2)}`;
  }

  get domain(): number {
    return this.one(this.domains);
  }

  get queue(): string {
    return queueName(this.card.id, this.domain);
  }

  /** A file of some queue. */
  file(name: string): string {
    return this.s.queue(this.queue, name);
  }

  async put(words: string | number, path: string): Promise<void> {
    const errno = await this.s.put(words, path);
    this.errnos.set(errno, (this.errnos.get(errno) ?? 0) + 1);
  }

  /** A hardware command, without waiting for what follows. */
  hw(command: string): Promise<void> {
    return this.put(command, `${SIM}/hw`);
  }

  /** One thing that happens to the machine. */
  async step(): Promise<void> {
    const names = Object.keys(ACTIONS);
    let name = this.one(names);
    while (this.random.below(SELDOM[name] ?? 1) > 0) name = this.one(names);
    this.done.set(name, (this.done.get(name) ?? 0) + 1);
    await ACTIONS[name]?.(this);
    this.#lastStep = this.s.m.world.clock.now();
    await sleep(this.s.m.world.clock, this.random.below(1500) * 1000);
  }

  async reload(): Promise<void> {
    const module = this.one(this.modules);
    await this.put(`unload ${module}`, `${SIM}/modules`);
    await sleep(this.s.m.world.clock, this.random.below(5) * MSEC);
    await this.put(`load ${module}`, `${SIM}/modules`);
  }

  /** A guest's matrix comes and goes. */
  async mdev(): Promise<void> {
    const uuid = `11111111-1111-4111-8111-${hex(this.random.below(0xffff), 12)}`;
    const dir = this.s.mdev(uuid);
    await this.put(uuid, `${P}/create`);
    await this.put(this.card.id, `${dir}/assign_adapter`);
    await this.put(this.domain, `${dir}/assign_domain`);
    await sleep(this.s.m.world.clock, this.random.below(10) * MSEC);
    await this.put(1, `${dir}/remove`);
  }

  /**
   * Files that ask the card; what they say does not matter. The reader gives up
   * after a while: a scan that takes a queue away waits for the readers of its
   * files, and their request may wait for that scan, as in the kernel (a domain
   * that can only be controlled now is asked for through any queue).
   */
  async attributes(): Promise<void> {
    const path = this.one([`${D}/${this.cardName}/serialnr`, this.file('mkvps'), this.file('op_modes')]);
    const { sh, world } = this.s.m;
    if (!sh.exists(path)) return;
    const abort = new AbortController();
    const killer = world.clock.after(100 * MSEC, () => abort.abort(), { name: 'reader gives up' });
    const done = (): unknown => killer.cancel();
    void sh.as({ signal: abort.signal }).read(path).then(done, done);
  }

  /** A wrong response code or two. */
  inject(): Promise<void> {
    const instruction = this.one(['nqap', 'nqap', 'dqap', 'tapq', 'rapq', 'aqic']);
    const rc = this.one(['0x02', '0x03', '0x04', '0x05', '0x07', '0x15', '0x42']);
    // "Enabled already", while they are not: the kernel believes it and waits for ever.
    if (instruction === 'aqic' && rc === '0x07') return this.inject();
    return this.hw(`queue ${this.queue} inject ${instruction} ${rc} ${1 + this.random.below(2)}`);
  }

  plug({ id, kind }: CardSpec): Promise<void> {
    return this.hw(`card ${id} add ${kind}`);
  }

  /** The slot holds the kind of card that belongs there. */
  #fits({ id, kind }: CardSpec): boolean {
    const adapter = this.s.m.world.machine.adapters.get(id);
    const depth = Number(/depth=(\d+)/.exec(kind)?.[1] ?? 8);
    return adapter !== undefined && kind.startsWith(adapter.typeText) && adapter.description.depth === depth;
  }

  /** A card with all its queues as it was at the beginning. */
  async mend(card: CardSpec): Promise<void> {
    const { id } = card;
    const name = `card${hex(id, 2)}`;
    if (!this.#fits(card)) await this.plug(card);
    for (const command of ['present on', 'configure', 'checkstop off', 'apm on'])
      await this.hw(`card ${id} ${command}`);
    const knobs = ['tapq', 'rapq', 'zapq', 'aqic', 'nqap', 'dqap'].map((i) => `inject ${i} 0 0`);
    for (const domain of this.domains) {
      await this.hw(`domain ${domain} add`);
      for (const knob of [...knobs, 'reply off', 'busy 0', 'reset-ms 0', 'release'])
        await this.hw(`queue ${queueName(id, domain)} ${knob}`);
    }
    await this.put(`+${id}`, `${B}/apmask`);
    await this.put(1, `${B}/scans`);
    // A card that was unbound has lost its queues: they are bound anew.
    const queues = [...this.domains, ...this.quietDomains].map((domain) => queueName(id, domain));
    if ((await this.s.put(name, `${B}/drivers/cex4card/bind`)) === 'ok')
      for (const queue of queues) await this.put(queue, `${B}/drivers/cex4queue/unbind`);
    for (const queue of queues) await this.put(queue, `${B}/drivers/cex4queue/bind`);
    if (this.s.m.sh.exists(`${D}/${name}/online`)) await this.put(1, `${D}/${name}/online`);
  }

  /** Everything as it was at the beginning; what is in flight goes on. */
  async repair(): Promise<void> {
    await this.hw('delay 200; release');
    for (const module of ['zcrypt_cex4', 'vfio_ap']) await this.put(`load ${module}`, `${SIM}/modules`);
    await this.put(0, `${B}/poll_thread`);
    await this.put(250_000, `${B}/poll_timeout`);
    await this.put('+0-255', `${B}/apmask`);
    await this.put('+0-255', `${B}/aqmask`);
    for (const card of this.cards) {
      // Queues of an earlier binding of their card cannot be told from others by their files.
      await this.put(`card${hex(card.id, 2)}`, `${B}/drivers/cex4card/unbind`);
      await this.mend(card);
    }
  }
}
