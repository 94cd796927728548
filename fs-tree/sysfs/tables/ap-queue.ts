/**
 * /sys/devices/ap/cardXX/XX.YYYY: what every queue has.
 *
 * Mirrors `ap_queue_dev_attrs` and `ap_queue_dev_sb_attrs` of ap_queue.c.
 * spec/attributes.md F.
 */
import { ApQueue } from '../../../lib/ap/queue.js';
import { DevState, SmState } from '../../../lib/ap/queue-sm.js';
import { seAssociateStore, seAssociateText, seBindStore, seBindText } from '../../../lib/ap/secure-execution.js';
import { KernelError } from '../../../lib/errno.js';
import { RC } from '../../../lib/hardware/instructions.js';
import { decimal, flag, hex32, table } from '../table.js';

const initialised = (aq: ApQueue): boolean => aq.devState > DevState.UNINITIATED;

function resetText(aq: ApQueue): string {
  switch (aq.smState) {
    case SmState.RESET_START:
    case SmState.RESET_WAIT:
      return 'Reset in progress.\n';
    case SmState.WORKING:
    case SmState.QUEUE_FULL:
      return 'Reset Timer armed.\n';
    default:
      return 'No Reset Timer set.\n';
  }
}

function interruptText(aq: ApQueue): string {
  if (aq.smState === SmState.SETIRQ_WAIT) return 'Enable Interrupt pending.\n';
  const enabled = aq.ap.profile.irqStateFromStatus ? aq.ap.hw.tapq(aq.qid).status.irqEnabled : aq.interruptFlag;
  return enabled ? 'Interrupts enabled.\n' : 'Interrupts disabled.\n';
}

function functionsText(aq: ApQueue): string {
  const { status, info } = aq.ap.hw.tapq(aq.qid);
  if (status.responseCode > RC.BUSY) throw new KernelError('EIO');
  return hex32(info.fac);
}

export const apQueueTable = table('ap_queue', ApQueue, [
  {
    name: 'request_count',
    show: (aq) => (initialised(aq) ? decimal(aq.totalRequestCount) : '-\n'),
    store: (aq) => {
      aq.totalRequestCount = 0;
    },
  },
  { name: 'requestq_count', show: (aq) => decimal(initialised(aq) ? aq.requestq.length : 0) },
  { name: 'pendingq_count', show: (aq) => decimal(initialised(aq) ? aq.pendingq.length : 0) },
  { name: 'reset', show: resetText, store: (aq) => aq.resetStore() },
  { name: 'interrupt', show: interruptText },
  { name: 'config', show: (aq) => flag(aq.config) },
  { name: 'chkstop', show: (aq) => flag(aq.chkstop) },
  { name: 'ap_functions', since: (p) => p.hasQueueApFunctions, show: functionsText },
  {
    name: 'driver_override',
    since: (p) => p.hasDriverOverride,
    show: (aq) => `${aq.driverOverride ?? ''}\n`,
    store: (aq, text, { task }) => aq.driverOverrideStore(task, text),
  },
]);

export const apQueueSecureExecutionTable = table('ap_queue_se', ApQueue, [
  { name: 'se_bind', show: seBindText, store: seBindStore },
  { name: 'se_associate', show: seAssociateText, store: seAssociateStore },
]);

const DEV_STATE_WORD: Record<DevState, string> = {
  [DevState.UNINITIATED]: 'UNINITIATED',
  [DevState.OPERATING]: 'OPERATING',
  [DevState.SHUTDOWN]: 'SHUTDOWN',
  [DevState.ERROR]: 'ERROR',
};

const SM_STATE_WORD: Record<SmState, string> = {
  [SmState.RESET_START]: ' [RESET_START]',
  [SmState.RESET_WAIT]: ' [RESET_WAIT]',
  [SmState.SETIRQ_WAIT]: ' [SETIRQ_WAIT]',
  [SmState.IDLE]: ' [IDLE]',
  [SmState.WORKING]: ' [WORKING]',
  [SmState.QUEUE_FULL]: ' [FULL]',
  [SmState.ASSOC_WAIT]: ' [ASSOC_WAIT]',
};

const RC_NAME: Record<number, string> = {
  0: 'NORMAL',
  1: 'Q_NOT_AVAIL',
  2: 'RESET_IN_PROGRESS',
  3: 'DECONFIGURED',
  4: 'CHECKSTOPPED',
  5: 'BUSY',
  6: 'INVALID_ADDRESS',
  7: 'OTHERWISE_CHANGED',
  16: 'Q_FULL/NO_PENDING_REPLY',
  17: 'INDEX_TOO_BIG',
  19: 'NO_FIRST_PART',
  21: 'MESSAGE_TOO_BIG',
  22: 'REQ_FAC_NOT_INST',
};

/** Kernels built with CONFIG_AP_DEBUG. */
export const apQueueDebugTable = table('ap_queue_debug', ApQueue, [
  {
    name: 'states',
    show: (aq) => `${DEV_STATE_WORD[aq.devState]}${initialised(aq) ? SM_STATE_WORD[aq.smState] : ''}\n`,
  },
  { name: 'last_err_rc', show: (aq) => `${RC_NAME[aq.lastErrRc] ?? `response code ${aq.lastErrRc}`}\n` },
]);
