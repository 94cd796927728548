/**
 * A toy shaped like a network device, made from the dump of a real one
 * (test/mounted/operations.py dump): the same names, modes, links and contents,
 * and stores that behave as the real ones do. For the comparison of file
 * operations with the host's own /sys.
 */

import { type StaticDir, StaticTree } from '../../fs-tree/kernfs/static-tree.js';
import { ERRNO, type Errno, KernelError } from '../../lib/errno.js';

/** Kind, mode, content or target, errno of a failed read. */
export type Shape = Record<string, ['dir' | 'file' | 'link', number, string, string | null]>;

const DEVICE = 'devices/virtual/net/tun9';
const LINK = 'class/net/tun9';

/** IFALIASZ. */
const ALIAS_SIZE = 256;

/** `kstrtoul(buf, 0, &n)` as far as the table of operations goes. */
function parseNumber(text: string): number {
  const string = text.split('\0')[0]?.replace(/\n$/, '') ?? '';
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(string)) throw new KernelError('EINVAL');
  return Number(string);
}

function mtu(text: string): string {
  const value = parseNumber(text);
  if (value < 68 || value > 65535) throw new KernelError('EINVAL');
  return `${value}\n`;
}

function alias(text: string): string {
  const value = text.replace(/\n$/, '');
  if (value.length >= ALIAS_SIZE) throw new KernelError('EINVAL');
  return value === '' ? '' : `${value}\n`;
}

/** By name of the file: what a store makes of the text. */
const STORES: Record<string, (text: string) => string> = {
  mtu,
  ifalias: alias,
  tx_queue_len: (text) => `${parseNumber(text)}\n`,
  drivers_probe: () => {
    throw new KernelError('ENODEV');
  },
};

/** The tree; its file `control` takes `remove` and `add`. */
export function netDeviceTree(shape: Shape): { tree: StaticTree; root: StaticDir } {
  const tree = new StaticTree();
  const root = tree.dir();

  const folder = (path: string): StaticDir => {
    let dir = root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      const child = dir.lookup(name);
      dir = child ? (child as StaticDir) : dir.add(name, tree.dir());
    }
    return dir;
  };

  const build = (wanted: (path: string) => boolean): void => {
    for (const [path, [kind, mode, content, failure]] of Object.entries(shape)) {
      if (!wanted(path)) continue;
      if (kind === 'dir') {
        folder(path);
        continue;
      }
      const at = path.lastIndexOf('/');
      const name = path.slice(at + 1);
      const parent = folder(path.slice(0, at));
      if (kind === 'link') {
        parent.add(name, tree.link(content));
        continue;
      }
      let value = content;
      parent.add(
        name,
        tree.file({
          mode,
          ...(mode & 0o444 && {
            show: () => {
              if (failure !== null && failure in ERRNO) throw new KernelError(failure as Errno);
              return value;
            },
          }),
          ...(mode & 0o222 && {
            store: (text: string) => {
              value = (STORES[name] ?? (() => value))(text);
            },
          }),
        }),
      );
    }
  };

  const ofDevice = (path: string): boolean => path === LINK || path === DEVICE || path.startsWith(`${DEVICE}/`);
  build(() => true);
  root.add(
    'control',
    tree.file({
      store: async (text) => {
        if (text.startsWith('remove'))
          for (const path of [LINK, DEVICE]) {
            const at = path.lastIndexOf('/');
            await folder(path.slice(0, at)).remove(path.slice(at + 1));
          }
        else build(ofDevice);
      },
    }),
  );
  return { tree, root };
}
