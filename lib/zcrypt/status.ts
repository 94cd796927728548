/**
 * Statistics as the ioctls give them.
 *
 * Mirrors zcrypt_api.c `zcrypt_device_status_mask(_ext)`, `zcrypt_status_mask`,
 * `zcrypt_qdepth_mask`, `zcrypt_perdev_reqcnt`, `zcrypt_pendingq_count`,
 * `zcrypt_requestq_count`. All cards and domains are reported, whatever a node
 * permits. Words are numbers here, bit fields counted from the left.
 * spec/zcrypt.md 7.
 */
import type { Zcrypt } from './api.js';
import type { ZcryptQueue } from './queue.js';
import { U32_MAX } from './user.js';

const CARDS = 256;
/** The old calls know cards 0 to 63. */
export const OLD_CARDS = 64;
const DOMAINS = 256;
/** Status byte of a card that is switched off. */
const STATUS_OFFLINE = 0x0d;

const functionsOf = (zq: ZcryptQueue): number => zq.queue.card.hwinfo.fac >>> 26;

/** ZCRYPT_DEVICE_STATUS: a word for each adapter and domain. */
export function deviceStatus(zcrypt: Zcrypt): Uint32Array {
  const words = new Uint32Array(CARDS * DOMAINS);
  for (const zq of zcrypt.distributor.queues()) {
    const { qid, card } = zq.queue;
    words[qid] = (card.hwtype << 24) | (qid << 8) | ((zq.online ? 1 : 0) << 7) | (functionsOf(zq) << 1);
  }
  return words;
}

/** ZDEVICESTATUS. */
export function oldDeviceStatus(zcrypt: Zcrypt): Uint32Array {
  const words = new Uint32Array(OLD_CARDS * DOMAINS);
  for (const zq of zcrypt.distributor.queues()) {
    const { qid, card } = zq.queue;
    if (card.apid >= OLD_CARDS) continue;
    words[qid] = (card.hwtype << 24) | (qid << 10) | ((zq.online ? 1 : 0) << 9) | (functionsOf(zq) << 3);
  }
  return words;
}

/** Queues of the default domain on the first `cards` cards. */
function* defaultDomainQueues(zcrypt: Zcrypt, cards = CARDS): Generator<ZcryptQueue> {
  for (const zq of zcrypt.distributor.queues())
    if (zq.queue.apqi === domainIndex(zcrypt) && zq.queue.card.apid < cards) yield zq;
}

/** ZCRYPT_STATUS_MASK, Z90STAT_STATUS_MASK: a byte for each card. */
export function statusMask(zcrypt: Zcrypt, cards: number = CARDS): Uint8Array {
  const mask = new Uint8Array(cards);
  for (const zq of defaultDomainQueues(zcrypt, cards))
    mask[zq.queue.card.apid] = zq.card.online ? zq.card.type.userSpaceType : STATUS_OFFLINE;
  return mask;
}

/** ZCRYPT_QDEPTH_MASK, Z90STAT_QDEPTH_MASK. */
export function qdepthMask(zcrypt: Zcrypt, cards: number = CARDS): Uint8Array {
  const mask = new Uint8Array(cards);
  for (const { queue } of defaultDomainQueues(zcrypt, cards))
    mask[queue.card.apid] = queue.pendingq.length + queue.requestq.length;
  return mask;
}

/** ZCRYPT_PERDEV_REQCNT, Z90STAT_PERDEV_REQCNT. */
export function perdevReqcnt(zcrypt: Zcrypt, cards: number = CARDS): Uint32Array {
  const counts = new Uint32Array(cards);
  for (const { queue } of defaultDomainQueues(zcrypt, cards))
    counts[queue.card.apid] = Math.min(queue.totalRequestCount, U32_MAX);
  return counts;
}

/** Z90STAT_REQUESTQ_COUNT. */
export function requestqCount(zcrypt: Zcrypt): number {
  let count = 0;
  for (const { queue } of defaultDomainQueues(zcrypt)) count += queue.requestq.length;
  return count;
}

/** Z90STAT_PENDINGQ_COUNT. */
export function pendingqCount(zcrypt: Zcrypt): number {
  let count = 0;
  for (const { queue } of defaultDomainQueues(zcrypt)) count += queue.pendingq.length;
  return count;
}

/** Z90STAT_DOMAIN_INDEX: the default domain, -1 if there is none. */
export const domainIndex = (zcrypt: Zcrypt): number => zcrypt.ap?.domainIndex ?? -1;
