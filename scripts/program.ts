/**
 * The command line as a whole: all commands, and what `--help` says of them.
 */
import { Command } from 'commander';
import { didYouMean } from '../lib/description/nearest.js';
import { addDmesg } from './commands/dmesg.js';
import { addDoctor } from './commands/doctor.js';
import { addExport } from './commands/export.js';
import { addFault } from './commands/fault.js';
import { addGuest } from './commands/guest.js';
import { addHw } from './commands/hw.js';
import { addImport } from './commands/import.js';
import { addLoad } from './commands/load.js';
import { addLsmod } from './commands/lsmod.js';
import { addMachine } from './commands/machine.js';
import { addModprobe } from './commands/modprobe.js';
import { addMount } from './commands/mount.js';
import { addRecord } from './commands/record.js';
import { addRmmod } from './commands/rmmod.js';
import { addRun } from './commands/run.js';
import { addShell } from './commands/shell.js';
import { addShow } from './commands/show.js';
import { addRestore, addSnapshot } from './commands/snapshot.js';
import { addStart } from './commands/start.js';
import { addStatus } from './commands/status.js';
import { addTrace } from './commands/trace.js';
import { addUmount } from './commands/umount.js';
import { addCompletion } from './completion.js';
import { EXIT } from './exit-status.js';
import { Failure } from './failure.js';
import { examples, exampleText } from './help.js';
import { addSysOption } from './mounts/choose.js';
import { colour } from './output/terminal.js';
import { version } from './version.js';

const AFTER = `
The machine that a command is about: --sys DIR, else $AP_SYSFS, else the only
one that is mounted.

Environment:
  AP_SYSFS              directory of the mounted machine
  AP_SYSFS_RUNTIME_DIR  where mounts are noted (default: /run/ap-sysfs for root,
                        $XDG_RUNTIME_DIR/ap-sysfs or /tmp/ap-sysfs-UID)
  DEBUG                 namespaces of the trace that go to stderr (of a daemon:
                        to its log); ap:* is everything:
                        ap:ap:instr    instructions  ap:ap:state   queue states
                        ap:ap:request  requests      ap:ap:remove  removals
                        ap:zcrypt:*    zcrypt        ap:kvm:apcb   guests
                        ap:s390dbf:*   debug logs    ap:bug        our bugs
  NO_COLOR              no colours

Exit status:
   0  done                   3  the tree could not be taken away
   1  refused, missing, bug  4  no machine, several, or it does not answer
   2  wrong words            5  status: a daemon has died
 run: that of the program; 126 it may not be executed, 127 there is no such
  10 to 19: the tree could not be mounted
  10 no such directory  11 not a directory  12 not empty  13 busy  14 dead mount
  15 no /dev/fuse  16 no permission  17 no libfuse2  18 no fusermount
  19 refused`;

/** @returns the program, ready to parse; it throws CommanderError instead of ending the process */
export function createProgram(): Command {
  const program = new Command('ap-sysfs')
    .description('The sysfs of an IBM Z machine with crypto adapters, mounted where there is no mainframe.')
    .version(version)
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ styleTitle: (text) => colour.bold(text), subcommandTerm })
    .configureOutput({ outputError: (text, write) => write(inOurWords(text)) });
  addSysOption(program);

  program.commandsGroup('Machines:');
  for (const add of [addMount, addUmount, addStart, addStatus, addMachine]) add(program);
  program.commandsGroup('Programs on a machine of their own:');
  for (const add of [addRun, addShell]) add(program);
  program.commandsGroup('Look and change:');
  for (const add of [addShow, addHw, addGuest, addLoad, addFault]) add(program);
  program.commandsGroup('From and to other machines:');
  for (const add of [addRecord, addImport, addExport, addSnapshot, addRestore]) add(program);
  program.commandsGroup('The simulated kernel:');
  for (const add of [addModprobe, addRmmod, addLsmod, addDmesg, addTrace]) add(program);
  program.commandsGroup('This system:');
  addDoctor(program);
  addCompletion(program);
  addHelp(program);

  for (const command of program.commands) {
    command.showHelpAfterError(`  ap-sysfs ${command.name()} --help    explains the command`);
    for (const part of command.commands)
      part.showHelpAfterError(`  ap-sysfs ${command.name()} ${part.name()} --help    explains the command`);
  }
  program.showHelpAfterError('  ap-sysfs --help    lists the commands');
  const tour = exampleText([
    ['ap-sysfs doctor', 'is everything here that a mount needs?'],
    ['mkdir -p sys && ap-sysfs mount sys', 'a machine with four crypto cards'],
    ['ap-sysfs show', 'what is in it'],
    ['ap-sysfs hw card 3 deconfigure', 'take a card away'],
    ['ap-sysfs umount', 'and all of it'],
  ]);
  return program.addHelpText('after', `\n${tour}\n${AFTER}`);
}

/** commander's own `help` shows the list to who asks for something unknown. */
function addHelp(program: Command): void {
  const command = program
    .helpCommand(false)
    .command('help')
    .summary('explain a command')
    .description('Explains a command, as --help behind it does; without one, lists them all.')
    .argument('[command]', 'its name');
  examples(command, [['ap-sysfs help hw', 'what can be changed, in which words']]).action(
    (name: string | undefined) => {
      if (name === undefined) return program.help();
      const found = program.commands.find((known) => known.name() === name || known.aliases().includes(name));
      if (found) return found.help();
      const names = program.commands.map((known) => known.name());
      throw new Failure(`unknown command '${name}'${didYouMean(name, names)}`, {
        status: EXIT.usage,
        next: 'ap-sysfs --help    lists the commands',
      });
    },
  );
}

/** `mount <directory>`: options are for the command's own help. */
function subcommandTerm(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const name = argument.name() + (argument.variadic ? '...' : '');
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...words].join(' ');
}

/** Complaints of the argument parser. */
function inOurWords(text: string): string {
  return text
    .replace(/^error: command-argument value '(.*?)' is invalid for argument '(.*?)'\./, "error: '$1' is no $2.")
    .replace(/^error: option '(?:-\w, )?(\S+?)[, ].*?' argument '(.*?)' is invalid\./, "error: $1: '$2' is no good.")
    .replace(/^error: /, 'ap-sysfs: ');
}
