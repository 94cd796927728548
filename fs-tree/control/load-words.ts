/**
 * Words of the control file `load` that stand for requests.
 */
import { KernelError } from '../../lib/errno.js';
import { decodeFacilityReply, decodeModuleInfo } from '../../lib/hardware/messages.js';
import type { LoadOptions } from '../../lib/load/job.js';
import type { CryptoPort } from '../../lib/ports.js';
import { kstrtouint } from '../../lib/text/kstrto.js';
import { ccaWork, ep11Work } from '../../lib/zcrypt/program/cprb-work.js';
import { rsaWork } from '../../lib/zcrypt/program/rsa-work.js';
import { REQUEST_KINDS, type RequestKind, type Work } from '../../lib/zcrypt/program/work.js';
import { duration } from './clock.js';

/** One request of a program, and what its answer says. */
export interface OneOff {
  readonly work: Work<unknown>;
  /** One line of text; nothing for RSA. */
  said(): string;
}

/** How many words may follow. */
const MOST_WORDS: Readonly<Record<string, number>> = { me: 1, crt: 1, cca: 3, ep11: 2 };

/** `me|crt BITS`, `cca [CARD DOM [FUNCID]]`, `ep11 [CARD DOM]`. @throws EINVAL */
export function oneOff(crypto: CryptoPort, [kind = '', ...words]: readonly string[]): OneOff {
  noMore(`load: ${kind}`, words.slice(MOST_WORDS[kind] ?? words.length));
  if (kind === 'me' || kind === 'crt') {
    const bits = Number(words[0]);
    if (!(bits >= 16 && bits <= 4096 && bits % 16 === 0)) throw new KernelError('EINVAL', `load: ${bits} bits`);
    return { work: rsaWork(crypto, kind, bits)(), said: () => '' };
  }
  const address = { adapter: number('CARD', words[0]), domain: number('DOM', words[1]) };
  if (kind === 'cca') {
    if (words[2] !== undefined && words[2].length !== 2) throw new KernelError('EINVAL', `load: FUNCID ${words[2]}`);
    const work = ccaWork({ ...address, funcId: words[2] });
    return {
      work,
      said: () => {
        const { returnCode, reasonCode, domain, parameters } = work.reply();
        const rules = decodeFacilityReply(parameters)?.rules;
        const serial = rules && returnCode === 0 ? ` serial ${plain(rules.subarray(0, 8))}` : '';
        return `cca rc ${returnCode}/${reasonCode} domain ${domain}${serial}\n`;
      },
    };
  }
  if (kind === 'ep11') {
    const work = ep11Work(address);
    return {
      work,
      said: () => {
        const { returnCode, data } = work.reply();
        if (returnCode !== 0) return `ep11 rc 0x${(returnCode >>> 0).toString(16).padStart(8, '0')}\n`;
        const { apiOrdinal, firmwareMajor, firmwareMinor, serial } = decodeModuleInfo(data);
        return `ep11 rc 0 api ${apiOrdinal} firmware ${firmwareMajor}.${firmwareMinor} serial ${serial.trimEnd()}\n`;
      },
    };
  }
  throw new KernelError('EINVAL', 'load: expected me, crt, cca or ep11');
}

/** @throws EINVAL there are words that mean nothing */
export function noMore(what: string, words: readonly string[]): void {
  if (words.length > 0) throw new KernelError('EINVAL', `${what}: unknown word "${words.join(' ')}"`);
}

const plain = (bytes: Uint8Array): string => String.fromCharCode(...bytes).trimEnd();

/** A C number, or `any`. @throws EINVAL */
function number(what: string, word: string | undefined): number | undefined {
  if (word === undefined || word === 'any') return undefined;
  try {
    return kstrtouint(word);
  } catch {
    throw new KernelError('EINVAL', `load: ${what} "${word}" is no number, and not any`);
  }
}

const KEYS = ['rate', 'concurrency', 'count', 'duration', 'node', 'adapter', 'domain', 'funcid', 'guest'] as const;

export interface JobWords {
  readonly options: LoadOptions;
  /** The virtual machine whose kernel is asked; undefined: the host's. */
  readonly guest: string | undefined;
}

/**
 * `KIND [KEY=VALUE ..] [as NAME]`; adapter and domain as sysfs writes them (hexadecimal).
 * @throws EINVAL
 */
export function jobOptions([kind = '', ...words]: readonly string[]): JobWords {
  if (!(REQUEST_KINDS as readonly string[]).includes(kind))
    throw new KernelError('EINVAL', `load: "${kind}" is not one of ${REQUEST_KINDS.join(', ')}`);
  const as = words.indexOf('as');
  const [name, ...surplus] = as < 0 ? ['load'] : words.splice(as).slice(1);
  if (name === undefined || surplus.length > 0) throw new KernelError('EINVAL', 'load: one name follows as');
  const values = new Map<string, string>();
  for (const word of words) {
    const [, key = word, value] = /^(.*?)=(.*)$/.exec(word) ?? [];
    if (!(KEYS as readonly string[]).includes(key))
      throw new KernelError('EINVAL', `load: "${key}" is not one of ${KEYS.join(', ')}`);
    if (value === undefined || value === '') throw new KernelError('EINVAL', `load: ${key} is missing its =VALUE`);
    if (values.has(key)) throw new KernelError('EINVAL', `load: ${key} is given twice`);
    values.set(key, value);
  }
  const decimal = (key: (typeof KEYS)[number]): number | undefined => {
    const value = values.get(key);
    if (value !== undefined && !/^\d+(?:\.\d+)?$/.test(value))
      throw new KernelError('EINVAL', `load: ${key}: "${value}" is not a number`);
    return value === undefined ? undefined : Number(value);
  };
  const time = values.get('duration');
  const options = {
    kind: kind as RequestKind,
    comm: name,
    rate: decimal('rate'),
    concurrency: decimal('concurrency'),
    count: decimal('count'),
    duration: time === undefined ? undefined : duration(time),
    node: values.get('node'),
    adapter: sysfsId('adapter', values.get('adapter')),
    domain: sysfsId('domain', values.get('domain')),
    funcId: values.get('funcid'),
  };
  return { options, guest: values.get('guest') };
}

/** `3`, `03`, `001b`, `0x1b`: as in the names of sysfs. @throws EINVAL */
function sysfsId(what: string, text: string | undefined): number | undefined {
  if (text === undefined || text === 'any') return undefined;
  if (!/^(?:0x)?[0-9a-f]{1,4}$/i.test(text))
    throw new KernelError('EINVAL', `load: ${what} "${text}" is not a number as in sysfs: 03, 001b`);
  return Number.parseInt(text, 16);
}
