/**
 * From a kind and an address to works, and what is wrong with the words.
 */
import { KernelError } from '../../errno.js';
import type { CryptoPort } from '../../ports.js';
import { type CcaAddress, ccaWork, ep11Work, rngWork } from './cprb-work.js';
import { rsaWork } from './rsa-work.js';
import { REQUEST_KINDS, type ReplyOf, type RequestKind, type RsaKind, type Work } from './work.js';

/** A request in words. */
export interface RequestWords<K extends RequestKind = RequestKind> extends CcaAddress {
  readonly kind: K;
}

/**
 * Looks at the words, then gives a maker of works: each program needs one of its own.
 * @throws EINVAL, with what to do instead
 */
export function workMaker<K extends RequestKind>(crypto: CryptoPort, words: RequestWords<K>): () => Work<ReplyOf<K>>;
export function workMaker(crypto: CryptoPort, words: RequestWords): () => Work<ReplyOf<RequestKind>> {
  const { kind } = words;
  if (!REQUEST_KINDS.includes(kind))
    throw new KernelError('EINVAL', `"${kind}" is not one of ${REQUEST_KINDS.join(', ')}`);
  if (words.funcId !== undefined && (kind !== 'cca' || !/^[\x20-\x7e]{2}$/.test(words.funcId)))
    throw new KernelError('EINVAL', 'a function id is two characters, as T2, and goes with cca');
  if (isRsa(kind)) {
    if (words.adapter !== undefined || words.domain !== undefined) throw notAddressed(kind);
    return rsaWork(crypto, kind.startsWith('rsa') ? 'me' : 'crt', Number(kind.slice(3)));
  }
  checkId('adapter', words.adapter);
  checkId('domain', words.domain);
  if (kind === 'cca') return () => ccaWork(words);
  return kind === 'ep11' ? () => ep11Work(words) : () => rngWork(words);
}

export const isRsa = (kind: RequestKind): kind is RsaKind => kind.startsWith('rsa') || kind.startsWith('crt');

const notAddressed = (kind: string): KernelError =>
  new KernelError(
    'EINVAL',
    `${kind} has no address: the kernel chooses among all cards that can do it; ` +
      'the masks of a node of its own (class/zcrypt/create) can leave it only one',
  );

function checkId(what: string, id: number | undefined): void {
  if (id !== undefined && !(Number.isInteger(id) && id >= 0 && id <= 255))
    throw new KernelError('EINVAL', `${what} ${id} is not 0 to 255`);
}
