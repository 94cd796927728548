/**
 * Which queue gets a request.
 *
 * Mirrors the selection loops of zcrypt_api.c, `zcrypt_card_compare`,
 * `zcrypt_queue_compare`, `zcrypt_pick_queue`, `zcrypt_drop_queue`. The kernel
 * runs all of it under the list lock, a spinlock: no awaits here.
 * spec/zcrypt.md 3.
 */
import type { Module } from '../driver-core/module.js';
import { type Qid, qidCard } from '../hardware/instructions.js';
import type { ZcryptCard } from './card.js';
import type { ZcryptQueue } from './queue.js';
import type { Track } from './retry.js';

const CARD_PENALTY = 1000;
const QUEUE_PENALTY = 10000;

/** What a request asks of card and queue. */
export interface Wanted {
  /** Every condition on the card. */
  card(zc: ZcryptCard): boolean;
  weight(zc: ZcryptCard): number;
  /** Conditions on the queue beyond being online and usable. */
  queue(zq: ZcryptQueue): boolean;
}

/** A chosen queue, with what has to be given back. */
export interface Picked {
  readonly card: ZcryptCard;
  readonly queue: ZcryptQueue;
  /** Module that had the queue then; the queue may go to another driver meanwhile. */
  readonly module: Module | undefined;
  readonly weight: number;
}

interface Best {
  readonly card: ZcryptCard;
  readonly queue: ZcryptQueue;
  readonly weight: number;
}

export class Distributor {
  /** Cards bound to cex4card, in order of binding. */
  readonly cards: ZcryptCard[] = [];

  /** All queues that selection can find, card by card. */
  *queues(): Generator<ZcryptQueue> {
    for (const zc of this.cards) yield* zc.queues;
  }

  find(qid: Qid): ZcryptQueue | undefined {
    for (const zq of this.queues()) if (zq.queue.qid === qid) return zq;
    return undefined;
  }

  /** Chooses a queue and takes it; undefined: there is none. */
  pick(wanted: Wanted, track: Track): Picked | undefined {
    let best: Best | undefined;
    /** Weight of the card evaluated last, not of the chosen one: this is what counts as load. */
    let lastWeight = 0;
    for (const zc of this.cards) {
      if (!zc.usable || !wanted.card(zc)) continue;
      lastWeight = wanted.weight(zc);
      const weight = lastWeight + cardPenalty(zc, track);
      if (!cardIsBetter(zc, weight, best)) continue;
      for (const zq of zc.queues) {
        if (!zq.online || !zq.queue.usable || !wanted.queue(zq)) continue;
        const queueWeight = weight + queuePenalty(zq, track);
        if (queueIsBetter(zq, queueWeight, best)) best = { card: zc, queue: zq, weight: queueWeight };
      }
    }
    return best && this.#take(best, lastWeight);
  }

  /** Gives it back. */
  drop({ card, queue, module, weight }: Picked): void {
    queue.inFlight--;
    card.load -= weight;
    queue.load -= weight;
    module?.put();
  }

  #take({ card, queue }: Best, weight: number): Picked | undefined {
    const module = queue.queue.driver?.module;
    if (module && !module.tryGet()) return undefined;
    card.load += weight;
    queue.load += weight;
    queue.inFlight++;
    return { card, queue, module, weight };
  }
}

const cardPenalty = (zc: ZcryptCard, { againCounter, lastQid }: Track): number =>
  againCounter > 0 && lastQid !== 0 && qidCard(lastQid) === zc.card.apid ? CARD_PENALTY : 0;

const queuePenalty = (zq: ZcryptQueue, { againCounter, lastQid }: Track): number =>
  againCounter > 0 && lastQid !== 0 && lastQid === zq.queue.qid ? QUEUE_PENALTY : 0;

function cardIsBetter(zc: ZcryptCard, weight: number, best: Best | undefined): boolean {
  if (!best) return true;
  const mine = weight + zc.load;
  const others = best.weight + best.card.load;
  return mine === others ? zc.card.totalRequestCount < best.card.card.totalRequestCount : mine < others;
}

function queueIsBetter(zq: ZcryptQueue, weight: number, best: Best | undefined): boolean {
  if (!best) return true;
  const mine = weight + zq.load;
  const others = best.weight + best.queue.load;
  return mine === others ? zq.queue.totalRequestCount < best.queue.queue.totalRequestCount : mine < others;
}
