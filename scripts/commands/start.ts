/**
 * `ap-sysfs start`, which is `npm start`: a machine on ./sys of the working
 * directory, in the foreground, with a tour.
 */
import { mkdirSync } from 'node:fs';
import type { Command } from 'commander';
import { directoryName } from '../directory.js';
import { thisHost } from '../doctor/host.js';
import { describeServed, whatToTry } from '../greeting.js';
import { examples } from '../help.js';
import { checkUser } from '../may-mount.js';
import { print } from '../output/terminal.js';
import type { Served } from '../serve.js';
import { tour } from '../tour.js';
import { addWorldOptions, machineSource, type WorldChoices } from '../world-options.js';

export function addStart(program: Command): void {
  const command = program
    .command('start')
    .summary('mount a machine in this terminal and print what to try')
    .description('Mounts a machine on a directory that is made if need be, prints what to try, ends with Ctrl-C.')
    .argument('[directory]', 'where', directoryName, 'sys');
  examples(addWorldOptions(command), [
    ['ap-sysfs start', 'the default machine on ./sys'],
    ['ap-sysfs start /tmp/z --machine small', 'one card with one domain'],
  ]).action(async (directory: string, choices: WorldChoices) => {
    checkUser(thisHost(), choices);
    const machine = machineSource(choices);
    try {
      mkdirSync(directory);
    } catch {
      // It is there, perhaps with a dead mount on it; or it cannot be made, which the mount will explain.
    }
    const { serve } = await import('../serve.js');
    process.exitCode = await serve(directory, { ...choices, machine }, (served) => print(greeting(served)));
  });
}

/** The tour is about the cards of the default machine. */
function greeting(served: Served): string {
  const { mountPoint, machine } = served;
  if (machine === 'default') return tour(mountPoint);
  return `ap-sysfs: mounted on ${mountPoint}: ${describeServed(served)}\nCtrl-C takes it away. ${whatToTry(served)}`;
}
