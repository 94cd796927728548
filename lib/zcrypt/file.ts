/**
 * Open device nodes: what programs can ask for.
 *
 * Mirrors the file operations and ioctls of zcrypt_api.c. spec/zcrypt.md 4, 6, 7.
 */
import type { Module } from '../driver-core/module.js';
import { type Errno, KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import type { Zcrypt } from './api.js';
import { ZCRYPT_MAJOR } from './nodes.js';
import type { ApPerms } from './perms.js';
import type { Track } from './retry.js';
import {
  deviceStatus,
  domainIndex,
  OLD_CARDS,
  oldDeviceStatus,
  pendingqCount,
  perdevReqcnt,
  qdepthMask,
  requestqCount,
  statusMask,
} from './status.js';
import type { Ep11Urb, IcaRsaModexpo, IcaRsaModexpoCrt, IcaXcRb } from './user.js';

const MISC_MAJOR = 10;

/** Number of each call, the low 8 bits of its command: bit of the `ioctlmask`. */
export const IOCTL = {
  ICARSAMODEXPO: 0x05,
  ICARSACRT: 0x06,
  ZSECSENDCPRB: 0x81,
  ZSENDEP11CPRB: 0x04,
  ZCRYPT_DEVICE_STATUS: 0x5f,
  ZCRYPT_STATUS_MASK: 0x58,
  ZCRYPT_QDEPTH_MASK: 0x59,
  ZCRYPT_PERDEV_REQCNT: 0x5a,
  Z90STAT_REQUESTQ_COUNT: 0x44,
  Z90STAT_PENDINGQ_COUNT: 0x45,
  Z90STAT_TOTALOPEN_COUNT: 0x46,
  Z90STAT_DOMAIN_INDEX: 0x47,
  ZDEVICESTATUS: 0x4f,
  Z90STAT_STATUS_MASK: 0x48,
  Z90STAT_QDEPTH_MASK: 0x49,
  Z90STAT_PERDEV_REQCNT: 0x4a,
} as const;

export type IoctlName = keyof typeof IOCTL;

/** Calls that only tell something. */
const STATISTICS = {
  ZCRYPT_DEVICE_STATUS: deviceStatus,
  ZDEVICESTATUS: oldDeviceStatus,
  ZCRYPT_STATUS_MASK: (z: Zcrypt) => statusMask(z),
  Z90STAT_STATUS_MASK: (z: Zcrypt) => statusMask(z, OLD_CARDS),
  ZCRYPT_QDEPTH_MASK: (z: Zcrypt) => qdepthMask(z),
  Z90STAT_QDEPTH_MASK: (z: Zcrypt) => qdepthMask(z, OLD_CARDS),
  ZCRYPT_PERDEV_REQCNT: (z: Zcrypt) => perdevReqcnt(z),
  Z90STAT_PERDEV_REQCNT: (z: Zcrypt) => perdevReqcnt(z, OLD_CARDS),
  Z90STAT_REQUESTQ_COUNT: requestqCount,
  Z90STAT_PENDINGQ_COUNT: pendingqCount,
  Z90STAT_TOTALOPEN_COUNT: (z: Zcrypt) => z.openCount,
  Z90STAT_DOMAIN_INDEX: domainIndex,
} as const;

export type StatisticName = keyof typeof STATISTICS;
export type Statistic<N extends StatisticName> = ReturnType<(typeof STATISTICS)[N]>;

/** An open file of /dev/z90crypt or a zcdn node. */
export class ZcryptFile {
  readonly #zcrypt: Zcrypt;
  readonly #module: Module;
  readonly perms: ApPerms;
  /** A character device of the module's own holds it once more than a misc device does (`cdev_get`). */
  readonly #holds: number;
  #open = true;

  private constructor(zcrypt: Zcrypt, module: Module, perms: ApPerms, holds: number) {
    this.#zcrypt = zcrypt;
    this.#module = module;
    this.perms = perms;
    this.#holds = holds;
    for (let n = 1; n < holds; n++) module.tryGet();
    zcrypt.openCount++;
  }

  /**
   * `zcrypt_open`. A minor of the range without a node gets the bus's rights.
   * @throws ENXIO no such device; EINTR
   */
  static async open(
    task: Task,
    { zcrypt, module }: { readonly zcrypt: Zcrypt; readonly module: Module },
    number: { readonly major: number; readonly minor: number },
  ): Promise<ZcryptFile> {
    const { major, minor } = number;
    const isMisc = major === MISC_MAJOR && minor === zcrypt.profile.z90cryptMinor;
    const isNode = major === ZCRYPT_MAJOR && minor >= 0 && minor < 256;
    if ((!isMisc && !isNode) || !module.tryGet()) throw new KernelError('ENXIO');
    try {
      const perms = isNode ? await zcrypt.nodes.nodeByMinor(task, minor) : undefined;
      return new ZcryptFile(zcrypt, module, perms ?? zcrypt.busPerms, isNode ? 2 : 1);
    } catch (e) {
      module.put();
      throw e;
    }
  }

  /** `zcrypt_release`. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#zcrypt.openCount--;
    for (let n = 0; n < this.#holds; n++) this.#module.put();
  }

  /** read(2), write(2): EPERM; lseek, pread, pwrite: ESPIPE; mmap: ENODEV. */
  static readonly refused: Readonly<Record<'read' | 'write' | 'seek' | 'mmap', Errno>> = {
    read: 'EPERM',
    write: 'EPERM',
    seek: 'ESPIPE',
    mmap: 'ENODEV',
  };

  /** For a caller who wants to know afterwards how a request went: hand it to the call. */
  newTrack(): Track {
    return this.#zcrypt.newTrack();
  }

  /** ICARSAMODEXPO. @throws EPERM, EINVAL, EFAULT, ENODEV, EIO, EMSGSIZE, EINTR */
  async modexpo(task: Task, mex: IcaRsaModexpo, track = this.newTrack()): Promise<void> {
    await this.#request(task, 'ICARSAMODEXPO', track, () => this.#zcrypt.rsaModexpo(task, this.perms, track, mex));
  }

  /** ICARSACRT. */
  async modexpoCrt(task: Task, crt: IcaRsaModexpoCrt, track = this.newTrack()): Promise<void> {
    await this.#request(task, 'ICARSACRT', track, () => this.#zcrypt.rsaModexpoCrt(task, this.perms, track, crt));
  }

  /** ZSECSENDCPRB. Lengths and status are written back, on errors too. @throws also EOPNOTSUPP */
  async sendCprb(task: Task, xcrb: IcaXcRb, track = this.newTrack()): Promise<void> {
    await this.#request(task, 'ZSECSENDCPRB', track, () => this.#zcrypt.sendCprb(task, this.perms, track, xcrb));
  }

  /** ZSENDEP11CPRB. */
  async sendEp11Cprb(task: Task, urb: Ep11Urb, track = this.newTrack()): Promise<void> {
    await this.#request(task, 'ZSENDEP11CPRB', track, () => this.#zcrypt.sendEp11Cprb(task, this.perms, track, urb));
  }

  /** A statistics call; only the ioctl mask counts. @throws EPERM */
  statistic<N extends StatisticName>(name: N): Statistic<N> {
    this.#check(IOCTL[name]);
    return STATISTICS[name](this.#zcrypt) as Statistic<N>;
  }

  /** A command that is none of the above. @throws EPERM, ENOTTY */
  unknownIoctl(command: number): never {
    this.#check(command & 0xff);
    throw new KernelError('ENOTTY');
  }

  #request(
    task: Task,
    name: 'ICARSAMODEXPO' | 'ICARSACRT' | 'ZSECSENDCPRB' | 'ZSENDEP11CPRB',
    track: Track,
    attempt: () => Promise<void>,
  ): Promise<void> {
    this.#check(IOCTL[name]);
    return this.#zcrypt.retrying(task, `${name} on ${this.perms.name}`, track, attempt);
  }

  /** `zcrypt_check_ioctl`. @throws EPERM */
  #check(number: number): void {
    if (number === 0 || !this.perms.ioctlm.has(number)) throw new KernelError('EPERM');
  }
}
