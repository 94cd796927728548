/**
 * A machine as files: the tree of a world, operations on it, mounts.
 */
export type { About } from './control/about.js';
export { type Fault, Faults } from './faults/faults.js';
export { hostClock, standingClock } from './host/clock-host.js';
export { hostCrypto } from './host/crypto.js';
export { SeededRandom } from './host/random.js';
export { type TraceEntry, TraceRing } from './host/trace.js';
export type { Caller, DirNode, FileNode, LinkNode, Node } from './kernfs/node.js';
export { Ops, type OpsOptions } from './ops.js';
export { chooseTransport, createTransport } from './transport/choose.js';
export { DevFuseTransport } from './transport/dev-fuse/dev-fuse.js';
export { FuseNativeTransport } from './transport/fuse-native.js';
export {
  MountError,
  type MountFailure,
  type Transport,
  type TransportChoice,
  type TransportName,
} from './transport/transport.js';
export { worldTree } from './world-tree.js';
