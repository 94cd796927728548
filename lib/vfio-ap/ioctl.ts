/**
 * The ioctls of the device file.
 *
 * Mirrors `vfio_ap_mdev_ioctl`, `vfio_ap_get_irq_info`, `vfio_ap_set_irqs` and
 * `vfio_set_irqs_validate_and_prepare`. The mdevs lock is held.
 * spec/vfio-ap.md 10.2.
 */
import { KernelError } from '../errno.js';
import { VFIO_IOCTL } from './device.js';
import { type Eventfd, eventfdOf, type FileTable } from './eventfd.js';
import type { MatrixMdev } from './matrix.js';
import { resetQueues } from './reset.js';
import { copyFromUser, field, type UserStruct } from './user.js';

/** Reset is possible; it is an AP device. */
const DEVICE_FLAGS = 0x01 | 0x20;
const DEVICE_INFO_SIZE = 16;
const IRQ_INFO_SIZE = 16;
const IRQ_INFO_EVENTFD = 0x01;
const IRQ_SET_SIZE = 20;
const U32_MAX = 0xffffffff;

export const IRQ_SET = {
  DATA_NONE: 0x01,
  DATA_BOOL: 0x02,
  DATA_EVENTFD: 0x04,
  ACTION_MASK: 0x08,
  ACTION_UNMASK: 0x10,
  ACTION_TRIGGER: 0x20,
} as const;
const DATA_TYPES = IRQ_SET.DATA_NONE | IRQ_SET.DATA_BOOL | IRQ_SET.DATA_EVENTFD;
const ACTIONS = IRQ_SET.ACTION_MASK | IRQ_SET.ACTION_UNMASK | IRQ_SET.ACTION_TRIGGER;

/** Interrupt indexes: a request to give the device back; the configuration of AP has changed. */
export const IRQ_INDEX = { REQUEST: 0, CONFIG_CHANGE: 1 } as const;
const TRIGGERS = ['reqTrigger', 'cfgChgTrigger'] as const;

export async function matrixMdevIoctl(
  mdev: MatrixMdev,
  command: number,
  argument: UserStruct | undefined,
  files: FileTable,
): Promise<void> {
  const hasIrqs = mdev.va.profile.vfioIrqs > 0;
  if (command === VFIO_IOCTL.GET_INFO) getInfo(mdev, argument);
  else if (command === VFIO_IOCTL.RESET) await reset(mdev);
  else if (command === VFIO_IOCTL.GET_IRQ_INFO && hasIrqs) getIrqInfo(mdev, argument);
  else if (command === VFIO_IOCTL.SET_IRQS && hasIrqs) setIrqs(mdev, argument, files);
  else throw new KernelError('EOPNOTSUPP');
}

function getInfo(mdev: MatrixMdev, argument: UserStruct | undefined): void {
  const info = copyFromUser(argument);
  if (field(info, 'argsz') < DEVICE_INFO_SIZE) throw new KernelError('EINVAL');
  info.flags = DEVICE_FLAGS;
  info.num_regions = 0;
  info.num_irqs = mdev.va.profile.vfioIrqs;
}

async function reset(mdev: MatrixMdev): Promise<void> {
  const failed = await resetQueues(mdev);
  if (failed) throw new KernelError(failed);
}

function getIrqInfo(mdev: MatrixMdev, argument: UserStruct | undefined): void {
  const info = copyFromUser(argument);
  if (field(info, 'argsz') < IRQ_INFO_SIZE || field(info, 'index') >= mdev.va.profile.vfioIrqs)
    throw new KernelError('EINVAL');
  info.count = 1;
  info.flags = IRQ_INFO_EVENTFD;
}

function setIrqs(mdev: MatrixMdev, argument: UserStruct | undefined, files: FileTable): void {
  const set = copyFromUser(argument);
  checkIrqSet(set, mdev.va.profile.vfioIrqs);
  const flags = field(set, 'flags');
  if ((flags & IRQ_SET.ACTION_TRIGGER) === 0) throw new KernelError('EINVAL');
  const trigger = TRIGGERS[field(set, 'index')];
  if ((flags & DATA_TYPES) !== IRQ_SET.DATA_EVENTFD || trigger === undefined) throw new KernelError('EINVAL');
  // The descriptor is read whatever count says.
  mdev[trigger] = eventfdFor(field(set, 'fd'), files);
}

/** @throws EINVAL below -1; EBADF, EINVAL of a bad descriptor */
function eventfdFor(fd: number, files: FileTable): Eventfd | undefined {
  if (fd === -1) return undefined;
  if (fd < -1) throw new KernelError('EINVAL');
  return eventfdOf(files, fd);
}

/** `vfio_set_irqs_validate_and_prepare` for indexes with one interrupt each. @throws EINVAL */
function checkIrqSet(set: UserStruct, indexes: number): void {
  const argsz = field(set, 'argsz');
  const start = field(set, 'start');
  const count = field(set, 'count');
  const flags = field(set, 'flags');
  const size = { [IRQ_SET.DATA_NONE]: 0, [IRQ_SET.DATA_BOOL]: 1, [IRQ_SET.DATA_EVENTFD]: 4 }[flags & DATA_TYPES];
  const wrong =
    argsz < IRQ_SET_SIZE ||
    field(set, 'index') >= indexes ||
    count >= U32_MAX - start ||
    (flags & ~(DATA_TYPES | ACTIONS)) !== 0 ||
    start >= 1 ||
    start + count > 1 ||
    size === undefined ||
    argsz - IRQ_SET_SIZE < count * size;
  if (wrong) throw new KernelError('EINVAL');
}
