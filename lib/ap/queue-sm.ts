/**
 * The state machine of a queue.
 *
 * Mirrors the ap_sm_* functions and the jump table of ap_queue.c; the rows are
 * spec/ap-bus.md 5.2 and 5.3. Every action says how long to wait before the
 * next event. No awaits: the kernel runs all of it under the queue's spinlock.
 * Only AQIC of a guest takes time; the virtual CPU that issued it then holds
 * the lock until the host has answered, and whoever else comes spins.
 */
import { type ApQueueStatus, RC } from '../hardware/instructions.js';
import { after, type Soon } from '../sync/soon.js';
import { enableIrq, isAsyncError } from './irq.js';
import type { ApQueue } from './queue.js';

export enum DevState {
  UNINITIATED = 0,
  OPERATING = 1,
  SHUTDOWN = 2,
  ERROR = 3,
}

export enum SmState {
  RESET_START = 0,
  RESET_WAIT = 1,
  SETIRQ_WAIT = 2,
  IDLE = 3,
  WORKING = 4,
  QUEUE_FULL = 5,
  ASSOC_WAIT = 6,
}

export enum SmEvent {
  POLL = 0,
  TIMEOUT = 1,
}

/** What to wait for, most urgent first. */
export enum SmWait {
  AGAIN = 0,
  HIGH_TIMEOUT = 1,
  LOW_TIMEOUT = 2,
  INTERRUPT = 3,
  NONE = 4,
}

/** What a step asks for; in a guest perhaps only when the host has answered. */
export type Step = Soon<SmWait>;

type Action = (aq: ApQueue) => Step;

/** `ap_sm_event`: dropped unless configured, not check-stopped and initialised. */
export function smEvent(aq: ApQueue, event: SmEvent): Step {
  if (aq.stall) return aq.stall.then(() => smEvent(aq, event));
  if (!aq.config || aq.chkstop || aq.devState <= DevState.UNINITIATED) return SmWait.NONE;
  const before = aq.smState;
  const end = (wait: SmWait): SmWait => {
    if (aq.smState !== before) aq.ap.traceState(aq, before);
    aq.ap.active.look(aq);
    return wait;
  };
  const step = JUMP_TABLE[aq.smState][event](aq);
  return step instanceof Promise ? aq.stallUntil(step.then(end)) : end(step);
}

/** `ap_sm_event_loop`. */
export function smEventLoop(aq: ApQueue, event: SmEvent): Step {
  let step: Step;
  do step = smEvent(aq, event);
  while (step === SmWait.AGAIN);
  return after(step, (wait) => (wait === SmWait.AGAIN ? smEventLoop(aq, event) : wait));
}

function fail(aq: ApQueue, rc: number, where: string): SmWait {
  aq.devState = DevState.ERROR;
  aq.lastErrRc = rc;
  aq.ap.dbf(3, `${where} RC 0x${rc.toString(16).padStart(2, '0')} on 0x${aq.name} -> AP_DEV_STATE_ERROR`);
  return SmWait.NONE;
}

const nop: Action = () => SmWait.NONE;

const workingOrIdle = (aq: ApQueue): SmState => (aq.queueCount > 0 ? SmState.WORKING : SmState.IDLE);

/** `ap_sm_reset`: RAPQ. */
const reset = (aq: ApQueue): SmWait => {
  const status = aq.ap.hw.rapq(aq.qid, aq.rapqFbit);
  if (isAsyncError(aq, status)) return SmWait.NONE;
  switch (status.responseCode) {
    case RC.NORMAL:
    case RC.RESET_IN_PROGRESS:
      aq.smState = SmState.RESET_WAIT;
      aq.rapqFbit = false;
      aq.interruptFlag = false;
      return SmWait.LOW_TIMEOUT;
    default:
      return fail(aq, status.responseCode, 'ap_sm_reset');
  }
};

