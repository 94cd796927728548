/**
 * What the kernel asks EP11 cards for: module and domain information.
 *
 * Mirrors zcrypt_ep11misc.c `ep11_query_info`, `ep11_get_card_info`,
 * `ep11_get_domain_info` and the EP11 attributes of zcrypt_cex4.c. The texts
 * never fail. spec/attributes.md E, F; spec/zcrypt.md 4.
 */
import { type Errno, isKernelError, KernelError } from '../errno.js';
import {
  decodeDomainInfo,
  decodeEp11Cprb,
  decodeModuleInfo,
  decodeXcpReply,
  EP11_CPRB_LENGTH,
  EP11_DOMAIN_FLAG,
  EP11_QUERY,
  encodeEp11Cprb,
  encodeXcpQuery,
} from '../hardware/messages.js';
import type { Task } from '../sync/task.js';
import type { Zcrypt } from './api.js';
import type { ZcryptCard } from './card.js';
import { hex } from './ccamisc.js';
import type { ZcryptQueue } from './queue.js';
import { AUTOSEL_DOM, type Ep11Urb } from './user.js';

/** struct ep11_card_info. */
export interface Ep11CardInfo {
  readonly apiOrdNr: number;
  /** Major in the high byte. */
  readonly fwVersion: number;
  readonly serial: string;
  readonly opMode: bigint;
}

/** struct ep11_domain_info. */
interface Ep11DomainInfo {
  readonly cur: { readonly state: 'invalid' | 'valid'; readonly pattern: Uint8Array };
  readonly new: { readonly state: 'empty' | 'uncommitted' | 'committed'; readonly pattern: Uint8Array };
  readonly opMode: bigint;
}

const NO_CARD_INFO: Ep11CardInfo = { apiOrdNr: 0, fwVersion: 0, serial: '', opMode: 0n };

/** Room for the largest answer. */
const REPLY_ROOM = 512;

/** `API_ordinalnr`. */
export async function ep11ApiOrdinalnrText(task: Task, zc: ZcryptCard): Promise<string> {
  const { apiOrdNr } = await cardInfo(task, zc);
  return apiOrdNr > 0 ? `${apiOrdNr}\n` : '\n';
}

/** `FW_version`. */
export async function ep11FwVersionText(task: Task, zc: ZcryptCard): Promise<string> {
  const { fwVersion } = await cardInfo(task, zc);
  return fwVersion > 0 ? `${fwVersion >> 8}.${fwVersion & 0xff}\n` : '\n';
}

/** `serialnr` of an EP11 card: exactly 16 characters. */
export async function ep11SerialnrText(task: Task, zc: ZcryptCard): Promise<string> {
  const { serial } = await cardInfo(task, zc);
  return serial === '' || serial[0] === '\0' ? '\n' : `${serial.replace(/\0.*/s, '').padStart(16)}\n`;
}

/** `op_modes` of a card. */
export async function ep11CardOpModesText(task: Task, zc: ZcryptCard): Promise<string> {
  return opModesText(zc.zcrypt, (await cardInfo(task, zc)).opMode);
}

/** `op_modes` of a queue; nothing is asked while its own flag is off. */
export async function ep11QueueOpModesText(task: Task, zq: ZcryptQueue): Promise<string> {
  const info = zq.online ? await domainInfo(task, zq) : undefined;
  return opModesText(zq.zcrypt, info?.opMode ?? 0n);
}

/** `mkvps` of an EP11 queue; nothing is asked while its own flag is off. */
export async function ep11MkvpsText(task: Task, zq: ZcryptQueue): Promise<string> {
  const info = zq.online ? await domainInfo(task, zq) : undefined;
  if (!info) return 'WK CUR: - -\nWK NEW: - -\n';
  const cur = info.cur.state === 'valid' ? `valid 0x${hex(info.cur.pattern)}` : 'invalid -';
  const fresh = info.new.state === 'empty' ? 'empty -' : `${info.new.state} 0x${hex(info.new.pattern)}`;
  return `WK CUR: ${cur}\nWK NEW: ${fresh}\n`;
}

