/**
 * Rules of seed 004 (the documentation), each broken at least once.
 */
import type { Row } from './mutant.js';

export const SEED_004: readonly Row[] = [
  [
    '4-1',
    'the root device has another name',
    'lib/vfio-ap/driver.ts',
    "new Device(core, { name: 'vfio_ap', parent: core.devicesDir })",
    "new Device(core, { name: 'vfio', parent: core.devicesDir })",
  ],
  ['4-2', 'drivers take every type', 'lib/ap/bus.ts', 'type >= 10 && type <= 14', 'type <= 14'],
  ['4-2', '7.2 makes devices for old types', 'lib/profile/tables.ts', 'smallestType: 10', 'smallestType: 6'],
  ['4-3', 'unbind sends no event', 'lib/driver-core/dd.ts', "dev.sendUevent('unbind');", ''],
  [
    '4-3',
    'the link to the driver stays',
    'lib/driver-core/dd.ts',
    'drv.removeLink(dev.name);\n  dev.removeLink',
    'dev.removeLink',
  ],
  [
    '4-4',
    'a mask change moves nothing',
    'lib/ap/masks.ts',
    'if (move) await deviceReprobe(task, aq);',
    'void deviceReprobe;',
  ],
  ['4-4', 'an override does not count', 'lib/ap/bus.ts', 'if (dev.driverOverride !== drv.name) throw NOT_MINE;', ''],
  [
    '4-4',
    'masks may be written beside an override',
    'lib/ap/masks.ts',
    "if (ap.overrideCount > 0) throw new KernelError('EINVAL');",
    '',
  ],
  ['4-4', 'overrides may be written beside masks', 'lib/ap/queue.ts', 'if (this.ap.masksInUse ||', 'if (false ||'],
  [
    '4-5',
    'a busy queue cannot be unbound',
    'lib/ap/bus.ts',
    'const held = aq?.prepareRemove();',
    "if (aq && aq.pendingq.length > 0) throw new KernelError('EBUSY'); const held = aq?.prepareRemove();",
  ],
  [
    '4-6',
    'waiting requests are not flushed',
    'lib/ap/queue.ts',
    "for (const list of ['pendingq', 'requestq'] as const)",
    "for (const list of ['pendingq'] as const)",
  ],
  [
    '4-7',
    'requests that were sent are not flushed',
    'lib/ap/queue.ts',
    "for (const list of ['pendingq', 'requestq'] as const)",
    "for (const list of ['requestq'] as const)",
  ],
  ['4-8', 'a request is tried five times', 'lib/zcrypt/retry.ts', 'TRACK_AGAIN_MAX = 10', 'TRACK_AGAIN_MAX = 5'],
  [
    '4-8',
    'an administrative request is tried again',
    'lib/zcrypt/cprb.ts',
    "if (message.admin && isKernelError(e, 'EAGAIN'))",
    'if (false)',
  ],
  ['4-8', '6.1 scans for ENODEV', 'lib/zcrypt/api.ts', 'if (this.profile.enodevForcesRescan) return', 'return'],
  [
    '4-9',
    'the flush comes after the driver',
    'lib/ap/bus.ts',
    'const held = aq?.prepareRemove();\n    if (held) await held;\n    if (drv instanceof ApDriver) await drv.ops.remove?.(task, dev);\n    if (!aq) return;',
    'if (drv instanceof ApDriver) await drv.ops.remove?.(task, dev);\n    if (!aq) return;\n    aq.prepareRemove();',
  ],
  [
    '4-10',
    'a reserved queue stays with cex4queue',
    'lib/ap/masks.ts',
    'if (move) await deviceReprobe(task, aq);',
    'void deviceReprobe;',
  ],
];
