/**
 * What the kernel is told without having asked.
 *
 * Only notifications that take no lock in the kernel are sent, so that sending
 * one never waits for a client that itself waits for us: INVAL_INODE for
 * attributes alone (offset -1), and POLL. They go out before any reply that
 * could let somebody know of the change, so nobody finds old attributes after a
 * store has returned. Replies that are under way with older attributes are
 * dropped by the kernel, which counts versions (Linux 5.8 and newer).
 *
 * One case is left: a client got its first answer about a node, but has not yet
 * made the inode, and there is nothing to notify. Until it has, it is tried
 * again; whoever comes by path meanwhile looks the name up anew anyway.
 */
import type { ChangeSource, TreeChange } from '../../kernfs/changes.js';
import type { DirNode } from '../../kernfs/node.js';
import type { FuseDevice } from './device.js';
import type { DirListener, Inode, Inodes } from './inodes.js';
import { from, Message } from './message.js';
import { FUSE_NOTIFY, fuse_notify_inval_inode_out, fuse_notify_poll_wakeup_out, fuse_out_header } from './protocol.js';

/** How long a client may take from an answer to its inode, before it is tried again. */
const RETRY_MS = 1;

const BODY = fuse_out_header.size;

export class Notifier implements DirListener {
  /** What the kernel knows; it tells us of directories. */
  inodes: Inodes | undefined;
  readonly #out = new Message(BODY + fuse_notify_inval_inode_out.size);
  readonly #stale = new Set<Inode>();
  /** Each tree of which the kernel knows directories, and what ends listening to it. */
  readonly #heard = new Map<ChangeSource, { dirs: number; readonly stop: () => void }>();
  #due = false;
  #again: NodeJS.Timeout | undefined;

  constructor(private readonly device: FuseDevice) {}

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

  /** Names came or went in a directory: its link count and times may be others. */
  #changed({ dir }: TreeChange): void {
    const inode = this.inodes?.dirOf(dir);
    if (inode) this.staleAttr(inode);
  }

  staleAttr(inode: Inode): void {
    this.#stale.add(inode);
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => this.flush());
  }

  /** Sends what is due. */
  flush(): void {
    if (!this.#due) return;
    this.#due = false;
    const { at, size } = fuse_notify_inval_inode_out;
    for (const inode of this.#stale) {
      this.#out.setU64(from(BODY, at.ino), inode.nodeid);
      this.#out.setU64(from(BODY, at.off), -1);
      this.#out.setU64(from(BODY, at.len), 0);
      if (this.#send(FUSE_NOTIFY.INVAL_INODE, size) || inode.lookups <= 0) this.#stale.delete(inode);
    }
    if (this.#stale.size > 0) this.#again ??= setTimeout(() => this.#retry(), RETRY_MS);
  }

  #retry(): void {
    this.#again = undefined;
    this.#due = true;
    this.flush();
  }

  /** Whoever polls with this handle asks again. */
  pollWakeup(kh: number): void {
    const { at, size } = fuse_notify_poll_wakeup_out;
    this.#out.setU64(from(BODY, at.kh), kh);
    this.#send(FUSE_NOTIFY.POLL, size);
  }

  /** @returns false if the kernel does not know the inode */
  #send(code: number, length: number): boolean {
    const { at } = fuse_out_header;
    this.#out.setU32(at.len, BODY + length);
    this.#out.setI32(at.error, code);
    this.#out.setU64(at.unique, 0);
    try {
      this.device.write(this.#out, BODY + length);
      return true;
    } catch (e) {
      // Anything else: nothing is mounted any more.
      return (e as NodeJS.ErrnoException).code !== 'ENOENT';
    }
  }
}
