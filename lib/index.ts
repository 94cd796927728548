/**
 * The simulated machine as a library: build a world, look at its parts.
 */
export { type ClockHost, type ClockMode, SimClock } from './clock.js';
export * from './description/index.js';
export { ERRNO, type Errno, isKernelError, KernelError } from './errno.js';
export type { Guest, GuestOptions, GuestState } from './guest/guest.js';
export { runHardwareCommand } from './hardware/vocabulary.js';
export { DEFAULT_MODULES, Kernel, type KernelOptions } from './kernel.js';
export * from './load/index.js';
export type { Clock, CryptoPort, Nanoseconds, Ports, Random, Timer, TimerOptions, Trace, TraceEvent } from './ports.js';
export type { KernelVersion, Profile } from './profile/profile.js';
export { DEFAULT_KERNEL, PROFILES } from './profile/tables.js';
export type { VmmGuestOptions, VmmOptions } from './vmm/vmm.js';
export { createWorld, DEFAULT_HARDWARE, World, type WorldOptions, type WorldPorts } from './world.js';
export type { RequestResult } from './zcrypt/program/program.js';
export type { SendRequest, Sent } from './zcrypt/program/send.js';
export {
  type CcaReply,
  type Ep11Reply,
  REQUEST_KINDS,
  type ReplyOf,
  type RequestKind,
  type RsaReply,
} from './zcrypt/program/work.js';
