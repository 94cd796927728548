/**
 * A small tree with one file for each kind of behaviour, for tests of the file
 * layer that need no machine.
 */

import { type DirSource, type StaticDir, StaticTree, type TextFile } from '../../fs-tree/kernfs/static-tree.js';
import { KernelError } from '../../lib/errno.js';

export interface Toy {
  readonly tree: StaticTree;
  readonly root: StaticDir;
  /** Holds the files below. */
  readonly device: StaticDir;
  /** Every call of a handler: "show value", "store value 3". */
  readonly calls: string[];
  /** Lets those who wait in `slow` and `stubborn` go on. */
  release(): void;
}

/**
 * /devices/toy has: value (rw), fixed (ro), trigger (wo), counter (shows how often it was shown), long (5000 bytes),
 * empty, broken (throws ENODEV in both), bug (throws a TypeError), slow (waits, interruptible), stubborn (waits
 * without regard to signals), handlerless (rw bits, no handlers), remove (removes the whole directory), sub/inner;
 * who tells of its caller;
 * many/0 to many/4999 wait as stubborn does; /bus/toy is a link to the device.
 */
export function toyTree(): Toy {
  const tree = new StaticTree();
  const root = tree.dir();
  const devices = root.add('devices', tree.dir());
  const device = devices.add('toy', tree.dir());
  const bus = root.add('bus', tree.dir());
  bus.add('toy', tree.link('../devices/toy'));
  const calls: string[] = [];
  const waiters = new Set<() => void>();
  let value = 'first\n';
  let shown = 0;

  const wait = (signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) reject(new KernelError('EINTR'));
      waiters.add(resolve);
      signal?.addEventListener('abort', () => reject(new KernelError('EINTR')), { once: true });
    });

  const file = (name: string, options: Parameters<StaticTree['file']>[0]): void => {
    const { show, store } = options;
    device.add(
      name,
      tree.file({
        ...options,
        ...(show && {
          show: (ctx) => {
            calls.push(`show ${name}`);
            return show(ctx);
          },
        }),
        ...(store && {
          store: (text, ctx) => {
            calls.push(`store ${name} ${text.length}`);
            return store(text, ctx);
          },
        }),
      }),
    );
  };

  file('value', {
    show: () => value,
    store: (text) => {
      if (text.startsWith('bad')) throw new KernelError('EINVAL');
      value = text;
    },
  });
  file('fixed', { show: () => 'fixed\n' });
  file('trigger', { store: () => undefined });
  file('counter', { show: () => `${++shown}\n` });
  file('long', { show: () => 'x'.repeat(5000) });
  file('empty', { show: () => '' });
  file('broken', {
    show: () => {
      throw new KernelError('ENODEV');
    },
    store: () => {
      throw new KernelError('ENODEV');
    },
  });
  file('bug', {
    show: () => {
      throw new TypeError('a bug');
    },
    store: () => Promise.reject(new TypeError('a bug')),
  });
  file('who', { show: ({ task, caller }) => `${task.comm} ${caller.pid}\n` });
  file('slow', { show: () => 'slow\n', store: (_text, { task }) => wait(task.signal) });
  file('stubborn', { show: () => 'stubborn\n', store: () => wait(undefined) });
  file('handlerless', { mode: 0o644 });
  file('remove', {
    store: () => {
      // Not waited for: it waits until this very store has left, as the kernel's work item does.
      void devices.remove('toy');
    },
  });
  const crowd = new Map<string, TextFile>();
  for (let i = 0; i < 5000; i++) crowd.set(`${i}`, tree.file({ show: () => `${i}\n`, store: () => wait(undefined) }));
  const source: DirSource = {
    lookup: (name) => crowd.get(name),
    *entries() {
      for (const [name, { kind, ino }] of crowd) yield { name, kind, ino };
    },
  };
  root.add('many', tree.dir(0o755, source));
  device.add('sub', tree.dir()).add('inner', tree.file({ show: () => 'inner\n' }));
  return {
    tree,
    root,
    device,
    calls,
    release: () => {
      for (const go of waiters) go();
      waiters.clear();
    },
  };
}
