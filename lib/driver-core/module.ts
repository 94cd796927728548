/**
 * Loadable modules.
 *
 * Mirrors kernel/module/main.c and sysfs.c: a directory in /sys/module, a
 * reference count, users of its symbols, drivers that it owns, and an init and
 * exit function. spec/sysfs-tree.md 7.
 */
import { KernelError } from '../errno.js';
import type { Task } from '../sync/task.js';
import type { DriverCore } from './core.js';
import type { Driver } from './driver.js';
import { Kobject } from './kobject.js';
import { plainSource } from './uevent.js';

/** What the build left in the module: constants that only show. */
export interface ModuleInfo {
  readonly coresize?: number;
  readonly version?: string;
  readonly srcversion?: string;
  readonly importNs?: string;
  /** Flag letters; empty: none. */
  readonly taint?: string;
}

/** A module that can be loaded. */
export interface ModuleDefinition {
  readonly name: string;
  /** Modules whose symbols it uses; loaded first, held while this one is there. */
  readonly uses: readonly string[];
  /** Modules that modprobe loads too (softdeps). */
  readonly alsoLoads?: readonly string[];
  readonly info: ModuleInfo;
  /** Attribute group of `parameters/`; undefined: the directory does not exist. */
  readonly parameters?: string;
  /**
   * What checks the text of each parameter, by name (it throws the errno);
   * `not modelled`: the module has parameters that have no effect here.
   */
  readonly takes?: Readonly<Record<string, (text: string) => unknown>> | 'not modelled';
  /** Parameter values as given at load are on the module, checked. @throws what the init function returns */
  init(task: Task, module: Module): Promise<void>;
  exit(task: Task): Promise<void>;
}

/** As in `name=value`; undefined: there is no `=`. */
export type ModuleArguments = ReadonlyMap<string, string | undefined>;

export type ModuleState = 'coming' | 'live' | 'going';

export class Module extends Kobject {
  readonly core: DriverCore;
  readonly definition: ModuleDefinition;
  /** Parameters by name, with underscores, as given. */
  readonly arguments: ModuleArguments;
  state: ModuleState = 'coming';
  #references = 0;
  readonly holders: Kobject;
  #drivers: Kobject | undefined;
  #parameters: Kobject | undefined;

  constructor(core: DriverCore, definition: ModuleDefinition, args: ModuleArguments) {
    super(core.tree, definition.name, core.moduleDir);
    this.core = core;
    this.definition = definition;
    this.arguments = args;
    this.holders = new Kobject(core.tree, 'holders', this);
  }

  /** `module_refcount`. */
  get refcnt(): number {
    return this.#references;
  }

  /** `try_module_get`: false once it is going. */
  tryGet(): boolean {
    if (this.state === 'going') return false;
    this.#references++;
    return true;
  }

