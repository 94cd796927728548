/**
 * `ap-sysfs mount DIR`: mounts the default machine and stays until it is told to end.
 */
import type { Command } from 'commander';
import { serve } from '../serve.js';
import { addWorldOptions, type WorldChoices } from '../world-options.js';

interface MountChoices extends WorldChoices {
  readonly foreground: boolean;
}

export function addMount(program: Command): void {
  const command = program
    .command('mount')
    .description('mount the machine on a directory and serve it until SIGINT, SIGTERM, SIGHUP or an unmount')
    .argument('<directory>', 'an empty directory')
    .option('--foreground', 'stay in the foreground (the only way so far)', true);
  addWorldOptions(command).action(async (directory: string, choices: MountChoices) => {
    process.exitCode = await serve(directory, choices, (at) => `ap-sysfs: mounted on ${at}\n`);
  });
}
