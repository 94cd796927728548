#!/usr/bin/env node
/**
 * The command `ap-sysfs`: one file a subcommand, in scripts/commands.
 */
import { CommanderError } from 'commander';
import { EXIT } from './exit-status.js';
import { Failure } from './failure.js';
import { createProgram } from './program.js';

try {
  await createProgram().parseAsync();
} catch (e) {
  if (e instanceof CommanderError) process.exitCode = e.exitCode === 0 ? EXIT.ok : EXIT.usage;
  else if (e instanceof Failure) {
    process.stderr.write(e.report);
    process.exitCode = e.status;
  } else throw e;
}
