/**
 * Programs that send requests to /dev/z90crypt, for tests in virtual time.
 */
import { isKernelError } from '../../lib/errno.js';
import { fromBigInt, toBigInt } from '../../lib/hardware/bytes.js';
import type { Kernel } from '../../lib/kernel.js';
import { Task } from '../../lib/sync/task.js';
import type { ZcryptFile } from '../../lib/zcrypt/file.js';
import { AUTOSEL_DOM, AUTOSELECT } from '../../lib/zcrypt/user.js';
import { ccaRequest } from './cca-request.js';
import type { Scenario } from './scenario.js';

/** Bytes of a 1024-bit modulus; the card does not care where it comes from. */
const LENGTH = 128;
const MODULUS = toBigInt(Uint8Array.from({ length: LENGTH }, (_, i) => (i === 0 ? 0xc1 : (i * 37 + 11) & 0xff))) | 1n;
const MESSAGE = 0x1234567890abcdefn;
/** MESSAGE to the third power, modulo MODULUS. */
const ANSWER = MESSAGE ** 3n % MODULUS;

export interface CcaOptions {
  readonly card?: number;
  readonly domain?: number;
  /** T2 usage; T3, T5, T6, T7 administrative. */
  readonly funcId?: string;
}

export class Requests {
  readonly #file: ZcryptFile;
  #pid = 7000;

  private constructor(file: ZcryptFile) {
    this.#file = file;
  }

  static open({ m }: Scenario): Promise<Requests> {
    return Requests.on(m.world.kernel);
  }

  /** Programs of this kernel, a guest's for instance. */
  static async on(kernel: Kernel): Promise<Requests> {
    const task = new Task({ pid: 6999, comm: 'cryptoload' });
    return new Requests(await kernel.zcrypt.open(task, { major: 10, minor: kernel.profile.z90cryptMinor }));
  }

  close(): void {
    this.#file.close();
  }

  /** An RSA request: 'ok' (and the result is right), 'wrong result', or the errno. */
  async rsa(): Promise<string> {
    const outputdata = new Uint8Array(LENGTH);
    const number = (n: bigint): Uint8Array => fromBigInt(n, LENGTH);
    return this.#ending(
      this.#file.modexpo(this.#task(), {
        inputdata: number(MESSAGE),
        inputdatalength: LENGTH,
        outputdata,
        outputdatalength: LENGTH,
        bKey: number(3n),
        nModulus: number(MODULUS),
      }),
      () => toBigInt(outputdata) === ANSWER,
    );
  }

  /** A CCA facility query. */
  async cca({ card = AUTOSELECT, domain = AUTOSEL_DOM, funcId = 'T2' }: CcaOptions = {}): Promise<string> {
    const request = ccaRequest({ userDefined: card, domain, funcId });
    return this.#ending(this.#file.sendCprb(this.#task(), request), () => true);
  }

  #task(): Task {
    return new Task({ pid: this.#pid++, comm: 'cryptoload' });
  }

  async #ending(attempt: Promise<void>, isRight: () => boolean): Promise<string> {
    try {
      await attempt;
      return isRight() ? 'ok' : 'wrong result';
    } catch (e) {
      if (isKernelError(e)) return e.errno;
      throw e;
    }
  }
}