/** `ap_sm_reset_wait`: is the reset done? Then enable interrupts. */
const resetWait: Action = (aq) => {
  let status: ApQueueStatus;
  if (!aq.ap.profile.irqStateFromStatus && aq.queueCount > 0 && aq.replyBuffer > 0) status = receive(aq);
  else {
    const answer = aq.ap.hw.tapq(aq.qid);
    status = answer.status;
    if (status.responseCode === RC.NORMAL) aq.seBs = answer.info.bs;
  }
  switch (status.responseCode) {
    case RC.NORMAL:
      return after(aq.ap.usesInterrupts && enableIrq(aq), (enabled) => {
        aq.smState = enabled ? SmState.SETIRQ_WAIT : workingOrIdle(aq);
        return SmWait.AGAIN;
      });
    case RC.BUSY:
    case RC.RESET_IN_PROGRESS:
      return SmWait.LOW_TIMEOUT;
    default:
      return fail(aq, status.responseCode, 'ap_sm_reset_wait');
  }
};

/** `ap_sm_setirq_wait`: are interrupts on yet? */
const setirqWait: Action = (aq) => {
  const status = aq.queueCount > 0 && aq.replyBuffer > 0 ? receive(aq) : aq.ap.hw.tapq(aq.qid).status;
  if (status.irqEnabled) {
    aq.interruptFlag = true;
    aq.smState = workingOrIdle(aq);
  }
  switch (status.responseCode) {
    case RC.NORMAL:
      return aq.queueCount > 0 ? SmWait.AGAIN : SmWait.LOW_TIMEOUT;
    case RC.NO_PENDING_REPLY:
      return SmWait.LOW_TIMEOUT;
    default:
      return fail(aq, status.responseCode, 'ap_sm_setirq_wait');
  }
};

const irqOrPoll = (aq: ApQueue, status: ApQueueStatus): SmWait =>
  (aq.ap.profile.irqStateFromStatus ? status.irqEnabled : aq.interruptFlag) ? SmWait.INTERRUPT : SmWait.HIGH_TIMEOUT;

/** `ap_sm_write`: NQAP of the first waiting request. */
const write: Action = (aq) => {
  const message = aq.requestq[0];
  if (!message) return SmWait.NONE;
  const status = aq.ap.hw.nqap(aq.qid, message.psmid, message.bytes, message.special);
  if (isAsyncError(aq, status)) return SmWait.NONE;
  switch (status.responseCode) {
    case RC.NORMAL:
      aq.queueCount = Math.max(1, aq.queueCount + 1);
      if (aq.queueCount === 1) aq.armRequestTimer();
      aq.requestq.shift();
      aq.pendingq.push(message);
      aq.ap.traceRequest(message, 'sent', aq, 'NQAP');
      if (aq.queueCount < aq.card.queueDepth) {
        aq.smState = SmState.WORKING;
        return SmWait.AGAIN;
      }
      aq.smState = SmState.QUEUE_FULL;
      return irqOrPoll(aq, status);
    case RC.Q_FULL:
      aq.smState = SmState.QUEUE_FULL;
      return irqOrPoll(aq, status);
    case RC.RESET_IN_PROGRESS:
      aq.smState = SmState.RESET_WAIT;
      return SmWait.LOW_TIMEOUT;
    case RC.INVALID_DOMAIN:
    case RC.MESSAGE_TOO_BIG:
    case RC.REQ_FAC_NOT_INST:
      aq.requestq.shift();
      message.rc = 'EINVAL';
      aq.ap.traceRequest(message, 'refused', aq, 'NQAP');
      message.receive(aq, message, undefined);
      return SmWait.AGAIN;
    default:
      return fail(aq, status.responseCode, 'ap_sm_write');
  }
};

/** `ap_sm_read`: fetch a reply; afterwards see to the interrupts. */
const read: Action = (aq) => {
  if (aq.replyBuffer === 0) return SmWait.NONE;
  const status = receive(aq);
  if (isAsyncError(aq, status)) return SmWait.NONE;
  switch (status.responseCode) {
    case RC.NORMAL:
      if (aq.queueCount > 0) {
        aq.smState = SmState.WORKING;
        return SmWait.AGAIN;
      }
      aq.smState = SmState.IDLE;
      break;
    case RC.NO_PENDING_REPLY:
      if (aq.queueCount > 0) return irqOrPoll(aq, status);
      aq.smState = SmState.IDLE;
      break;
    default:
      return fail(aq, status.responseCode, 'ap_sm_read');
  }
  if (!aq.ap.profile.hasIrqCheck || status.irqEnabled || !status.queueEmpty || !aq.ap.usesInterrupts)
    return SmWait.NONE;
  return after(enableIrq(aq), (enabled) => {
    if (!enabled) return SmWait.NONE;
    aq.smState = SmState.SETIRQ_WAIT;
    return SmWait.AGAIN;
  });
};

