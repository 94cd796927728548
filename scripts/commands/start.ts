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
import { endWithLauncher, isInside, launch, openShell, wayToMount } from '../launch.js';
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
    const way = await wayToMount(choices, true);
    if (way !== 'name space') checkUser(thisHost(), choices);
    try {
      mkdirSync(directory);
    } catch {
      // It is there, perhaps with a dead mount on it; or it cannot be made, which the mount will explain.
    }
    if (way !== 'itself') {
      process.exitCode = await launch(way, directory, choices);
      return;
    }
    endWithLauncher();
    const machine = machineSource(choices);
    const { serve } = await import('../serve.js');
    process.exitCode = await serve(directory, { ...choices, machine }, greet);
  });
}

function greet(served: Served): void {
  print(greeting(served));
  if (!isInside()) return;
  print(`
You may not mount for everybody here (ap-sysfs doctor says why), so this is a shell in a name space of its own, where you
look like root: only here the machine is to be seen. exit takes it away.
`);
  openShell(served.mountPoint);
}

/** The tour is about the cards of the default machine. */
function greeting(served: Served): string {
  const { mountPoint, machine } = served;
  if (machine === 'default') return tour(mountPoint);
  return `ap-sysfs: mounted on ${mountPoint}: ${describeServed(served)}\nCtrl-C takes it away. ${whatToTry(served)}`;
}
