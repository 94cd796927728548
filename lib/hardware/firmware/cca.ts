/**
 * Firmware of a CCA coprocessor: facility query, random numbers, clear-key RSA.
 *
 * Mirrors the card side of spec/zcrypt.md 8.1, 8.2 and of zcrypt_ccamisc.c. Every
 * other function is answered with CCA return code 8, reason 33.
 */
import { ascii, EMPTY, lengthOf } from '../bytes.js';
import { qidCard, qidQueue } from '../instructions.js';
import { type KeyState, registerContent } from '../master-keys.js';
import {
  type CcaFunction,
  CPRBX_VERSION,
  cprbVersion,
  decodeCprbx,
  decodeFunction,
  decodeRsaParameters,
  decodeType6,
  encodeCprbx,
  encodeErrorReply,
  encodeType86,
  FACILITY_SIZES,
  type FacilityQuery,
  lengthBlock,
  MASTER_KEY_PLACES,
  MK_STATE,
  NO_RULES,
  REPLY_CODE,
  RNG_BLOCK,
  rsaBlocks,
  TYPE,
  type Type6Message,
} from '../messages.js';
import { CPRBX_LENGTH } from '../messages-cca.js';
import type { CardContext } from './firmware.js';
import { rsa } from './rsa.js';

/** A CCA answer: service codes, what follows function and rule array, and the data block. */
interface CcaAnswer {
  readonly returnCode: number;
  readonly reasonCode: number;
  /** Blocks of the parameter block behind the function code; FQ has no rule array of its own. */
  readonly blocks?: readonly Uint8Array[];
  readonly data?: Uint8Array;
}

const refused = (returnCode: number, reasonCode: number): CcaAnswer => ({ returnCode, reasonCode });
const GOOD: CcaAnswer = { returnCode: 0, reasonCode: 0 };
const NOT_DONE_HERE = refused(8, 33);
const WRONG_OPERAND = refused(8, 72);

export function answerCca(context: CardContext, request: Uint8Array): Uint8Array {
  const message = decodeType6(request);
  if (!message) return encodeErrorReply(TYPE.ERROR_82, REPLY_CODE.MESSAGE_TYPE);
  const cprb = decodeCprbx(message.control);
  if (!cprb || cprbVersion(message.control) !== CPRBX_VERSION) {
    return encodeErrorReply(TYPE.ERROR_82, REPLY_CODE.FORMAT_FIELD);
  }
  const parameters = message.control.subarray(CPRBX_LENGTH, CPRBX_LENGTH + cprb.reqParml);
  const call = decodeFunction(parameters);
  const answer = call ? answerFunction(context, message, call) : NOT_DONE_HERE;
  const functionCode = ascii(call?.functionCode ?? message.functionCode, 2);
  const blocks = answer.blocks ?? [NO_RULES];
  const header = encodeCprbx({
    ...cprb,
    returnCode: answer.returnCode,
    reasonCode: answer.reasonCode,
    rpldParml: functionCode.length + lengthOf(blocks),
    rpldDatal: answer.data?.length ?? 0,
  });
  return encodeType86([header, functionCode, ...blocks], answer.data);
}

function answerFunction(context: CardContext, message: Type6Message, call: CcaFunction): CcaAnswer {
  switch (call.functionCode) {
    case 'FQ':
      return facilityQuery(context, call.rules[0]);
    case 'RL': {
      const length = Math.min(message.fromCardLength2, RNG_BLOCK);
      return { returnCode: 0, reasonCode: 0, data: context.ports.random.bytes(length) };
    }
    case 'PK':
    case 'PD':
      return clearKeyRsa(context, call);
    default:
      return NOT_DONE_HERE;
  }
}

/** Input and result have the same length. */
function clearKeyRsa({ ports }: CardContext, call: CcaFunction): CcaAnswer {
  const operation = decodeRsaParameters(call.rest);
  const result = operation ? rsa(ports.crypto, operation, operation.input.length) : undefined;
  const isResult = result instanceof Uint8Array;
  const codes = !operation ? NOT_DONE_HERE : isResult ? GOOD : WRONG_OPERAND;
  return { ...codes, blocks: rsaBlocks(isResult ? result : EMPTY) };
}

/** The registers by their names here and in the answer. */
const REGISTERS = [
  ['new', 'new'],
  ['current', 'cur'],
  ['old', 'old'],
] as const;

const STATE_CODE: Readonly<Record<KeyState, string>> = {
  empty: MK_STATE.EMPTY,
  partial: MK_STATE.PARTIAL,
  full: MK_STATE.FULL,
  invalid: MK_STATE.INVALID,
  valid: MK_STATE.VALID,
  // Words of EP11 cards.
  uncommitted: MK_STATE.PARTIAL,
  committed: MK_STATE.FULL,
};

/**
 * STATICSA and STATICSB: serial number, states of the master key registers in the
 * rule array, verification patterns in the data.
 */
function facilityQuery({ card, qid }: CardContext, keyword: string | undefined): CcaAnswer {
  if (keyword !== 'STATICSA' && keyword !== 'STATICSB') return NOT_DONE_HERE;
  const query: FacilityQuery = keyword;
  const size = FACILITY_SIZES[query];
  const rules = new Uint8Array(size.rules * 8).fill(0x20);
  const data = new Uint8Array(size.data);
  rules.set(ascii(card.serial, 8));
  for (const kind of ['ASYM', 'AES', 'APKA'] as const) {
    const place = MASTER_KEY_PLACES[kind];
    if (place.query !== query) continue;
    for (const [register, field] of REGISTERS) {
      const { state, pattern } = registerContent(card, qidCard(qid), qidQueue(qid), kind, register);
      rules.set(ascii(STATE_CODE[state]), place.rules[field] * 8);
      data.set(pattern, place.data[field]);
    }
  }
  return { returnCode: 0, reasonCode: 0, blocks: [...lengthBlock(rules), ...lengthBlock(data)] };
}
