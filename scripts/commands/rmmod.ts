/**
 * `ap-sysfs rmmod`: takes modules out of the simulated kernel. Words and exit
 * statuses are those of kmod's rmmod.
 */
import type { Command } from 'commander';
import { Failure } from '../failure.js';
import { examples } from '../help.js';
import { isBuiltIn, isLoaded, moduleName, reason, referenceCount, users } from '../modules.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { Control } from '../mounts/control.js';

export function addRmmod(program: Command): void {
  const command = addSysOption(program.command('rmmod'))
    .summary('take modules out of the simulated kernel')
    .description('Takes modules out of the kernel that nothing uses, one after the other.')
    .argument('<modules...>', 'their names');
  examples(command, [
    ['ap-sysfs rmmod vfio_ap', 'queues of the pool are then without driver'],
    ['ap-sysfs rmmod zcrypt_cex4 zcrypt', 'users first'],
  ]).action((names: string[], options: { sys?: string }, self: Command) => {
    const control = new Control(chooseMount(self.optsWithGlobals().sys ?? options.sys));
    for (const name of names) remove(control, moduleName(name));
  });
}

function remove(control: Control, name: string): void {
  const failed = (text: string, next: string): Failure =>
    new Failure(`rmmod: ERROR: ${text}`, { verbatim: true, next });
  if (isBuiltIn(control, name)) throw failed(`Module ${name} is builtin.`, 'it cannot be taken out');
  if (!isLoaded(control, name))
    throw failed(`Module ${name} is not currently loaded`, 'ap-sysfs lsmod    lists what is loaded');
  const by = users(control, name);
  if (by) throw failed(`Module ${name} is in use by: ${by}`, `first: ap-sysfs rmmod ${by}`);
  if (referenceCount(control, name) > 0)
    throw failed(
      `Module ${name} is in use`,
      name.startsWith('zcrypt')
        ? 'requests are on their way, or a program has a node open: cat kernel/debug/ap_sim/load    in the mount lists them'
        : 'something has it open: ap-sysfs show lists mdevs and guests',
    );
  const { rc, stderr } = control.run('modules', `unload ${name}`);
  if (rc !== 0) throw failed(`could not remove module ${name}: ${reason(stderr)}`, 'ap-sysfs dmesg    may tell why');
}
