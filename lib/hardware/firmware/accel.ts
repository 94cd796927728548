/**
 * Firmware of an accelerator: type 50 in, type 80 out.
 *
 * Mirrors spec/zcrypt.md 7.1 and 8.1.
 */
import { decodeType50, encodeErrorReply, encodeType80, messageType, REPLY_CODE, TYPE } from '../messages.js';
import type { CardContext } from './firmware.js';
import { rsa } from './rsa.js';

export function answerAccelerator({ ports }: CardContext, request: Uint8Array): Uint8Array {
  const refuse = (code: number): Uint8Array => encodeErrorReply(TYPE.ERROR_82, code);
  if (messageType(request) !== TYPE.REQUEST_RSA) return refuse(REPLY_CODE.MESSAGE_TYPE);
  const decoded = decodeType50(request);
  if (!decoded) return refuse(REPLY_CODE.MESSAGE_LENGTH);
  const result = rsa(ports.crypto, decoded.rsa, decoded.slot);
  if (result === 'even-modulus') return refuse(REPLY_CODE.EVEN_MODULUS);
  if (result === 'operand') return refuse(REPLY_CODE.OPERAND_INVALID);
  return encodeType80(result);
}
