/**
 * What a mount cannot do as sysfs does, and what fuse-native cannot do as dev-fuse does, and why: the one list.
 *
 * Rows are those of operations.py, compared with the host's own /sys. Files
 * are the tests that have nothing to look at over fuse-native; all others in
 * mounted/, clients/ and conformance/ run over both (npm run test:fuse-native).
 * What fuse-native cannot do besides stands at the top of
 * fs-tree/transport/fuse-native.ts.
 */
import type { TransportChoice, TransportName } from '../../fs-tree/transport/transport.js';

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

/** Steps of a replay (from 0) in which fuse-native alone shows itself. */
export const FUSE_NATIVE_STEPS = [
  {
    scenario: '81-mdev-remove-blocked',
    step: 16,
    why: "a second writer of a file whose store blocks waits in front of the kernel's own checks",
  },
] as const;

/** Tests that run over dev-fuse alone. */
const DEV_FUSE_ONLY = {
  'mounted/signals': 'fuse-native passes no signals on',
  'mounted/caching': 'fuse-native lets the kernel remember nothing',
  'mounted/dev-fuse':
    'it is about what only dev-fuse can: signals, several stores in a file, poll, who calls, name spaces',
  'mounted/ordinary-user': 'it is about ways to dev-fuse without libfuse2',
  'clients/container': 'its entrypoint takes what `auto` takes',
  'mounted/run':
    '`ap-sysfs run` mounts in name spaces of its own, where dev-fuse always can; its other recipes take what `auto` takes',
} as const;

/** Callers as stores and traces tell them; fuse-native does not say who calls: it is always the daemon itself. */
export const caller = <T extends object>(transport: TransportChoice, client: T): T | { readonly comm: string } =>
  transport === 'fuse-native' ? { comm: 'mount' } : client;

/** Why a test is not run over that transport, or false: its `skip`. */
export const onlyDevFuse = (test: keyof typeof DEV_FUSE_ONLY, transport: TransportChoice): string | false =>
  transport === 'fuse-native' && DEV_FUSE_ONLY[test];

/** Everything that may differ. A row that does not differ any more is an error too. */
export const differencesOf = (transport: TransportName): readonly Difference[] =>
  ALL.filter(({ only }) => only === undefined || only === transport);
