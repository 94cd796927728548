/**
 * RSA work to hand to an adapter, with the answer that it must give.
 *
 * The numbers are no keys: any odd modulus will do, and the Chinese remainder
 * form is checked by its own formula. spec/zcrypt.md 7.1.
 */
import { fromBigInt, rightAlign, toBigInt } from '../../hardware/bytes.js';
import type { CryptoPort } from '../../ports.js';
import type { Task } from '../../sync/task.js';
import type { ZcryptFile } from '../file.js';
import type { Track } from '../retry.js';
import type { RsaReply, Work } from './work.js';

/** A number of so many bytes, the highest bit set, odd. */
function number(length: number, seed: number): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => (seed + 73 * i + 11 * ((i * i) % 251)) & 0xff);
  bytes[0] = 0x80 | seed;
  bytes[length - 1] = (bytes[length - 1] ?? 0) | 1;
  return bytes;
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, i) => byte === b[i]);

/** The same numbers for every work of one size: the right answer is computed once. */
abstract class RsaNumbers {
  readonly input: Uint8Array;
  #answer: Uint8Array | undefined;

  constructor(
    readonly crypto: CryptoPort,
    readonly length: number,
  ) {
    this.input = rightAlign(number(length - 1, 0x21), length);
  }

  get answer(): Uint8Array {
    this.#answer ??= this.compute();
    return this.#answer;
  }

  abstract compute(): Uint8Array;
  abstract call(output: Uint8Array, file: ZcryptFile, task: Task, track: Track): Promise<void>;

  work(): Work<RsaReply> {
    const output = new Uint8Array(this.length);
    return {
      call: (file, task, track) => {
        output.fill(0);
        return this.call(output, file, task, track);
      },
      reply: () => ({ result: output.slice() }),
      right: () => same(output, this.answer),
    };
  }
}

/** A modulus, and 65537. */
class ModexpoNumbers extends RsaNumbers {
  readonly #modulus = number(this.length, 0x53);
  readonly #exponent = rightAlign(Uint8Array.of(1, 0, 1), this.length);

  compute(): Uint8Array {
    return this.crypto.modExp(this.input, this.#exponent, this.#modulus);
  }

  call(outputdata: Uint8Array, file: ZcryptFile, task: Task, track: Track): Promise<void> {
    const { input: inputdata, length } = this;
    const numbers = { inputdata, bKey: this.#exponent, nModulus: this.#modulus, outputdata };
    return file.modexpo(task, { ...numbers, inputdatalength: length, outputdatalength: length }, track);
  }
}

/** Chinese remainder form. */
class CrtNumbers extends RsaNumbers {
  readonly #half = this.length / 2;
  readonly #p = number(this.#half, 0x7f);
  readonly #q = number(this.#half, 0x35);
  readonly #dp = number(this.#half, 0x19);
  readonly #dq = number(this.#half, 0x2b);
  readonly #u = number(this.#half, 0x0d);
  readonly #key = {
    bpKey: rightAlign(this.#dp, this.#half + 8),
    bqKey: this.#dq,
    npPrime: rightAlign(this.#p, this.#half + 8),
    nqPrime: this.#q,
    uMultInv: rightAlign(this.#u, this.#half + 8),
  };

  compute(): Uint8Array {
    const [p, q] = [toBigInt(this.#p), toBigInt(this.#q)];
    const m1 = toBigInt(this.crypto.modExp(this.input, this.#dp, this.#p));
    const m2 = toBigInt(this.crypto.modExp(this.input, this.#dq, this.#q));
    const h = (((toBigInt(this.#u) * (m1 - m2)) % p) + p) % p;
    return fromBigInt(m2 + h * q, this.length);
  }

  call(outputdata: Uint8Array, file: ZcryptFile, task: Task, track: Track): Promise<void> {
    const { input: inputdata, length } = this;
    const request = { ...this.#key, inputdata, inputdatalength: length, outputdata, outputdatalength: length };
    return file.modexpoCrt(task, request, track);
  }
}

/** Makes works with a modulus of so many bits (a multiple of 16). */
export function rsaWork(crypto: CryptoPort, form: 'me' | 'crt', bits: number): () => Work<RsaReply> {
  const numbers = form === 'me' ? new ModexpoNumbers(crypto, bits / 8) : new CrtNumbers(crypto, bits / 8);
  return () => numbers.work();
}
