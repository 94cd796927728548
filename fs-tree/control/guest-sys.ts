/**
 * A guest's own /sys, as seen from outside the guest.
 *
 * The nodes are those of its kernel. What is different: a client that waits in
 * one of its files when the virtual machine is switched off gets ENODEV; inside
 * the guest it would have ended with it.
 */
import { KernelError } from '../../lib/errno.js';
import type { Guest } from '../../lib/guest/guest.js';
import type { Kernel } from '../../lib/kernel.js';
import type { DirEntry, DirNode, FileNode, IoContext, Node } from '../kernfs/node.js';
import { sysfsRoot } from '../sysfs/tree.js';

/** The root of the kernel that a guest runs now. */
export const guestSys = (guest: Guest, kernel: Kernel): DirNode => new GuestDir(guest, sysfsRoot(kernel));

class GuestDir implements DirNode {
  readonly kind = 'dir';
  readonly #guest: Guest;
  readonly #dir: DirNode;

  constructor(guest: Guest, dir: DirNode) {
    this.#guest = guest;
    this.#dir = dir;
  }

  get ino(): number {
    return this.#dir.ino;
  }

  get owner(): object {
    return this.#dir.owner;
  }

  get mode(): number {
    return this.#dir.mode;
  }

  get alive(): boolean {
    return this.#dir.alive;
  }

  lookup(name: string): Node | undefined {
    const node = this.#dir.alive ? this.#dir.lookup(name) : undefined;
    if (node?.kind === 'dir') return new GuestDir(this.#guest, node);
    return node?.kind === 'file' ? guestFile(this.#guest, node) : node;
  }

  entries(): Iterable<DirEntry> {
    return this.#dir.alive ? this.#dir.entries() : [];
  }

  subdirs(): number {
    return this.#dir.alive ? this.#dir.subdirs() : 0;
  }
}

function guestFile(guest: Guest, file: FileNode): FileNode {
  const { show, store } = file;
  return {
    kind: 'file',
    ino: file.ino,
    owner: file.owner,
    mode: file.mode,
    size: file.size,
    unlimited: file.unlimited,
    get alive() {
      return file.alive;
    },
    show: show && ((io: IoContext) => whileOn(guest, show(io))),
    store: store && ((text: string, io: IoContext) => whileOn(guest, store(text, io))),
    enter: (task) => file.enter(task),
    leave: (task) => file.leave(task),
  };
}

/** Waits no longer than the virtual machine is on. @throws ENODEV */
function whileOn<T>(guest: Guest, work: T | Promise<T>): T | Promise<T> {
  if (!(work instanceof Promise)) return work;
  return new Promise<T>((resolve, reject) => {
    const forget = guest.onPowerOff(() => reject(new KernelError('ENODEV')));
    work.then(resolve, reject).finally(forget);
  });
}
