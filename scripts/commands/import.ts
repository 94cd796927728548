/**
 * `ap-sysfs import FILE`: a machine file from a record, from a dbginfo archive,
 * from an umockdev description or from what lszcrypt printed.
 */
import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { PROFILES } from '../../lib/profile/tables.js';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { examples } from '../help.js';
import { oneOf } from '../one-of.js';
import { print } from '../output/terminal.js';

const AFTER = `
What can be read:
  a record                  of ap-sysfs record: everything that sysfs shows
  sysfs.tgz, DBGINFO-*.tgz  of dbginfo.sh: the same, without the release
  a folder                  with a copy of /sys
  an umockdev description   devices only: no masks, no mdevs
  output of lszcrypt -V     with that of -b, -d and -s behind it: what it says
What the source does not tell goes to stderr, and into the file as a comment.`;

interface ImportChoices {
  readonly output?: string;
  readonly kernel?: KernelVersion;
  readonly anonymize?: true;
}

export function addImport(program: Command): void {
  const kernels = Object.keys(PROFILES) as KernelVersion[];
  const command = program
    .command('import')
    .summary('make a machine file of a recorded machine')
    .description('Makes a machine file of a machine that was recorded elsewhere.')
    .argument('<file>', 'what was recorded; - is stdin')
    .option('-o, --output <file>', 'write there instead of to stdout')
    .option('--anonymize', 'other serial numbers and master key patterns; equal stays equal')
    .addOption(
      new Option('--kernel <version>', `be that kernel: ${kernels.join(', ')} (default: the nearest)`).argParser(
        oneOf(kernels),
      ),
    )
    .addHelpText('after', AFTER);
  examples(command, [
    ['ap-sysfs import z15.record -o z15.yaml', 'a machine file of a record'],
    ['ap-sysfs mount sys --machine z15.yaml', 'and there it is'],
    ['ap-sysfs import DBGINFO-2026-11-21.tgz --anonymize > case.yaml', 'to be shown to others'],
    ['{ lszcrypt -V; lszcrypt -d; lszcrypt -b; } | ap-sysfs import -', 'on a machine of which only that is to be had'],
  ]).action(async (file: string, choices: ImportChoices) => {
    const { importMachine, ImportError, readSource } = await import('../import/index.js');
    try {
      const { text, notes } = importMachine(readSource(file), choices);
      process.stderr.write(`ap-sysfs: not known from ${file}:\n${notes.map((note) => `  ${note}\n`).join('')}`);
      if (choices.output === undefined) print(text);
      else write(choices.output, text);
    } catch (e) {
      if (!(e instanceof ImportError)) throw e;
      throw new Failure(e.message, { status: EXIT.usage, next: 'ap-sysfs import --help    says what can be read' });
    }
  });
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (e) {
    throw new Failure(`${file} cannot be written: ${e instanceof Error ? e.message : String(e)}`);
  }
}