function opModesText(zcrypt: Zcrypt, modes: bigint): string {
  const names = zcrypt.profile.ep11OpModes.filter(([bit]) => (modes & (1n << BigInt(bit))) !== 0n);
  return `${names.map(([, name]) => name).join(' ')}\n`;
}

/** `ep11_get_card_info`: a kept answer also stands in for a failed request; ENODEV drops it for the next one. */
async function cardInfo(task: Task, zc: ZcryptCard): Promise<Ep11CardInfo> {
  const { zcrypt } = zc;
  const { apid } = zc.card;
  const keeps = zcrypt.profile.keepsCardInfo;
  const kept = keeps ? zcrypt.ep11Cache.get(apid) : undefined;
  if (kept && !zc.online) return kept;
  const answer = await queryInfo(task, zcrypt, apid, AUTOSEL_DOM, EP11_QUERY.MODULE);
  if (!(answer instanceof Uint8Array)) {
    if (answer === 'ENODEV') zcrypt.ep11Cache.delete(apid);
    return kept ?? NO_CARD_INFO;
  }
  const module = decodeModuleInfo(answer);
  const info: Ep11CardInfo = {
    apiOrdNr: module.apiOrdinal,
    fwVersion: (module.firmwareMajor << 8) + module.firmwareMinor,
    serial: module.serial,
    opMode: module.opModes,
  };
  if (keeps) zcrypt.ep11Cache.set(apid, info);
  return info;
}

/** `ep11_get_domain_info`. */
async function domainInfo(task: Task, zq: ZcryptQueue): Promise<Ep11DomainInfo | undefined> {
  const { card, apqi } = zq.queue;
  const answer = await queryInfo(task, zq.zcrypt, card.apid, apqi, EP11_QUERY.DOMAIN);
  if (!(answer instanceof Uint8Array)) return undefined;
  const { flags, currentWkvp, newWkvp, opModes } = decodeDomainInfo(answer);
  const has = (flag: number): boolean => (flags & EP11_DOMAIN_FLAG.LEFT_IMPRINT_MODE) !== 0 && (flags & flag) !== 0;
  const present = has(EP11_DOMAIN_FLAG.NEW_WK_PRESENT | EP11_DOMAIN_FLAG.NEW_WK_COMMITTED);
  const committed = has(EP11_DOMAIN_FLAG.NEW_WK_COMMITTED);
  return {
    cur: { state: has(EP11_DOMAIN_FLAG.CURRENT_WK_VALID) ? 'valid' : 'invalid', pattern: currentWkvp },
    new: { state: present ? (committed ? 'committed' : 'uncommitted') : 'empty', pattern: newWkvp },
    opMode: opModes,
  };
}

/** `ep11_query_info`: the data of the answer, or why there is none. */
async function queryInfo(
  task: Task,
  zcrypt: Zcrypt,
  apid: number,
  domain: number,
  query: number,
): Promise<Uint8Array | Errno> {
  const req = encodeEp11Cprb({ funcId: 'T4' }, encodeXcpQuery(query));
  const resp = new Uint8Array(EP11_CPRB_LENGTH + REPLY_ROOM);
  const urb: Ep11Urb = {
    targetsNum: 1,
    targets: [{ apId: apid, domId: domain }],
    reqLen: req.length,
    req,
    respLen: resp.length,
    resp,
  };
  try {
    await zcrypt.kernelSendEp11Cprb(task, urb);
    const cprb = decodeEp11Cprb(resp.subarray(0, urb.respLen));
    const reply = cprb?.returnCode === 0 ? decodeXcpReply(cprb.payload) : undefined;
    if (reply?.returnCode !== 0) throw new KernelError('EIO', 'card refused');
    return reply.data;
  } catch (e) {
    if (!isKernelError(e)) throw e;
    zcrypt.dbf(3, `ep11_query_info (card=${apid} dom=${domain}) failed, rc=${-e.code}`);
    return e.errno;
  }
}
