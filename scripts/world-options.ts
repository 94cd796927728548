/**
 * Options that say which machine is mounted, and how it looks.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { TRANSPORTS, type TransportChoice } from '../fs-tree/transport/transport.js';
import type { KernelVersion } from '../lib/profile/profile.js';
import { DEFAULT_KERNEL, PROFILES } from '../lib/profile/tables.js';
import { EXIT } from './exit-status.js';
import { Failure } from './failure.js';
import { MachineFileError } from './machine-file/problem.js';
import { type MachineSource, readMachine } from './machine-file/source.js';
import { oneOf } from './one-of.js';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface WorldChoices {
  /** A preset's name, or a file. */
  readonly machine: string;
  /** Instead of what the machine file says. */
  readonly kernel?: KernelVersion;
  readonly owner: Owner;
  readonly allowOther: boolean;
  readonly transport: TransportChoice;
}

export const KERNELS = Object.keys(PROFILES) as KernelVersion[];
const ROOT: Owner = { uid: 0, gid: 0 };

function me(): Owner {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

function parseOwner(text: string): Owner {
  if (text === 'root') return ROOT;
  if (text === 'me') return me();
  const match = /^(\d+):(\d+)$/.exec(text);
  if (!match) throw new InvalidArgumentError('It is root, me, or UID:GID in numbers.');
  const owner = { uid: Number(match[1]), gid: Number(match[2]) };
  // All ones means "nobody in particular" to chown.
  if (owner.uid >= 0xffff_ffff || owner.gid >= 0xffff_ffff)
    throw new InvalidArgumentError('UID and GID are at most 4294967294.');
  return owner;
}

/** Reads the machine file, if it is one. @throws Failure */
export function machineSource({ machine }: Pick<WorldChoices, 'machine'>): MachineSource {
  try {
    return readMachine(machine);
  } catch (e) {
    if (!(e instanceof MachineFileError)) throw e;
    throw new Failure(e.message, {
      verbatim: true,
      status: EXIT.usage,
      next: 'ap-sysfs machine --list         lists the presets\nap-sysfs machine > mine.yaml    prints a file to start from',
    });
  }
}

/** `--machine` and `--kernel`. */
export function addMachineOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--machine <file|preset>',
        'a machine file, - for the standard input, or one of default, small, large, full',
      ).default('default'),
    )
    .addOption(
      new Option(
        '--kernel <version>',
        `which kernel to be: ${KERNELS.join(', ')} (default: what the machine file says, else ${DEFAULT_KERNEL})`,
      ).argParser(oneOf(KERNELS)),
    );
}

export function addWorldOptions(command: Command): Command {
  return addMachineOptions(command)
    .addOption(
      new Option('--owner <root|me|UID:GID>', 'whom the files belong to: root is faithful, me lets you write')
        .argParser(parseOwner)
        .default(me(), 'me'),
    )
    .addOption(
      new Option(
        '--allow-other',
        'let other users in (root always does; others need user_allow_other in /etc/fuse.conf)',
      ).default(process.getuid?.() === 0),
    )
    .addOption(
      new Option(
        '--transport <name>',
        'dev-fuse (root, or fusermount3 with python3 or perl), fuse-native (libfuse2), or auto: dev-fuse where it can',
      )
        .argParser(oneOf(['auto', ...TRANSPORTS]))
        .default('auto'),
    );
}
