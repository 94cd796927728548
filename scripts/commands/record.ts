/**
 * `ap-sysfs record`: the AP part of a sysfs in one file, by a shell script that
 * runs on real machines too.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { examples } from '../help.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { print } from '../output/terminal.js';
import { RECORD_SCRIPT, runRecorder } from '../record/script.js';

export function addRecord(program: Command): void {
  const command = addSysOption(program.command('record'))
    .summary('write a machine to a file: record -o FILE')
    .description(
      'Writes the AP part of a mounted machine to one file, which import reads. A real machine is recorded with the script that --script prints: one file to copy over, which needs no more than a shell.',
    )
    .option('-o, --output <file>', 'write there instead of to stdout')
    .option('--script', 'print the script instead');
  examples(command, [
    ['ap-sysfs record --script > ap-sysfs-record.sh', 'for a real machine'],
    ['scp ap-sysfs-record.sh z15:; ssh z15 sh ap-sysfs-record.sh > z15.record', 'there, as root, nothing is installed'],
    ['ap-sysfs import z15.record -o z15.yaml', 'a machine file of it'],
    ['ap-sysfs record -o now.record', 'what is mounted here'],
  ]).action((options: { sys?: string; output?: string; script?: true }, self: Command) => {
    if (options.script) print(readFileSync(RECORD_SCRIPT, 'utf8'));
    else {
      const mountPoint = chooseMount(self.optsWithGlobals().sys ?? options.sys);
      const output = options.output === undefined ? [] : ['-o', resolve(options.output)];
      runRecorder(mountPoint, { toStdout: true, options: output });
    }
  });
}
