/**
 * Binding and associating queues in a secure-execution guest.
 *
 * Mirrors ap_queue.c `se_bind_show/store`, `se_associate_show/store`.
 * spec/attributes.md F.
 */
import { KernelError } from '../errno.js';
import { FAC, RC, type TapqInfo } from '../hardware/instructions.js';
import type { Soon } from '../sync/soon.js';
import { kstrtobool, kstrtouint } from '../text/kstrto.js';
import { type ApQueue, ASSOC_IDX_INVALID } from './queue.js';
import { SmEvent, SmState, smEvent } from './queue-sm.js';

const canBind = (aq: ApQueue): boolean => (aq.card.hwinfo.fac & (FAC.EP11 | FAC.ACCEL)) !== 0;
const canAssociate = (aq: ApQueue): boolean => (aq.card.hwinfo.fac & FAC.EP11) !== 0;

/** TAPQ for a show: rc up to 05 is an answer. @throws EIO */
function lookAt(aq: ApQueue): TapqInfo {
  const { status, info } = aq.ap.hw.tapq(aq.qid);
  if (status.responseCode > RC.BUSY) throw new KernelError('EIO');
  aq.seBs = info.bs;
  return info;
}

/** TAPQ for a store: only rc 00 will do. @throws EIO */
function lookAtHealthy(aq: ApQueue): TapqInfo {
  const { status, info } = aq.ap.hw.tapq(aq.qid);
  if (status.responseCode !== RC.NORMAL) throw new KernelError('EIO');
  aq.seBs = info.bs;
  return info;
}

export function seBindText(aq: ApQueue): string {
  if (!canBind(aq)) return '-\n';
  return lookAt(aq).bs <= 1 ? 'bound\n' : 'unbound\n';
}

/** @throws EINVAL no bind support, bad text, not available for binding; EBUSY; EIO */
export function seBindStore(aq: ApQueue, written: string): Soon<void> {
  if (!canBind(aq)) throw new KernelError('EINVAL');
  const bind = kstrtobool(written);
  return aq.underLock(() => (bind ? bindQueue(aq) : unbindQueue(aq)));
}

function unbindQueue(aq: ApQueue): Soon<void> {
  aq.flush('unbound');
  aq.rapqFbit = true;
  return aq.initState();
}

function bindQueue(aq: ApQueue): void {
  if (lookAtHealthy(aq).bs !== 2) throw new KernelError('EINVAL');
  if (aq.smState < SmState.IDLE) throw new KernelError('EBUSY');
  if (aq.ap.hw.bapq(aq.qid).responseCode !== RC.NORMAL) throw new KernelError('EIO');
  aq.assocIdx = ASSOC_IDX_INVALID;
  if (lookAtHealthy(aq).bs > 1) throw new KernelError('EIO');
  if (aq.ap.profile.hasSecureExecutionEvents) aq.sendUevent('change', ['SE_BIND=1']);
}

export function seAssociateText(aq: ApQueue): string {
  if (!canAssociate(aq)) return '-\n';
  const { bs } = lookAt(aq);
  if (bs === 0) {
    if (aq.assocIdx === ASSOC_IDX_INVALID) throw new KernelError('EIO');
    return `associated ${aq.assocIdx}\n`;
  }
  return bs === 1 && aq.assocIdx !== ASSOC_IDX_INVALID ? 'association pending\n' : 'unassociated\n';
}

/** @throws EINVAL, ERANGE bad index, not bound; EBUSY; EIO */
export function seAssociateStore(aq: ApQueue, written: string): Soon<void> {
  if (!canAssociate(aq)) throw new KernelError('EINVAL');
  const index = kstrtouint(written);
  if (index >= ASSOC_IDX_INVALID) throw new KernelError('EINVAL');
  return aq.underLock(() => associate(aq, index));
}

function associate(aq: ApQueue, index: number): Soon<void> {
  if (lookAtHealthy(aq).bs !== 1) throw new KernelError('EINVAL');
  if (aq.smState !== SmState.IDLE) throw new KernelError('EBUSY');
  const { responseCode } = aq.ap.hw.aapq(aq.qid, index);
  if (responseCode !== RC.NORMAL && responseCode !== RC.STATE_CHANGE_IN_PROGRESS) throw new KernelError('EIO');
  aq.smState = SmState.ASSOC_WAIT;
  aq.assocIdx = index;
  return aq.ap.poll.wait(smEvent(aq, SmEvent.POLL));
}
