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
// Not left to Node, which first waits for what its threads are compiling, and can wait for ever (nodejs/node#54918).
await Promise.all([process.stdout, process.stderr].map(written));
process.exit();

/** Waits until a reader has taken everything, or has gone. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableLength === 0 || stream.destroyed) resolve();
    else stream.once('error', () => resolve()).write('', () => resolve());
  });
}
