/**
 * What zcrypt adds to cards and queues.
 *
 * Mirrors `zcrypt_card_attrs`, `zcrypt_queue_attrs` and the attribute groups of
 * zcrypt_cex4.c. spec/attributes.md E and F.
 */
import { ApCard } from '../../../lib/ap/card.js';
import { ApQueue } from '../../../lib/ap/queue.js';
import { ZcryptCard } from '../../../lib/zcrypt/card.js';
import { ccaMkvpsText, ccaSerialnrText } from '../../../lib/zcrypt/ccamisc.js';
import {
  ep11ApiOrdinalnrText,
  ep11CardOpModesText,
  ep11FwVersionText,
  ep11MkvpsText,
  ep11QueueOpModesText,
  ep11SerialnrText,
} from '../../../lib/zcrypt/ep11misc.js';
import { ZcryptQueue } from '../../../lib/zcrypt/queue.js';
import { table } from '../table.js';

function zc(ac: ApCard): ZcryptCard {
  if (!(ac.driverData instanceof ZcryptCard)) throw new Error(`${ac.name} is not bound to cex4card`);
  return ac.driverData;
}

function zq(aq: ApQueue): ZcryptQueue {
  if (!(aq.driverData instanceof ZcryptQueue)) throw new Error(`${aq.name} is not bound to cex4queue`);
  return aq.driverData;
}

export const zcryptCardTable = table('zcrypt_card', ApCard, [
  { name: 'type', show: (ac) => zc(ac).typeText() },
  {
    name: 'online',
    show: (ac) => zc(ac).onlineText(),
    store: (ac, text, { task }) => zc(ac).onlineStore(task, text),
  },
  { name: 'load', show: (ac) => zc(ac).loadText() },
]);

export const ccaCardTable = table('cca_card', ApCard, [
  { name: 'serialnr', show: (ac, { task }) => ccaSerialnrText(task, zc(ac)) },
]);

export const ep11CardTable = table('ep11_card', ApCard, [
  { name: 'API_ordinalnr', show: (ac, { task }) => ep11ApiOrdinalnrText(task, zc(ac)) },
  { name: 'FW_version', show: (ac, { task }) => ep11FwVersionText(task, zc(ac)) },
  { name: 'serialnr', show: (ac, { task }) => ep11SerialnrText(task, zc(ac)) },
  { name: 'op_modes', show: (ac, { task }) => ep11CardOpModesText(task, zc(ac)) },
]);

export const zcryptQueueTable = table('zcrypt_queue', ApQueue, [
  {
    name: 'online',
    show: (aq) => zq(aq).onlineText(),
    store: (aq, text, { task }) => zq(aq).onlineStore(task, text),
  },
  { name: 'load', show: (aq) => zq(aq).loadText() },
]);

export const ccaQueueTable = table('cca_queue', ApQueue, [
  { name: 'mkvps', show: (aq, { task }) => ccaMkvpsText(task, zq(aq)) },
]);

export const ep11QueueTable = table('ep11_queue', ApQueue, [
  { name: 'mkvps', show: (aq, { task }) => ep11MkvpsText(task, zq(aq)) },
  { name: 'op_modes', show: (aq, { task }) => ep11QueueOpModesText(task, zq(aq)) },
]);
