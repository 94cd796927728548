/**
 * `ap-sysfs lsmod`: the modules of the simulated kernel, as lsmod lists them.
 */
import type { Command } from 'commander';
import { examples } from '../help.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { Control } from '../mounts/control.js';
import { print } from '../output/terminal.js';

export function addLsmod(program: Command): void {
  const command = addSysOption(program.command('lsmod'))
    .summary('list the modules of the simulated kernel')
    .description('Lists the modules that are loaded into the simulated kernel, with their users.')
    .option('--json', 'for programs');
  examples(command, [
    ['ap-sysfs lsmod', ''],
    ["ap-sysfs lsmod --json | jq -r '.[].name'", 'their names'],
  ]).action((options: { sys?: string; json?: true }, self: Command) => {
    const text = new Control(chooseMount(self.optsWithGlobals().sys ?? options.sys)).read('modules');
    print(options.json ? `${JSON.stringify(parse(text), undefined, 2)}\n` : text);
  });
}

function parse(text: string): object[] {
  return text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [name, size, references, users] = line.split(/\s+/);
      return { name, size: Number(size), references: Number(references), users: users?.split(',') ?? [] };
    });
}
