/**
 * Calls of an open zcrypt node, as text: statistics, and a list of wrong calls.
 */
import { isKernelError, KernelError } from '../../lib/errno.js';
import type { Task } from '../../lib/sync/task.js';
import { type StatisticName, ZcryptFile } from '../../lib/zcrypt/file.js';
import type { IcaRsaModexpo } from '../../lib/zcrypt/user.js';

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/** One line for each card that has something: its number and the value. */
const byCard =
  (show: (value: number) => string) =>
  (values: Uint8Array | Uint32Array): string =>
    [...values].map((value, card) => (value === 0 ? '' : `${hex(card, 2)}: ${show(value)}\n`)).join('');

const masks = byCard((value) => `0x${hex(value, 2)}`);
const counts = byCard((value) => `${value}`);
const plain = (value: number): string => `${value}\n`;

/** struct zcrypt_device_status_ext in words. */
function statusLine(word: number): string {
  const qid = (word >>> 8) & 0xffff;
  const queue = `${hex(qid >> 8, 2)}.${hex(qid & 0xff, 4)}`;
  return `${queue} hwtype ${word >>> 24} online ${(word >>> 7) & 1} functions 0x${hex((word >>> 1) & 0x3f, 2)}\n`;
}

const nonZero = (words: Uint32Array, show: (word: number, at: number) => string): string =>
  [...words].map((word, at) => (word === 0 ? '' : show(word, at))).join('');

const STATISTICS: Readonly<Record<string, (file: ZcryptFile) => string>> = {
  status: (f) => nonZero(f.statistic('ZCRYPT_DEVICE_STATUS'), statusLine),
  oldstatus: (f) => nonZero(f.statistic('ZDEVICESTATUS'), (word, at) => `${at}: 0x${hex(word, 8)}\n`),
  statusmask: (f) => masks(f.statistic('ZCRYPT_STATUS_MASK')),
  oldstatusmask: (f) => masks(f.statistic('Z90STAT_STATUS_MASK')),
  qdepth: (f) => masks(f.statistic('ZCRYPT_QDEPTH_MASK')),
  oldqdepth: (f) => masks(f.statistic('Z90STAT_QDEPTH_MASK')),
  perdev: (f) => counts(f.statistic('ZCRYPT_PERDEV_REQCNT')),
  oldperdev: (f) => counts(f.statistic('Z90STAT_PERDEV_REQCNT')),
  requestq: (f) => plain(f.statistic('Z90STAT_REQUESTQ_COUNT')),
  pendingq: (f) => plain(f.statistic('Z90STAT_PENDINGQ_COUNT')),
  totalopen: (f) => plain(f.statistic('Z90STAT_TOTALOPEN_COUNT')),
  domain: (f) => plain(f.statistic('Z90STAT_DOMAIN_INDEX')),
};

/** @throws EPERM the node does not allow it; EINVAL no such statistic */
export function statisticText(file: ZcryptFile, name: string): string {
  const show = STATISTICS[name];
  if (!show) throw new KernelError('EINVAL', `load: ${name}: expected ${Object.keys(STATISTICS).join(', ')}`);
  return show(file);
}

async function errnoOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'ok';
  } catch (e) {
    if (isKernelError(e)) return e.errno;
    throw e;
  }
}

interface Wrong {
  readonly name: string;
  readonly length?: number;
  readonly outputLength?: number;
  readonly noInput?: boolean;
  readonly noModulus?: boolean;
  readonly inputTooBig?: boolean;
  readonly evenModulus?: boolean;
}

const WRONG_MODEXPO: readonly Wrong[] = [
  { name: 'outputdatalength < inputdatalength', outputLength: 127 },
  { name: 'inputdatalength 0', length: 0 },
  { name: 'inputdatalength 1', length: 1 },
  { name: 'inputdatalength 513', length: 513, outputLength: 600 },
  { name: 'bad input pointer', noInput: true },
  { name: 'bad modulus pointer', noModulus: true },
  { name: 'input >= modulus', inputTooBig: true },
  { name: 'even modulus', evenModulus: true },
  { name: 'good' },
  { name: 'good, outputdatalength 200', outputLength: 200 },
];

function wrongModexpo(wrong: Wrong): IcaRsaModexpo {
  const size = 640;
  const length = wrong.length ?? 128;
  const nModulus = new Uint8Array(size).fill(0xc5, 0, length);
  if (wrong.evenModulus && length > 0) nModulus[length - 1] = 0xc4;
  const inputdata = new Uint8Array(size).fill(wrong.inputTooBig ? 0xff : 0x11, 0, length);
  const bKey = new Uint8Array(size);
  if (length > 0) bKey[length - 1] = 3;
  return {
    inputdata: wrong.noInput ? undefined : inputdata,
    inputdatalength: length,
    outputdata: new Uint8Array(size),
    outputdatalength: wrong.outputLength ?? 128,
    bKey,
    nModulus: wrong.noModulus ? undefined : nModulus,
  };
}

const STATISTIC_CALLS = {
  ZCRYPT_STATUS_MASK: 'ZCRYPT_STATUS_MASK',
  Z90STAT_PENDINGQ_COUNT: 'Z90STAT_PENDINGQ_COUNT',
} as const satisfies Record<string, StatisticName>;

/** Every call that can be wrong, and how it ends: one line each. */
export async function wrongCalls(file: ZcryptFile, task: Task): Promise<string> {
  const lines: string[] = [];
  for (const wrong of WRONG_MODEXPO) {
    const mex = wrongModexpo(wrong);
    lines.push(
      `${wrong.name}: ${await errnoOf(() => file.modexpo(task, mex))}, outputdatalength ${mex.outputdatalength}`,
    );
  }
  // The structure itself lies at a bad address: the permission is looked at first.
  const badAddress = (number: number): Promise<string> =>
    errnoOf(() => {
      if (!file.perms.ioctlm.has(number)) throw new KernelError('EPERM');
      throw new KernelError('EFAULT');
    });
  lines.push(`ICARSAMODEXPO bad address: ${await badAddress(0x05)}`);
  lines.push(`ICARSACRT bad address: ${await badAddress(0x06)}`);
  lines.push(`ZSECSENDCPRB bad address: ${await badAddress(0x81)}`);
  lines.push(`ZSENDEP11CPRB bad address: ${await badAddress(0x04)}`);
  for (const [name, call] of Object.entries(STATISTIC_CALLS))
    lines.push(
      `${name} bad address: ${await errnoOf(() => {
        file.statistic(call);
        throw new KernelError('EFAULT');
      })}`,
    );
  for (const [name, command] of [
    ["ioctl 'z' 0", 0],
    ["ioctl 'z' 1", 1],
    ["ioctl 'x' 5", 0x7805],
    ['TCGETS', 0x5401],
  ] as const)
    lines.push(`${name}: ${await errnoOf(() => file.unknownIoctl(command))}`);
  const { read, write, seek, mmap } = ZcryptFile.refused;
  lines.push(`write: ${write}`, `read: ${read}`, `write 0 bytes: ${write}`, `pread: ${seek}`, `lseek: ${seek}`);
  lines.push(`mmap: ${mmap}`, 'poll: 1', 'ftruncate: EINVAL');
  return `${lines.join('\n')}\n`;
}
