/**
 * ap_config: a whole matrix in one write.
 *
 * Mirrors `ap_config_store`, `parse_bitmap`, `ap_matrix_length_check`.
 * spec/vfio-ap.md 4.4.
 */
import { KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import { Mask, parseHexMask } from '../text/bitmap.js';
import { cString } from '../text/kstrto.js';
import type { ApMasks } from './ap-matrix.js';
import { hotUnplug, linkId } from './assign.js';
import { filterControlDomains, filterMatrix } from './filter.js';
import { updateGuestApcb } from './guest.js';
import { getAssignLocks, holding } from './locks.js';
import type { MatrixMdev } from './matrix.js';
import { resetQueuesForApids } from './reset.js';
import { validateMasks } from './validate.js';

/** AP_CONFIG_STRLEN: three masks, two commas, a newline. */
const TEXT_LENGTH = 201;

/** The three masks of a written text. @throws EINVAL fewer than three fields, or a field that is no mask */
export function parseApConfig(written: string): ApMasks {
  const fields = cString(written.slice(0, TEXT_LENGTH)).split(/[,\n]/);
  const [apm, aqm, adm] = fields;
  if (apm === undefined || aqm === undefined || adm === undefined) throw new KernelError('EINVAL');
  return { apm: parseHexMask(apm), aqm: parseHexMask(aqm), adm: parseHexMask(adm) };
}

/** @throws EINVAL; EADDRNOTAVAIL, EADDRINUSE of the validation; ENODEV a bit above its maximum; then nothing has changed */
export async function apConfigStore(task: Task, mdev: MatrixMdev, written: string): Promise<void> {
  await holding(await getAssignLocks(task, mdev.va, mdev), async () => {
    const { matrix } = mdev;
    const before = matrix.masks();
    const after = parseApConfig(written);
    matrix.setMasks(after);
    try {
      validateMasks(task, mdev);
      checkLengths(mdev);
    } finally {
      // Unlinking goes by the old masks, linking by the new ones.
      matrix.setMasks(before);
    }
    await hotUnplug(task, mdev, 'adapter', before.apm.andNot(after.apm));
    await hotUnplug(task, mdev, 'domain', before.aqm.andNot(after.aqm));
    matrix.setMasks(after);
    for (const apid of after.apm.andNot(before.apm).bits()) linkId(mdev, 'adapter', apid);
    for (const apqi of after.aqm.andNot(before.aqm).bits()) linkId(mdev, 'domain', apqi);
    const filtered = Mask.zeros();
    const matrixChanged = filterMatrix(mdev, filtered);
    if (!filterControlDomains(mdev) && !matrixChanged) return;
    updateGuestApcb(task, mdev);
    await resetQueuesForApids(mdev, filtered);
  });
}

/** `ap_matrix_length_check`. */
function checkLengths(mdev: MatrixMdev): void {
  const { matrix } = mdev;
  const above = (mask: Mask, maximum: number): boolean => [...mask.bits()].some((bit) => bit > maximum);
  if (above(matrix.apm, matrix.apmMax) || above(matrix.aqm, matrix.aqmMax) || above(matrix.adm, matrix.admMax))
    throw new KernelError('ENODEV');
}
