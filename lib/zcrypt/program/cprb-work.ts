/**
 * Requests to coprocessors that a program addresses itself: CCA and EP11.
 *
 * Mirrors what the libraries of CCA and EP11 send for the queries that the
 * cards of this machine answer. spec/zcrypt.md 7.1, 8.2, 8.3.
 */
import { concat } from '../../hardware/bytes.js';
import {
  CPRBX_LENGTH,
  decodeCprbx,
  decodeEp11Cprb,
  decodeFacilityReply,
  decodeXcpReply,
  EP11_CPRB_LENGTH,
  EP11_QUERY,
  encodeCprbx,
  encodeEp11Cprb,
  encodeFacilityQuery,
  encodeXcpQuery,
  FACILITY_SIZES,
  RANDOM_PARAMETERS,
  RNG_BLOCK,
} from '../../hardware/messages.js';
import { AUTOSEL_AP, AUTOSEL_DOM, AUTOSELECT, type Ep11Urb, type IcaXcRb } from '../user.js';
import type { Address, CcaReply, Ep11Reply, Work } from './work.js';

/** `agent_ID` of CCA requests. */
const AGENT_CCA = 0x4341;
const EP11_REPLY_ROOM = 512;

export interface CcaAddress extends Address {
  /** Function id of the CPRB: T2 usage (unless given); T3, T5, T6, T7 administrative; others are neither. */
  readonly funcId?: string | undefined;
}

interface CcaRequest extends CcaAddress {
  readonly parameters: Uint8Array;
  /** Room for the reply's data block. */
  readonly dataRoom: number;
  readonly right: (reply: CcaReply) => boolean;
}

/** A facility query. */
export const ccaWork = (address: CcaAddress): Work<CcaReply> =>
  cprbWork({
    ...address,
    parameters: encodeFacilityQuery('STATICSA'),
    dataRoom: 0,
    right: ({ parameters }) => {
      const answer = decodeFacilityReply(parameters);
      const least = FACILITY_SIZES.STATICSA;
      return answer !== undefined && answer.rules.length >= least.rules * 8 && answer.data.length >= least.data;
    },
  });

/** A block of random bytes. */
export const rngWork = (address: Address): Work<CcaReply> =>
  cprbWork({
    ...address,
    parameters: RANDOM_PARAMETERS,
    dataRoom: RNG_BLOCK,
    right: ({ data }) => data.length === RNG_BLOCK,
  });

function cprbWork({ adapter, domain, funcId = 'T2', parameters, dataRoom, right }: CcaRequest): Work<CcaReply> {
  const size = CPRBX_LENGTH + parameters.length;
  const cprbx = encodeCprbx({
    funcId,
    reqParml: parameters.length,
    rplMsgbl: size,
    rplDatal: dataRoom,
    domain: domain ?? AUTOSEL_DOM,
  });
  const control = new Uint8Array(size);
  const data = new Uint8Array(dataRoom);
  const xcrb: IcaXcRb = {
    agentId: AGENT_CCA,
    userDefined: adapter ?? AUTOSELECT,
    requestControlBlkLength: size,
    requestControlBlk: concat(cprbx, parameters),
    requestDataLength: 0,
    requestData: undefined,
    replyControlBlkLength: size,
    replyControlBlk: control,
    replyDataLength: dataRoom,
    replyData: data,
    status: 0,
  };
  /** The answer where it lies: the next call overwrites it. */
  const look = (): CcaReply => {
    const { returnCode = -1, reasonCode = -1, domain = 0, rpldParml = 0 } = decodeCprbx(control) ?? {};
    const parameters = control.subarray(CPRBX_LENGTH, Math.min(CPRBX_LENGTH + rpldParml, xcrb.replyControlBlkLength));
    return { returnCode, reasonCode, domain, parameters, data: data.subarray(0, xcrb.replyDataLength) };
  };
  return {
    call: (file, task, track) => {
      control.fill(0);
      xcrb.replyControlBlkLength = size;
      xcrb.replyDataLength = dataRoom;
      return file.sendCprb(task, xcrb, track);
    },
    reply: () => {
      const got = look();
      return { ...got, parameters: got.parameters.slice(), data: got.data.slice() };
    },
    right: () => {
      const got = look();
      return got.returnCode === 0 && got.reasonCode === 0 && right(got);
    },
  };
}

/** "Get xcp info" of the module. */
export function ep11Work({ adapter, domain }: Address): Work<Ep11Reply> {
  const addressed = adapter !== undefined || domain !== undefined;
  const req = encodeEp11Cprb({ funcId: 'T4', targetId: domain ?? AUTOSEL_DOM }, encodeXcpQuery(EP11_QUERY.MODULE));
  const resp = new Uint8Array(EP11_CPRB_LENGTH + EP11_REPLY_ROOM);
  const urb: Ep11Urb = {
    targetsNum: addressed ? 1 : 0,
    targets: addressed ? [{ apId: adapter ?? AUTOSEL_AP, domId: domain ?? AUTOSEL_DOM }] : undefined,
    reqLen: req.length,
    req,
    respLen: resp.length,
    resp,
  };
  const reply = (): Ep11Reply => {
    const cprb = decodeEp11Cprb(resp.subarray(0, urb.respLen));
    const answer = cprb && decodeXcpReply(cprb.payload);
    return { returnCode: cprb?.returnCode || (answer?.returnCode ?? -1), data: (answer?.data ?? resp).slice() };
  };
  return {
    call: (file, task, track) => {
      resp.fill(0);
      urb.respLen = resp.length;
      return file.sendEp11Cprb(task, urb, track);
    },
    reply,
    right: () => {
      const { returnCode, data } = reply();
      return returnCode === 0 && data.length > 0;
    },
  };
}
