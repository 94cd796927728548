/**
 * Every path below the recorded roots, as the recorder saw it.
 *
 * Taken through the operations on nodes (fast, in the daemon); `orun dump`
 * takes the same through a mount.
 */

import type { DirNode, FileNode, Node } from '../../fs-tree/kernfs/node.js';
import type { Ops } from '../../fs-tree/ops.js';
import { isKernelError } from '../../lib/errno.js';
import type { Kernel } from '../../lib/kernel.js';
import type { Change, PathState } from './recording.js';
import { RECORDER } from './replay-ops.js';

/** Directories below /sys that the recorder walked; /dev comes from the kernel's own list of nodes. */
export const SYS_ROOTS = [
  'bus/ap',
  'bus/matrix',
  'bus/mdev',
  'class/mdev_bus',
  'class/vfio',
  'class/vfio-dev',
  'class/zcrypt',
  'devices/ap',
  'devices/vfio_ap',
  'devices/virtual/misc/vfio',
  'devices/virtual/misc/z90crypt',
  'devices/virtual/misc/kvm',
  'devices/virtual/vfio',
  'devices/virtual/zcrypt',
  'kernel/iommu_groups',
  'module/ap',
  'module/mdev',
  'module/vfio_ap',
  'module/zcrypt',
  'module/zcrypt_cex4',
] as const;

/** Attributes whose show sends a request to the card; a step's snapshot leaves them alone. */
const CARD_TALKING = new Set(['serialnr', 'mkvps', 'API_ordinalnr', 'FW_version', 'op_modes']);

/** Attributes that issue TAPQ; `touch /run/notapq` keeps the recorder from reading them. */
const TAPQ = /^(?:interrupt|ap_functions|se_.*)$/;

export type Snapshot = Map<string, PathState>;

export interface SnapshotOptions {
  /** Read the card-talking attributes too, after everything else (a dump). */
  readonly cardTalking?: boolean;
  /** Leave out what is in /sys/module/M/sections and notes (a step). */
  readonly withoutSections?: boolean;
  readonly notapq?: boolean;
  /** Keep link counts (a dump). */
  readonly nlink?: boolean;
}

/** How long a show may take at least, in real time of a busy host, before it counts as hanging; the recorder would have hung. */
const SHOW_LIMIT_MS = 60_000;

export async function takeSnapshot(ops: Ops, kernel: Kernel, options: SnapshotOptions = {}): Promise<Snapshot> {
  return new Walker(ops, kernel, options).run();
}

/** The recorder took snapshots until two were the same: what a show logs or asks happens twice at least. */
export async function takeQuietSnapshot(ops: Ops, kernel: Kernel, options: SnapshotOptions): Promise<Snapshot> {
  let before = await takeSnapshot(ops, kernel, options);
  for (let round = 1; ; round++) {
    const now = await takeSnapshot(ops, kernel, options);
    if (round === MOST_ROUNDS || compareSnapshots(before, now).length === 0) return now;
    before = now;
  }
}

/** Of looks at trees that do not become quiet. */
export const MOST_ROUNDS = 5;

class Walker {
  readonly #found: Snapshot = new Map();
  readonly #last: [string, FileNode][] = [];
  /** Reads so far, and what ends the one that hangs: one timer watches them all. */
  #reads = 0;
  #giveUp: () => void = () => undefined;

  constructor(
    readonly ops: Ops,
    readonly kernel: Kernel,
    readonly options: SnapshotOptions,
  ) {}

  async run(): Promise<Snapshot> {
    let before = 0;
    const watchdog = setInterval(() => {
      if (this.#reads === before) this.#giveUp();
      before = this.#reads;
    }, SHOW_LIMIT_MS);
    try {
      await this.#walk();
    } finally {
      clearInterval(watchdog);
    }
    return this.#found;
  }

  async #walk(): Promise<void> {
    this.#devNodes();
    for (const root of SYS_ROOTS) {
      const node = this.#find(root);
      if (node) await this.#visit(`/sys/${root}`, node);
    }
    for (const [path, node] of this.#last) await this.#file(path, node);
  }

  #find(path: string): Node | undefined {
    let node: Node = this.ops.root;
    try {
      for (const name of path.split('/')) node = this.ops.lookup(RECORDER, node, name);
    } catch (e) {
      if (isKernelError(e)) return undefined;
      throw e;
    }
    return node;
  }

