/**
 * `ap-sysfs shell`: a shell on a machine of its own.
 */
import type { Command } from 'commander';
import { examples } from '../help.js';
import { addPlaceOptions, type RunChoices, runPlanned } from '../run/options.js';
import { shellWords } from '../run/shell.js';

export function addShell(program: Command): void {
  const command = program
    .command('shell')
    .summary('a shell on a machine of its own')
    .description('Starts your shell ($SHELL) so that it sees a machine of its own in /sys, until it ends.');
  examples(addPlaceOptions(command), [
    ['ap-sysfs shell', 'the prompt says where you are; exit leaves'],
    ['ap-sysfs shell --machine ./mine.yaml --kernel 6.12', 'another machine, another kernel'],
  ]).action(async (choices: RunChoices) => {
    const { words, env } = shellWords(process.env);
    if (process.stderr.isTTY) process.stderr.write('ap-sysfs: a machine of its own is in /sys; exit leaves it\n');
    process.exitCode = await runPlanned(words, choices, env);
  });
}
