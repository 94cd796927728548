/**
 * Requests to accelerators.
 *
 * Mirrors zcrypt_msgtype50.c. spec/zcrypt.md 8.1, 8.4.
 */
import { KernelError } from '../errno.js';
import { decodeType80, encodeType50, messageType, TYPE, TYPE80_HEADER_LENGTH } from '../hardware/messages.js';
import { convertError, unknownResponse } from './error.js';
import { exchange } from './exchange.js';
import type { ZcryptOps } from './ops.js';
import type { ZcryptQueue } from './queue.js';
import { copyFromUser, copyToUser, type UserMemory } from './user.js';

/** p, dp and u come with eight bytes in front that the card does not get. */
const ADJUSTMENT = 8;
/** Bytes: the largest modulus there is; also what a card without 4k bits has not. */
const MAX_MOD_SIZE = 512;
const MAX_2K = 256;

export const msgtype50Ops: ZcryptOps = {
  name: 'msgtype50',

  async rsaModexpo(sender, zq, mex) {
    const length = mex.inputdatalength;
    if (length > MAX_MOD_SIZE) throw new KernelError('EINVAL');
    const modulus = copyFromUser(mex.nModulus, length);
    const exponent = copyFromUser(mex.bKey, length);
    const input = copyFromUser(mex.inputdata, length);
    const reply = await exchange(sender, zq, encodeType50({ kind: 'me', modulus, exponent, input }));
    convertResponse(zq, reply, mex.outputdata, length);
  },

  async rsaModexpoCrt(sender, zq, crt) {
    const length = crt.inputdatalength;
    if (length > MAX_MOD_SIZE || (length > MAX_2K && zq.card.type.maxModSize !== MAX_MOD_SIZE))
      throw new KernelError('EINVAL');
    const short = (length + 1) >> 1;
    const request = encodeType50({
      kind: 'crt',
      p: copyFromUser(crt.npPrime, short, ADJUSTMENT),
      q: copyFromUser(crt.nqPrime, short),
      dp: copyFromUser(crt.bpKey, short, ADJUSTMENT),
      dq: copyFromUser(crt.bqKey, short),
      u: copyFromUser(crt.uMultInv, short, ADJUSTMENT),
      input: copyFromUser(crt.inputdata, length),
    });
    convertResponse(zq, await exchange(sender, zq, request), crt.outputdata, length);
  },
};

/** `convert_response`, `convert_type80`: the result is the rightmost `length` bytes. */
function convertResponse(zq: ZcryptQueue, reply: Uint8Array, outputdata: UserMemory, length: number): void {
  switch (messageType(reply)) {
    case TYPE.ERROR_82:
    case TYPE.ERROR_88:
      throw convertError(zq, reply);
    case TYPE.REPLY_RSA: {
      const type80 = decodeType80(reply);
      if (!type80 || type80.length !== reply.length || reply.length > zq.replyBufferSize)
        throw new KernelError('EMSGSIZE', 'type 80 length');
      if (type80.length < TYPE80_HEADER_LENGTH + length) {
        const code = type80.code.toString(16).padStart(2, '0');
        zq.setOfflineByReply(`code=0x${code} => online=0`);
        throw new KernelError('EAGAIN', 'type 80 reply too short');
      }
      copyToUser(outputdata, reply.subarray(reply.length - length));
      return;
    }
    default:
      throw unknownResponse(zq, reply);
  }
}
