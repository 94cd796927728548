/**
 * Card devices.
 *
 * Mirrors ap_card.c and struct ap_card. spec/attributes.md E.
 */
import { Device } from '../driver-core/device.js';
import { KernelError } from '../errno.js';
import { FAC, mkQid, type TapqInfo } from '../hardware/instructions.js';
import { cardName } from '../hardware/names.js';
import type { Task } from '../sync/task.js';
import { scanD } from '../text/kstrto.js';
import type { ApBus } from './bus.js';
import type { ApQueue } from './queue.js';

const TYPE = { name: 'ap_card', groups: ['ap_card'] } as const;

/** Message limit in bytes where TAPQ says 0. */
const DEFAULT_MESSAGE_SIZE = 12 * 1024;

export type ApMode = 'accel' | 'cca' | 'ep11';

const MODES: readonly ApMode[] = ['accel', 'cca', 'ep11'];
const MODE_BIT: Readonly<Record<ApMode, number>> = { accel: FAC.ACCEL, cca: FAC.CCA, ep11: FAC.EP11 };

export class ApCard extends Device {
  readonly ap: ApBus;
  readonly apid: number;
  /** Compatible type, 10..14 (6.1: 6..14). */
  readonly hwtype: number;
  /** As TAPQ reports it. */
  readonly rawHwtype: number;
  /** TAPQ information word as stored at creation (masked since 6.12). */
  readonly hwinfo: TapqInfo;
  /** Bytes. */
  readonly maxMsgSize: number;
  config: boolean;
  chkstop: boolean;
  /** Its queue devices by domain. */
  readonly queues: (ApQueue | undefined)[] = [];
  /** Requests queued on this card so far. */
  totalRequestCount = 0;

  constructor(ap: ApBus, apid: number, hwtype: number, info: TapqInfo, config: boolean, chkstop: boolean) {
    super(ap.core, {
      name: cardName(apid),
      parent: ap.rootDevice,
      bus: ap.bus,
      type: TYPE,
    });
    this.ap = ap;
    this.apid = apid;
    this.hwtype = hwtype;
    this.rawHwtype = info.at;
    this.hwinfo = info;
    this.maxMsgSize = info.ml > 0 ? info.ml * 4096 : DEFAULT_MESSAGE_SIZE;
    this.config = config;
    this.chkstop = chkstop;
  }

  /** First match decides where a card had more than one mode bit. */
  get mode(): ApMode | undefined {
    return MODES.find((mode) => this.has(mode));
  }

  /** The card says that it can work in this mode. */
  has(mode: ApMode): boolean {
    return (this.hwinfo.fac & MODE_BIT[mode]) !== 0;
  }

  /** Requests that may be in the hardware of one queue at a time. */
  get queueDepth(): number {
    return this.ap.profile.depthIsFieldPlusOne ? this.hwinfo.qd + 1 : this.hwinfo.qd;
  }

  /** Its queue devices that are in the active table. */
  activeQueues(): ApQueue[] {
    return this.queues.filter((aq): aq is ApQueue => aq !== undefined && this.ap.active.has(aq));
  }

  /** `request_count` written: any text resets the card's and its bound queues' counters. */
  resetRequestCount(): void {
    for (const q of this.activeQueues()) q.totalRequestCount = 0;
    this.totalRequestCount = 0;
  }

  /**
   * `config` written: SCLP (de)configure. The queues follow at the next scan.
   * @throws EINVAL not 0 or 1; EOPNOTSUPP no such SCLP facility; EIO the request was refused
   */
  async configStore(_task: Task, written: string): Promise<void> {
    const value = scanD(written, this.ap.profile.scanOverflow);
    if (value === undefined || value < 0 || value > 1) throw new KernelError('EINVAL');
    const configure = value === 1;
    if (configure !== this.config) {
      const { supported, response, command } = await this.ap.hw.sclpConfigureAp(this.apid, configure);
      if (!supported) throw new KernelError('EOPNOTSUPP');
      if (![0x0020, 0x0120, 0x0440, 0x0450].includes(response)) {
        const hex = (n: number, w: number): string => n.toString(16).padStart(w, '0');
        this.core.log.print(
          'warning',
          `sclp_cmd: configure AP adapter ${this.apid} failed: cmd=0x${hex(command, 8)} response=0x${hex(response, 4)}`,
        );
        throw new KernelError('EIO');
      }
      this.config = configure;
    }
    this.sendConfigUevent();
  }

  /** `ap_send_config_uevent`. */
  sendConfigUevent(): void {
    this.sendUevent('change', [`CONFIG=${this.config ? 1 : 0}`]);
  }

  /** `ap_send_online_uevent`. */
  sendOnlineUevent(online: boolean): void {
    this.sendUevent('change', [`ONLINE=${online ? 1 : 0}`]);
  }

  /** The queue number of one of its domains. */
  qid(apqi: number): number {
    return mkQid(this.apid, apqi);
  }
}
