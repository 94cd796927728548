/**
 * File operations of a replay: who waits inside the kernel is known, and what a fatal signal ends.
 *
 * Operations are numbered as they come, so that those of a step can be told from
 * what steps before it have left inside. The replay's own ones (snapshots,
 * commands without a shell) are counted apart.
 */
import type { Caller } from '../../fs-tree/kernfs/node.js';
import type { OpenFile } from '../../fs-tree/kernfs/open-file.js';
import { Ops } from '../../fs-tree/ops.js';
import { ending, type Soon } from '../../lib/sync/soon.js';

/** Who asks when the replay does. */
export const RECORDER: Caller = { uid: 0, gid: 0, groups: [], pid: 1, comm: 'recorder' };

/** fuse-native cannot say who calls: in a replay it is nearly always bash, and its signals come from the runner. */
export class ReplayOps extends Ops {
  #fatal = new AbortController();
  /** The number of the last one that has come. */
  entered = 0;
  /** Reads and writes of clients that have not returned. */
  readonly clients = new Set<number>();
  /** Those of the replay itself. */
  readonly own = new Set<number>();
  /** Called when one of them does not return at once. */
  onOwnWait: () => void = () => undefined;

  interrupt(): void {
    this.#fatal.abort();
    this.#fatal = new AbortController();
  }

  override readSoon(caller: Caller, file: OpenFile, offset: number, length: number): Soon<string> {
    return this.#counted(caller, () => super.readSoon(this.#as(caller), file, offset, length));
  }

  override write(caller: Caller, file: OpenFile, bytes: string, offset = 0): Promise<number> {
    return this.#counted(caller, () => super.write(this.#as(caller), file, bytes, offset));
  }

  #counted<R extends Soon<unknown>>(caller: Caller, operation: () => R): R {
    const inside = caller === RECORDER ? this.own : this.clients;
    const number = ++this.entered;
    inside.add(number);
    const result = ending(operation, () => inside.delete(number)) as R;
    if (caller === RECORDER && inside.has(number)) this.onOwnWait();
    return result;
  }

  #as(caller: Caller): Caller {
    if (caller.comm !== 'mount') return caller;
    const signal = caller.signal ? AbortSignal.any([caller.signal, this.#fatal.signal]) : this.#fatal.signal;
    return { ...caller, comm: 'bash', signal };
  }
}
