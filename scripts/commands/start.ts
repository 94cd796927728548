/**
 * `ap-sysfs start`, which is `npm start`: the default machine on ./sys of the
 * working directory, with a tour.
 */
import { mkdirSync } from 'node:fs';
import type { Command } from 'commander';
import { serve } from '../serve.js';
import { tour } from '../tour.js';
import { addWorldOptions, type WorldChoices } from '../world-options.js';

export function addStart(program: Command): void {
  const command = program
    .command('start')
    .description('mount the machine on a directory that is made if need be, and print what to try')
    .argument('[directory]', 'where', 'sys');
  addWorldOptions(command).action(async (directory: string, choices: WorldChoices) => {
    try {
      mkdirSync(directory);
    } catch {
      // It is there, perhaps with a dead mount on it; or it cannot be made, which the mount will explain.
    }
    process.exitCode = await serve(directory, choices, tour);
  });
}
