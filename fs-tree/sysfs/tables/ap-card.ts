/**
 * /sys/devices/ap/cardXX: what every card has.
 *
 * Mirrors `ap_card_dev_attrs` of ap_card.c. spec/attributes.md E.
 */
import { ApCard } from '../../../lib/ap/card.js';
import { decimal, flag, hex32, table } from '../table.js';

export const apCardTable = table('ap_card', ApCard, [
  { name: 'hwtype', show: (ac) => decimal(ac.hwtype) },
  { name: 'raw_hwtype', show: (ac) => decimal(ac.rawHwtype) },
  { name: 'depth', show: (ac) => decimal(ac.queueDepth) },
  { name: 'ap_functions', show: (ac) => hex32(ac.hwinfo.fac) },
  {
    name: 'request_count',
    show: (ac) => decimal(ac.totalRequestCount),
    store: (ac) => ac.resetRequestCount(),
  },
  {
    name: 'requestq_count',
    show: (ac) => decimal(ac.activeQueues().reduce((n, aq) => n + aq.requestq.length, 0)),
  },
  {
    name: 'pendingq_count',
    show: (ac) => decimal(ac.activeQueues().reduce((n, aq) => n + aq.pendingq.length, 0)),
  },
  { name: 'modalias', show: (ac) => `ap:t${ac.hwtype.toString(16).toUpperCase().padStart(2, '0')}\n` },
  {
    name: 'config',
    show: (ac) => flag(ac.config),
    store: (ac, text, { task }) => ac.configStore(task, text),
  },
  { name: 'chkstop', show: (ac) => flag(ac.chkstop) },
  { name: 'max_msg_size', show: (ac) => decimal(ac.maxMsgSize) },
]);
