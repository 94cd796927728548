/**
 * `ap-sysfs mount DIR`: mounts a machine. Returns when the tree answers and
 * leaves a daemon behind; with --foreground stays until it is told to end.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { daemonLog, endWithParent, report, startDaemon } from '../daemonise.js';
import { directoryName } from '../directory.js';
import { thisHost } from '../doctor/host.js';
import { EXIT } from '../exit-status.js';
import { describeServed, whatToTry } from '../greeting.js';
import { examples } from '../help.js';
import { behindFusermount, endWithLauncher, launch, wayToMount } from '../launch.js';
import { isPreset } from '../machine-file/presets.js';
import { handedOver, type MachineSource } from '../machine-file/source.js';
import { checkUser } from '../may-mount.js';
import { colour, print } from '../output/terminal.js';
import type { Served } from '../serve.js';
import { addWorldOptions, machineSource, type WorldChoices } from '../world-options.js';

interface MountChoices extends WorldChoices {
  readonly foreground?: true;
}

export function addMount(program: Command): void {
  const command = program
    .command('mount')
    .summary('mount a machine on a directory')
    .description('Mounts a machine on an empty directory and serves it, until `ap-sysfs umount` or SIGTERM ends it.')
    .argument('<directory>', 'an empty directory', directoryName)
    .option('--foreground', 'stay in this terminal instead of leaving a daemon; Ctrl-C ends it');
  examples(addWorldOptions(command), [
    ['mkdir sys && ap-sysfs mount sys', 'the default machine: four cards, four domains'],
    ['ap-sysfs mount /mnt --machine large', '16 cards with 16 domains'],
    ['ap-sysfs mount sys --machine ./mine.yaml', 'a machine of your own; `ap-sysfs machine` prints one to start from'],
    ['sed s/cex8/cex7/ mine.yaml | ap-sysfs mount sys --machine -', 'the machine file comes by a pipe'],
    ['ap-sysfs mount sys --kernel 6.1 --owner root', 'an older kernel; the files are root’s, as on a real system'],
    ['DEBUG=ap:ap:state ap-sysfs mount sys --foreground', 'with the life of each queue on stderr'],
  ]).action(async (directory: string, choices: MountChoices) => {
    process.exitCode = await run(directory, choices);
  });
}

async function run(directory: string, choices: MountChoices): Promise<number> {
  const log = daemonLog();
  checkUser(thisHost(), choices);
  const way = await wayToMount(choices, false);
  if (way !== 'itself' && choices.foreground) return launch(way, directory, choices);
  const machine = log === undefined ? machineSource(choices) : machineOfDaemon(choices);
  if (log === undefined && !choices.foreground)
    return way === 'itself' ? background(directory, machine) : behindHelper(directory, choices, machine);
  if (log !== undefined) endWithParent();
  else endWithLauncher();
  // The model is large: only who serves it loads it.
  const { serve } = await import('../serve.js');
  const greet = (served: Served): void => print(`ap-sysfs: mounted on ${served.mountPoint}\n`);
  const status = await serve(directory, { ...choices, machine }, log === undefined ? greet : report, log);
  if (log !== undefined) process.disconnect?.();
  return status;
}

/** Who started the daemon has read the file. */
const machineOfDaemon = ({ machine }: MountChoices): MachineSource =>
  isPreset(machine) ? { name: machine } : handedOver(machine === '-' ? 'stdin' : machine);

async function behindHelper(directory: string, choices: MountChoices, machine: MachineSource): Promise<number> {
  const { mustBeMachine } = await import('../machine-file/index.js');
  mustBeMachine(machine);
  const { command, cleanUp } = await behindFusermount(directory, choices);
  const status = await background(directory, machine, command);
  if (status !== EXIT.ok) cleanUp();
  return status;
}

async function background(directory: string, machine: MachineSource, command?: [string, ...string[]]): Promise<number> {
  const { status, pid, log, words, served } = await startDaemon(resolve(directory), machine.text, command);
  process.stderr.write(words);
  if (status !== EXIT.ok || !served) {
    if (words === '') process.stderr.write(`ap-sysfs: the daemon ended without a word; its log is ${log}\n`);
    return status;
  }
  print(`ap-sysfs: mounted on ${served.mountPoint}: ${describeServed(served)}\n`);
  print(`${colour.dim(`process ${pid}, log ${log}`)}\n${whatToTry(served)}`);
  return EXIT.ok;
}
