/**
 * `ap-sysfs run -- COMMAND`: a program on a machine of its own.
 */
import type { Command } from 'commander';
import { examples } from '../help.js';
import { addRunOptions, type RunChoices, runPlanned } from '../run/options.js';

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .summary('run a program on a machine of its own')
    .description('Runs a program that sees a machine of its own in /sys; when it ends, all of it is gone.')
    .argument('<command...>', 'the program and its arguments')
    .passThroughOptions();
  addRunOptions(command);
  examples(command, [
    ["ap-sysfs run -- bash -c 'cat /sys/bus/ap/bindings'", 'any program, on the default machine'],
    ['ap-sysfs run --machine large --kernel 6.1 -- ./my-test', 'on another machine and kernel'],
    ['ap-sysfs run --kernels 6.1,6.12,7.2 -- ./my-test', 'on each, and what differs'],
    ['ap-sysfs run --uevents -- udevadm monitor --kernel', 'events come by netlink'],
    ['ap-sysfs run --s390x -- lszcrypt -V', 'an s390x program, emulated'],
  ]).action(async (words: string[], choices: RunChoices) => {
    process.exitCode = await runPlanned(words, choices);
  });
}
