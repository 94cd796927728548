/**
 * `ap-sysfs modprobe`: loads a module into the simulated kernel, or takes it
 * out. Words and exit statuses are those of kmod's modprobe.
 */
import type { Command } from 'commander';
import { didYouMean } from '../../lib/description/nearest.js';
import { Failure } from '../failure.js';
import { examples } from '../help.js';
import { isBuiltIn, isLoaded, moduleName, reason, users } from '../modules.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { Control } from '../mounts/control.js';

interface ModprobeOptions {
  readonly sys?: string;
  readonly remove?: true;
}

export function addModprobe(program: Command): void {
  const command = addSysOption(program.command('modprobe'))
    .summary('load a module into the simulated kernel')
    .description('Loads a module, and before it those that it uses; does nothing if it is loaded.')
    .argument('<module>', 'its name')
    .argument('[parameters...]', 'NAME=VALUE; the kernel log tells of those that the module has not')
    .option('-r, --remove', 'take it out instead');
  examples(command, [
    ['ap-sysfs modprobe vfio_ap', ''],
    ['ap-sysfs modprobe zcrypt mempool_threshold=8', 'with a parameter'],
    ['ap-sysfs modprobe -r vfio_ap', 'out again'],
  ]).action((written: string, parameters: string[], options: ModprobeOptions, self: Command) => {
    const control = new Control(chooseMount(self.optsWithGlobals().sys ?? options.sys));
    if (options.remove) remove(control, moduleName(written));
    else insert(control, written, parameters);
  });
}

function insert(control: Control, written: string, parameters: readonly string[]): void {
  const name = moduleName(written);
  if (isBuiltIn(control, name)) return;
  const about = control.about();
  const known = (about.get('modules') ?? '').split(' ');
  if (!known.includes(name))
    throw new Failure(
      `modprobe: FATAL: Module ${written} not found in directory /lib/modules/${about.get('kernel') ?? ''}`,
      { verbatim: true, next: `modules of this kernel: ${known.join(' ')}${didYouMean(name, known)}` },
    );
  const { rc, stderr } = control.run('modules', ['load', name, ...parameters].join(' '));
  if (rc !== 0)
    throw new Failure(`modprobe: ERROR: could not insert '${name}': ${reason(stderr)}`, {
      verbatim: true,
      next: 'ap-sysfs dmesg    may tell why; parameters are NAME=VALUE',
    });
}

function remove(control: Control, name: string): void {
  const failed = (text: string, next: string): Failure =>
    new Failure(`modprobe: FATAL: ${text}`, { verbatim: true, next });
  if (isBuiltIn(control, name)) throw failed(`Module ${name} is builtin.`, 'it cannot be taken out');
  if (!isLoaded(control, name)) {
    const known = (control.about().get('modules') ?? '').split(' ');
    if (known.includes(name)) return;
    throw failed(`Module ${name} not found.`, `ap-sysfs lsmod    lists what is loaded${didYouMean(name, known)}`);
  }
  const { rc, stderr } = control.run('modules', `unload ${name}`);
  if (rc === 0) return;
  const by = users(control, name);
  if (/in use/.test(stderr))
    throw failed(
      `Module ${name} is in use.`,
      by ? `first: ap-sysfs modprobe -r ${by}` : 'something has it open: ap-sysfs show',
    );
  throw failed(`could not remove '${name}': ${reason(stderr)}`, 'ap-sysfs dmesg    may tell why');
}
