/**
 * Mdevs and guests that are there from the beginning, and what was done before.
 *
 * Made as a user would make them, by the same stores and the same monitor, so
 * that the kernel checks what it always checks. What it refuses is a problem
 * with its place; the rest is done all the same.
 */
import { type Errno, isKernelError, KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import { MatrixMdev } from '../vfio-ap/matrix.js';
import { strerror } from '../vmm/strerror.js';
import { CallFailed, type Vmm, type VmmOptions } from '../vmm/vmm.js';
import type { World } from '../world.js';
import type { GuestDescription, MachineDescription, MdevDescription } from './description.js';
import type { FieldPath, Problem } from './problem.js';
import { ownerSteps, type Step, workSteps } from './state.js';

/** Brings about the state, makes the mdevs, then starts the guests, in the order of the description. */
export async function startDevices(world: World, description: MachineDescription): Promise<Problem[]> {
  const problems: Problem[] = [];
  const attempt = async (path: FieldPath, what: string, body: () => Promise<unknown>): Promise<boolean> => {
    try {
      await body();
      return true;
    } catch (e) {
      problems.push({ severity: 'error', path, text: `${what}: ${reason(e)}` });
      return false;
    }
  };
  const { mdevs = [], guests = [], state = {} } = description;
  const task = world.kernel.core.newTask('ap-sysfs');
  const steps = async (list: Iterable<Step>): Promise<void> => {
    for (const { path, what, store } of list) await attempt(['state', ...path], what, async () => store());
  };
  await steps(ownerSteps(world, task, state));
  for (const [i, mdev] of mdevs.entries())
    if (await attempt(['mdevs', i], 'create', () => createMdev(world, task, mdev)))
      for (const { path, what, store } of assignments(world, task, mdev))
        await attempt(['mdevs', i, ...path], what, store);
  for (const [i, guest] of guests.entries())
    if (guest.autostart ?? true) await attempt(['guests', i], 'start', () => startGuest(world, guest));
  await steps(workSteps(world, task, state));
  return problems;
}

/** What a shell or a monitor would say of it. @throws what is neither's */
function reason(error: unknown): string {
  const text = (errno: Errno): string => (strerror(errno) === errno ? errno : `${strerror(errno)} (${errno})`);
  if (error instanceof CallFailed) return `${error.call}: ${text(error.errno)}`;
  if (isKernelError(error)) return text(error.errno);
  throw error;
}

async function createMdev(world: World, task: Task, { uuid }: MdevDescription): Promise<void> {
  const type = world.kernel.vfio.vfioAp?.parent?.type;
  // Without the module there is no file that could be written.
  if (!type) throw new KernelError('ENOENT');
  await type.createStore(task, `${uuid}\n`);
}

interface Assignment {
  readonly path: FieldPath;
  readonly what: string;
  readonly store: () => Promise<void>;
}

function* assignments(world: World, task: Task, mdev: MdevDescription): Generator<Assignment> {
  const matrix = world.kernel.vfio.mdev?.list.get(mdev.uuid.toLowerCase())?.driverData;
  if (!(matrix instanceof MatrixMdev)) return;
  const KINDS = [
    ['adapters', 'assign_adapter', (text: string) => matrix.assignAdapterStore(task, text)],
    ['domains', 'assign_domain', (text: string) => matrix.assignDomainStore(task, text)],
    ['controlDomains', 'assign_control_domain', (text: string) => matrix.assignControlDomainStore(task, text)],
  ] as const;
  for (const [field, file, store] of KINDS)
    for (const [i, id] of (mdev[field] ?? []).entries())
      yield { path: [field, i], what: `${file} ${id}`, store: () => store(`${id}\n`) };
}

async function startGuest(world: World, guest: GuestDescription): Promise<Vmm> {
  const { releaseOnRequest = false } = guest;
  const vmm = await world.vmms.start(guest.mdev.toLowerCase(), vmmOptions(guest));
  vmm.autoclose = releaseOnRequest;
  if (releaseOnRequest) await vmm.run(() => vmm.setIrq('REQUEST', true));
  return vmm;
}

/** What the monitor of a guest is told. */
function vmmOptions(guest: GuestDescription): VmmOptions {
  const { name, vcpus = 1, kernel: { version, ...kernel } = {}, facilities = {} } = guest;
  const variant = facilities.ap === false ? ({ variant: 'noapie' } as const) : {};
  if (vcpus === 0) return variant;
  return {
    ...variant,
    guest: {
      ...kernel,
      vcpus,
      ...(version !== undefined && { version }),
      ...(name !== undefined && { name }),
      ...(guest.protected !== undefined && { protectedGuest: guest.protected }),
      ...(facilities.interrupts !== undefined && { aiv: facilities.interrupts }),
      ...(facilities.changeEvents !== undefined && { notify: facilities.changeEvents }),
    },
  };
}