/** `ap_sm_read_write`. */
const readWrite: Action = (aq) => after(read(aq), (first) => after(write(aq), (second) => Math.min(first, second)));

/**
 * `ap_sm_recv`: one reply, delivered to the request it answers. A reply longer
 * than the buffer is fetched to its end, each part over the one before; its
 * sender only learns that it was too long.
 */
function receive(aq: ApQueue): ApQueueStatus {
  let parts = 1;
  let part = aq.ap.hw.dqap(aq.qid, aq.replyBuffer);
  for (; part.residual > 0; parts++) part = aq.ap.hw.dqap(aq.qid, aq.replyBuffer, true);
  const { status, psmid, bytes } = part;
  if (status.responseCode === RC.NORMAL) {
    aq.queueCount = Math.max(0, aq.queueCount - 1);
    if (!status.queueEmpty && aq.queueCount === 0) aq.queueCount = 1;
    if (aq.queueCount > 0) aq.armRequestTimer();
    const at = aq.pendingq.findIndex((m) => m.psmid === psmid);
    const message = aq.pendingq[at];
    if (message) {
      aq.pendingq.splice(at, 1);
      if (parts > 1) {
        aq.ap.traceRequest(message, 'answered', aq, `DQAP, ${parts} parts`);
        message.rc = 'EMSGSIZE';
        message.receive(aq, message, undefined);
      } else {
        aq.ap.traceRequest(message, 'answered', aq, 'DQAP');
        message.receive(aq, message, { psmid, bytes });
      }
    } else aq.ap.dbf(4, `ap_sm_recv unassociated reply psmid=0x${psmid.toString(16)} on 0x${aq.name}`);
  }
  if (
    (status.responseCode === RC.NORMAL || status.responseCode === RC.NO_PENDING_REPLY) &&
    status.queueEmpty &&
    aq.queueCount > 0
  ) {
    // The card forgot requests: they are sent again.
    for (const message of aq.pendingq) aq.ap.traceRequest(message, 'requeued', aq, 'the card forgot it');
    aq.queueCount = 0;
    aq.requestq = [...aq.pendingq, ...aq.requestq];
    aq.pendingq = [];
  }
  return status;
}

/** `ap_sm_assoc_wait`: is the association done? */
const assocWait: Action = (aq) => {
  const { status, info } = aq.ap.hw.tapq(aq.qid);
  if ((status.async && status.responseCode !== 0) || status.responseCode > RC.BUSY)
    return fail(aq, status.responseCode, 'ap_sm_assoc_wait');
  aq.seBs = info.bs;
  switch (info.bs) {
    case 0:
      aq.smState = SmState.IDLE;
      if (aq.ap.profile.hasSecureExecutionEvents) aq.sendUevent('change', [`SE_ASSOC=${aq.assocIdx}`]);
      return SmWait.NONE;
    case 1:
      return SmWait.LOW_TIMEOUT;
    default:
      aq.assocIdx = 0x10000;
      return fail(aq, status.responseCode, 'ap_sm_assoc_wait');
  }
};

const JUMP_TABLE: Record<SmState, Record<SmEvent, Action>> = {
  [SmState.RESET_START]: { [SmEvent.POLL]: reset, [SmEvent.TIMEOUT]: nop },
  [SmState.RESET_WAIT]: { [SmEvent.POLL]: resetWait, [SmEvent.TIMEOUT]: nop },
  [SmState.SETIRQ_WAIT]: { [SmEvent.POLL]: setirqWait, [SmEvent.TIMEOUT]: nop },
  [SmState.IDLE]: { [SmEvent.POLL]: write, [SmEvent.TIMEOUT]: nop },
  [SmState.WORKING]: { [SmEvent.POLL]: readWrite, [SmEvent.TIMEOUT]: reset },
  [SmState.QUEUE_FULL]: { [SmEvent.POLL]: read, [SmEvent.TIMEOUT]: reset },
  [SmState.ASSOC_WAIT]: { [SmEvent.POLL]: assocWait, [SmEvent.TIMEOUT]: reset },
};
