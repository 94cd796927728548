/**
 * The adapters to the host that a replay can use, by name.
 */
import type { Ops } from '../../fs-tree/ops.js';
import { FuseNativeTransport } from '../../fs-tree/transport/fuse-native.js';
import type { Transport } from '../../fs-tree/transport/transport.js';

const TRANSPORTS = {
  'fuse-native': (mountPoint: string, ops: Ops): Transport =>
    new FuseNativeTransport(mountPoint, ops, { allowOther: true }),
} as const;

export type TransportName = keyof typeof TRANSPORTS;

/** What `auto` is, and the names that can be asked for. */
export const AUTO: TransportName = 'fuse-native';
export const TRANSPORT_NAMES = ['auto', ...Object.keys(TRANSPORTS)];

/** Undefined: there is no such transport. */
export function transportName(word: string): TransportName | undefined {
  if (word === 'auto') return AUTO;
  return Object.hasOwn(TRANSPORTS, word) ? (word as TransportName) : undefined;
}

/** A transport that serves clients of every user, not mounted yet. */
export function createTransport(name: TransportName, mountPoint: string, ops: Ops): Transport {
  return TRANSPORTS[name](mountPoint, ops);
}
