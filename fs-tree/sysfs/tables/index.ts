/**
 * Every attribute table, by the name of its file group.
 */
import type { AttrTable } from '../table.js';
import { apBusTable, apParametersTable, builtInModuleTable } from './ap-bus.js';
import { apCardTable } from './ap-card.js';
import { apQueueDebugTable, apQueueSecureExecutionTable, apQueueTable } from './ap-queue.js';
import { busTable, deviceNumberTable, deviceTable, driverBindTable, driverTable, moduleTable } from './driver-core.js';
import {
  iommuGroupTable,
  matrixTable,
  mdevRemoveTable,
  mdevTypeTable,
  vfioApMdevTable,
  vfioApQueueTable,
} from './vfio-ap.js';
import {
  ccaCardTable,
  ccaQueueTable,
  ep11CardTable,
  ep11QueueTable,
  zcryptCardTable,
  zcryptQueueTable,
} from './zcrypt.js';
import { hwRandomTable, zcdnTable, zcryptClassTable, zcryptParametersTable } from './zcrypt-class.js';

export const TABLES: ReadonlyMap<string, AttrTable> = new Map(
  [
    busTable,
    driverTable,
    driverBindTable,
    deviceTable,
    deviceNumberTable,
    moduleTable,
    builtInModuleTable,
    apBusTable,
    apParametersTable,
    apCardTable,
    apQueueTable,
    apQueueSecureExecutionTable,
    apQueueDebugTable,
    zcryptCardTable,
    ccaCardTable,
    ep11CardTable,
    zcryptQueueTable,
    ccaQueueTable,
    ep11QueueTable,
    zcryptClassTable,
    zcdnTable,
    zcryptParametersTable,
    hwRandomTable,
    matrixTable,
    mdevTypeTable,
    mdevRemoveTable,
    vfioApMdevTable,
    vfioApQueueTable,
    iommuGroupTable,
  ].map((table) => [table.group, table]),
);

/** The table of a file group; a group without one is a bug. */
export function tableOf(group: string): AttrTable {
  const table = TABLES.get(group);
  if (!table) throw new Error(`no attribute table for the file group ${group}`);
  return table;
}
