/**
 * `guest` and `guests/`: virtual machines, driven as their monitor would.
 *
 * Write `start UUID [WORDS]`, `raw UUID`, or `COMMAND UUID ..` (or the guest's
 * name) with a command of the monitor (info, irqinfo, reset, reqirq, cfgirq,
 * exit, ...; also in the form `cmd UUID COMMAND ..`). With `vfioguest` in front it
 * is the program of that name: its guests boot no kernel. Each running guest has a
 * directory with its APCB as the hardware has it, and how often it was
 * notified; one that boots a kernel also what that says and sends, and its /sys.
 */

import type { LogLine } from '../../lib/driver-core/printk.js';
import type { Errno } from '../../lib/errno.js';
import { ERRNO, KernelError } from '../../lib/errno.js';
import type { Guest } from '../../lib/guest/guest.js';
import type { Kernel } from '../../lib/kernel.js';
import type { Task } from '../../lib/sync/task.js';
import type { Vmm } from '../../lib/vmm/vmm.js';
import { GUEST_COMMANDS, runGuestCommand } from '../../lib/vmm/vmms.js';
import type { World } from '../../lib/world.js';
import type { DirNode } from '../kernfs/node.js';
import type { StaticDir, StaticTree } from '../kernfs/static-tree.js';
import { guestSys } from './guest-sys.js';
import { describeLog } from './listings.js';
import { describeModules, runModuleCommand } from './modules.js';
import { UeventRing } from './uevents.js';
import { commandStore, type LastError, type Outcome } from './verbs.js';

const UEVENT_RING = 1024;

/** What a kernel of a guest said and sent; the last one's is kept when it ends. */
interface Record {
  readonly lines: () => readonly LogLine[];
  readonly uevents: UeventRing;
}

export interface Guests {
  readonly dir: StaticDir;
  describe(): string;
  run(line: string, task: Task): Promise<Outcome>;
}

export function guestsDir(world: World, tree: StaticTree, last: LastError): Guests {
  const { vmms } = world;
  const dirs = new WeakMap<Vmm, StaticDir>();
  const records = new WeakMap<Guest, Record>();
  vmms.onGuestKernel((guest, { core }) => {
    records.set(guest, { lines: () => core.log.lines(), uevents: new UeventRing(core.uevents, UEVENT_RING) });
  });
  const dirOf = (vmm: Vmm): StaticDir => {
    let dir = dirs.get(vmm);
    if (!dir) {
      dir = guestDir(vmm, tree, last, (guest) => records.get(guest));
      dirs.set(vmm, dir);
    }
    return dir;
  };
  const dir = tree.dir(0o700, {
    lookup: (name) => {
      const vmm = vmms.byName(name);
      return vmm?.name === name ? dirOf(vmm) : undefined;
    },
    entries: () =>
      [...vmms.guests.values()].map((vmm) => ({ name: vmm.name, kind: 'dir' as const, ino: dirOf(vmm).ino })),
  });
  return {
    dir,
    describe: () => vmms.describe(),
    run: async (line, task) => {
      const { stdout, stderr, rc } = await runGuestCommand(vmms, task, monitorWords(line));
      return { stdout, stderr, rc, ...(rc !== 0 && { error: errorIn(stderr) }) };
    },
  };
}

/** `reset UUID` is short for `cmd UUID reset`. @throws EINVAL there is no such command, or nothing that it is about */
function monitorWords(line: string): string[] {
  const words = line.trim().split(/\s+/);
  const [verb = '', uuid, ...rest] = words;
  if (verb === 'cmd' || verb === 'vfioguest') return words;
  const known = ['start', 'raw', ...GUEST_COMMANDS];
  if (!known.includes(verb)) throw new KernelError('EINVAL', `unknown command "${verb}" (known: ${known.join(' ')})`);
  const starts = verb === 'start' || verb === 'raw';
  if (uuid === undefined) {
    const missing = starts ? 'the UUID of an mdev is missing' : 'the guest is missing';
    throw new KernelError('EINVAL', `${verb}: ${missing}: ${verb} ${starts ? 'UUID' : 'UUID|NAME'}`);
  }
  return starts ? words : ['cmd', uuid, verb, ...rest];
}

/** The errno in the words of a failed call: `open: Device or resource busy (EBUSY)`. */
function errorIn(stderr: string): KernelError {
  const name = /\((E[A-Z0-9]+)\)/.exec(stderr)?.[1];
  const errno: Errno = name !== undefined && name in ERRNO ? (name as Errno) : 'EINVAL';
  return new KernelError(errno, stderr.trim());
}

function guestDir(
  vmm: Vmm,
  tree: StaticTree,
  last: LastError,
  recordOf: (guest: Guest) => Record | undefined,
): StaticDir {
  const sys = (): DirNode | undefined => vmm.guest?.kernel && guestSys(vmm.guest, vmm.guest.kernel);
  const dir = tree.dir(0o700, {
    lookup: (name) => (name === 'sys' ? sys() : undefined),
    entries: () => {
      const root = sys();
      return root ? [{ name: 'sys', kind: 'dir' as const, ino: root.ino }] : [];
    },
  });
  const file = (name: string, show: () => string): void => {
    dir.add(name, tree.file({ mode: 0o400, unlimited: true, show }));
  };
  file('apcb', () => {
    const apcb = vmm.vm?.apcb;
    return apcb ? `apm ${apcb.apm}\naqm ${apcb.aqm}\nadm ${apcb.adm}\n` : 'no VM\n';
  });
  file('events', () => vmm.eventsText());
  const { guest } = vmm;
  if (!guest) return dir;
  file('kernel', () => describeGuest(guest));
  file('kmsg', () => describeLog(recordOf(guest)?.lines() ?? []));
  file('uevents', () => recordOf(guest)?.uevents.describe() ?? '');
  dir.add(
    'modules',
    tree.file({
      mode: 0o600,
      unlimited: true,
      show: () => describeModules(kernelOf(guest)),
      store: commandStore(last, (line, task) => runModuleCommand(kernelOf(guest), task, line)),
    }),
  );
  return dir;
}

/** @throws ENODEV it is switched off */
function kernelOf({ kernel }: Guest): Kernel {
  if (!kernel) throw new KernelError('ENODEV');
  return kernel;
}

/** One `key value` line each. */
function describeGuest(guest: Guest): string {
  const { profile, commandLine } = guest.kernel ?? {};
  const facts: [string, string | number | undefined][] = [
    ['state', guest.state],
    ['version', profile?.release],
    ['vcpus', guest.vm.vcpus.length],
    ['standing', guest.standing],
    ['interrupts', guest.aiv ? 'yes' : 'no'],
    ['indicator', `0x${guest.indicator.toString(16)}`],
    ['protected', guest.protectedGuest ? 'yes' : 'no'],
    ['command-line', commandLine || undefined],
  ];
  return facts.flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${value}\n`])).join('');
}
