/**
 * Programs for s390x, under user-mode emulation.
 *
 * The emulator and the programs are those that scripts/get-clients.sh has
 * fetched, or those of the system.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { findProgram } from './plan.js';

const CLONE = fileURLToPath(new URL('../../../', import.meta.url));

/** Where scripts/get-clients.sh puts them. */
const clients = (): string => process.env.AP_SYSFS_CLIENTS ?? join(CLONE, 'test/conformance/.clients');

const EMULATORS = ['qemu-s390x', 'qemu-s390x-static'];

/** Where the emulator is once it is fetched. */
export const fetchedEmulators = (): string[] => EMULATORS.map((name) => join(clients(), 'qemu/usr/bin', name));

/** The emulator; undefined: there is none. */
export function findEmulator(): string | undefined {
  for (const name of [...fetchedEmulators(), ...EMULATORS])
    try {
      return findProgram(name);
    } catch {
      // The next one.
    }
  return undefined;
}

/** The words that run it. @throws Failure */
export function emulated([name = '', ...words]: readonly string[]): string[] {
  const emulator = findEmulator();
  if (emulator === undefined)
    throw new Failure('--s390x: there is no qemu-s390x', {
      status: EXIT.notFound,
      next: 'scripts/get-clients.sh    fetches it, or: apt-get install qemu-user',
    });
  const prefix = join(clients(), 's390x');
  const programs = name.includes('/') ? [name] : ['usr/sbin', 'usr/bin'].map((folder) => join(prefix, folder, name));
  const program = programs.find((path) => existsSync(path));
  if (program === undefined)
    throw new Failure(`--s390x: ${name} is not among the programs for s390x`, {
      status: EXIT.notFound,
      next: 'scripts/get-clients.sh    fetches those of s390-tools; or give a path',
    });
  return [emulator, '-0', name, ...(existsSync(prefix) ? ['-L', prefix] : []), program, ...words];
}
