/**
 * `modules`: what modprobe, rmmod and lsmod do.
 *
 * Write `load NAME [PARAMETER[=VALUE] ..]` or `unload NAME`; read: as lsmod.
 */
import { KernelError } from '../../lib/errno.js';
import type { Kernel } from '../../lib/kernel.js';
import type { Task } from '../../lib/sync/task.js';
import { inDirectoryOrder } from '../kernfs/name-hash.js';
import { type Outcome, printed } from './verbs.js';

export function describeModules(kernel: Kernel): string {
  const lines = ['Module                  Size  Used by\n'];
  for (const module of [...kernel.core.modules.loaded.values()].reverse()) {
    // lsmod reads the directory `holders`.
    const users = inDirectoryOrder([...module.holders.links.keys()].map((name) => ({ name })))
      .map(({ name }) => name)
      .join(',');
    const size = module.definition.info.coresize ?? 0;
    lines.push(`${module.name.padEnd(19)} ${String(size).padStart(8)}  ${module.refcnt}${users ? ` ${users}` : ''}\n`);
  }
  return lines.join('');
}

export async function runModuleCommand(kernel: Kernel, task: Task, line: string): Promise<Outcome> {
  const [verb, written, ...args] = line.trim().split(/\s+/);
  if (!written || (verb !== 'load' && verb !== 'unload') || (verb === 'unload' && args.length > 0))
    throw new KernelError('EINVAL', `modules: "${line}": expected load NAME [PARAMETER=VALUE ..] or unload NAME`);
  const name = written.replaceAll('-', '_');
  if (verb === 'load') {
    const parameters = new Map<string, string | undefined>();
    for (const arg of args) {
      const [parameter = '', ...value] = arg.split('=');
      parameters.set(parameter, value.length > 0 ? value.join('=') : undefined);
    }
    await kernel.core.modules.load(task, name, parameters);
  } else await kernel.core.modules.unload(task, name);
  return printed('');
}
