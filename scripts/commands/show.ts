/**
 * `ap-sysfs show`: the whole machine at a glance.
 */
import type { Command } from 'commander';
import { examples } from '../help.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { Control } from '../mounts/control.js';
import { print } from '../output/terminal.js';
import { drawMachine } from '../show/machine.js';
import { summarise } from '../show/queues.js';
import { readMachine } from '../show/read.js';

export function addShow(program: Command): void {
  const command = addSysOption(program.command('show'))
    .summary('show the whole machine at a glance')
    .description('Shows adapters and domains with their drivers and owners, cards, mediated devices and guests.')
    .option('--json', 'for programs');
  examples(command, [
    ['ap-sysfs show', 'for people'],
    ["ap-sysfs show --json | jq '.cards[] | select(.online)'", 'for programs'],
    ['watch -c -n1 FORCE_COLOR=1 ap-sysfs show', 'while it changes'],
  ]).action((options: { sys?: string; json?: true }, self: Command) => {
    const control = new Control(chooseMount(self.optsWithGlobals().sys ?? options.sys));
    const view = readMachine(control);
    if (!options.json) print(drawMachine(view));
    else
      print(
        `${JSON.stringify({ ...view, mdevs: summarise(view).map(({ mdev, filtered }) => ({ ...mdev, filtered })) }, undefined, 2)}\n`,
      );
  });
}
