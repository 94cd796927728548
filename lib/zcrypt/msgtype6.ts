/**
 * Requests to CCA coprocessors, and what all type 6 requests share.
 *
 * Mirrors zcrypt_msgtype6.c: RSA with clear keys and random numbers here, CCA
 * requests of programs in cprb.ts, EP11 in ep11-cprb.ts. spec/zcrypt.md 8.
 */
import { KernelError } from '../errno.js';
import { lengthOf, u16 } from '../hardware/bytes.js';
import {
  AGENT_CCA,
  CPRBX_LENGTH,
  CPRBX_VERSION,
  decodeCprbx,
  encodeCprbx,
  encodeRsaParameters,
  encodeType6,
  messageType,
  RANDOM_PARAMETERS,
  RNG_BLOCK,
  type RsaCrt,
  type RsaModExpo,
  TYPE,
  TYPE6_HEADER_LENGTH,
  TYPE86_HEADER_LENGTH,
} from '../hardware/messages.js';
import { sendCprb } from './cprb.js';
import { sendEp11Cprb } from './ep11-cprb.js';
import { convertError, unknownResponse } from './error.js';
import { exchange } from './exchange.js';
import type { Sender, ZcryptOps } from './ops.js';
import type { ZcryptQueue } from './queue.js';
import { checkLength, endOf, type86Of } from './reply.js';
import { copyFromUser, copyToUser, type UserMemory } from './user.js';

/** Largest reply to an RSA request. */
const MAX_ICA_RESPONSE = 0x77c;
/** Offset of the result's length in the reply to an RSA request: behind CPRBX, function and empty rule array. */
const ICA_LENGTH_AT = TYPE86_HEADER_LENGTH + CPRBX_LENGTH + 4;
/** Bytes behind the result: the length of a key block that has nothing else. */
const EMPTY_KEY_BLOCK = 2;

export const msgtype6Ops: ZcryptOps = {
  name: 'msgtype6',

  async rsaModexpo(sender, zq, mex) {
    const length = mex.inputdatalength;
    const input = copyFromUser(mex.inputdata, length);
    const exponent = copyFromUser(mex.bKey, length);
    const modulus = copyFromUser(mex.nModulus, length);
    const reply = await sendRsa(sender, zq, { kind: 'me', input, exponent, modulus });
    convertResponseIca(zq, reply, mex.outputdata, length);
  },

  async rsaModexpoCrt(sender, zq, crt) {
    const length = crt.inputdatalength;
    const short = (length + 1) >> 1;
    const long = short + 8;
    const reply = await sendRsa(sender, zq, {
      kind: 'crt',
      input: copyFromUser(crt.inputdata, length),
      p: copyFromUser(crt.npPrime, long),
      q: copyFromUser(crt.nqPrime, short),
      dp: copyFromUser(crt.bpKey, long),
      dq: copyFromUser(crt.bqKey, short),
      u: copyFromUser(crt.uMultInv, long),
    });
    convertResponseIca(zq, reply, crt.outputdata, length);
  },

  sendCprb,

  async rng(sender, zq) {
    const control = ccaControl(zq, [RANDOM_PARAMETERS]);
    const header = {
      agentId: AGENT_CCA,
      functionCode: 'RL',
      fromCardLength1: lengthOf(control),
      fromCardLength2: RNG_BLOCK,
    };
    return convertResponseRng(zq, await exchange(sender, zq, encodeType6(header, control)));
  },
};

export const msgtype6Ep11Ops: ZcryptOps = { name: 'msgtype6-ep11', sendEp11Cprb };

/** CPRBX for the chosen domain, and parameters. */
function ccaControl(zq: ZcryptQueue, parameters: readonly Uint8Array[], rplMsgbl?: number): Uint8Array[] {
  const reqParml = lengthOf(parameters);
  const cprbx = encodeCprbx({
    funcId: 'T2',
    reqParml,
    rplMsgbl: rplMsgbl ?? CPRBX_LENGTH + reqParml,
    domain: zq.queue.apqi,
  });
  return [cprbx, ...parameters];
}

function sendRsa(sender: Sender, zq: ZcryptQueue, rsa: RsaModExpo | RsaCrt): Promise<Uint8Array> {
  const isMe = rsa.kind === 'me';
  const parameters = encodeRsaParameters(rsa);
  const fromCardLength1 = MAX_ICA_RESPONSE - TYPE6_HEADER_LENGTH;
  const control = ccaControl(zq, parameters, isMe ? fromCardLength1 : lengthOf(parameters));
  const functionCode = isMe ? 'PK' : 'PD';
  return exchange(sender, zq, encodeType6({ agentId: AGENT_CCA, functionCode, fromCardLength1 }, control));
}

/** `convert_response_ica`, `convert_type86_ica`. */
function convertResponseIca(zq: ZcryptQueue, reply: Uint8Array, outputdata: UserMemory, outputLength: number): void {
  const type = messageType(reply);
  if (type === TYPE.ERROR_82 || type === TYPE.ERROR_88) throw convertError(zq, reply);
  const type86 = type86Of(reply, CPRBX_VERSION);
  const cprbx = type86 && decodeCprbx(type86.control);
  if (!type86 || !cprbx)
    throw type === TYPE.REPLY_CPRB && reply[4] ? convertError(zq, reply) : unknownResponse(zq, reply);
  const length = u16(reply, ICA_LENGTH_AT);
  checkLength(zq, reply, ICA_LENGTH_AT + length + EMPTY_KEY_BLOCK);
  if (cprbx.returnCode !== 0 && cprbx.reasonCode === 0x14f && outputLength > 256) throw new KernelError('EINVAL');
  if (type86.replyCode !== 0) throw convertError(zq, reply);
  if (cprbx.returnCode !== 0) throw serviceError(zq, cprbx.returnCode, cprbx.reasonCode);
  const data = reply.subarray(ICA_LENGTH_AT + 2, ICA_LENGTH_AT + length);
  if (data.length > outputLength) throw new KernelError('EMSGSIZE');
  copyToUser(outputdata, data);
}

/** Service codes (return/reason) that mean a wrong request. */
const SERVICE_EINVAL: ReadonlySet<string> = new Set(['8/65', '8/66', '8/72', '8/770', '12/769']);

function serviceError(zq: ZcryptQueue, returnCode: number, reasonCode: number): KernelError {
  const codes = `${returnCode}/${reasonCode}`;
  if (SERVICE_EINVAL.has(codes)) return new KernelError('EINVAL', codes);
  zq.setOfflineByReply(`rc/rs=${codes} online=0`);
  return new KernelError('EAGAIN', codes);
}

/** `convert_response_rng`, `convert_type86_rng`. */
function convertResponseRng(zq: ZcryptQueue, reply: Uint8Array): Uint8Array {
  const type = messageType(reply);
  const type86 = type86Of(reply, CPRBX_VERSION);
  if (type === TYPE.ERROR_82 || type === TYPE.ERROR_88) throw new KernelError('EINVAL');
  if (type === TYPE.REPLY_CPRB && reply[4]) throw new KernelError('EINVAL');
  const cprbx = type86 && decodeCprbx(type86.control);
  if (!type86 || !cprbx) throw unknownResponse(zq, reply);
  checkLength(zq, reply, endOf(type86));
  if (cprbx.returnCode !== 0 || cprbx.reasonCode !== 0) throw new KernelError('EINVAL');
  return type86.data;
}
