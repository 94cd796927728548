/**
 * The driver core of one kernel: the fixed directories, and what everything
 * else needs to register itself.
 *
 * Mirrors drivers/base/init.c.
 */
import type { Ports } from '../ports.js';
import { Lockdep } from '../sync/lockdep.js';
import { Task } from '../sync/task.js';
import { Devtmpfs } from './devtmpfs.js';
import { Kobject, KobjectTree } from './kobject.js';
import { ModuleLoader } from './module.js';
import { KernelLog } from './printk.js';
import { UeventChannel } from './uevent.js';

export class DriverCore {
  readonly ports: Ports;
  readonly tree: KobjectTree;
  readonly lockdep = new Lockdep();
  readonly uevents = new UeventChannel();
  readonly log: KernelLog;
  readonly devtmpfs = new Devtmpfs();
  readonly modules: ModuleLoader;

  /** /sys */
  readonly root: Kobject;
  readonly busDir: Kobject;
  readonly classDir: Kobject;
  readonly devicesDir: Kobject;
  /** /sys/devices/virtual */
  readonly virtualDir: Kobject;
  /** /sys/dev/char */
  readonly charDir: Kobject;
  readonly moduleDir: Kobject;
  /** /sys/kernel */
  readonly kernelDir: Kobject;

  #nextPid = 2;
  readonly #running = new Set<Task>();
  /** Called when the work of a kernel task throws: a bug of the model. */
  onBug: (task: Task, error: unknown) => void = (_task, error) => {
    throw error;
  };

  /** @param numberedWith a tree whose kobjects share the numbers of this kernel's */
  constructor(ports: Ports, numberedWith?: KobjectTree) {
    this.ports = ports;
    this.tree = new KobjectTree(numberedWith);
    this.log = new KernelLog(ports.clock);
    this.root = new Kobject(this.tree, '', undefined);
    this.root.addDir();
    this.devicesDir = this.#dir('devices', this.root);
    this.virtualDir = this.#dir('virtual', this.devicesDir);
    this.busDir = this.#dir('bus', this.root);
    this.classDir = this.#dir('class', this.root);
    this.charDir = this.#dir('char', this.#dir('dev', this.root));
    this.moduleDir = this.#dir('module', this.root);
    this.kernelDir = this.#dir('kernel', this.root);
    this.modules = new ModuleLoader(this);
  }

  /** A task of this kernel, for instance a kernel thread. */
  newTask(comm: string): Task {
    return new Task({ pid: this.#nextPid++, comm });
  }

  /** Runs work in a task of its own (kthread, work queue); its errors are bugs. */
  spawn(comm: string, work: (task: Task) => Promise<void>): Task {
    const task = this.newTask(comm);
    this.#running.add(task);
    work(task)
      .catch((error: unknown) => this.onBug(task, error))
      .finally(() => this.#running.delete(task));
    return task;
  }

  #dir(name: string, parent: Kobject): Kobject {
    const dir = new Kobject(this.tree, name, parent);
    dir.addDir();
    return dir;
  }
}