  #devNodes(): void {
    const nodes = [...this.kernel.core.devtmpfs.nodes].filter(([path]) => /^(?:vfio\/|z90crypt$)/.test(path));
    const vfio = nodes.filter(([path]) => path.startsWith('vfio/'));
    if (vfio.length > 0) {
      // A directory of tmpfs: 20 bytes an entry, `.` and `..` included.
      const size = 40 + 20 * vfio.length;
      this.#found.set('/dev/vfio', {
        type: 'dir',
        mode: '0755',
        uid: 0,
        gid: 0,
        ...(this.options.nlink && { size, nlink: 2 }),
      });
    }
    // The recorder keeps 8 bits of a minor.
    for (const [path, { major, minor, mode }] of nodes)
      this.#found.set(`/dev/${utf8(path)}`, {
        type: 'chr',
        mode: octal(mode),
        uid: 0,
        gid: 0,
        rdev: `${major}:${minor & 255}`,
      });
  }

  async #visit(path: string, node: Node): Promise<void> {
    if (node.kind === 'dir') return this.#directory(path, node);
    if (node.kind === 'file') {
      if (this.options.cardTalking && CARD_TALKING.has(baseName(path))) this.#last.push([path, node]);
      else await this.#file(path, node);
      return;
    }
    this.#found.set(path, { ...this.#common(node), target: utf8(this.ops.readlink(RECORDER, node)) });
  }

  async #directory(path: string, node: DirNode): Promise<void> {
    const stat = this.ops.getattr(RECORDER, node);
    this.#found.set(path, { ...this.#common(node), ...(this.options.nlink && { size: stat.size, nlink: stat.nlink }) });
    if (this.options.withoutSections && /^\/sys\/module\/\w+\/(?:sections|notes)$/.test(path)) return;
    const names = this.ops.readdir(RECORDER, node).map((entry) => entry.name);
    for (const name of names.sort()) {
      // A device may be called so (zcrypt nodes); nobody can look at it.
      if (name === '.' || name === '..') continue;
      let child: Node;
      try {
        child = this.ops.lookup(RECORDER, node, name);
      } catch {
        continue;
      }
      await this.#visit(`${path}/${utf8(name)}`, child);
    }
  }

  async #file(path: string, node: FileNode): Promise<void> {
    const common = { ...this.#common(node), size: this.ops.getattr(RECORDER, node).size };
    const name = baseName(path);
    const skip = (!this.options.cardTalking && CARD_TALKING.has(name)) || (this.options.notapq && TAPQ.test(name));
    if (skip) this.#found.set(path, { ...common, skipped: true });
    else this.#found.set(path, { ...common, ...(await this.#read(node)) });
  }

  async #read(node: FileNode): Promise<Partial<PathState>> {
    let file: ReturnType<Ops['open']>;
    try {
      file = this.ops.open(RECORDER, node, 0);
    } catch (e) {
      return { open_errno: errnoOf(e) };
    }
    this.#reads++;
    try {
      const bytes = await new Promise<string>((resolve, reject) => {
        this.#giveUp = () => reject(new Error('show hangs'));
        this.ops.read(RECORDER, file, 0, 1 << 20).then(resolve, reject);
      });
      return { content: utf8(bytes) };
    } catch (e) {
      return { read_errno: errnoOf(e) };
    }
  }

  #common(node: Node): PathState {
    const { mode, uid, gid } = this.ops.getattr(RECORDER, node);
    return { type: node.kind, mode: octal(mode & 0o7777), uid, gid };
  }
}

/** The simulated kernel has bytes, one a character; recordings are text. */
export const utf8 = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8');

const octal = (mode: number): string => `0${mode.toString(8).padStart(3, '0')}`;
const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const errnoOf = (e: unknown): string => (isKernelError(e) ? e.errno : `BUG ${String(e)}`);

/** What is different, by path. */
export function compareSnapshots(before: Snapshot, after: Snapshot): Change[] {
  const changes: Change[] = [];
  for (const [path, state] of after) {
    const old = before.get(path);
    if (!old || !sameState(old, state)) changes.push({ path, before: old ?? null, after: state });
  }
  for (const [path, state] of before) if (!after.has(path)) changes.push({ path, before: state, after: null });
  return changes.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

const FIELDS = [
  'type',
  'mode',
  'uid',
  'gid',
  'size',
  'nlink',
  'target',
  'content',
  'rdev',
  'skipped',
  'open_errno',
  'read_errno',
] as const;

/** Also whether it was read at all: that is how the recorder counted. */
export function sameState(a: PathState, b: PathState): boolean {
  return FIELDS.every((field) => a[field] === b[field]);
}
