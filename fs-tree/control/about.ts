/**
 * `about`: which machine this is, and who serves it.
 *
 * One `key value` line each. The model does not know its host; whoever mounts
 * it says what it can.
 */
import type { World } from '../../lib/world.js';

/** What whoever serves a machine knows about it. */
export interface About {
  /** Name of the machine: its preset, or its file. */
  readonly machine?: string;
  /** How the tree is shown to the host: `dev-fuse` or `fuse-native`. */
  readonly transport?: string;
  readonly pid?: number;
  /** Wall-clock time of the mount. */
  readonly started?: Date;
  /** Of the program. */
  readonly version?: string;
}

export function describeAbout(world: World, about: About): string {
  const { profile, core } = world.kernel;
  const facts: Record<string, string | number | undefined> = {
    machine: about.machine,
    kernel: profile.release,
    profile: profile.version,
    'command-line': world.kernel.commandLine || undefined,
    clock: world.clock.mode,
    transport: about.transport,
    pid: about.pid,
    started: about.started?.toISOString(),
    version: about.version,
    // As modules.dep knows them: what modprobe can load.
    modules: core.modules.names().join(' '),
  };
  return Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${value}\n`)
    .join('');
}
