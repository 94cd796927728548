/**
 * CCA cards as a source of random numbers.
 *
 * Mirrors zcrypt_api.c `zcrypt_rng_device_add`, `zcrypt_rng_device_remove`,
 * `zcrypt_rng_data_read`. spec/zcrypt.md 1.
 */
import type { HwRandom, HwRng } from '../driver-core/hw-random.js';
import { isKernelError, KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import type { Zcrypt } from './api.js';

const QUALITY = 990;
const WORD = 4;

export class ZcryptRng implements HwRng {
  readonly name = 'zcrypt';
  readonly quality: number;
  readonly #zcrypt: Zcrypt;
  readonly #hwRandom: HwRandom;
  /** CCA queues bound to cex4queue. */
  #devices = 0;
  /** The current block; words are handed out from its end. */
  #buffer: Uint8Array = new Uint8Array(0);
  #refill: Promise<void> | undefined;

  constructor(zcrypt: Zcrypt, hwRandom: HwRandom) {
    this.#zcrypt = zcrypt;
    this.#hwRandom = hwRandom;
    this.quality = zcrypt.hwrngSeed === 0 ? 0 : QUALITY;
  }

  /** A CCA queue came: the first one registers the generator. */
  async deviceAdd(task: Task): Promise<void> {
    if (this.#devices++ > 0) return;
    this.#buffer = new Uint8Array(0);
    await this.#hwRandom.register(task, this);
  }

  /** A CCA queue left: with the last one the generator goes. */
  deviceRemove(): void {
    if (--this.#devices > 0) return;
    this.#hwRandom.unregister(this);
    this.#buffer = new Uint8Array(0);
  }

  /** Four bytes. @throws EIO, whatever went wrong */
  async read(task: Task): Promise<Uint8Array> {
    while (this.#buffer.length < WORD) {
      this.#refill ??= this.#fetch(task).finally(() => {
        this.#refill = undefined;
      });
      await this.#refill;
    }
    const at = this.#buffer.length - WORD;
    const word = this.#buffer.slice(at);
    this.#buffer = this.#buffer.subarray(0, at);
    return word;
  }

  async #fetch(task: Task): Promise<void> {
    try {
      this.#buffer = await this.#block(task);
    } catch (e) {
      if (isKernelError(e)) throw new KernelError('EIO', e.message);
      throw e;
    }
    if (this.#buffer.length < WORD) throw new KernelError('EIO', 'empty block');
  }

  /** One try, and one more if a rescan found something. */
  async #block(task: Task): Promise<Uint8Array> {
    try {
      return await this.#zcrypt.rngBlock(task);
    } catch (e) {
      if (!isKernelError(e, 'ENODEV') || !(await this.#zcrypt.rescan(task))) throw e;
    }
    return this.#zcrypt.rngBlock(task);
  }
}
