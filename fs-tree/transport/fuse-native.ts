/**
 * The adapter to the package fuse-native 2.2.6, which speaks through libfuse2.
 *
 * What it cannot do, and what follows:
 * - It does not say who calls. The host's kernel checks permission bits
 *   (default_permissions) before it asks us.
 * - It knows paths, no nodes: once a node is gone, fstat and fchmod on an open
 *   file of it are ENOENT.
 * - It passes no signals: a client in a blocked store cannot be killed before
 *   the store ends or the tree is unmounted. libfuse's option `intr` breaks it.
 * - It hands on the time of access only; utimes sets both times to that.
 * - The kernel lets one write at a time into a file of a FUSE mount (sysfs
 *   lets in one per open file): a second writer of a file whose store is
 *   blocked waits, without a signal ending that.
 * - Each request in work holds a thread of libfuse: 3000 blocked stores were
 *   held at once (160 MB) while others were answered. Slots of threads that
 *   have ended are never given back: none leak up to about 8 clients at once,
 *   with 32 about one in five opens leaks 400 bytes (stats().workers).
 * - Of many parallel opens the releases come late (max_background=1): 6000
 *   files were still open after 9600 opens by 32 clients, gone 0.2 s later.
 * Rules that keep the mount alive: one reply for a request, never none or two;
 * nothing in this process touches the mounted tree; no child is started after
 * the mount.
 */
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ops } from '../ops.js';
import { Detacher } from './detacher.js';
import { checkHost, FS_SUBTYPE, isMounted, prepareMountPoint } from './mount-point.js';
import { PathRequests } from './path-requests.js';
import { MountError, type Transport, type TransportOptions, type TransportStats } from './transport.js';

/** How long requests may take to end after a signal before they are answered for their handlers. */
const GRACE_MS = 200;

/** How long the kernel may take to say hello after the mount. */
const HELLO_MS = 10_000;

/** How often to look whether somebody else has unmounted the tree. */
const WATCH_MS = 1000;

/** How often to look whether our own unmount is through. */
const LOOK_MS = 20;

/** The part of fuse-native's class that is used, with the methods that are overridden. */
interface FuseInstance {
  /** Threads of libfuse that have served a request. */
  readonly _threads: Set<unknown>;
  mount(done: (error: Error | null) => void): void;
}
type FuseClass = new (mountPoint: string, handlers: object, options: object) => FuseInstance;
type Signal = (result: number, ...rest: unknown[]) => void;

export class FuseNativeTransport implements Transport {
  readonly #directory: string;
  readonly #requests: PathRequests;
  readonly #options: TransportOptions;
  #mountPoint: string | undefined;
  #fuse: FuseInstance | undefined;
  #detacher: Detacher | undefined;
  #unmounting: Promise<boolean> | undefined;
  readonly detached: Promise<void>;
  #sayDetached: () => void = () => undefined;

  constructor(directory: string, ops: Ops, options: TransportOptions) {
    this.#directory = directory;
    this.#requests = new PathRequests(ops);
    this.#options = options;
    this.detached = new Promise((resolve) => {
      this.#sayDetached = resolve;
    });
  }

  get mountPoint(): string {
    return this.#mountPoint ?? this.#directory;
  }

  async mount(): Promise<void> {
    const Fuse = loadFuse();
    checkHost();
    const path = await prepareMountPoint(this.#directory, this.#options.say ?? (() => undefined));
    this.#mountPoint = path;
    this.#detacher = new Detacher(path);
    this.#fuse = new (withOurOptions(Fuse, this.#mountOptions(), this.#requests))(path, this.#requests, {
      timeout: false,
    });
    try {
      await hello(this.#fuse);
    } catch (e) {
      this.#detacher.dismiss();
      throw new MountError('refused', `mounting on ${path} was refused: ${e instanceof Error ? e.message : String(e)}`);
    }
    this.#watch(path);
  }

  unmount(): Promise<boolean> {
    this.#unmounting ??= this.#unmount();
    return this.#unmounting;
  }

