/**
 * A CCA request as a program hands it to ZSECSENDCPRB.
 */
import { concat } from '../../lib/hardware/bytes.js';
import { encodeCprbx, encodeFacilityQuery, encodeFunction } from '../../lib/hardware/messages.js';
import { AUTOSEL_DOM, AUTOSELECT, type IcaXcRb } from '../../lib/zcrypt/user.js';

export interface CcaRequest extends Partial<IcaXcRb> {
  readonly domain?: number;
  /** T2 usage; T3, T5, T6, T7 administrative. */
  readonly funcId?: string;
  /** Two characters; a facility query unless given. */
  readonly functionCode?: string;
}

export function ccaRequest(over: CcaRequest = {}): IcaXcRb {
  const { domain = AUTOSEL_DOM, funcId = 'T2', functionCode, ...rest } = over;
  const parameters = functionCode ? encodeFunction(functionCode, []) : encodeFacilityQuery('STATICSA');
  const control = concat(encodeCprbx({ funcId, reqParml: parameters.length, rplMsgbl: 4096, domain }), parameters);
  return {
    agentId: 0x4341,
    userDefined: AUTOSELECT,
    requestControlBlkLength: control.length,
    requestControlBlk: control,
    requestDataLength: 0,
    requestData: undefined,
    replyControlBlkLength: 4096,
    replyControlBlk: new Uint8Array(4096),
    replyDataLength: 0,
    replyData: undefined,
    status: 0xffff,
    ...rest,
  };
}
