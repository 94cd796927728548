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
export const guestSys = (guest: Guest, kernel: Kernel): DirNode => new GuestDir({ guest, kernel }, sysfsRoot(kernel));

/** A kernel in the virtual machine that it runs in. */
interface Booted {
  readonly guest: Guest;
  readonly kernel: Kernel;
}

class GuestDir implements DirNode {
  readonly kind = 'dir';
  readonly #booted: Booted;
  readonly #dir: DirNode;

  constructor(booted: Booted, dir: DirNode) {
    this.#booted = booted;
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
    if (node?.kind === 'dir') return new GuestDir(this.#booted, node);
    return node?.kind === 'file' ? guestFile(this.#booted, node) : node;
  }

  entries(): Iterable<DirEntry> {
    return this.#dir.alive ? this.#dir.entries() : [];
  }

  subdirs(): number {
    return this.#dir.alive ? this.#dir.subdirs() : 0;
  }
}

function guestFile(booted: Booted, file: FileNode): FileNode {
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
    show: show && ((io: IoContext) => whileOn(booted, () => show(io))),
    store: store && ((text: string, io: IoContext) => whileOn(booted, () => store(text, io))),
    enter: (task) => file.enter(task),
    leave: (task) => file.leave(task),
  };
}

/** Waits no longer than the virtual machine is on. @throws ENODEV */
function whileOn<T>({ guest, kernel }: Booted, work: () => T | Promise<T>): T | Promise<T> {
  const result = work();
  if (!(result instanceof Promise)) return result;
  return new Promise<T>((resolve, reject) => {
    const ended = (): void => reject(new KernelError('ENODEV'));
    const forget = guest.onPowerOff(ended);
    if (guest.kernel !== kernel) ended();
    result.then(resolve, reject).finally(forget);
  });
}
