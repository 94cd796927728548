/**
 * One message to a queue and back.
 *
 * Mirrors the common end of the request functions in zcrypt_msgtype50.c and
 * zcrypt_msgtype6.c: queue it, wait interruptibly, cancel on a signal.
 */
import type { ApMessage } from '../ap/message.js';
import { KernelError } from '../errno.js';
import { Completion } from '../sync/wait.js';
import type { Sender } from './ops.js';
import type { ZcryptQueue } from './queue.js';

/**
 * Sends `bytes` and returns the reply as the card wrote it.
 * @throws ENODEV the queue takes nothing; EAGAIN flushed; EINVAL refused by the hardware; EMSGSIZE reply in parts; EINTR
 */
export async function exchange(
  sender: Sender,
  zq: ZcryptQueue,
  bytes: Uint8Array,
  special = false,
): Promise<Uint8Array> {
  const { task, requestId } = sender;
  const work = new Completion();
  let answer: Uint8Array | undefined;
  const message: ApMessage = {
    psmid: zq.zcrypt.nextPsmid(task, zq.ops.name === 'msgtype50' ? 50 : 6),
    bytes,
    special,
    requestId,
    rc: undefined,
    receive: (_queue, _message, reply) => {
      answer = reply?.bytes;
      work.completeAll();
    },
  };
  const queued = zq.queue.queueMessage(message);
  const refused = queued instanceof Promise ? await queued : queued;
  if (refused) throw new KernelError(refused);
  try {
    await work.waitInterruptible(task);
  } catch (e) {
    zq.queue.cancelMessage(message);
    throw e;
  }
  if (message.rc) throw new KernelError(message.rc);
  if (!answer) throw new Error(`request ${requestId}: completed without reply and without reason`);
  if (zq.zcrypt.core.ports.trace.enabled)
    zq.zcrypt.tell(sender, 'zcrypt.received', `received ${answer.length} bytes from ${zq.queue.name}`, zq.queue.name);
  return answer;
}
