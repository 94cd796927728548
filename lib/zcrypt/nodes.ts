/**
 * Device nodes with rights of their own.
 *
 * Mirrors the zcdn part of zcrypt_api.c: class `zcrypt`, its files `create` and
 * `destroy`, the node devices with their four masks. Everything happens under
 * the bus's mask mutex, as in the kernel, but for taking a node out of the
 * tree: that waits for writers of its masks, who may be waiting for the mutex.
 * spec/zcrypt.md 6, spec/attributes.md G.
 */
import { Class } from '../driver-core/class.js';
import { Device } from '../driver-core/device.js';
import { KernelError } from '../errno.js';
import { Mutex } from '../sync/mutex.js';
import type { Task } from '../sync/task.js';
import { Mask, parseMaskText } from '../text/bitmap.js';
import { cString } from '../text/kstrto.js';
import type { Zcrypt } from './api.js';
import type { ApPerms } from './perms.js';

/** As recorded; the kernel allocates it. */
export const ZCRYPT_MAJOR = 247;
const MAX_NODES = 256;
/** Characters of a name, less the NUL. */
const MAX_NAME = 31;
/** Files of the class directory: no node can be called so. */
const CLASS_FILES: ReadonlySet<string> = new Set(['create', 'destroy']);

export type ZcdnMask = 'ioctlm' | 'apm' | 'aqm' | 'adm';

/** struct zcdn_device. Open files keep it as their permission set after it was destroyed. */
export class Zcdn extends Device implements ApPerms {
  readonly isBus = false;
  ioctlm = Mask.zeros();
  apm = Mask.zeros();
  aqm = Mask.zeros();
  adm = Mask.zeros();
  override readonly cls: ZcryptClass;

  constructor(cls: ZcryptClass, name: string, minor: number) {
    const kobjectName = name.replaceAll('/', '!');
    super(cls.core, {
      name: kobjectName,
      parent: cls.glueDir(),
      cls,
      groups: ['zcdn'],
      number: { major: ZCRYPT_MAJOR, minor, node: kobjectName.replaceAll('!', '/') },
    });
    this.cls = cls;
  }

  get minor(): number {
    return this.number?.minor ?? 0;
  }

  /** A mask file read. */
  maskText(which: ZcdnMask): string {
    return `${this[which]}\n`;
  }

  /** A mask file written. @throws EINTR, EINVAL */
  async maskStore(task: Task, which: ZcdnMask, written: string): Promise<void> {
    const { mutex, zcrypt } = this.cls;
    await mutex.lockInterruptible(task);
    try {
      this[which] = parseMaskText(this[which], written, zcrypt.profile.maskNumberOverflow);
    } finally {
      mutex.unlock(task);
    }
  }
}

/** Class `zcrypt` of the loaded module. */
export class ZcryptClass extends Class {
  readonly zcrypt: Zcrypt;
  /** The bus's mask mutex; without a bus one of our own. */
  readonly mutex: Mutex;

  constructor(zcrypt: Zcrypt) {
    super(zcrypt.core, 'zcrypt', ['zcrypt_class']);
    this.zcrypt = zcrypt;
    this.mutex = zcrypt.ap?.attrMutex ?? new Mutex(zcrypt.core.lockdep, zcrypt.profile.attrMutexName);
  }

  /** Nodes that are not being removed. */
  *nodes(): Generator<Zcdn> {
    for (const dev of this.devices.values()) if (dev instanceof Zcdn && !dev.dead) yield dev;
  }

  /** The node with this minor. @throws EINTR */
  async nodeByMinor(task: Task, minor: number): Promise<Zcdn | undefined> {
    await this.mutex.lockInterruptible(task);
    try {
      return [...this.nodes()].find((node) => node.minor === minor);
    } finally {
      this.mutex.unlock(task);
    }
  }

  /**
   * `create` written: a name, or nothing for `zcrypt_<minor>`.
   * @throws EINTR; EEXIST the name is taken; ENOSPC 256 nodes exist
   */
  async createStore(task: Task, written: string): Promise<void> {
    const name = nameOf(written);
    await this.mutex.lockInterruptible(task);
    try {
      await this.#create(task, name);
    } finally {
      this.mutex.unlock(task);
    }
  }

  /** `destroy` written. Open files keep working. @throws EINTR; ENOENT no such node */
  async destroyStore(task: Task, written: string): Promise<void> {
    const name = nameOf(written);
    await this.mutex.lockInterruptible(task);
    let removal: Promise<void>;
    try {
      const node = this.devices.get(name);
      if (!node || node.dead) throw new KernelError('ENOENT');
      removal = node.del(task);
    } finally {
      this.mutex.unlock(task);
    }
    await removal;
  }

  /** `zcdn_destroy_all`, at module unload. */
  async destroyAll(task: Task): Promise<void> {
    for (const node of [...this.nodes()]) await node.del(task);
  }

  /** A name of the class's own files cannot become a link. */
  override addDevice(dev: Device): void {
    if (!CLASS_FILES.has(dev.name)) {
      super.addDevice(dev);
      return;
    }
    this.#warnDuplicate(`${this.devpath}/${dev.name}`, 'sysfs_do_create_link_sd');
    throw new KernelError('EEXIST', `${this.devpath}/${dev.name} exists`);
  }

  async #create(task: Task, name: string): Promise<void> {
    if (name !== '' && this.devices.has(name)) throw new KernelError('EEXIST');
    const minor = this.#freeMinor();
    const node = new Zcdn(this, name || `zcrypt_${minor}`, minor);
    if (node.parent?.hasEntry(node.name)) {
      this.#warnDuplicate(node.devpath, 'sysfs_create_dir_ns');
      this.core.log.print(
        'err',
        `kobject: kobject_add_internal failed for ${node.name} with -EEXIST, don't try to register things with the same name in the same directory.`,
      );
      throw new KernelError('EEXIST', `${node.devpath} exists`);
    }
    try {
      await node.add(task);
    } catch (e) {
      this.dropGlueDir(node);
      throw e;
    }
  }

  #freeMinor(): number {
    const taken = new Set<number>();
    for (const dev of this.devices.values()) if (dev instanceof Zcdn) taken.add(dev.minor);
    for (let minor = 0; minor < MAX_NODES; minor++) if (!taken.has(minor)) return minor;
    throw new KernelError('ENOSPC');
  }

  /** `sysfs_warn_dup`: the warning with the way that led here (no addresses: there are none). */
  #warnDuplicate(path: string, caller: string): void {
    const lines = [`sysfs: cannot create duplicate filename '${path}'`, 'Call Trace:'];
    for (const fn of ['dump_stack_lvl', 'sysfs_warn_dup', caller, 'device_add', 'zcdn_create_store'])
      lines.push(` ${fn}`);
    for (const line of lines) this.core.log.print('warning', line);
  }
}

/** White space of lib/ctype.c. */
const SPACE = '[ \\t\\n\\v\\f\\r\\xa0]';
const LEADING = new RegExp(`^${SPACE}+`);
const TRAILING = new RegExp(`${SPACE}+$`);

/** What `create` and `destroy` make of a text. */
function nameOf(written: string): string {
  const start = cString(written).replace(LEADING, '');
  return start.slice(0, MAX_NAME).replace(TRAILING, '');
}
