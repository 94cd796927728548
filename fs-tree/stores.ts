/**
 * Stores in the trace: who wrote what to which file, how it ended, and what came of it until then.
 *
 * An event `store.begin` before, `store` behind: what the trace has in between, the store (or somebody beside it) did.
 * `store` sums it up. What a kernel does later, in a work item or at its next scan, is no longer in it. Files of the
 * control tree are left out (whoever reads the trace writes to them), and those of guests' kernels.
 */
import { FileGroup, type KobjectTree } from '../lib/driver-core/kobject.js';
import type { UeventChannel } from '../lib/driver-core/uevent.js';
import { isKernelError } from '../lib/errno.js';
import type { Trace, TraceEvent } from '../lib/ports.js';
import type { Caller, FileNode } from './kernfs/node.js';

/** `data` of the trace event `store.begin`. */
export type StoreBegin = {
  /** Counts the stores of the tree, from 1; `store.begin` has the same as its `store`. */
  readonly store: number;
  /** Below /sys. */
  readonly path: string;
  /** The bytes, as latin1. */
  readonly value: string;
  readonly comm: string;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
};

/** `data` of the trace event `store`. */
export type StoreData = StoreBegin & {
  /** `ok`, or the name of an errno. */
  readonly result: string;
  /** Directories and links that are there now and were not, and the other way round, in order. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** uevents: `change@/devices/ap/card03`. */
  readonly events: readonly string[];
  /** No other store ran meanwhile: all of that is this one's, or of something that ran by itself. */
  readonly alone: boolean;
};

interface Running {
  readonly added: string[];
  readonly removed: string[];
  readonly events: string[];
  alone: boolean;
}

export interface StoreSources {
  readonly trace: Trace;
  readonly tree: KobjectTree;
  readonly uevents: UeventChannel;
}

export class StoreTrace {
  readonly #trace: Trace;
  readonly #tree: KobjectTree;
  readonly #running = new Set<Running>();
  #count = 0;

  constructor({ trace, tree, uevents }: StoreSources) {
    this.#trace = trace;
    this.#tree = tree;
    tree.onChange(({ op, what, dir, name }) => {
      // Which files a group has is a matter of tables.
      if (this.#running.size === 0 || what === 'group') return;
      const path = `${dir.devpath}/${name}`.slice(1);
      for (const { added, removed } of this.#running) (op === 'add' ? added : removed).push(path);
    });
    uevents.subscribe(({ action, devpath }) => {
      for (const { events } of this.#running) events.push(`${action}@${devpath}`);
    });
  }

  /** Whether anybody wants to know of stores to this file: one of the host's kernel. */
  traces(node: FileNode): boolean {
    const { owner } = node;
    return this.#trace.enabled && owner instanceof FileGroup && owner.kobj.tree === this.#tree;
  }

  async around(node: FileNode, caller: Caller, value: string, store: () => Promise<number>): Promise<number> {
    const running: Running = { added: [], removed: [], events: [], alone: this.#running.size === 0 };
    for (const other of this.#running) other.alone = false;
    const { comm, pid, uid, gid } = caller;
    const begin: StoreBegin = { store: ++this.#count, path: node.path ?? '', value, comm, pid, uid, gid };
    this.#trace.emit(new BeginEvent(begin));
    this.#running.add(running);
    const end = (result: string): void => {
      this.#running.delete(running);
      this.#trace.emit(new EndEvent(begin, result, running));
    };
    try {
      const taken = await store();
      end('ok');
      return taken;
    } catch (e) {
      end(isKernelError(e) ? e.errno : 'EIO');
      throw e;
    }
  }
}

/** Put into words when it is read: thousands are kept. */
class BeginEvent implements TraceEvent {
  constructor(readonly data: StoreBegin) {}

  get kind(): string {
    return 'store.begin';
  }

  get text(): string {
    return words(this.data);
  }
}

class EndEvent implements TraceEvent {
  constructor(
    private readonly begin: StoreBegin,
    private readonly result: string,
    private readonly running: Running,
  ) {}

  get kind(): string {
    return 'store';
  }

  get data(): StoreData {
    return { ...this.begin, result: this.result, ...this.running };
  }

  get text(): string {
    return `${words(this.begin)}: ${this.result}${effects(this.running)}`;
  }
}

const words = ({ comm, pid, value, path }: StoreBegin): string =>
  `${comm}[${pid}] writes ${JSON.stringify(value)} to ${path}`;

const effects = ({ added, removed, events }: Running): string =>
  [
    ...removed.map((path) => ` -${path}`),
    ...added.map((path) => ` +${path}`),
    ...events.map((event) => ` ${event}`),
  ].join('');
