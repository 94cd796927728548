/**
 * What to do about a mount that failed.
 */
import { resolve } from 'node:path';
import { isMounted } from '../../fs-tree/transport/mount-point.js';
import type { MountError } from '../../fs-tree/transport/transport.js';

/** What to type after a mount that failed; undefined: its words say enough. Somebody else's mount is somebody else's matter. */
export function whatNext({ reason }: MountError, directory: string): string | undefined {
  const path = resolve(directory);
  if (reason !== 'busy' || !isMounted(path)) return undefined;
  return `ap-sysfs umount ${path}    ends the machine that is mounted there`;
}
