/**
 * A world as a directory of this host.
 *
 * Served by this very process: who reads the mount here must do so by other processes, or asynchronously (fs/promises),
 * since a synchronous call would wait for an answer that only this thread can give. That holds for the `cwd` of a child
 * process too: Node waits until the child is there.
 */
import type { World } from '../../lib/world.js';
import type { Faults } from '../faults/faults.js';
import type { TraceRing } from '../host/trace.js';
import { chooseTransport, createTransport } from '../transport/choose.js';
import type { TransportChoice } from '../transport/transport.js';
import { besideOf } from './create-world.js';
import { type Owner, opsOf } from './tree.js';

export interface MountOptions {
  /** Whom the files belong to: uid and gid (default: who runs this). */
  readonly owner?: Owner;
  /** Lets other users in (default: root does). */
  readonly allowOther?: boolean;
  /** Default `auto`: dev-fuse where this process may mount, else fuse-native. */
  readonly transport?: TransportChoice;
  /** Told of bugs of the simulation; without, they are thrown as warnings of the process. */
  readonly onBug?: (error: unknown) => void;
}

export interface Mounted {
  /** Absolute path of the directory: what clients take for /sys. */
  readonly path: string;
  readonly world: World;
  /** Rules for files that fail: `faults.add({ path: '**' + '/online', op: 'write', errno: 'EBUSY' })`. */
  readonly faults: Faults;
  /** What happens below the files, and each store: `trace.onEntry(listener)`, `trace.entries()`. */
  readonly trace: TraceRing;
  /**
   * Takes the tree away; who waits in a store gets EINTR. The world lives on, and may be mounted again.
   * @returns false if the host did not let it be unmounted
   */
  unmount(): Promise<boolean>;
}

/**
 * Mounts a world on an empty directory. Resolves when it answers. Several worlds may be mounted side by side.
 * @throws MountError with what is missing, and what to do
 */
export async function mount(world: World, directory: string, options: MountOptions = {}): Promise<Mounted> {
  const me = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const { owner = me, allowOther = me.uid === 0, onBug = warn } = options;
  const name = chooseTransport(options.transport ?? 'auto');
  const about = { transport: name, pid: process.pid, started: new Date() };
  const transport = createTransport(name, directory, opsOf(world, owner, about, onBug), { allowOther, onBug });
  await transport.mount();
  const { trace, faults } = besideOf(world);
  return { path: transport.mountPoint, world, trace, faults, unmount: () => transport.unmount() };
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
