/**
 * Interrupts of a kernel on its queues.
 *
 * Mirrors ap_queue.c `ap_queue_enable_irq`. A failure only means that the queue
 * is polled. In a guest the instruction is the host's business and takes its
 * time. spec/ap-bus.md 5.3.
 */
import { type ApQueueStatus, RC } from '../hardware/instructions.js';
import { after, type Soon } from '../sync/soon.js';
import type { ApQueue } from './queue.js';

/** AP interrupt sub class (asm/isc.h AP_ISC). */
export const AP_ISC = 6;

/** Stands for the address of the kernel's adapter-interrupt indicator. */
export const HOST_INDICATOR = 1;

/** Kernels before 6.12 do not know the async bit. */
export const isAsyncError = (aq: ApQueue, status: ApQueueStatus): boolean => aq.ap.profile.hasAsyncBit && status.async;

/** True if interrupts are, or are being, enabled. */
export function enableIrq(aq: ApQueue): Soon<boolean> {
  return after(aq.ap.hw.aqic(aq.qid, { ir: true, isc: AP_ISC }, HOST_INDICATOR), (status) => isEnabled(aq, status));
}

function isEnabled(aq: ApQueue, status: ApQueueStatus): boolean {
  if (isAsyncError(aq, status)) return false;
  switch (status.responseCode) {
    case RC.NORMAL:
    case RC.OTHERWISE_CHANGED:
      return true;
    case RC.Q_NOT_AVAIL:
    case RC.DECONFIGURED:
    case RC.CHECKSTOPPED:
    case RC.INVALID_ADDRESS:
      aq.core.log.print('err', `ap: Registering adapter interrupts for AP device ${aq.name} failed`);
      return false;
    default:
      return false;
  }
}
