/**
 * Who gets which queues: apmask, aqmask and the revision of bindings.
 *
 * Mirrors ap_bus.c `apmask_store`, `apmask_commit`, `ap_bus_revise_bindings`,
 * `__ap_revise_reserved`. spec/ap-bus.md 4.3 and 4.6, spec/attributes.md D.
 */
import { deviceReprobe } from '../driver-core/dd.js';
import { KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import { Mask, parseMaskText } from '../text/bitmap.js';
import type { ApBus } from './bus.js';
import { ApDriver } from './driver.js';
import type { ApQueue } from './queue.js';

type Which = 'apm' | 'aqm';

const KEY: Record<Which, string> = { apm: 'APMASK', aqm: 'AQMASK' };

/**
 * A write to `apmask` or `aqmask`. Returns when every queue has its driver.
 * @throws EINTR; EINVAL overrides are in use, or bad text; EBUSY a newly set bit belongs to an mdev
 */
export async function maskStore(task: Task, ap: ApBus, which: Which, written: string): Promise<void> {
  await ap.attrMutex.lockInterruptible(task);
  try {
    if (ap.overrideCount > 0) throw new KernelError('EINVAL');
    const mask = parseMaskText(ap[which], written, ap.profile.maskNumberOverflow);
    if (mask.equals(ap[which])) return;
    await commit(task, ap, which, mask);
  } finally {
    ap.attrMutex.unlock(task);
  }
  await reviseBindings(task, ap);
  ap.rootDevice.sendUevent('change', [`${KEY[which]}=${ap[which]}\n`]);
}

/** `apmask_commit`, `aqmask_commit`. */
async function commit(task: Task, ap: ApBus, which: Which, mask: Mask): Promise<void> {
  const reserved = mask.andNot(ap[which]);
  if (!reserved.isEmpty) {
    const whole = ap.profile.inUseAsksWholeOtherDimension;
    const apm = which === 'apm' ? reserved : whole ? Mask.ones() : ap.apm;
    const aqm = which === 'aqm' ? reserved : whole ? Mask.ones() : ap.aqm;
    for (const drv of ap.drivers()) {
      if (!drv.ops.inUse) continue;
      if (drv.module && !drv.module.tryGet()) continue;
      const busy = await drv.ops.inUse(task, apm, aqm);
      drv.module?.put();
      if (busy) throw new KernelError('EBUSY');
    }
  }
  ap[which] = mask;
  ap.masksInUse = !(ap.apm.isFull && ap.aqm.isFull);
}

/** `ap_bus_revise_bindings`: every queue, in order of creation. */
async function reviseBindings(task: Task, ap: ApBus): Promise<void> {
  for (const aq of ap.queues()) {
    const wait = ap.attrMutex.lock(task);
    if (wait) await wait;
    const move = mustMove(ap, aq);
    ap.attrMutex.unlock(task);
    if (move) await deviceReprobe(task, aq);
  }
}

/** `__ap_revise_reserved`. */
function mustMove(ap: ApBus, aq: ApQueue): boolean {
  if (aq.driverOverride !== undefined) return aq.driver?.name !== aq.driverOverride;
  return ap.inHostPool(aq.card.apid, aq.apqi) !== countsAsDefault(ap, aq);
}

/**
 * Whether the queue's driver has the DEFAULT flag. For an unbound queue the
 * kernel reads that flag through a null pointer, from a word of low memory that
 * differs between the kernels: the defect is part of what scripts meet.
 */
function countsAsDefault(ap: ApBus, aq: ApQueue): boolean {
  if (aq.driver instanceof ApDriver) return aq.driver.ops.isDefault;
  return ap.profile.unboundQueueCountsAsDefault;
}
