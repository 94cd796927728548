/**
 * Calls that a careful program would not make: `raw`, `badioctl`, `badirq`.
 *
 * One line a call: what was tried, and `ok` or the errno's name.
 */
import { isKernelError, KernelError } from '../errno.js';
import type { Kernel } from '../kernel.js';
import type { Task } from '../sync/task.js';
import type { VfioContainer } from '../vfio-ap/container.js';
import { VFIO_IOCTL, type VfioDeviceFile } from '../vfio-ap/device.js';
import type { VfioGroup, VfioGroupFile } from '../vfio-ap/group.js';
import { IRQ_SET } from '../vfio-ap/ioctl.js';
import type { UserStruct } from '../vfio-ap/user.js';
import { call, openContainer, type Vmm } from './vmm.js';

const TYPE1 = 1;
const NO_TYPE = 77;
const UNKNOWN_IOCTL = 0x3bff;
const IOCTL_OF_TYPE_A = 0x4100;

/** Collects lines `label: ok` or `label: ERRNO`. */
class Transcript {
  text = '';

  async try(label: string, body: () => unknown): Promise<boolean> {
    try {
      await body();
      this.text += `${label}: ok\n`;
      return true;
    } catch (e) {
      if (!isKernelError(e)) throw e;
      this.text += `${label}: ${e.errno}\n`;
      return false;
    }
  }

  note(text: string): void {
    this.text += `  ${text}\n`;
  }
}

const closed = (): never => {
  throw new KernelError('EBADF');
};

const hex = (n: number | undefined): string => `0x${(n ?? 0).toString(16)}`;

/** The group's calls without container and without VM. @throws CallFailed no such mdev */
export async function rawCalls(kernel: Kernel, task: Task, uuid: string): Promise<string> {
  const group = await call('readlink iommu_group', () => groupOf(kernel, uuid));
  const container = await openContainer(kernel);
  const t = new Transcript();
  let file: VfioGroupFile | undefined;
  await t.try('open group', async () => {
    file = await group.open(task);
  });
  await t.try('open the group again', () => group.open(task));
  try {
    await rawGroupCalls(t, task, file, container, uuid);
  } finally {
    file?.close();
    container.close();
  }
  return t.text;
}

function groupOf(kernel: Kernel, uuid: string): VfioGroup {
  const name = kernel.vfio.mdev?.list.get(uuid)?.links.get('iommu_group')?.target.name;
  const group = name === undefined ? undefined : kernel.vfio.vfio?.groups.get(name);
  if (!group) throw new KernelError('ENOENT');
  return group;
}

async function rawGroupCalls(
  t: Transcript,
  task: Task,
  file: VfioGroupFile | undefined,
  container: VfioContainer,
  uuid: string,
): Promise<void> {
  const status = async (): Promise<void> => {
    const argument: UserStruct = { argsz: 8 };
    await t.try('GROUP_GET_STATUS', () => (file ? file.getStatus(task, argument) : closed()));
    t.note(`flags ${hex(argument.flags)}`);
  };
  const getDevice = (name: string) => async (): Promise<void> => {
    const device = await (file ? file.getDeviceFd(task, name) : closed());
    await device.close(task);
  };
  const setContainer = (what: object | undefined) => () => (file ? file.setContainer(task, what) : closed());
  const unsetContainer = (): Promise<void> => (file ? file.unsetContainer(task) : closed());

  await status();
  await t.try('GROUP_GET_STATUS argsz 4', () => (file ? file.getStatus(task, { argsz: 4 }) : closed()));
  await t.try('GET_DEVICE_FD without container', getDevice(uuid));
  await t.try('SET_CONTAINER bad fd', setContainer(undefined));
  await t.try('SET_CONTAINER no container', setContainer({}));
  await t.try('UNSET_CONTAINER without container', unsetContainer);
  await t.try('SET_IOMMU without group', () => container.setIommu(TYPE1));
  await t.try('SET_CONTAINER', setContainer(container));
  await t.try('GET_DEVICE_FD without SET_IOMMU', getDevice(uuid));
  await t.try('SET_IOMMU of a bad type', () => container.setIommu(NO_TYPE));
  await t.try('SET_IOMMU', () => container.setIommu(TYPE1));
  await status();
  await t.try('GET_DEVICE_FD without VM', getDevice(uuid));
  await t.try('GET_DEVICE_FD other name', getDevice(`${uuid}x`));
  await t.try('UNSET_CONTAINER', unsetContainer);
}

