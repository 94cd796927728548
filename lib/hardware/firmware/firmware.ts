/**
 * What a card computes: from a request message to its reply message.
 *
 * Mirrors the card side of the protocol; the work is done when the reply is due.
 */
import type { Ports } from '../../ports.js';
import type { AdapterDescription } from '../adapter.js';
import type { Qid } from '../instructions.js';
import { answerAccelerator } from './accel.js';
import { answerCca } from './cca.js';
import { answerEp11 } from './ep11.js';

/** Where a request is worked on. */
export interface CardContext {
  readonly ports: Ports;
  readonly card: AdapterDescription;
  readonly qid: Qid;
}

export function answerRequest(context: CardContext, request: Uint8Array): Uint8Array {
  switch (context.card.mode) {
    case 'cca':
      return answerCca(context, request);
    case 'ep11':
      return answerEp11(context, request);
    case 'accel':
      return answerAccelerator(context, request);
  }
}
