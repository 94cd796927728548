/**
 * The modules zcrypt and zcrypt_cex4.
 *
 * Mirrors the init and exit functions of zcrypt_api.c and zcrypt_cex4.c, and
 * the built-in hw_random core that zcrypt feeds. spec/zcrypt.md 9,
 * spec/sysfs-tree.md 7, spec/attributes.md I.
 */
import type { ApDriver } from '../ap/driver.js';
import type { Device } from '../driver-core/device.js';
import { HwRandom } from '../driver-core/hw-random.js';
import type { Module } from '../driver-core/module.js';
import { KernelError } from '../errno.js';
import type { KernelParts } from '../kernel-parts.js';
import type { Task } from '../sync/task.js';
import { kstrtoint, kstrtouint } from '../text/kstrto.js';
import { Zcrypt } from './api.js';
import { cex4CardDriver, cex4QueueDriver } from './cex4.js';
import { ZcryptFile } from './file.js';
import { ZCRYPT_MAJOR } from './nodes.js';
import { Program } from './program/program.js';
import { type SendRequest, type Sent, sendOne } from './program/send.js';
import type { RequestKind } from './program/work.js';

const MISC_MAJOR = 10;

/** Parameters of `zcrypt` with what they are unless given. */
const DEFAULT_MEMPOOL_THRESHOLD = 5;
const DEFAULT_HWRNG_SEED = 1;

/** What exists while the module zcrypt is loaded. */
interface Loaded {
  readonly zcrypt: Zcrypt;
  readonly module: Module;
  misc: Device | undefined;
}

export class ZcryptStack {
  readonly #kernel: KernelParts;
  readonly hwRandom: HwRandom;
  #loaded: Loaded | undefined;
  /** Registered by zcrypt_cex4, in order of registration. */
  #drivers: ApDriver[] = [];

  constructor(kernel: KernelParts) {
    this.#kernel = kernel;
    const { core, profile } = kernel;
    this.hwRandom = new HwRandom(core, profile);
    core.modules.define({
      name: 'zcrypt',
      uses: [],
      info: profile.modules.zcrypt ?? {},
      ...(profile.hasMessagePools || profile.hasHwrngSeed ? { parameters: 'zcrypt_params' } : {}),
      takes: {
        ...(profile.hasMessagePools && { mempool_threshold: kstrtouint }),
        ...(profile.hasHwrngSeed && { hwrng_seed: kstrtoint }),
      },
      init: (task, module) => this.#init(task, module),
      exit: (task) => this.#exit(task),
    });
    core.modules.define({
      name: 'zcrypt_cex4',
      uses: ['zcrypt'],
      info: profile.modules.zcrypt_cex4 ?? {},
      init: (task, module) => this.#initCex4(task, module),
      exit: (task) => this.#exitCex4(task),
    });
  }

  /** The API while the module zcrypt is loaded. */
  get api(): Zcrypt | undefined {
    return this.#loaded?.zcrypt;
  }

  /** What is there without any module. */
  async initBuiltIn(task: Task): Promise<void> {
    await this.hwRandom.init(task, this.#kernel.misc);
  }

  /** Opens a device node by its number. @throws ENXIO not one of ours; EINTR */
  async open(task: Task, number: { readonly major: number; readonly minor: number }): Promise<ZcryptFile> {
    if (!this.#loaded) throw new KernelError('ENXIO');
    return ZcryptFile.open(task, this.#loaded, number);
  }

  /**
   * Number of a device node by its path below /dev: `z90crypt`, or a zcdn node's name.
   * @throws ENOENT there is no such node
   */
  node(path: string): { readonly major: number; readonly minor: number } {
    const { core, profile } = this.#kernel;
    const name = path.replace(/^\/dev\//, '');
    const ours = ([, { major, minor }]: readonly [string, { major: number; minor: number }]): boolean =>
      major === ZCRYPT_MAJOR || (major === MISC_MAJOR && minor === profile.z90cryptMinor);
    const nodes = [...core.devtmpfs.nodes].filter(ours);
    const found = nodes.find(([known]) => known === name);
    if (found) return found[1];
    const known = nodes.map(([name]) => name).join(', ') || 'none: the module zcrypt is not loaded';
    throw new KernelError('ENOENT', `there is no zcrypt node ${name} (known: ${known})`);
  }

  /** A program opens a node, by its path below /dev. @throws ENOENT, ENXIO; EINTR */
  async start(comm: string, node = 'z90crypt'): Promise<Program> {
    const { core } = this.#kernel;
    const task = core.newTask(comm);
    return new Program(core, task, await this.open(task, this.node(node)));
  }

  /**
   * Sends one request as a program would: opens the node, calls, closes it.
   *
   *     const { apqn, retries, latency, reply } = await kernel.zcrypt.send({ kind: 'cca', adapter: 3 });
   *
   * @throws KernelError with the errno of the ioctl; ENOENT no such node; EINVAL the words make no sense
   */
  send<K extends RequestKind>(request: SendRequest<K>): Promise<Sent<K>> {
    const { crypto } = this.#kernel.core.ports;
    return sendOne(crypto, (node) => this.start('send', node), request);
  }

  /** `zcrypt_api_init`. @throws EINVAL a parameter is no good */
  async #init(task: Task, module: Module): Promise<void> {
    const { core, profile, misc, ap } = this.#kernel;
    const zcrypt = new Zcrypt({ core, profile, ap, hwRandom: this.hwRandom, ...this.#parameters(module) });
    const loaded: Loaded = { zcrypt, module, misc: undefined };
    this.#loaded = loaded;
    zcrypt.nodes.register();
    loaded.misc = await misc.register(task, { name: 'z90crypt', minor: profile.z90cryptMinor });
  }

  /** `zcrypt_api_exit`: nodes first. */
  async #exit(task: Task): Promise<void> {
    const loaded = this.#loaded;
    if (!loaded) return;
    const { nodes } = loaded.zcrypt;
    await nodes.destroyAll(task);
    await nodes.unregister(task);
    if (loaded.misc) await this.#kernel.misc.unregister(task, loaded.misc);
    this.#loaded = undefined;
  }

  /** @throws EINVAL */
  #parameters({ arguments: given }: Module): { mempoolThreshold: number; hwrngSeed: number } {
    const mempoolThreshold = kstrtouint(given.get('mempool_threshold') ?? String(DEFAULT_MEMPOOL_THRESHOLD));
    const hwrngSeed = kstrtoint(given.get('hwrng_seed') ?? String(DEFAULT_HWRNG_SEED));
    if (mempoolThreshold < 1) throw new KernelError('EINVAL');
    return { mempoolThreshold, hwrngSeed };
  }

  /** `zcrypt_cex4_init`. @throws EINVAL there is no AP bus */
  async #initCex4(task: Task, module: Module): Promise<void> {
    const { ap, core } = this.#kernel;
    const zcrypt = this.api;
    if (!zcrypt) throw new KernelError('ENODEV');
    if (!ap) {
      core.log.print(
        'err',
        "Driver 'cex4card' was unable to register with bus_type 'ap' because the bus was not initialized.",
      );
      throw new KernelError('EINVAL');
    }
    for (const ops of [cex4CardDriver(zcrypt, module), cex4QueueDriver(zcrypt, module)])
      this.#drivers.push(await ap.registerDriver(task, ops));
  }

  async #exitCex4(task: Task): Promise<void> {
    for (const drv of this.#drivers.reverse()) await this.#kernel.ap?.unregisterDriver(task, drv);
    this.#drivers = [];
  }
}
