/**
 * `ap-sysfs machine [PRESET]`: prints a machine as a commented file to start from.
 */
import type { Command } from 'commander';
import { Argument, Option } from 'commander';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { examples } from '../help.js';
import { PRESETS, type PresetName, printPreset } from '../machine-file/presets.js';
import { oneOf } from '../one-of.js';
import { print } from '../output/terminal.js';

const NAMES = Object.keys(PRESETS) as PresetName[];

export function addMachine(program: Command): void {
  const command = program
    .command('machine')
    .summary('print a machine file to start from')
    .description('Prints a machine as a commented file: change it, then mount it with --machine FILE.')
    .addArgument(new Argument('[preset]', `one of ${NAMES.join(', ')} (default: default)`).argParser(oneOf(NAMES)))
    .addOption(new Option('--list', 'list the presets instead').conflicts('schema'))
    .option('--schema', 'print the JSON schema of machine files instead');
  examples(command, [
    ['ap-sysfs machine > mine.yaml', 'the default machine, to be changed'],
    ['ap-sysfs mount sys --machine mine.yaml', 'and mounted'],
    ['ap-sysfs machine --list', 'what there is'],
  ]).action(async (preset: PresetName | undefined, options: { list?: true; schema?: true }) => {
    if (preset !== undefined && (options.list || options.schema))
      throw new Failure(`machine ${options.list ? '--list' : '--schema'} is about no preset in particular`, {
        status: EXIT.usage,
        next: `ap-sysfs machine ${preset}    prints that preset`,
      });
    if (options.list) print(NAMES.map((name) => `${name.padEnd(9)}${PRESETS[name]}\n`).join(''));
    else if (options.schema) print(await schema());
    else print(printPreset(preset ?? 'default'));
  });
}

/** The validator is large: only who asks for its schema loads it. */
async function schema(): Promise<string> {
  const { machineSchema } = await import('../machine-file/index.js');
  return `${JSON.stringify(machineSchema(), undefined, 2)}\n`;
}
