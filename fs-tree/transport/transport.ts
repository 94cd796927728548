/**
 * What an adapter to the host must do: show a tree of nodes at a directory.
 */

/** dev-fuse speaks to the kernel itself, fuse-native through libfuse2. */
export const TRANSPORTS = ['dev-fuse', 'fuse-native'] as const;
export type TransportName = (typeof TRANSPORTS)[number];
export type TransportChoice = TransportName | 'auto';

/** Why a tree could not be mounted. Each reason is an exit status of the command. */
export type MountFailure =
  | 'missing'
  | 'not-a-directory'
  | 'not-empty'
  | 'busy'
  | 'stale'
  | 'no-device'
  | 'no-permission'
  | 'no-library'
  | 'no-helper'
  | 'refused';

/** Something is wrong with the host or the mount point; the text says what to do. */
export class MountError extends Error {
  constructor(
    readonly reason: MountFailure,
    text: string,
  ) {
    super(text);
    this.name = 'MountError';
  }
}

export interface TransportOptions {
  /** Lets other users than the one who mounts in; root always may, others need user_allow_other in /etc/fuse.conf. */
  readonly allowOther: boolean;
  /** Told of repairs, one line each. */
  readonly say?: (line: string) => void;
  /** Told of what goes wrong in the adapter itself; its caller got EIO. */
  readonly onBug?: (error: unknown) => void;
}

/** Numbers for whoever watches the adapter. */
export interface TransportStats {
  /** Requests answered since the mount. */
  readonly answered: number;
  /** Requests that wait for their handler now. */
  readonly pending: number;
  readonly openFiles: number;
  /** Nodes that are kept because the host's kernel remembers them. */
  readonly inodes: number;
  /** Threads and slots that fuse-native holds on the host; grows with parallel clients, never shrinks. Else 0. */
  readonly workers: number;
}

export interface Transport {
  /** Absolute path of the directory. */
  readonly mountPoint: string;
  /** Resolves when file operations are answered. @throws MountError */
  mount(): Promise<void>;
  /**
   * Takes the tree away: whoever waits in a read or write is answered with
   * EINTR, the directory is as before. Resolves when the process may end, with
   * false if the mount could not be taken away. Calling it twice is the same
   * as once.
   */
  unmount(): Promise<boolean>;
  /** Resolves when the tree is no longer mounted, also if somebody else has unmounted it. */
  readonly detached: Promise<void>;
  stats(): TransportStats;
}
