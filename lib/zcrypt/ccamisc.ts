/**
 * What the kernel asks CCA cards for: serial number and master keys.
 *
 * Mirrors zcrypt_ccamisc.c `cca_query_crypto_facility`, `cca_get_info` and the
 * CCA attributes of zcrypt_cex4.c. The texts never fail: what cannot be
 * fetched shows as empty. spec/attributes.md E, F; spec/zcrypt.md 4.
 */
import { isKernelError, KernelError } from '../errno.js';
import { concat } from '../hardware/bytes.js';
import { mkQid } from '../hardware/instructions.js';
import {
  CPRBX_LENGTH,
  decodeCprbx,
  decodeFacilityReply,
  encodeCprbx,
  encodeFacilityQuery,
  FACILITY_SIZES,
  type FacilityQuery,
  MASTER_KEY_PLACES,
  MK_STATE,
} from '../hardware/messages.js';
import type { Task } from '../sync/task.js';
import type { Zcrypt } from './api.js';
import type { ZcryptCard } from './card.js';
import type { ZcryptQueue } from './queue.js';
import { AUTOSEL_DOM, type IcaXcRb } from './user.js';

const AGENT_ID_CCA = 0x4341;

/** One master key register: its state character, and its pattern (zeros unless it holds a key). */
export interface MasterKeyRegister {
  readonly state: string;
  readonly pattern: Uint8Array;
}

export type MasterKeyKind = 'AES' | 'APKA' | 'ASYM';
export type RegisterName = 'new' | 'cur' | 'old';

/** struct cca_info as far as files show it; registers that were not fetched are missing. */
export interface CcaInfo {
  serial: string;
  readonly registers: Map<MasterKeyKind, Readonly<Record<RegisterName, MasterKeyRegister>>>;
}

const emptyInfo = (): CcaInfo => ({ serial: '', registers: new Map() });

/** `serialnr` of a CCA card; a newline alone if it cannot be fetched. */
export async function ccaSerialnrText(task: Task, zc: ZcryptCard): Promise<string> {
  const { serial } = await getInfo(task, zc.zcrypt, zc.card.apid, AUTOSEL_DOM, zc.online);
  return `${serial}\n`;
}

/** `mkvps` of a CCA queue: nine lines. */
export async function ccaMkvpsText(task: Task, zq: ZcryptQueue): Promise<string> {
  const { card, apqi } = zq.queue;
  const info = await getInfo(task, zq.zcrypt, card.apid, apqi, zq.online);
  let text = '';
  for (const kind of ['AES', 'APKA', 'ASYM'] as const)
    for (const register of ['new', 'cur', 'old'] as const)
      text += `${kind} ${register.toUpperCase()}: ${registerText(register, info.registers.get(kind)?.[register])}\n`;
  return text;
}

const STATE_WORDS: Readonly<Record<RegisterName, readonly string[]>> = {
  new: ['empty', 'partial', 'full'],
  cur: ['invalid', 'valid'],
  old: ['invalid', 'valid'],
};

function registerText(name: RegisterName, register: MasterKeyRegister | undefined): string {
  const word = register && STATE_WORDS[name][register.state.charCodeAt(0) - 0x31];
  return register && word ? `${word} 0x${hex(register.pattern)}` : '- -';
}

/** Bytes as lower-case hex digits. */
export const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');

/** `cca_get_info`: kept answers are shown while `online` is off, where the kernel keeps them. */
async function getInfo(task: Task, zcrypt: Zcrypt, apid: number, domain: number, online: boolean): Promise<CcaInfo> {
  const key = `${apid}.${domain}`;
  const kept = zcrypt.profile.keepsCardInfo ? zcrypt.ccaCache.get(key) : undefined;
  if (kept && !online) return kept;
  const info = emptyInfo();
  const complete = await fetchInfo(task, zcrypt, apid, domain, info);
  if (complete && zcrypt.profile.keepsCardInfo) zcrypt.ccaCache.set(key, info);
  return info;
}

/** Two queries; the second only if the first was answered. @returns whether both were */
async function fetchInfo(task: Task, zcrypt: Zcrypt, apid: number, domain: number, info: CcaInfo): Promise<boolean> {
  if (domain !== AUTOSEL_DOM && !zcrypt.distributor.find(mkQid(apid, domain))) return false;
  const first = await queryFacility(task, zcrypt, apid, domain, 'STATICSA');
  if (!first) return false;
  info.serial = cString(first.rules.subarray(0, 8));
  takeRegisters(info, first, ['ASYM', 'AES']);
  const second = await queryFacility(task, zcrypt, apid, domain, 'STATICSB');
  if (!second) return false;
  takeRegisters(info, second, ['APKA']);
  return true;
}

interface FacilityAnswer {
  readonly rules: Uint8Array;
  readonly data: Uint8Array;
}

function takeRegisters(info: CcaInfo, { rules, data }: FacilityAnswer, kinds: readonly MasterKeyKind[]): void {
  for (const kind of kinds) {
    const place = MASTER_KEY_PLACES[kind];
    const register = (name: RegisterName, holds: string): MasterKeyRegister => {
      const state = String.fromCharCode(rules[place.rules[name] * 8] ?? 0);
      const at = place.data[name];
      const pattern = state === holds ? data.slice(at, at + place.length) : new Uint8Array(place.length);
      return { state, pattern };
    };
    info.registers.set(kind, {
      new: register('new', MK_STATE.FULL),
      cur: register('cur', MK_STATE.VALID),
      old: register('old', MK_STATE.VALID),
    });
  }
}

/** `cca_query_crypto_facility`; undefined: no answer, or one that is too short. */
async function queryFacility(
  task: Task,
  zcrypt: Zcrypt,
  apid: number,
  domain: number,
  query: FacilityQuery,
): Promise<FacilityAnswer | undefined> {
  const parameters = encodeFacilityQuery(query);
  const size = CPRBX_LENGTH + parameters.length;
  const cprbx = encodeCprbx({ funcId: 'T2', reqParml: parameters.length, rplMsgbl: size, domain });
  const reply = new Uint8Array(size);
  const xcrb: IcaXcRb = {
    agentId: AGENT_ID_CCA,
    userDefined: apid,
    requestControlBlkLength: size,
    requestControlBlk: concat(cprbx, parameters),
    requestDataLength: 0,
    requestData: undefined,
    replyControlBlkLength: size,
    replyControlBlk: reply,
    replyDataLength: 0,
    replyData: undefined,
    status: 0,
  };
  try {
    await zcrypt.kernelSendCprb(task, xcrb);
    if (decodeCprbx(reply)?.returnCode !== 0) throw new KernelError('EIO', 'card refused');
  } catch (e) {
    if (!isKernelError(e)) throw e;
    zcrypt.dbf(3, `cca_query_crypto_facility (cardnr=${apid} domain=${domain}) failed, rc=${-e.code}`);
    return undefined;
  }
  const answer = decodeFacilityReply(reply.subarray(CPRBX_LENGTH, xcrb.replyControlBlkLength));
  const least = FACILITY_SIZES[query];
  return answer && answer.rules.length >= least.rules * 8 && answer.data.length >= least.data ? answer : undefined;
}

/** Characters up to a NUL. */
export function cString(bytes: Uint8Array): string {
  const nul = bytes.indexOf(0);
  return String.fromCharCode(...(nul < 0 ? bytes : bytes.subarray(0, nul)));
}
