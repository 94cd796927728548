/**
 * Cards as zcrypt sees them.
 *
 * Mirrors zcrypt_card.c and struct zcrypt_card. One is made by each probe of
 * cex4card and is the card device's driver data. After the card is unbound its
 * queues stay bound and keep this object; selection does not find it any more.
 * spec/zcrypt.md 1, 5; spec/attributes.md E.
 */
import type { ApCard } from '../ap/card.js';
import { KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import { scanD } from '../text/kstrto.js';
import type { Zcrypt } from './api.js';
import type { ZcryptCardType } from './card-types.js';
import type { ZcryptQueue } from './queue.js';

export class ZcryptCard {
  readonly zcrypt: Zcrypt;
  readonly card: ApCard;
  readonly type: ZcryptCardType;
  /** In order of binding. */
  readonly queues: ZcryptQueue[] = [];
  online = true;
  /** Sum of weights in flight. */
  load = 0;

  constructor(zcrypt: Zcrypt, card: ApCard, type: ZcryptCardType) {
    this.zcrypt = zcrypt;
    this.card = card;
    this.type = type;
  }

  /** Configured, not check-stopped, switched on: requests may go here. */
  get usable(): boolean {
    return this.online && this.card.config && !this.card.chkstop;
  }

  /** `zcrypt_card_register`. */
  register(): void {
    this.zcrypt.distributor.cards.push(this);
    this.online = true;
    this.card.addGroup('zcrypt_card');
  }

  /** `zcrypt_card_unregister`. */
  async unregister(task: Task): Promise<void> {
    const { cards } = this.zcrypt.distributor;
    const at = cards.indexOf(this);
    if (at >= 0) cards.splice(at, 1);
    await this.card.removeGroup(task, 'zcrypt_card');
  }

  /** `type`. */
  typeText(): string {
    return `${this.type.typeString}\n`;
  }

  /** `load`. */
  loadText(): string {
    return `${this.load}\n`;
  }

  /** `online`. */
  onlineText(): string {
    const { config, chkstop } = this.card;
    const there = config && !(chkstop && this.zcrypt.profile.onlineLooksAtCheckstop);
    return there && this.online ? '1\n' : '0\n';
  }

  /**
   * `online` written: the card's flag, and that of every bound queue.
   * @throws EINVAL not 0 or 1; ENODEV 1 while deconfigured or check-stopped
   */
  onlineStore(_task: Task, written: string): void {
    const value = parseOnline(this.zcrypt, written);
    if (value && !available(this.zcrypt, this.card)) throw new KernelError('ENODEV');
    this.online = value;
    this.zcrypt.dbf(5, `online_store card=${this.card.name.slice(4)} online=${value ? 1 : 0}`);
    this.card.sendOnlineUevent(value);
    const changed = this.queues.filter((zq) => zq.forceOnline(value));
    for (const zq of changed) zq.queue.sendOnlineUevent(value);
  }
}

/** The text of an `online` file. @throws EINVAL no number, or not 0 or 1 */
export function parseOnline(zcrypt: Zcrypt, written: string): boolean {
  const value = scanD(written, zcrypt.profile.scanOverflow);
  if (value !== 0 && value !== 1) throw new KernelError('EINVAL');
  return value === 1;
}

/** Configured and not check-stopped; 6.1 looks at the configuration only. */
export function available(zcrypt: Zcrypt, dev: { readonly config: boolean; readonly chkstop: boolean }): boolean {
  return dev.config && !(dev.chkstop && zcrypt.profile.onlineLooksAtCheckstop);
}
