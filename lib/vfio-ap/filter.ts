/**
 * The filter: which part of a matrix a guest may get.
 *
 * Mirrors `vfio_ap_mdev_filter_matrix`, `vfio_ap_mdev_filter_cdoms`. An adapter
 * goes as a whole when one of its queues is not linked or its last reset
 * failed; domains are never dropped for that. spec/vfio-ap.md 5.
 */
import { mkQid } from '../hardware/instructions.js';
import type { Mask } from '../text/bitmap.js';
import type { MatrixMdev } from './matrix.js';

/**
 * Computes apm and aqm of the guest configuration anew.
 * @param apmFiltered gets the adapters that were plugged and are dropped now
 * @returns whether apm or aqm changed
 */
export function filterMatrix(mdev: MatrixMdev, apmFiltered: Mask): boolean {
  const { matrix, shadowApcb, va } = mdev;
  const { apm: beforeApm, aqm: beforeAqm } = shadowApcb;
  shadowApcb.initMaxima(va.info);
  shadowApcb.apm = matrix.apm.and(va.info.apm);
  shadowApcb.aqm = matrix.aqm.and(va.info.aqm);
  const apqis = [...shadowApcb.aqm.bits()];
  for (const apid of [...shadowApcb.apm.bits()]) {
    if (apqis.every((apqi) => mdev.queue(mkQid(apid, apqi))?.passable)) continue;
    shadowApcb.apm.clear(apid);
    if (beforeApm.has(apid)) apmFiltered.set(apid);
  }
  return !beforeApm.equals(shadowApcb.apm) || !beforeAqm.equals(shadowApcb.aqm);
}

/** Computes adm of the guest configuration anew. @returns whether it changed */
export function filterControlDomains(mdev: MatrixMdev): boolean {
  const { matrix, shadowApcb, va } = mdev;
  const before = shadowApcb.adm;
  shadowApcb.adm = matrix.adm.and(va.info.adm);
  return !before.equals(shadowApcb.adm);
}