/** Device ioctls with wrong sizes, addresses and numbers; then group and container. */
export async function badIoctls(vmm: Vmm): Promise<string> {
  const t = new Transcript();
  const { task, files } = vmm;
  const ioctl = (command: number, argument?: UserStruct) => () =>
    vmm.device ? vmm.device.ioctl(task, command, argument, files) : closed();
  for (const argsz of [0, 8, 15, 16, 24, 80]) {
    const info: UserStruct = { argsz };
    if (await t.try(`GET_INFO argsz ${argsz}`, ioctl(VFIO_IOCTL.GET_INFO, info)))
      t.note(`argsz ${argsz} flags ${hex(info.flags)}`);
  }
  await t.try('GET_INFO bad address', ioctl(VFIO_IOCTL.GET_INFO));
  await t.try('GET_IRQ_INFO argsz 15', ioctl(VFIO_IOCTL.GET_IRQ_INFO, { argsz: 15 }));
  await t.try('GET_IRQ_INFO index 0xffffffff', ioctl(VFIO_IOCTL.GET_IRQ_INFO, { argsz: 16, index: 0xffffffff }));
  await t.try('GET_IRQ_INFO bad address', ioctl(VFIO_IOCTL.GET_IRQ_INFO));
  const flags = IRQ_SET.DATA_EVENTFD | IRQ_SET.ACTION_TRIGGER;
  await t.try('SET_IRQS argsz 19', ioctl(VFIO_IOCTL.SET_IRQS, { argsz: 19, flags, count: 1, fd: -1 }));
  await t.try('SET_IRQS argsz 20 without data', ioctl(VFIO_IOCTL.SET_IRQS, { argsz: 20, flags, count: 1, fd: -1 }));
  await t.try('SET_IRQS count 0', ioctl(VFIO_IOCTL.SET_IRQS, { argsz: 20, flags, count: 0, fd: -1 }));
  await t.try('SET_IRQS bad address', ioctl(VFIO_IOCTL.SET_IRQS));
  await t.try('RESET with an argument', ioctl(VFIO_IOCTL.RESET, {}));
  await t.try('unknown ioctl of type ;', ioctl(UNKNOWN_IOCTL));
  await t.try('PCI hot reset', ioctl(VFIO_IOCTL.PCI_HOT_RESET));
  await t.try('ioctl of type A', ioctl(IOCTL_OF_TYPE_A));
  await t.try('FEATURE', ioctl(VFIO_IOCTL.FEATURE));
  const access = (): unknown => (vmm.device ? vmm.device.access() : closed());
  for (const what of ['read', 'write', 'mmap']) await t.try(what, access);
  await badGroupCalls(t, vmm);
  return t.text;
}

async function badGroupCalls(t: Transcript, vmm: Vmm): Promise<void> {
  const { task } = vmm;
  const group = (): VfioGroupFile => vmm.group ?? closed();
  const device = (name: string | undefined) => async (): Promise<void> => {
    const file: VfioDeviceFile = await group().getDeviceFd(task, name);
    await file.close(task);
  };
  await t.try('group: GET_DEVICE_FD with a wrong name', device('none'));
  await t.try('group: GET_DEVICE_FD bad address', device(undefined));
  await t.try('group: SET_CONTAINER again', () => group().setContainer(task, vmm.container));
  await t.try('group: unknown ioctl', () => group().ioctl());
  await t.try('group: UNSET_CONTAINER with the device open', () => group().unsetContainer(task));
  await t.try('container: unknown ioctl', () => (vmm.container ?? closed()).ioctl());
}

/** SET_IRQS with bad arguments. */
export async function badIrqs(vmm: Vmm): Promise<string> {
  const t = new Transcript();
  const { DATA_NONE, DATA_BOOL, DATA_EVENTFD, ACTION_MASK, ACTION_TRIGGER } = IRQ_SET;
  const NO_EVENTFD = 99;
  const files = new Map([...vmm.files, [NO_EVENTFD, {}]]);
  const good = { argsz: 24, flags: DATA_EVENTFD | ACTION_TRIGGER, index: 0, start: 0, count: 1, fd: -1 };
  const tries: readonly (readonly [label: string, change: UserStruct])[] = [
    ['fd that is no eventfd', { fd: NO_EVENTFD }],
    ['fd -2', { fd: -2 }],
    ['closed fd', { fd: 1000 }],
    ['data none', { flags: DATA_NONE | ACTION_TRIGGER }],
    ['data bool', { flags: DATA_BOOL | ACTION_TRIGGER }],
    ['action mask', { flags: DATA_EVENTFD | ACTION_MASK }],
    ['start 1', { start: 1 }],
    ['count 2', { count: 2 }],
    ['index 2', { index: 2 }],
    ['no flags', { flags: 0 }],
  ];
  for (const [label, change] of tries)
    await t.try(label, () =>
      vmm.device ? vmm.device.ioctl(vmm.task, VFIO_IOCTL.SET_IRQS, { ...good, ...change }, files) : closed(),
    );
  return t.text;
}
