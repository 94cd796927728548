/**
 * Interrupts of the host on its queues.
 *
 * Mirrors ap_queue.c `ap_queue_enable_irq`. A failure only means that the queue
 * is polled. spec/ap-bus.md 5.3.
 */
import { type ApQueueStatus, RC } from '../hardware/instructions.js';
import type { ApQueue } from './queue.js';

/** AP interrupt sub class of the host (asm/isc.h AP_ISC). */
export const AP_ISC = 6;

/** Stands for the address of the host's adapter-interrupt indicator. */
export const HOST_INDICATOR = 1;

/** Kernels before 6.12 do not know the async bit. */
export const isAsyncError = (aq: ApQueue, status: ApQueueStatus): boolean => aq.ap.profile.hasAsyncBit && status.async;

/** True if interrupts are, or are being, enabled. */
export function enableIrq(aq: ApQueue): boolean {
  const status = aq.ap.hw.aqic(aq.qid, { ir: true, isc: AP_ISC }, HOST_INDICATOR);
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
