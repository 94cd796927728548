/**
 * Queues as zcrypt sees them.
 *
 * Mirrors zcrypt_queue.c and struct zcrypt_queue. One is made by each probe of
 * cex4queue and is the queue device's driver data. spec/zcrypt.md 1, 5;
 * spec/attributes.md F.
 */
import type { ApQueue } from '../ap/queue.js';
import { KernelError } from '../errno.js';
import type { Soon } from '../sync/soon.js';
import type { Task } from '../sync/task.js';
import type { Zcrypt } from './api.js';
import { available, parseOnline, type ZcryptCard } from './card.js';
import type { ZcryptOps } from './ops.js';

export class ZcryptQueue {
  readonly zcrypt: Zcrypt;
  readonly queue: ApQueue;
  readonly card: ZcryptCard;
  /** What its message family can do. */
  readonly ops: ZcryptOps;
  /** Bytes. */
  readonly replyBufferSize: number;
  online = true;
  /** Sum of weights in flight. */
  load = 0;
  /** Requests in flight (`request_count`). */
  inFlight = 0;

  constructor(card: ZcryptCard, queue: ApQueue, ops: ZcryptOps) {
    this.zcrypt = card.zcrypt;
    this.card = card;
    this.queue = queue;
    this.ops = ops;
    this.replyBufferSize = queue.card.maxMsgSize;
  }

  /** `zcrypt_queue_register`. @throws what registering the hardware RNG returns */
  async register(task: Task): Promise<void> {
    this.online = true;
    this.card.queues.push(this);
    this.queue.addGroup('zcrypt_queue');
    if (this.ops.rng) await this.zcrypt.rng.deviceAdd(task);
  }

  /** `zcrypt_queue_unregister`. */
  async unregister(task: Task): Promise<void> {
    const at = this.card.queues.indexOf(this);
    if (at >= 0) this.card.queues.splice(at, 1);
    if (this.ops.rng) this.zcrypt.rng.deviceRemove();
    await this.queue.removeGroup(task, 'zcrypt_queue');
  }

  /** `zcrypt_queue_force_online`: true if the flag changed; going off flushes. */
  forceOnline(online: boolean): boolean {
    if (this.online === online) return false;
    this.online = online;
    if (!online) void this.queue.underLock(() => this.queue.flush('card offline'));
    return true;
  }

  /** A bad reply switches the queue off. Requests that are on it still finish. */
  setOfflineByReply(logLine: string): void {
    this.online = false;
    this.zcrypt.log('err', `Crypto dev=${this.queue.name} ${logLine} rc=EAGAIN`);
    this.queue.sendOnlineUevent(false);
  }

  /** `load`. */
  loadText(): string {
    return `${this.load}\n`;
  }

  /** `online`. */
  onlineText(): string {
    return available(this.zcrypt, this.queue) && this.online ? '1\n' : '0\n';
  }

  /**
   * `online` written.
   * @throws EINVAL not 0 or 1, or 1 while the card is off; ENODEV 1 while queue or card is deconfigured or check-stopped
   */
  onlineStore(_task: Task, written: string): Soon<void> {
    const value = parseOnline(this.zcrypt, written);
    if (value && !(available(this.zcrypt, this.queue) && available(this.zcrypt, this.queue.card)))
      throw new KernelError('ENODEV');
    if (value && !this.card.online) throw new KernelError('EINVAL');
    this.online = value;
    this.zcrypt.dbf(5, `online_store queue=${this.queue.name} online=${value ? 1 : 0}`);
    this.queue.sendOnlineUevent(value);
    return value ? undefined : this.queue.underLock(() => this.queue.flush('offline'));
  }
}
