/**
 * What a mount cannot do as sysfs does, and why: the one list.
 *
 * Rows are those of operations.py, compared with the host's own /sys. The rest
 * is measured elsewhere: what fuse-native cannot do besides stands at the top
 * of fs-tree/transport/fuse-native.ts.
 */
import type { TransportName } from '../../fs-tree/transport/transport.js';

export interface Difference {
  readonly rows: RegExp;
  readonly why: string;
  /** Forced by this one alone; by FUSE itself unless given. */
  readonly only?: TransportName;
}

const ALL: readonly Difference[] = [
  { rows: /^statfs type$/, why: 'the kernel answers for all FUSE mounts: 0x65735546' },
  {
    rows: /^lseek .*(2147483647|2147483648|1099511627776)$/,
    why: "the largest offset is the kernel's for FUSE, 2^63-1",
  },
  { rows: /^removed: lseek$/, why: 'FUSE seeks without asking' },
  { rows: /^position after O_APPEND$/, why: 'FUSE starts at st_size, sysfs ignores O_APPEND' },
  { rows: /^removed: write nothing$/, why: 'FUSE does not send a write of nothing' },
  { rows: /^mmap private$/, why: 'FUSE maps files with direct_io privately' },
  {
    rows: /(^|: )poll$/,
    why: 'libfuse2 through fuse-native has no poll: never POLLERR|POLLPRI',
    only: 'fuse-native',
  },
  { rows: /^utime, two times$/, why: 'fuse-native hands on the time of access only', only: 'fuse-native' },
  {
    rows: /^removed: (fstat|fchmod|ftruncate|open through .*|readdir.*)$/,
    why: 'fuse-native knows paths only: what asks by path finds nothing (os.listdir asks fstat first)',
    only: 'fuse-native',
  },
  {
    rows: /^back: old directory$/,
    why: 'fuse-native knows paths only: the path leads to the new directory',
    only: 'fuse-native',
  },
];

/** Everything that may differ. A row that does not differ any more is an error too. */
export const differencesOf = (transport: TransportName): readonly Difference[] =>
  ALL.filter(({ only }) => only === undefined || only === transport);
