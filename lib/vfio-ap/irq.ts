/**
 * Interrupts of passed-through queues: PQAP(AQIC) of a guest.
 *
 * Mirrors `handle_pqap`, `vfio_ap_irq_enable`, `vfio_ap_irq_disable` and
 * `vfio_ap_free_aqic_resources` of vfio_ap_ops.c. spec/vfio-ap.md 11.
 */
import { isKernelError } from '../errno.js';
import { type ApQueueStatus, RC } from '../hardware/instructions.js';
import { NO_STATUS, type PqapHookResult, type PqapRegisters, statusWord } from '../kvm/pqap.js';
import { PAGE_SIZE, type Vcpu } from '../kvm/vm.js';
import type { Task } from '../sync/task.js';
import type { MatrixMdev } from './matrix.js';
import type { VfioApQueue } from './queue.js';
import { warn, warnOnce } from './warn.js';

const IR_BIT = 1n << (63n - 16n);
const AQIC_TRIES = 6;
const IRQ_CLEAR_TRIES = 5;

const answer = (responseCode: number): ApQueueStatus => ({ ...NO_STATUS, responseCode });

/** The hook of a VM that has this mdev open. */
export async function interceptPqap(
  task: Task,
  mdev: MatrixMdev,
  vcpu: Vcpu,
  registers: PqapRegisters,
): Promise<PqapHookResult> {
  if (!vcpu.aiv) return 'user space';
  return mdev.va.mdevsLock.with(task, async () => {
    const q = mdev.kvm ? mdev.queue(Number(registers.gr0 & 0xffffn)) : undefined;
    let status = answer(RC.Q_NOT_AVAIL);
    if (q && (registers.gr1 & IR_BIT) !== 0n) {
      const isc = Number(registers.gr1 & 7n);
      status = await irqEnable(mdev, q, vcpu, isc, Number(registers.gr2));
    } else if (q) status = await irqDisable(q);
    return { gr1: statusWord(status) };
  });
}

/** `vfio_ap_irq_enable`. */
async function irqEnable(
  mdev: MatrixMdev,
  q: VfioApQueue,
  vcpu: Vcpu,
  isc: number,
  address: number,
): Promise<ApQueueStatus> {
  const { va } = q;
  const { vm } = vcpu;
  if (address === 0 || !vm.isMemory(address)) return answer(RC.INVALID_ADDRESS);
  if (!mdev.pin(address)) return answer(RC.INVALID_ADDRESS);
  if (vm.protectedGuest && !vm.sharedPages.has(Math.floor(address / PAGE_SIZE))) {
    mdev.unpin(address);
    return answer(RC.INVALID_ADDRESS);
  }
  const hostIsc = registerSubclass(vcpu, isc);
  if (hostIsc === undefined) {
    mdev.unpin(address);
    return answer(va.profile.badSubclassRc);
  }
  const control = { ir: true, isc: hostIsc, gisa: vcpu.gisa?.designation ?? 0, gisc: isc };
  const answered = va.hw.aqic(q.apqn, control, address);
  const status = answered instanceof Promise ? await answered : answered;
  switch (status.responseCode) {
    case RC.NORMAL:
      // The old setting is given up only now that the new one holds.
      freeAqicResources(q);
      q.savedIova = address;
      q.savedIsc = isc;
      break;
    case RC.OTHERWISE_CHANGED:
      vcpu.gisa?.unregister(isc);
      mdev.unpin(address);
      break;
    default:
      va.core.log.print(
        'warning',
        `vfio_ap_irq_enable: apqn ${q.apqn.toString(16).padStart(4, '0')}: response: ${status.responseCode.toString(16).padStart(2, '0')}`,
      );
      // The new pin and registration are not released: a defect of the kernel.
      await irqDisable(q);
  }
  return status;
}

/** `kvm_s390_gisc_register`; undefined where it fails. */
function registerSubclass(vcpu: Vcpu, isc: number): number | undefined {
  try {
    return vcpu.gisa?.register(isc);
  } catch (e) {
    if (isKernelError(e)) return undefined;
    throw e;
  }
}

/** `vfio_ap_irq_disable`. The resources are freed in every case. */
export async function irqDisable(q: VfioApQueue): Promise<ApQueueStatus> {
  let status = NO_STATUS;
  for (let tries = AQIC_TRIES; tries > 0; tries--) {
    const answered = q.va.hw.aqic(q.apqn, { ir: false, isc: 0 }, 0);
    status = answered instanceof Promise ? await answered : answered;
    const rc = status.responseCode;
    if (rc === RC.RESET_IN_PROGRESS || rc === RC.BUSY) {
      await q.pause();
      continue;
    }
    if (rc === RC.NORMAL || rc === RC.OTHERWISE_CHANGED) await waitForIrqClear(q);
    else warnOnce(q.va, 'irq_disable', `vfio_ap_irq_disable: ap_aqic status ${rc}`);
    freeAqicResources(q);
    return status;
  }
  warnOnce(q.va, 'irq_disable tries', `vfio_ap_irq_disable: ap_aqic status ${status.responseCode}`);
  freeAqicResources(q);
  return status;
}

/** `vfio_ap_wait_for_irqclear`. */
async function waitForIrqClear(q: VfioApQueue): Promise<void> {
  const apqn = q.apqn.toString(16).padStart(4, '0');
  let rc: number = RC.NORMAL;
  for (let tries = IRQ_CLEAR_TRIES; tries > 0; tries--) {
    const { status } = q.va.hw.tapq(q.apqn);
    rc = status.responseCode;
    if (rc === RC.NORMAL || rc === RC.RESET_IN_PROGRESS) {
      if (!status.irqEnabled) return;
    } else if (rc !== RC.BUSY) {
      warnOnce(q.va, 'irqclear', `vfio_ap_wait_for_irqclear: tapq rc ${rc}: ${apqn}`);
      return;
    }
    await q.pause();
  }
  warnOnce(q.va, 'irqclear tries', `vfio_ap_wait_for_irqclear: tapq rc ${rc}: ${apqn} could not clear IR bit`);
}

/** `vfio_ap_free_aqic_resources`: sub class and pinned page of the guest's interrupt set-up. */
export function freeAqicResources(q: VfioApQueue): void {
  const { owner } = q;
  if (q.savedIsc !== undefined) {
    const gisa = owner?.kvm?.gisa;
    const forget = gisa !== undefined || (owner !== undefined && q.va.profile.freeWithoutVmMarksNone);
    if (gisa && gisa.references(q.savedIsc) > 0) gisa.unregister(q.savedIsc);
    if (forget) q.savedIsc = undefined;
    else warn(q.va, 'vfio_ap_free_aqic_resources');
  }
  if (q.savedIova !== undefined && owner) {
    owner.unpin(q.savedIova);
    q.savedIova = undefined;
  }
}
