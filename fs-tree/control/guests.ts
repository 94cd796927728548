/**
 * `guest` and `guests/`: virtual machines, driven as their monitor would.
 *
 * Write `start UUID [nokvm|noadd|noapie]`, `raw UUID`, or `COMMAND UUID ..`
 * with a command of the monitor (info, irqinfo, reset, reqirq, cfgirq, events,
 * close, open, exit, ...; also in the form `cmd UUID COMMAND ..`). Each running
 * guest has a directory with its APCB as the hardware has it, and how often it
 * was notified.
 */
import type { Errno } from '../../lib/errno.js';
import { ERRNO, KernelError } from '../../lib/errno.js';
import type { Task } from '../../lib/sync/task.js';
import type { Vmm } from '../../lib/vmm/vmm.js';
import { GUEST_COMMANDS, runGuestCommand } from '../../lib/vmm/vmms.js';
import type { World } from '../../lib/world.js';
import type { StaticDir, StaticTree } from '../kernfs/static-tree.js';
import type { Outcome } from './verbs.js';

export interface Guests {
  readonly dir: StaticDir;
  describe(): string;
  run(line: string, task: Task): Promise<Outcome>;
}

export function guestsDir(world: World, tree: StaticTree): Guests {
  const { vmms } = world;
  const dirs = new WeakMap<Vmm, StaticDir>();
  const dirOf = (vmm: Vmm): StaticDir => {
    let dir = dirs.get(vmm);
    if (!dir) {
      dir = guestDir(vmm, tree);
      dirs.set(vmm, dir);
    }
    return dir;
  };
  const dir = tree.dir(0o700, {
    lookup: (name) => {
      const vmm = vmms.guests.get(name);
      return vmm && dirOf(vmm);
    },
    entries: () => [...vmms.guests].map(([name, vmm]) => ({ name, kind: 'dir' as const, ino: dirOf(vmm).ino })),
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
  if (uuid === undefined) throw new KernelError('EINVAL', `${verb}: the UUID is missing: ${verb} UUID`);
  return verb === 'start' || verb === 'raw' ? words : ['cmd', uuid, verb, ...rest];
}

/** The errno in the words of a failed call: `open: Device or resource busy (EBUSY)`. */
function errorIn(stderr: string): KernelError {
  const name = /\((E[A-Z0-9]+)\)/.exec(stderr)?.[1];
  const errno: Errno = name !== undefined && name in ERRNO ? (name as Errno) : 'EINVAL';
  return new KernelError(errno, stderr.trim());
}

function guestDir(vmm: Vmm, tree: StaticTree): StaticDir {
  const dir = tree.dir(0o700);
  const file = (name: string, show: () => string): void => {
    dir.add(name, tree.file({ mode: 0o400, show }));
  };
  file('apcb', () => {
    const apcb = vmm.vm?.apcb;
    return apcb ? `apm ${apcb.apm}\naqm ${apcb.aqm}\nadm ${apcb.adm}\n` : 'no VM\n';
  });
  file('events', () => vmm.eventsText());
  return dir;
}
