/**
 * The drivers cex4card and cex4queue.
 *
 * Mirrors zcrypt_cex4.c. spec/zcrypt.md 1 and 2, spec/ap-bus.md 5.4.
 */
import { ApCard, type ApMode } from '../ap/card.js';
import type { ApDriverOps } from '../ap/driver.js';
import { ApQueue } from '../ap/queue.js';
import type { Device } from '../driver-core/device.js';
import type { Module } from '../driver-core/module.js';
import { KernelError } from '../errno.js';
import { FAC } from '../hardware/instructions.js';
import { SEC } from '../ports.js';
import type { Task } from '../sync/task.js';
import type { Zcrypt } from './api.js';
import { ZcryptCard } from './card.js';
import { cardType } from './card-types.js';
import { msgtype6Ep11Ops, msgtype6Ops } from './msgtype6.js';
import { msgtype50Ops } from './msgtype50.js';
import type { ZcryptOps } from './ops.js';
import { ZcryptQueue } from './queue.js';

/** Request timeout of a queue. */
const CLEANUP_TIME = 900 * SEC;

const OPS: Readonly<Record<ApMode, ZcryptOps>> = { accel: msgtype50Ops, cca: msgtype6Ops, ep11: msgtype6Ep11Ops };

/** The extra files go by the CCA bit, else the EP11 bit, whatever the mode. */
function extraGroup(card: ApCard, kind: 'card' | 'queue'): string | undefined {
  if (card.hwinfo.fac & FAC.CCA) return `cca_${kind}`;
  return card.hwinfo.fac & FAC.EP11 ? `ep11_${kind}` : undefined;
}

export const cex4CardDriver = (zcrypt: Zcrypt, module: Module): ApDriverOps => ({
  name: 'cex4card',
  module,
  serves: 'cards',
  isDefault: true,

  /** `zcrypt_cex4_card_probe`. @throws ENODEV no mode bit */
  async probe(_task: Task, dev: Device): Promise<void> {
    if (!(dev instanceof ApCard)) throw new KernelError('ENODEV');
    const type = cardType(dev);
    if (!type) throw new KernelError('ENODEV');
    const zc = new ZcryptCard(zcrypt, dev, type);
    dev.driverData = zc;
    zc.register();
    const extra = extraGroup(dev, 'card');
    if (extra) dev.addGroup(extra);
  },

  async remove(task: Task, dev: Device): Promise<void> {
    const zc = zcryptCard(dev);
    if (!zc) return;
    const extra = extraGroup(zc.card, 'card');
    if (extra) await dev.removeGroup(task, extra);
    await zc.unregister(task);
  },
});

export const cex4QueueDriver = (_zcrypt: Zcrypt, module: Module): ApDriverOps => ({
  name: 'cex4queue',
  module,
  serves: 'queues',
  isDefault: true,

  /** `zcrypt_cex4_queue_probe`. @throws ENODEV no mode bit, or the card is not bound to cex4card */
  async probe(task: Task, dev: Device): Promise<void> {
    if (!(dev instanceof ApQueue)) throw new KernelError('ENODEV');
    const { mode } = dev.card;
    const zc = zcryptCard(dev.card);
    if (!mode || !zc) throw new KernelError('ENODEV');
    const zq = new ZcryptQueue(zc, dev, OPS[mode]);
    const reset = dev.initState();
    if (reset) await reset;
    const ready = dev.initReply(zq.replyBufferSize);
    if (ready) await ready;
    dev.requestTimeout = CLEANUP_TIME;
    dev.driverData = zq;
    await zq.register(task);
    const extra = extraGroup(dev.card, 'queue');
    if (extra) dev.addGroup(extra);
  },

  async remove(task: Task, dev: Device): Promise<void> {
    const zq = zcryptQueue(dev);
    if (!zq) return;
    const extra = extraGroup(zq.queue.card, 'queue');
    if (extra) await dev.removeGroup(task, extra);
    await zq.unregister(task);
    zq.queue.replyBuffer = 0;
  },
});

/** The zcrypt side of a card device; undefined while it is not bound to cex4card. */
export const zcryptCard = (dev: Device): ZcryptCard | undefined =>
  dev.driverData instanceof ZcryptCard ? dev.driverData : undefined;

/** The zcrypt side of a queue device; undefined while it is not bound to cex4queue. */
export const zcryptQueue = (dev: Device): ZcryptQueue | undefined =>
  dev.driverData instanceof ZcryptQueue ? dev.driverData : undefined;
