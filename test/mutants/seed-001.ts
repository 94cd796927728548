/**
 * Rules of seed 001 (locks), each broken at least once.
 */
import type { Row } from './mutant.js';

export const SEED_001: readonly Row[] = [
  [
    '1-1',
    'mdevs lock before the kvm lock',
    'lib/vfio-ap/locks.ts',
    'await lockAll(task, [mdev.kvm?.lock, va.mdevsLock])',
    'await lockAll(task, [va.mdevsLock, mdev.kvm?.lock])',
  ],
  [
    '1-1',
    'assign takes no mask mutex',
    'lib/vfio-ap/locks.ts',
    'await lockAll(task, [va.ap.attrMutex])',
    'await lockAll(task, [])',
  ],
  [
    '1-1',
    'status takes the mdevs lock only',
    'lib/vfio-ap/queue.ts',
    'return va.profile.statusTakesGuestsLock ?',
    'return false ?',
  ],
  [
    '1-1',
    'the request callback takes no locks',
    'lib/vfio-ap/open.ts',
    'if (mdev.va.profile.requestTakesLocks) await',
    'if (false) await',
  ],
  ['1-2', 'locks are released in the order of taking', 'lib/vfio-ap/locks.ts', 'taken.reverse()', 'taken'],
  [
    '1-3',
    'a probe does not look for the mdev',
    'lib/vfio-ap/locks.ts',
    'const mdev = va.mdevs.find((m) => m.matrix.has(qidCard(apqn), qidQueue(apqn)));',
    'const mdev = undefined as MatrixMdev | undefined;',
  ],
  ['1-3', 'a probe does not lock the VM', 'lib/vfio-ap/locks.ts', '[mdev?.kvm?.lock, va.mdevsLock]', '[va.mdevsLock]'],
  [
    '1-4',
    'the search comes before the guests lock',
    'lib/vfio-ap/locks.ts',
    'const guests = await lockAll(task, [va.guestsLock]);\n  const mdev = va.mdevs.find((m) => m.matrix.has(qidCard(apqn), qidQueue(apqn)));',
    'const mdev = va.mdevs.find((m) => m.matrix.has(qidCard(apqn), qidQueue(apqn)));\n  const guests = await lockAll(task, [va.guestsLock]);',
  ],
  [
    '1-5',
    'the list changes without a lock',
    'lib/vfio-ap/matrix.ts',
    'await lock.with(task, () => {',
    'void lock; await Promise.resolve().then(() => {',
  ],
  [
    '1-5',
    'a new mdev is the last of the list',
    'lib/vfio-ap/matrix.ts',
    'va.mdevs.unshift(this)',
    'va.mdevs.push(this)',
  ],
  [
    '1-6',
    'a removal does not lock the VM',
    'lib/vfio-ap/locks.ts',
    '[q.owner?.kvm?.lock, va.mdevsLock]',
    '[va.mdevsLock]',
  ],
];
