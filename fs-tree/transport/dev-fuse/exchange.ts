/**
 * One request and its reply, as the operations see them.
 */
import type { Soon } from '../../../lib/sync/soon.js';
import type { Node } from '../../kernfs/node.js';
import type { Ops } from '../../ops.js';
import { RequestCaller } from './caller.js';
import type { Inode, Inodes } from './inodes.js';
import type { Message } from './message.js';
import type { Notifier } from './notifier.js';
import { type FUSE, fuse_in_header, fuse_out_header } from './protocol.js';

/** Where what follows the header begins, in a request and in a reply. */
export const IN = fuse_in_header.size;
export const OUT = fuse_out_header.size;

/** Instead of a length: no reply is due, or it comes later. */
export const NO_REPLY = -1;

/** For operations that end at once: nobody asks for its name or its signal. */
export const SOMEBODY = new RequestCaller(0);

/** Returns the length of what it has put behind the reply's header, or NO_REPLY. @throws KernelError */
export type Operation = () => number;
export type OperationTable = Partial<Record<keyof typeof FUSE, Operation>>;

/** Answers as soon as the work has ended; `put` writes the result's bytes into the reply, and returns their number. */
export type Later = <T>(body: (caller: RequestCaller) => Soon<T>, put: (result: T) => number) => number;

export class Exchange {
  constructor(
    readonly ops: Ops,
    readonly inodes: Inodes,
    readonly notifier: Notifier,
    readonly request: Message,
    readonly reply: Message,
    readonly later: Later,
  ) {}

  /** The thread that asks. */
  get pid(): number {
    return this.request.u32(fuse_in_header.at.pid);
  }

  /** What the request is about. */
  inode(): Inode {
    return this.find(this.request.u64(fuse_in_header.at.nodeid));
  }

  node(): Node {
    return this.inode().node;
  }

  /** The kernel asks only for what it has looked up and not forgotten: anything else is our bug. */
  find(nodeid: number): Inode {
    const inode = this.inodes.find(nodeid);
    if (!inode) throw new Error(`node id ${nodeid} is not known`);
    return inode;
  }

  text(bytes: string): number {
    return this.reply.setText(OUT, bytes);
  }
}