  stats(): TransportStats {
    const { answered, pending, openFiles } = this.#requests;
    return { answered, pending, openFiles, inodes: 0, workers: this.#fuse?._threads.size ?? 0 };
  }

  async #unmount(): Promise<boolean> {
    if (!this.#mountPoint || !this.#detacher) return true;
    if (!isMounted(this.#mountPoint)) {
      this.#detacher.dismiss();
      return true;
    }
    await this.#requests.endAll(GRACE_MS);
    const clean = await Promise.race([this.#detacher.detach(), this.#gone(this.#mountPoint)]);
    this.#sayDetached();
    return clean;
  }

  /**
   * Resolves when nothing is mounted there any more. The helper's end may go
   * unnoticed: libfuse cancels its threads then, and one of them may just be
   * running Node's handler for SIGCHLD.
   */
  async #gone(path: string): Promise<true> {
    while (isMounted(path)) await sleep(LOOK_MS);
    return true;
  }

  /** Nobody tells when somebody else unmounts it: look into /proc now and then. */
  #watch(path: string): void {
    const timer = setInterval(() => {
      if (isMounted(path)) return;
      clearInterval(timer);
      this.#sayDetached();
    }, WATCH_MS);
    timer.unref();
  }

  #mountOptions(): string {
    const options = [
      // Contents are made when they are read: no page cache, no size.
      'direct_io',
      // Nothing may be remembered: names and values change without the kernel's doing.
      'entry_timeout=0',
      'attr_timeout=0',
      'negative_timeout=0',
      'atomic_o_trunc',
      // One write is one request, also above a page (the reply then says that a page was taken).
      'big_writes',
      'use_ino',
      'default_permissions',
      // Keeps worker slots of fuse-native from leaking when many clients come at once.
      'max_background=1',
      `fsname=${FS_SUBTYPE}`,
      `subtype=${FS_SUBTYPE}`,
    ];
    if (this.#options.allowOther) options.push('allow_other');
    return options.join(',');
  }
}

/** Loads the addon. @throws MountError when the host lacks what it needs */
function loadFuse(): FuseClass {
  try {
    return createRequire(import.meta.url)('fuse-native') as FuseClass;
  } catch (e) {
    const text = e instanceof Error ? (e.message.split('\n')[0] ?? '') : String(e);
    if (text.includes('libfuse.so.2'))
      throw new MountError('no-library', 'libfuse2 is missing: install the package libfuse2 (Fedora, RHEL: fuse-libs)');
    if (text.includes("Cannot find module 'fuse-native'"))
      throw new MountError(
        'no-library',
        'fuse-native was not installed, most likely for want of libfuse2: install the package libfuse2 (Fedora, RHEL: fuse-libs), then ap-sysfs again',
      );
    throw new MountError('no-library', `the addon fuse-native cannot be loaded on ${process.arch}: ${text}`);
  }
}

/** What keeps the addon from being loaded; undefined: nothing. */
export function addonProblem(): string | undefined {
  try {
    loadFuse();
    return undefined;
  } catch (e) {
    return e instanceof Error ? e.message : String(e);
  }
}

/** fuse-native names only some of libfuse's options, and hides the length of a client's xattr buffer. */
function withOurOptions(Fuse: FuseClass, mountOptions: string, requests: PathRequests): FuseClass {
  return class extends Fuse {
    _fuseOptions(): string {
      return `-o${mountOptions}`;
    }

    _op_getxattr(signal: Signal, path: string, name: string, into: Buffer): void {
      requests.getxattr(path, name, into, (result) => signal(result, into.buffer));
    }

    _op_listxattr(signal: Signal, path: string, into: Buffer): void {
      requests.listxattr(path, into, (result) => signal(result, into.buffer));
    }
  };
}

function hello(fuse: FuseInstance): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer from /dev/fuse')), HELLO_MS);
    fuse.mount((error) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve();
    });
  });
}
