/**
 * Transports by their names.
 */
import type { Ops } from '../ops.js';
import { DevFuseTransport, devFuseProblem } from './dev-fuse/dev-fuse.js';
import { FuseNativeTransport } from './fuse-native.js';
import type { Transport, TransportChoice, TransportName, TransportOptions } from './transport.js';

/** auto: dev-fuse where this process may mount or somebody has mounted for it, else fuse-native. */
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