  /** `module_put`. */
  put(): void {
    if (this.#references <= 0) throw new Error(`module ${this.name}: reference count below zero`);
    this.#references--;
  }

  /** Links of a driver that belongs to this module (`module_add_driver`). */
  addDriverLinks(drv: Driver): void {
    drv.addLink('module', this);
    if (!this.#drivers) {
      this.#drivers = new Kobject(this.tree, 'drivers', this);
      this.#drivers.addDir();
    }
    this.#drivers.addLink(`${drv.bus.name}:${drv.name}`, drv);
  }

  removeDriverLinks(drv: Driver): void {
    drv.removeLink('module');
    this.#drivers?.removeLink(`${drv.bus.name}:${drv.name}`);
  }

  /** Directory and files (`mod_sysfs_setup`). @internal */
  show(): void {
    this.addDir();
    this.addGroup('module');
    this.holders.addDir();
    for (const dir of ['sections', 'notes']) new Kobject(this.tree, dir, this).addDir();
    if (this.definition.parameters) {
      this.#parameters = new Kobject(this.tree, 'parameters', this);
      this.#parameters.addDir();
      this.#parameters.addGroup(this.definition.parameters);
    }
  }

  /** @internal */
  async hide(task: Task): Promise<void> {
    if (this.#parameters && this.definition.parameters)
      await this.#parameters.removeGroup(task, this.definition.parameters);
    await this.removeGroup(task, 'module');
    await this.removeDir(task);
  }
}

/** The modules of one kernel: what can be loaded, what is. */
export class ModuleLoader {
  readonly #core: DriverCore;
  readonly #known = new Map<string, ModuleDefinition>();
  /** Loaded modules, in order of loading. */
  readonly loaded = new Map<string, Module>();

  constructor(core: DriverCore) {
    this.#core = core;
  }

  define(definition: ModuleDefinition): void {
    this.#known.set(definition.name, definition);
  }

  /** What can be loaded. */
  names(): readonly string[] {
    return [...this.#known.keys()];
  }

  isKnown(name: string): boolean {
    return this.#known.has(name);
  }

  /**
   * `modprobe`: loads what it uses, then the module; does nothing if it is loaded.
   * @throws ENOENT unknown module; EINVAL, ERANGE a parameter is no good; the errno of an init function
   */
  async load(task: Task, name: string, args: ModuleArguments = new Map()): Promise<void> {
    if (this.loaded.has(name)) return;
    const definition = this.#known.get(name);
    if (!definition) throw new KernelError('ENOENT', `module ${name} not found`);
    for (const needed of [...(definition.alsoLoads ?? []), ...definition.uses]) await this.load(task, needed);
    if (this.loaded.has(name)) return;
    const module = new Module(this.#core, definition, this.#parseArguments(definition, args));
    this.loaded.set(name, module);
    module.show();
    const used = definition.uses.map((u) => this.loaded.get(u)).filter((m) => m !== undefined);
    for (const m of used) {
      m.tryGet();
      m.holders.addLink(name, module);
    }
    try {
      await definition.init(task, module);
    } catch (e) {
      module.state = 'going';
      await this.#unlink(task, module, used);
      throw e;
    }
    module.state = 'live';
    this.#core.uevents.send(module, 'add', plainSource('module'));
  }

  /** `parse_args` and `unknown_module_param_cb`: before anything of the module is to be seen. @throws EINVAL, ERANGE */
  #parseArguments({ name, takes = {} }: ModuleDefinition, args: ModuleArguments): ModuleArguments {
    const known = new Map<string, string | undefined>();
    let failed: KernelError | undefined;
    for (const [written, text] of args) {
      const parameter = written.replaceAll('-', '_');
      // What every module takes; neither changes anything here.
      if (takes === 'not modelled' || parameter === 'async_probe' || parameter === 'dyndbg') continue;
      const check = Object.hasOwn(takes, parameter) ? takes[parameter] : undefined;
      if (!check) {
        this.#core.log.print('warning', `${name}: unknown parameter '${written}' ignored`);
        continue;
      }
      try {
        if (text === undefined) throw new KernelError('EINVAL');
        check(text);
        known.set(parameter, text);
      } catch (e) {
        if (!(e instanceof KernelError)) throw e;
        this.#core.log.print('err', `${name}: \`${text ?? ''}' invalid for parameter \`${written}'`);
        failed = e;
      }
    }
    if (failed) throw failed;
    return known;
  }

  /**
   * `rmmod`. @throws ENOENT not loaded; EAGAIN in use (delete_module with O_NONBLOCK says EWOULDBLOCK);
   * EBUSY it is being loaded or unloaded
   */
  async unload(task: Task, name: string): Promise<void> {
    const module = this.loaded.get(name);
    if (!module) throw new KernelError('ENOENT', `module ${name} is not loaded`);
    if (module.holders.links.size > 0 || module.refcnt > 0) throw new KernelError('EAGAIN', `module ${name} is in use`);
    if (module.state !== 'live') throw new KernelError('EBUSY');
    module.state = 'going';
    await module.definition.exit(task);
    const used = module.definition.uses.map((u) => this.loaded.get(u)).filter((m) => m !== undefined);
    this.#core.uevents.send(module, 'remove', plainSource('module'));
    await this.#unlink(task, module, used);
  }

  async #unlink(task: Task, module: Module, used: readonly Module[]): Promise<void> {
    for (const m of used) {
      m.holders.removeLink(module.name);
      m.put();
    }
    await module.hide(task);
    this.loaded.delete(module.name);
  }
}
