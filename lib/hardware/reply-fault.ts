/**
 * Wrong answers on purpose: `hw queue CC.DDDD reply ...`.
 *
 * Mirrors nothing of a real card; the forms are those of traces/README.md.
 */
import { ascii, EMPTY, lengthOf } from './bytes.js';
import {
  decodeType6,
  encodeCprbx,
  encodeErrorReply,
  encodeType80,
  encodeType86,
  NO_RULES,
  rsaBlocks,
  TYPE,
} from './messages.js';

/** What the next requests get instead of their good answer. */
export type ReplyFault = {
  /** Requests it still concerns; negative: all. */
  left: number;
} & (
  | { readonly kind: 'lost' }
  /** A message of this type with this reply code. */
  | { readonly kind: 'type'; readonly type: number; readonly code: number }
  /** The good answer, with zeros behind it up to so many bytes. */
  | { readonly kind: 'long'; readonly length: number }
  /** CCA service codes, decimal. */
  | { readonly kind: 'cca'; readonly returnCode: number; readonly reasonCode: number }
);

/** undefined: the request is never answered. */
export function faultyReply(fault: ReplyFault, request: Uint8Array, good: () => Uint8Array): Uint8Array | undefined {
  switch (fault.kind) {
    case 'lost':
      return undefined;
    case 'long':
      return lengthened(good(), fault.length);
    case 'cca':
      return ccaCodes(request, fault.returnCode, fault.reasonCode);
    case 'type':
      if (fault.type === TYPE.REPLY_RSA) return encodeType80(new Uint8Array(0), fault.code);
      if (fault.type === TYPE.REPLY_CPRB) return withReplyCode(good(), fault.code);
      return encodeErrorReply(fault.type, fault.code);
  }
}

function lengthened(reply: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(Math.max(length, reply.length));
  out.set(reply);
  return out;
}

function withReplyCode(reply: Uint8Array, code: number): Uint8Array {
  reply[4] = code;
  return reply;
}

function ccaCodes(request: Uint8Array, returnCode: number, reasonCode: number): Uint8Array {
  const message = decodeType6(request);
  const functionCode = message?.functionCode ?? '  ';
  const isRsa = functionCode === 'PK' || functionCode === 'PD';
  const parameters = [ascii(functionCode, 2), ...(isRsa ? rsaBlocks(EMPTY) : [NO_RULES])];
  return encodeType86([encodeCprbx({ returnCode, reasonCode, rpldParml: lengthOf(parameters) }), ...parameters]);
}
