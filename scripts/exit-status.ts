/**
 * Exit status of the command `ap-sysfs`, of `npm start` and of `npm test`.
 */
import type { MountFailure } from '../fs-tree/transport/transport.js';

export const EXIT = {
  /** Done; of a daemon: ended by SIGINT, SIGTERM or SIGHUP, or because somebody unmounted the tree. */
  ok: 0,
  /** The machine refused, `doctor` found something missing, a test failed, or a bug. */
  failed: 1,
  /** Unknown command, option, value or word of the vocabulary; a machine file with mistakes. */
  usage: 2,
  /** The tree could not be taken away. */
  unmount: 3,
  /** No machine to talk to: none is mounted, several are and none was named, or it does not answer. */
  noMachine: 4,
  /** `status`: a daemon has died, and its mount is still there. */
  dead: 5,
  /** `run`: the program is there, but is none; or is not there. As shells say it. */
  notExecutable: 126,
  notFound: 127,
  /** 20 to 23: scripts/bootstrap.mjs (Node too old, npm ci failed, compiling failed, a system package is missing). */
} as const;

/** Why a mount failed. */
export const MOUNT_EXIT: Record<MountFailure, number> = {
  /** The mount point does not exist. */
  missing: 10,
  /** It is a file. */
  'not-a-directory': 11,
  /** It has files in it. */
  'not-empty': 12,
  /** Something is mounted on it: another daemon of ours, or something else. */
  busy: 13,
  /** A daemon died there, and its mount cannot be taken away. */
  stale: 14,
  /** /dev/fuse does not exist. */
  'no-device': 15,
  /** /dev/fuse or the mount point is not for this user, or fusermount knows no name of him. */
  'no-permission': 16,
  /** libfuse2 is missing, or fuse-native has no addon for this machine. */
  'no-library': 17,
  /** An ordinary user needs the program fusermount. */
  'no-helper': 18,
  /** The kernel or fusermount said no; its own words stand above ours. */
  refused: 19,
};
