/**
 * The adapters to the host that a replay can use, by name.
 */
import type { Ops } from '../../fs-tree/ops.js';
import { chooseTransport, createTransport as create } from '../../fs-tree/transport/choose.js';
import { TRANSPORTS, type Transport, type TransportChoice } from '../../fs-tree/transport/transport.js';

export const TRANSPORT_NAMES = ['auto', ...TRANSPORTS] as const;

/** Undefined: there is no such transport. */
export const transportName = (word: string): TransportChoice | undefined =>
  TRANSPORT_NAMES.find((name) => name === word);

/** A transport that serves clients of every user, not mounted yet. */
export function createTransport(choice: TransportChoice, mountPoint: string, ops: Ops): Transport {
  return create(chooseTransport(choice), mountPoint, ops, { allowOther: true });
}
