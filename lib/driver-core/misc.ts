/**
 * Miscellaneous character devices.
 *
 * Mirrors drivers/char/misc.c: one class, major 10, a node in /dev for each.
 */
import type { Task } from '../sync/task.js';
import { Class } from './class.js';
import type { DriverCore } from './core.js';
import { Device } from './device.js';

const MISC_MAJOR = 10;

export interface MiscOptions {
  readonly name: string;
  readonly minor: number;
  /** Path below /dev; the name unless given. */
  readonly node?: string;
  /** Permission bits; shown as DEVMODE when given. */
  readonly mode?: number;
  readonly groups?: readonly string[];
}

export class MiscClass {
  readonly #core: DriverCore;
  readonly #class: Class;

  constructor(core: DriverCore) {
    this.#core = core;
    this.#class = new Class(core, 'misc');
    this.#class.register();
  }

  /** `misc_register`. @throws EEXIST */
  async register(task: Task, options: MiscOptions): Promise<Device> {
    const device = new Device(this.#core, {
      name: options.name,
      parent: this.#class.glueDir(),
      cls: this.#class,
      groups: options.groups ?? [],
      number: {
        major: MISC_MAJOR,
        minor: options.minor,
        node: options.node ?? options.name,
        ...(options.mode === undefined ? {} : { mode: options.mode }),
      },
    });
    await device.add(task);
    return device;
  }

  /** `misc_deregister`. */
  async unregister(task: Task, device: Device): Promise<void> {
    await device.del(task);
  }
}
