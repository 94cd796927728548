/**
 * PQAP(AQIC) as a guest issues it: the machine hands it to the host.
 */
import { Task } from '../../lib/sync/task.js';
import type { Scenario } from './scenario.js';

export interface AqicOptions {
  /** Enable (default) or disable. */
  readonly on?: boolean;
  /** Interrupt sub class. */
  readonly isc?: number;
  /** Guest address of the indicator. */
  readonly address?: number;
}

/** @returns the response code that the guest sees, or what else happened */
export async function pqapAqic(
  s: Scenario,
  uuid: string,
  queue: string,
  options: AqicOptions = {},
): Promise<number | string> {
  const { on = true, isc = 3, address = 0x5000 } = options;
  const { vm } = s.vmm(uuid);
  if (!vm) throw new Error(`guest ${uuid} has no VM`);
  const vcpu = vm.vcpus[0] ?? vm.createVcpu();
  const qid = (Number.parseInt(queue, 16) << 8) | Number.parseInt(queue.slice(3), 16);
  const outcome = await vm.kvm.pqap(new Task({ pid: 9000, comm: 'CPU 0/KVM' }), vcpu, {
    gr0: (3n << 24n) | BigInt(qid),
    gr1: (on ? 1n << 47n : 0n) | BigInt(isc),
    gr2: BigInt(address),
  });
  if (outcome.kind !== 'done') return outcome.kind;
  return Number((outcome.gr1 >> 16n) & 0xffn);
}

/** What the host keeps for a queue's interrupts: sub class, pinned pages of its mdev, references of the sub class. */
export function irqResources(s: Scenario, uuid: string, queue: string, isc = 3): string {
  const q = s.vfioQueue(queue);
  const pins = s.matrixMdev(uuid).vfioDevice?.pins ?? new Map<number, number>();
  const pinned = [...pins.values()].reduce((sum, n) => sum + n, 0);
  const references = s.vmm(uuid).vm?.gisa?.references(isc) ?? 0;
  return `isc ${q.savedIsc ?? 'none'} pinned ${pinned} alert ${references}`;
}

export const NO_IRQ = 'isc none pinned 0 alert 0';
