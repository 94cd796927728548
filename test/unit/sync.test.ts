/**
 * Locks: who waits, who is let in, and which order is reported.
 */
import t from 'tap';
import { isKernelError, KernelError } from '../../lib/errno.js';
import { Lockdep } from '../../lib/sync/lockdep.js';
import { Mutex, RwSemaphore } from '../../lib/sync/mutex.js';
import { Task } from '../../lib/sync/task.js';
import { Completion } from '../../lib/sync/wait.js';

let pid = 1;
const task = (signal?: AbortSignal): Task => new Task({ pid: pid++, comm: 'test', signal });

t.test('waiters get a mutex in the order in which they asked', async (t) => {
  const mutex = new Mutex(new Lockdep(), 'm');
  const order: number[] = [];
  const first = task();
  await mutex.lock(first);
  const all = [1, 2, 3].map((n) =>
    mutex.with(task(), async () => {
      order.push(n);
    }),
  );
  t.same(order, []);
  mutex.unlock(first);
  await Promise.all(all);
  t.same(order, [1, 2, 3]);
  t.equal(mutex.locked, false);
});

t.test('a signal ends an interruptible wait, and the lock goes to the next', async (t) => {
  const mutex = new Mutex(new Lockdep(), 'm');
  const holder = task();
  await mutex.lock(holder);
  const killer = new AbortController();
  const interrupted = mutex.lockInterruptible(task(killer.signal));
  const patient = task();
  const next = mutex.lock(patient);
  killer.abort();
  await t.rejects(interrupted, new KernelError('EINTR'));
  mutex.unlock(holder);
  await next;
  t.equal(mutex.locked, true);
  mutex.unlock(patient);
  t.equal(mutex.tryLock(holder), true);
});

t.test('a pending signal does not matter where the lock is free', async (t) => {
  const mutex = new Mutex(new Lockdep(), 'm');
  const killer = new AbortController();
  killer.abort();
  const t1 = task(killer.signal);
  await mutex.lockInterruptible(t1);
  t.equal(t1.holds(mutex), true);
});

t.test('a writer waits for readers, readers behind it wait for the writer', async (t) => {
  const sem = new RwSemaphore(new Lockdep(), 's');
  const [r1, w, r2] = [task(), task(), task()];
  await sem.downRead(r1);
  const log: string[] = [];
  const writing = sem.downWrite(w).then(() => log.push('w'));
  const reading = sem.downRead(r2).then(() => log.push('r2'));
  await Promise.resolve();
  t.same(log, []);
  sem.upRead(r1);
  await writing;
  t.same(log, ['w']);
  sem.upWrite(w);
  await reading;
  t.same(log, ['w', 'r2']);
});

t.test('the checker reports a reverse, an indirect and a same-class order at their first occurrence', async (t) => {
  const lockdep = new Lockdep();
  const [a, b, c, c2] = ['a', 'b', 'c', 'c'].map((name) => new Mutex(lockdep, name)) as [Mutex, Mutex, Mutex, Mutex];
  const nest = async (outer: Mutex, inner: Mutex): Promise<void> => {
    const me = task();
    await outer.with(me, () => inner.with(me, () => {}));
  };
  await nest(a, b);
  await nest(b, c);
  t.same(lockdep.violations, []);
  await nest(c, a);
  t.match(lockdep.violations, [{ kind: 'reverse', text: /a -> b -> c/ }], 'indirect');
  await nest(b, a);
  t.equal(lockdep.violations.length, 2, 'direct');
  await nest(c, c2);
  t.match(lockdep.violations[2], { kind: 'same-class' });
});

t.test('the checker reports a lock that is needed or released but not held', async (t) => {
  const lockdep = new Lockdep();
  const mutex = new Mutex(lockdep, 'm');
  mutex.assertHeld(task());
  t.match(lockdep.violations, [{ kind: 'not-held' }]);
  const me = task();
  await mutex.lock(me);
  mutex.assertHeld(me);
  t.equal(lockdep.violations.length, 1);
});

t.test('a completion wakes all, and an interruptible waiter by its signal', async (t) => {
  const done = new Completion();
  const killer = new AbortController();
  const interrupted = done.waitInterruptible(task(killer.signal)).catch((e: unknown) => e);
  const patient = done.wait();
  killer.abort();
  t.ok(isKernelError(await interrupted, 'EINTR'));
  done.completeAll();
  await patient;
  await done.wait();
  done.reinit();
  t.equal(done.done, false);
});
