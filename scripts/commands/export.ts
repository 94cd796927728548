/**
 * `ap-sysfs export --umockdev`: a mounted machine for other mocks.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { examples } from '../help.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { print } from '../output/terminal.js';
import { ImportError, type MachineRecord, parseRecord } from '../record/format.js';
import { runRecorder } from '../record/script.js';

const AFTER = `
An umockdev description has devices, with their attributes, links and nodes. It
has no room for files of buses and drivers (apmask, bind, ..), for write-only
files and for what happens when something is written.`;

interface ExportChoices {
  readonly sys?: string;
  readonly umockdev?: true;
  readonly record?: string;
  readonly output?: string;
}

export function addExport(program: Command): void {
  const command = addSysOption(program.command('export'))
    .summary('write a machine for another mock: export --umockdev')
    .description('Writes a mounted machine, or a recorded one, in the format of another program.')
    .option('--umockdev', 'as a description for umockdev-run --device')
    .option('--record <file>', 'of a record instead of a mount')
    .option('-o, --output <file>', 'write there instead of to stdout')
    .addHelpText('after', AFTER);
  examples(command, [
    ['ap-sysfs export --umockdev -o ap.umockdev', 'what is mounted'],
    ['umockdev-run --device ap.umockdev -- my-test', 'seen by a program, frozen'],
    ['ap-sysfs export --umockdev --record z15.record', 'a machine from elsewhere'],
  ]).action(async (choices: ExportChoices, self: Command) => {
    const next = 'ap-sysfs export --help    explains the command';
    if (!choices.umockdev) throw new Failure('export as what? --umockdev', { status: EXIT.usage, next });
    const record = recordOf(choices, self);
    const { printUmockdev } = await import('../export/umockdev.js');
    const text = printUmockdev(record);
    if (choices.output === undefined) print(text);
    else write(choices.output, text);
  });
}

function recordOf({ sys, record }: ExportChoices, self: Command): MachineRecord {
  if (record === undefined) {
    const mountPoint = chooseMount(self.optsWithGlobals().sys ?? sys);
    return parseRecord(runRecorder(mountPoint), mountPoint);
  }
  try {
    return parseRecord(readFileSync(record, 'latin1'), record);
  } catch (e) {
    if (e instanceof ImportError)
      throw new Failure(e.message, { status: EXIT.usage, next: 'ap-sysfs record -o FILE    writes a record' });
    throw new Failure(`${record} cannot be read: ${e instanceof Error ? e.message : String(e)}`);
  }
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (e) {
    throw new Failure(`${file} cannot be written: ${e instanceof Error ? e.message : String(e)}`);
  }
}
