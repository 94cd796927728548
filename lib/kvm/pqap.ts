/**
 * Interception of PQAP(AQIC): a guest asks for interrupts of a queue.
 *
 * Mirrors arch/s390/kvm/priv.c `handle_pqap`. All other functions of PQAP are
 * interpreted by the machine as long as the guest has AP. spec/vfio-ap.md 11.1.
 */
import type { ApInstructions, ApQueueStatus } from '../hardware/instructions.js';
import type { Task } from '../sync/task.js';
import type { Vcpu } from './vm.js';

/** General registers 0 to 2 of the issuing vCPU, and whether it is in problem state. */
export interface PqapRegisters {
  readonly gr0: bigint;
  readonly gr1: bigint;
  readonly gr2: bigint;
  readonly problemState?: boolean;
}

/** What the hook made of it: a new GR1, or "let user space do it". */
export type PqapHookResult = { readonly gr1: bigint } | 'user space';

export type PqapHook = (task: Task, vcpu: Vcpu, registers: PqapRegisters) => Promise<PqapHookResult>;

export type PqapOutcome =
  | { readonly kind: 'done'; readonly cc: 0 | 3; readonly gr1: bigint }
  /** EOPNOTSUPP: the exit goes to user space. */
  | { readonly kind: 'user space' }
  | { readonly kind: 'exception'; readonly exception: 'privileged operation' | 'specification' };

const FC_AQIC = 3n;
const RESERVED = 0x007f0000n;
const T_BIT = 0x00800000n;
const OUT_OF_OLD_RANGE = 0xc0f0n;
const RESPONSE_CODE = 0x00ff0000n;

export async function handlePqap(
  task: Task,
  vcpu: Vcpu,
  hw: ApInstructions,
  registers: PqapRegisters,
): Promise<PqapOutcome> {
  const { vm } = vcpu;
  const { gr0 } = registers;
  if (!hw.available || !vm.apie || ((gr0 >> 24n) & 0xffn) !== FC_AQIC) return { kind: 'user space' };
  if (registers.problemState) return { kind: 'exception', exception: 'privileged operation' };
  const wrong =
    (gr0 & RESERVED) !== 0n ||
    ((gr0 & T_BIT) !== 0n && !hw.hasFacility(15)) ||
    ((gr0 & OUT_OF_OLD_RANGE) !== 0n && !vm.apxa) ||
    !hw.hasFacility(65);
  if (wrong) return { kind: 'exception', exception: 'specification' };
  await vm.hookSemaphore.downRead(task);
  try {
    // Without a driver the status goes to the upper half of GR1, as the kernel has it.
    if (!vm.pqapHook) return { kind: 'done', cc: 3, gr1: statusWord({ ...NO_STATUS, responseCode: 0x01 }) << 32n };
    const result = await vm.pqapHook(task, vcpu, registers);
    if (result === 'user space') return { kind: 'user space' };
    return { kind: 'done', cc: (result.gr1 & RESPONSE_CODE) !== 0n ? 3 : 0, gr1: result.gr1 };
  } finally {
    vm.hookSemaphore.upRead(task);
  }
}

/** A status that no queue gave. */
export const NO_STATUS: ApQueueStatus = {
  queueEmpty: false,
  repliesWaiting: false,
  queueFull: false,
  async: false,
  irqEnabled: false,
  responseCode: 0,
};

/** struct ap_queue_status as 32 bits. */
export function statusWord(status: ApQueueStatus): bigint {
  const bit = (on: boolean, at: number): bigint => (on ? 1n << BigInt(at) : 0n);
  return (
    bit(status.queueEmpty, 31) |
    bit(status.repliesWaiting, 30) |
    bit(status.queueFull, 29) |
    bit(status.async, 25) |
    bit(status.irqEnabled, 24) |
    (BigInt(status.responseCode & 0xff) << 16n)
  );
}
