#!/usr/bin/env node
/**
 * The command `ap-sysfs`: one file a subcommand, in scripts/commands.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addMount } from './commands/mount.js';
import { addStart } from './commands/start.js';
import { EXIT } from './exit-status.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('ap-sysfs')
  .description('the sysfs of an IBM Z machine with crypto adapters, mounted where there is no mainframe')
  .version(version)
  .exitOverride();
addMount(program);
addStart(program);

try {
  await program.parseAsync();
} catch (e) {
  if (!(e instanceof CommanderError)) throw e;
  process.exitCode = e.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
