/**
 * Firmware of an EP11 coprocessor: "get xcp info" of module and domain.
 *
 * Mirrors the card side of spec/zcrypt.md 8.3 and of zcrypt_ep11misc.c. Every
 * other function is answered with return code 0x000c0001.
 */
import { qidCard, qidQueue } from '../instructions.js';
import { EP11_SERIAL_TAIL } from '../made-up.js';
import { registerContent } from '../master-keys.js';
import {
  cprbVersion,
  decodeEp11Cprb,
  decodePayload,
  decodeType6,
  EP11_CPRB_VERSION,
  EP11_DOMAIN_FLAG,
  EP11_FUNCTION,
  EP11_QUERY,
  EP11_UNKNOWN_FUNCTION,
  encodeDomainInfo,
  encodeEp11Cprb,
  encodeErrorReply,
  encodeModuleInfo,
  encodeType86,
  encodeXcpReply,
  octetNumber,
  REPLY_CODE,
  TYPE,
} from '../messages.js';
import type { CardContext } from './firmware.js';

export function answerEp11(context: CardContext, request: Uint8Array): Uint8Array {
  const message = decodeType6(request);
  if (!message) return encodeErrorReply(TYPE.ERROR_82, REPLY_CODE.MESSAGE_TYPE);
  const cprb = decodeEp11Cprb(message.control);
  if (!cprb || cprbVersion(message.control) !== EP11_CPRB_VERSION) {
    return encodeErrorReply(TYPE.ERROR_82, REPLY_CODE.FORMAT_FIELD);
  }
  const parts = decodePayload(cprb.payload) ?? [];
  const fn = parts[0] ? octetNumber(parts[0]) : 0;
  const data = (fn & 0xffff) === EP11_FUNCTION.GET_XCP_INFO ? xcpInfo(context, parts[2]) : undefined;
  const returnCode = data ? 0 : EP11_UNKNOWN_FUNCTION;
  const payload = encodeXcpReply(fn, qidQueue(context.qid), returnCode, data);
  return encodeType86(encodeEp11Cprb({ ...cprb, returnCode }, payload));
}

function xcpInfo({ card, qid }: CardContext, query: Uint8Array | undefined): Uint8Array | undefined {
  const domain = qidQueue(qid);
  switch (query ? octetNumber(query) : 0) {
    case EP11_QUERY.MODULE:
      return encodeModuleInfo({ ...card.ep11, serial: serialNumber(card.serial) });
    case EP11_QUERY.DOMAIN:
      return domainInfo(card, qidCard(qid), domain);
    default:
      return undefined;
  }
}

/** 16 characters; cards that are described with 8 all have the same rest. */
const serialNumber = (serial: string): string =>
  serial.length > 8 ? serial.padEnd(16) : serial.slice(0, 8) + EP11_SERIAL_TAIL;

function domainInfo(card: CardContext['card'], apid: number, domain: number): Uint8Array {
  const current = registerContent(card, apid, domain, 'WK', 'current');
  const fresh = registerContent(card, apid, domain, 'WK', 'new');
  let flags: number = EP11_DOMAIN_FLAG.LEFT_IMPRINT_MODE;
  if (current.state === 'valid') flags |= EP11_DOMAIN_FLAG.CURRENT_WK_VALID;
  if (fresh.state !== 'empty') flags |= EP11_DOMAIN_FLAG.NEW_WK_PRESENT;
  if (fresh.state === 'committed') flags |= EP11_DOMAIN_FLAG.NEW_WK_COMMITTED;
  return encodeDomainInfo({
    domain,
    currentWkvp: current.pattern,
    newWkvp: fresh.pattern,
    flags,
    opModes: card.domains?.get(domain)?.opModes ?? card.ep11.opModes,
  });
}
