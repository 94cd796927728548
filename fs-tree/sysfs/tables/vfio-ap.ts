/**
 * The matrix device, mediated devices and the queues they may hold.
 *
 * Mirrors vfio_ap_drv.c `matrix_dev_attrs`, vfio_ap_ops.c `vfio_ap_mdev_attrs`
 * and `vfio_queue_attrs`, drivers/vfio/mdev/mdev_sysfs.c, drivers/iommu/iommu.c.
 * spec/attributes.md H, spec/sysfs-tree.md 3 to 5.
 */
import { ApQueue } from '../../../lib/ap/queue.js';
import { Device } from '../../../lib/driver-core/device.js';
import type { Task } from '../../../lib/sync/task.js';
import type { VfioAp } from '../../../lib/vfio-ap/driver.js';
import { IommuGroup } from '../../../lib/vfio-ap/iommu.js';
import { MatrixMdev } from '../../../lib/vfio-ap/matrix.js';
import { MdevDevice, MdevType } from '../../../lib/vfio-ap/mdev.js';
import { statusText } from '../../../lib/vfio-ap/queue.js';
import { type Attr, type AttrContext, table } from '../table.js';

export const matrixTable = table('matrix', Device, [
  { name: 'features', since: (p) => p.hasFeatures, show: () => 'guest_matrix hotplug ap_config\n' },
]);

export const mdevTypeTable = table('mdev_type', MdevType, [
  { name: 'create', store: (type, text, { task }) => type.createStore(task, text) },
  { name: 'name', show: (type) => type.nameText },
  { name: 'device_api', show: (type) => type.deviceApiText },
  { name: 'available_instances', show: (type) => type.availableInstancesText },
]);

export const mdevRemoveTable = table('mdev_remove', MdevDevice, [
  { name: 'remove', store: (mdev, text, { task }) => mdev.removeStore(task, text) },
]);

function matrix(mdev: MdevDevice): MatrixMdev {
  if (!(mdev.driverData instanceof MatrixMdev)) throw new Error(`${mdev.name} is not bound to vfio_ap_mdev`);
  return mdev.driverData;
}

const assign = (
  name: string,
  store: (matrix: MatrixMdev, task: Task, text: string) => Promise<void>,
): Attr<MdevDevice> => ({
  name,
  store: (mdev, text, { task }) => store(matrix(mdev), task, text),
});

const PAGE = 4096;

/**
 * A listing of queues, which may be longer than a page. The handlers of 6.1 and
 * 6.12 write past it; the core notices at each read.
 */
const listing = (
  name: string,
  handler: string,
  show: (matrix: MatrixMdev, task: Task) => Promise<string>,
): Attr<MdevDevice> => ({
  name,
  show: async (mdev, { task, kernel }: AttrContext) => {
    const text = await show(matrix(mdev), task);
    if (text.length >= PAGE && kernel.profile.warnsOfOverlongMatrix) {
      kernel.core.log.print('warning', `dev_attr_show: ${handler}+0x0/0x78 [vfio_ap] returned bad count`);
      kernel.core.log.print('warning', 'fill_read_buffer: dev_attr_show+0x0/0x70 returned bad count');
    }
    return text;
  },
});

export const vfioApMdevTable = table('vfio_ap_mdev', MdevDevice, [
  assign('assign_adapter', (m, task, text) => m.assignAdapterStore(task, text)),
  assign('unassign_adapter', (m, task, text) => m.unassignAdapterStore(task, text)),
  assign('assign_domain', (m, task, text) => m.assignDomainStore(task, text)),
  assign('unassign_domain', (m, task, text) => m.unassignDomainStore(task, text)),
  assign('assign_control_domain', (m, task, text) => m.assignControlDomainStore(task, text)),
  assign('unassign_control_domain', (m, task, text) => m.unassignControlDomainStore(task, text)),
  {
    name: 'ap_config',
    since: (p) => p.hasApConfig,
    show: (mdev) => matrix(mdev).apConfigText(),
    store: (mdev, text, { task }) => matrix(mdev).apConfigStore(task, text),
  },
  { name: 'control_domains', show: (mdev, { task }) => matrix(mdev).controlDomainsText(task) },
  listing('matrix', 'matrix_show', (m, task) => m.matrixText(task)),
  listing('guest_matrix', 'guest_matrix_show', (m, task) => m.guestMatrixText(task)),
]);

function vfioAp({ kernel }: AttrContext): VfioAp {
  if (!kernel.vfio.vfioAp) throw new Error('vfio_ap is not loaded');
  return kernel.vfio.vfioAp;
}

export const vfioApQueueTable = table('vfio_ap_queue', ApQueue, [
  { name: 'status', show: (aq, ctx) => statusText(ctx.task, vfioAp(ctx), aq) },
]);

export const iommuGroupTable = table('iommu_group', IommuGroup, [
  { name: 'reserved_regions', show: (group) => group.reservedRegionsText },
  { name: 'type', show: (group) => group.typeText, store: (group, text) => group.typeStore(text) },
  { name: 'name', show: (group) => group.nameText },
]);
