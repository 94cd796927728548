/**
 * Where a snapshot is kept: in the file that is named, or under its name beside the notes of mounts.
 */
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { registryFolder } from '../mounts/registry.js';

/** A word is a name; what has a slash in it, or ends like a machine file, is a file. @throws Failure */
export function snapshotFile(what: string): string {
  if (what.includes('/') || /\.(?:ya?ml|json)$/.test(what)) return resolve(what);
  if (/^[\w-][\w.-]*$/.test(what)) return join(registryFolder(), 'snapshots', `${what}.yaml`);
  throw new Failure(`"${what}" is no name of a snapshot, and no file`, {
    status: EXIT.usage,
    next: 'names have letters, digits, - and _; files end with .yaml or have a slash',
  });
}

export function makeFolderOf(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
}
