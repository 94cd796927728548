/**
 * What the kernel is told without having asked.
 *
 * Attributes are taken back by INVAL_INODE with offset -1, which takes no lock:
 * it is written before any reply that could let somebody know of the change, so
 * nobody finds old ones after a store has returned. Replies that are under way
 * with older attributes are dropped by the kernel, which counts versions (Linux
 * 5.8 and newer). An inode that the kernel is about to make is not there to be
 * told: so attributes of what changes by itself come to stay with the answer to
 * GETATTR only, which is asked for an inode that is there (node-operations.ts).
 *
 * Names are taken back by INVAL_ENTRY, which waits for the directory's lock: it
 * goes by way of the committer as soon as the tree has changed, and replies of
 * stores and shows, and the wake-ups of poll, go after it. Names that come need
 * no word: that a name is not there is never remembered. A directory that goes
 * takes all names below it with it, for those who still stand in it, and because
 * each name that stays keeps the directory: also names that are asked for each
 * time, and those that somebody looks for in a directory that is gone.
 *
 * Never sent: NOTIFY_DELETE (it takes the file's own lock too, which its writer
 * holds). FUSE_NOTIFY_INC_EPOCH, which takes no lock, only where a circle of
 * locks must be broken (committer.ts): it unhashes all that it expires, and what
 * somebody has mounted below is detached.
 */
import type { ChangeSource, TreeChange } from '../../kernfs/changes.js';
import type { InodeAttrs } from '../../kernfs/inode-attrs.js';
import type { DirNode, Node } from '../../kernfs/node.js';
import type { Committer } from './committer.js';
import type { FuseDevice } from './device.js';
import type { Inode, InodeListener, Inodes } from './inodes.js';
import { from, Message } from './message.js';
import * as P from './protocol.js';
import { FUSE_NOTIFY } from './protocol.js';

const BODY = P.fuse_out_header.size;

export class Notifier implements InodeListener {
  /** What the kernel knows; it tells us of directories. */
  inodes: Inodes | undefined;
  readonly #out = new Message(BODY + P.fuse_notify_inval_inode_out.size);
  readonly #stale = new Set<Inode>();
  /** Each tree of which the kernel knows directories, and what ends listening to it. */
  readonly #heard = new Map<ChangeSource, { dirs: number; readonly stop: () => void }>();
  #due = false;

  constructor(
    private readonly device: FuseDevice,
    private readonly committer: Committer,
    private readonly attrs: InodeAttrs,
  ) {}

  /** The kernel got to know a directory. There may be several trees in one mount, which come and go. */
  dirKnown({ changes }: DirNode): void {
    if (!changes) return;
    const heard = this.#heard.get(changes);
    if (heard) heard.dirs++;
    else this.#heard.set(changes, { dirs: 1, stop: changes.onChange((change) => this.#changed(change)) });
  }

  /** The kernel has forgotten it. */
  dirForgotten({ changes }: DirNode): void {
    const heard = changes && this.#heard.get(changes);
    if (!heard || --heard.dirs > 0) return;
    heard.stop();
    this.#heard.delete(changes);
  }

  evicted(node: Node): void {
    this.attrs.evicted(node);
  }

  /** Names came or went in a directory: its link count and times may be others. */
  #changed(change: TreeChange): void {
    const dir = this.inodes?.dirOf(change.dir);
    if (!dir) return;
    this.staleAttr(dir);
    if (change.op !== 'add') this.#checkNames(dir, change);
  }

  #checkNames(dir: Inode, { what, name }: TreeChange): void {
    const gone = dir.children.get(name);
    if (gone && !isThere(gone)) this.#takeBack(gone);
    // A group is called after none of its files.
    if (what === 'group') for (const file of dir.children.values()) if (!isThere(file)) this.#takeBack(file);
  }

  #takeBack(inode: Inode): void {
    if (inode.named && inode.parent) this.committer.write(invalEntry(inode.parent.nodeid, inode.name));
    inode.named = false;
    for (const below of inode.children.values()) this.#takeBack(below);
  }

  /** A name that was looked for in vain: in a directory that is gone nothing else would end it. */
  nothingThere(dir: Inode, name: string): void {
    if (!dir.node.alive) this.committer.write(invalEntry(dir.nodeid, name));
  }

  staleAttr(inode: Inode): void {
    this.#stale.add(inode);
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => this.flush());
  }

  /** Sends what is due about attributes. */
  flush(): void {
    if (!this.#due) return;
    this.#due = false;
    const { at, size } = P.fuse_notify_inval_inode_out;
    for (const inode of this.#stale) {
      this.#out.setU64(from(BODY, at.ino), inode.nodeid);
      this.#out.setU64(from(BODY, at.off), -1);
      this.#out.setU64(from(BODY, at.len), 0);
      this.#send(FUSE_NOTIFY.INVAL_INODE, size);
    }
    this.#stale.clear();
  }

  /** Whoever polls with this handle asks again, and finds nothing older than the event. */
  pollWakeup(kh: number): void {
    this.committer.after(() => {
      const { at, size } = P.fuse_notify_poll_wakeup_out;
      this.#out.setU64(from(BODY, at.kh), kh);
      this.#send(FUSE_NOTIFY.POLL, size);
    });
  }

  /** Nothing that is remembered holds any more. Before Linux 6.16 the kernel knows no such word. */
  expireAll(): void {
    this.#send(FUSE_NOTIFY.INC_EPOCH, 0);
  }

  #send(code: number, length: number): void {
    putHeader(this.#out, code, length);
    try {
      this.device.write(this.#out.bytes, BODY + length);
    } catch {
      // The kernel does not know the inode (any more), or nothing is mounted any more.
    }
  }
}

function putHeader(out: Message, code: number, length: number): void {
  const { at } = P.fuse_out_header;
  out.setU32(at.len, BODY + length);
  out.setI32(at.error, code);
  out.setU64(at.unique, 0);
}

/** A message of its own: it is written later. */
function invalEntry(parent: number, name: string): Buffer {
  const { at, size } = P.fuse_notify_inval_entry_out;
  const length = size + name.length + 1;
  const out = new Message(BODY + length);
  putHeader(out, FUSE_NOTIFY.INVAL_ENTRY, length);
  out.setU64(from(BODY, at.parent), parent);
  out.setU32(from(BODY, at.namelen), name.length);
  out.setText(BODY + size, name);
  return out.bytes;
}

/** Whether a lookup would find it today. */
function isThere({ node, parent, name }: Inode): boolean {
  const dir = parent?.node;
  return dir?.kind === 'dir' && dir.alive && dir.lookup(name)?.ino === node.ino;
}
