/**
 * `ap-sysfs snapshot` and `ap-sysfs restore`: an idle machine as it was, between two tests.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { examples } from '../help.js';
import { mustBeMachine } from '../machine-file/index.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { mounts, ownRunPath } from '../mounts/registry.js';
import { print } from '../output/terminal.js';
import { makeFolderOf, snapshotFile } from '../snapshot/place.js';

const WHAT = 'a name, or a file (with a slash, or ending with .yaml)';

export function addSnapshot(program: Command): void {
  const command = addSysOption(program.command('snapshot'))
    .summary('keep an idle machine as it is')
    .description(
      'Writes a machine file from which the very same machine starts, after having tried that. A machine that is busy, or in a state that no machine file can bring back, is refused, with the reason. Counters and logs start anew.',
    )
    .argument('<name|file>', WHAT);
  examples(command, [
    ['ap-sysfs snapshot prepared', 'masks, mdevs, drivers, what is offline, hardware: as they are'],
    ['ap-sysfs restore prepared', 'and that again, after a test has changed it'],
    ['ap-sysfs snapshot ./prepared.yaml', 'into a file, which `mount --machine` takes too'],
  ]).action(async (what: string, options: { sys?: string }, self: Command) => {
    const file = snapshotFile(what);
    const mountPoint = chooseMount(self.optsWithGlobals().sys ?? options.sys);
    const { takeSnapshot } = await import('../snapshot/take.js');
    const text = await takeSnapshot(mountPoint);
    try {
      makeFolderOf(file);
      writeFileSync(file, text);
    } catch (e) {
      throw new Failure(`${file} cannot be written: ${e instanceof Error ? e.message : String(e)}`);
    }
    print(`ap-sysfs: ${mountPoint} is kept in ${file}\n`);
  });
}

export function addRestore(program: Command): void {
  const command = addSysOption(program.command('restore'))
    .summary('bring a machine back to a snapshot')
    .description(
      'Ends the machine and mounts the snapshot in its place, for the same owner and by the same transport. Programs that have files of the old one open, or stand in its directory, have to open it anew.',
    )
    .argument('<name|file>', WHAT);
  examples(command, [['ap-sysfs restore prepared', 'between two tests']]).action(
    (what: string, options: { sys?: string }, self: Command) => {
      const file = snapshotFile(what);
      if (!existsSync(file))
        throw new Failure(`there is no snapshot ${file}`, {
          status: EXIT.usage,
          next: `ap-sysfs snapshot ${what}    makes one`,
        });
      mustBeMachine(file);
      const mountPoint = chooseMount(self.optsWithGlobals().sys ?? options.sys);
      if (mountPoint === ownRunPath())
        throw new Failure(`the machine on ${mountPoint} is that of the run you are in, and stays it to its end`, {
          next: `ap-sysfs run --machine ${file} -- ..    runs a program on the snapshot (inside too)`,
        });
      const how = howMounted(mountPoint);
      again('umount', mountPoint);
      again('mount', mountPoint, '--machine', file, ...how);
      print(`ap-sysfs: ${mountPoint} is as in ${file}\n`);
    },
  );
}

/** Options with which it was mounted. */
function howMounted(mountPoint: string): string[] {
  const { uid, gid } = statSync(join(mountPoint, 'bus'));
  const line = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .find((mount) => mount.split(' ')[1] === mountPoint.replaceAll(' ', '\\040'));
  const transport = mounts().find((entry) => entry.mountPoint === mountPoint)?.transport;
  return [
    '--owner',
    `${uid}:${gid}`,
    ...(line?.includes('allow_other') ? ['--allow-other'] : []),
    ...(transport === undefined ? [] : ['--transport', transport]),
  ];
}

/** This program once more, quiet if all is well. @throws Failure with its status */
function again(...words: string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Failure(stderr.trimEnd(), { verbatim: true, status: status ?? EXIT.failed });
}
