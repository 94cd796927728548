/**
 * What a run by the recipes `env` or `preload` leaves if it and its daemon are
 * both killed: a mount that nobody serves, in a directory of its own. The next
 * run takes it away, whichever its recipe is.
 */
import { spawnSync } from 'node:child_process';
import { lstatSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { detachCommand, isMounted, isStale, mountedTrees } from '../../fs-tree/transport/mount-point.js';

/** How the directories of these runs are called; mkdtemp adds six characters. */
export const HOME_PREFIX = 'ap-sysfs-run-';

const TREE = new RegExp(`/${HOME_PREFIX}\\w{6}/sys$`);

export async function takeLeftOversAway(): Promise<void> {
  for (const path of mountedTrees())
    if (TREE.test(path) && isOurs(dirname(path)) && (await isStale(path))) {
      takeAway(path);
      // Not below a mount that has stayed.
      if (!isMounted(path)) rmSync(dirname(path), { recursive: true, force: true });
    }
}

function isOurs(home: string): boolean {
  return lstatSync(home, { throwIfNoEntry: false })?.uid === process.getuid?.();
}

/** A mount whose daemon was killed; nothing if it has gone with it. */
export function takeAway(path: string): void {
  if (!isMounted(path)) return;
  const [command, ...words] = detachCommand(path);
  spawnSync(command, words, { stdio: ['ignore', 'ignore', 'inherit'], cwd: '/' });
}
