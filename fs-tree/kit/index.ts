/**
 * The root of the package: machines for tests, and the model behind them.
 *
 * `createWorld` is here the one that needs no ports; that of the model is in `ap-sysfs/lib`.
 */
export * from '../../lib/index.js';
export type { Fault, Faults } from '../faults/faults.js';
export type { TraceEntry, TraceRing } from '../host/trace.js';
export type { Caller } from '../kernfs/node.js';
export type { StoreData } from '../stores.js';
export { MountError, type MountFailure } from '../transport/transport.js';
export { createWorld } from './create-world.js';
export { Files } from './files.js';
export { type Mounted, type MountOptions, mount } from './mount.js';
