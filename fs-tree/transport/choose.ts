/**
 * Transports by their names.
 */
import type { Ops } from '../ops.js';
import { DevFuseTransport, devFuseProblem } from './dev-fuse/dev-fuse.js';
import { FuseNativeTransport } from './fuse-native.js';
import type { Transport, TransportOptions } from './transport.js';

export const TRANSPORTS = ['dev-fuse', 'fuse-native'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** auto: dev-fuse where this process may mount, else fuse-native, which has fusermount to help. */
export type TransportChoice = TransportName | 'auto';

export function chooseTransport(choice: TransportChoice): TransportName {
  if (choice !== 'auto') return choice;
  return devFuseProblem() === undefined ? 'dev-fuse' : 'fuse-native';
}

export function createTransport(
  name: TransportName,
  directory: string,
  ops: Ops,
  options: TransportOptions,
): Transport {
  const Class = name === 'dev-fuse' ? DevFuseTransport : FuseNativeTransport;
  return new Class(directory, ops, options);
}
