/**
 * A record of a tree in memory: what ap-sysfs-record.sh writes of its mount.
 *
 * Same order of reading, so that what reading changes (requests are counted)
 * changes in the same way.
 */

import type { Caller, DirNode, Node } from '../../fs-tree/kernfs/node.js';
import type { Ops } from '../../fs-tree/ops.js';
import { isKernelError } from '../../lib/errno.js';
import type { World } from '../../lib/world.js';
import type { MachineRecord, RecordEntry } from './format.js';

const MISC = ['hw_random', 'kvm', 'vfio', 'z90crypt'];

/** As in the script: what belongs to AP, zcrypt, vfio_ap, mdev and vfio. */
const ROOTS: readonly RegExp[] = [
  /^bus\/(ap|matrix|mdev)$/,
  /^class\/(mdev_bus|vfio|vfio-dev|zcrypt)$/,
  new RegExp(`^class/misc/(${MISC.join('|')})$`),
  /^dev\/char$/,
  /^devices\/(ap|vfio_ap)$/,
  new RegExp(`^devices/virtual/(vfio|zcrypt|misc/(${MISC.join('|')}))$`),
  /^firmware\/uv$/,
  /^kernel\/iommu_groups$/,
  /^module\/(ap|kvm|mdev|vfio.*|zcrypt.*)$/,
];
/** Directories that lead there. */
const ON_THE_WAY =
  /^(bus|class|class\/misc|dev|devices|devices\/virtual|devices\/virtual\/misc|firmware|kernel|module)$/;
const OUR_NUMBERS = new RegExp(`/virtual/(zcrypt/.*|vfio/.*|misc/(${MISC.join('|')}))$`);
const LEFT_OUT = /^module\/[^/]+\/(sections|notes)$/;
const COMMAND_LINE = /^(ap|zcrypt|zcrypt_cex4|vfio|vfio_ap)\./;

interface Found {
  readonly path: string;
  readonly node: Node;
}

/** @param caller who reads; root sees everything */
export async function recordTree(world: World, ops: Ops, caller: Caller): Promise<MachineRecord> {
  const entries: RecordEntry[] = [];
  const list = [...found(ops, caller, '', ops.root, false)];
  for (const { path, node } of list.sort((a, b) => (a.path < b.path ? -1 : 1)))
    entries.push(await recorded(ops, caller, `/sys/${path}`, node));
  for (const [path, { major, minor, mode }] of [...world.kernel.core.devtmpfs.nodes].sort())
    entries.push({ kind: 'char', path: `/dev/${path}`, mode, uid: 0, gid: 0, size: `${major}:${minor}` });
  const { commandLine, profile } = world.kernel;
  const words = commandLine.split(/\s+/).filter((word) => COMMAND_LINE.test(word));
  const facts: [string, string][] = [
    ['release', profile.release],
    ['arch', 's390x'],
  ];
  if (words.length > 0) facts.push(['cmdline', words.join(' ')]);
  return { facts, entries };
}

function* found(ops: Ops, caller: Caller, path: string, dir: DirNode, inside: boolean): Generator<Found> {
  for (const { name } of ops.readdir(caller, dir)) {
    const at = path === '' ? name : `${path}/${name}`;
    if (/[\x00-\x1f\x7f]/.test(name) || LEFT_OUT.test(at)) continue;
    const wanted = inside || ROOTS.some((root) => root.test(at));
    if (!wanted && !ON_THE_WAY.test(at)) continue;
    const node = ops.lookup(caller, dir, name);
    if (path === 'dev/char' && !(node.kind === 'link' && OUR_NUMBERS.test(node.target))) continue;
    if (wanted && at !== 'dev/char') yield { path: at, node };
    if (node.kind === 'dir') yield* found(ops, caller, at, node, wanted);
  }
}

const ENOUGH = 1 << 20;

async function recorded(ops: Ops, caller: Caller, path: string, node: Node): Promise<RecordEntry> {
  const { mode, uid, gid, size } = ops.getattr(caller, node);
  const entry = { kind: node.kind, path, mode: mode & 0o7777, uid, gid, size };
  if (node.kind === 'link') return { ...entry, target: ops.readlink(caller, node) };
  if (node.kind === 'dir' || !(mode & 0o444)) return entry;
  try {
    const file = ops.open(caller, node, 0);
    return { ...entry, content: await ops.read(caller, file, 0, ENOUGH) };
  } catch (e) {
    if (!isKernelError(e)) throw e;
    return { ...entry, content: '', error: e.errno };
  }
}
