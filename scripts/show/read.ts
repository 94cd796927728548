/**
 * A mounted machine read through its files, for `show`.
 *
 * Only files whose reading changes nothing: `serialnr`, `mkvps` and their like
 * ask the card and count as requests, so the serial number comes from the
 * control tree.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CONTROL, type Control } from '../mounts/control.js';
import { apqn, idsInMask } from './ids.js';

export interface CardView {
  readonly id: number;
  /** As sysfs says it: `CEX8C`. */
  readonly type: string;
  readonly driver: string | undefined;
  readonly configured: boolean;
  readonly checkstopped: boolean;
  /** Undefined without a driver. */
  readonly online: boolean | undefined;
  readonly depth: number;
  readonly requests: number;
  readonly serial: string | undefined;
}

export interface QueueView {
  readonly adapter: number;
  readonly domain: number;
  readonly driver: string | undefined;
  /** Undefined if it was not read. */
  readonly online: boolean | undefined;
}

export interface MatrixView {
  readonly adapters: readonly number[];
  readonly domains: readonly number[];
}

export interface MdevView {
  readonly uuid: string;
  readonly assigned: MatrixView;
  /** What a guest gets of it. */
  readonly guest: MatrixView;
  readonly controlDomains: readonly number[];
}

export interface GuestView {
  readonly uuid: string;
  readonly pid: number;
  /** It holds the device open. */
  readonly open: boolean;
  readonly vcpus: number;
  /** Masks as its hardware has them; undefined: it has no VM. */
  readonly apcb: { readonly apm: string; readonly aqm: string; readonly adm: string } | undefined;
  /** What it is called, if not by its UUID. */
  readonly name: string | undefined;
  /** The kernel that it runs; undefined: none. */
  readonly inside: InsideView | undefined;
}

export interface InsideView {
  readonly version: string;
  /** booting, running, off or crashed. */
  readonly state: string;
  /** Queue devices of its bus; undefined: it has no bus. */
  readonly queues: readonly string[] | undefined;
  /** Queues that its hardware has and its bus has not found yet. */
  readonly notFound: readonly string[];
  /** Queue devices of its bus whose queue it has no more. */
  readonly lost: readonly string[];
}

export interface MachineView {
  readonly mountPoint: string;
  readonly about: Readonly<Record<string, string>>;
  /** False if there is no AP bus. */
  readonly hasBus: boolean;
  readonly bindings: string | undefined;
  readonly defaultDomain: string | undefined;
  readonly cards: readonly CardView[];
  readonly queues: readonly QueueView[];
  /** Of the host's configuration; undefined: not told (no QCI). */
  readonly hostAdapters: readonly number[] | undefined;
  readonly usageDomains: readonly number[] | undefined;
  readonly controlDomains: readonly number[] | undefined;
  readonly mdevs: readonly MdevView[];
  /** Undefined if this user may not read the control tree. */
  readonly guests: readonly GuestView[] | undefined;
  /** What this user may not read: paths below the mount point. */
  readonly unreadable: readonly string[];
}

/** With more queues than that the attribute `online` of each is not read. */
const MANY_QUEUES = 4096;

const CARD = /^card([0-9a-f]{2})$/;
const QUEUE = /^([0-9a-f]{2})\.([0-9a-f]{4})$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

class Sysfs {
  /** What this user may not read. */
  readonly denied: string[] = [];

  constructor(readonly root: string) {}

  read(path: string): string | undefined {
    return this.#tried(path, () => readFileSync(join(this.root, path), 'utf8').trim());
  }

  list(path: string): string[] {
    return this.#tried(path, () => readdirSync(join(this.root, path))) ?? [];
  }

  #tried<T>(path: string, body: () => T): T | undefined {
    try {
      return body();
    } catch (e) {
      const { code } = e as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') this.denied.push(path);
      return undefined;
    }
  }

  driver(path: string): string | undefined {
    try {
      return basename(readlinkSync(join(this.root, path, 'driver')));
    } catch {
      return undefined;
    }
  }

  flag(path: string): boolean | undefined {
    const text = this.read(path);
    return text === undefined ? undefined : text === '1';
  }

  mask(path: string): number[] | undefined {
    const text = this.read(path);
    return text?.startsWith('0x') ? idsInMask(text) : undefined;
  }
}

export function readMachine(control: Control): MachineView {
  const sys = new Sysfs(control.mountPoint);
  const bus = sys.list('bus/ap');
  const view = {
    mountPoint: control.mountPoint,
    about: Object.fromEntries(control.aboutIfAllowed()),
    hasBus: bus.length > 0,
    bindings: sys.read('bus/ap/bindings'),
    defaultDomain: sys.read('bus/ap/ap_domain'),
    cards: readCards(sys, serials(control)),
    queues: readQueues(sys),
    hostAdapters: sys.mask('bus/ap/ap_adapter_mask'),
    usageDomains: sys.mask('bus/ap/ap_usage_domain_mask'),
    controlDomains: sys.mask('bus/ap/ap_control_domain_mask'),
    mdevs: readMdevs(sys),
    guests: readGuests(control, sys),
  };
  if (view.guests === undefined) sys.denied.push(CONTROL);
  return { ...view, unreadable: sys.denied };
}

/** Serial numbers by adapter id, from the hardware's own list. */
function serials(control: Control): ReadonlyMap<number, string> {
  const cards = (control.readIfAllowed('hw') ?? '').matchAll(/^card ([0-9a-f]{2}) .* serial (\S+)/gm);
  return new Map([...cards].map(([, id = '', serial = '']) => [Number.parseInt(id, 16), serial]));
}

function readCards(sys: Sysfs, serial: ReadonlyMap<number, string>): CardView[] {
  const ids = sys.list('devices/ap').flatMap((name) => CARD.exec(name)?.[1] ?? []);
  return ids.sort().map((hex) => {
    const path = `devices/ap/card${hex}`;
    const id = Number.parseInt(hex, 16);
    return {
      id,
      type: sys.read(`${path}/type`) ?? `type ${sys.read(`${path}/hwtype`) ?? '?'}`,
      driver: sys.driver(path),
      configured: sys.flag(`${path}/config`) ?? true,
      checkstopped: sys.flag(`${path}/chkstop`) ?? false,
      online: sys.flag(`${path}/online`),
      depth: Number(sys.read(`${path}/depth`)),
      requests: Number(sys.read(`${path}/request_count`)),
      serial: serial.get(id),
    };
  });
}

function readQueues(sys: Sysfs): QueueView[] {
  const drivers = new Map<string, string>();
  for (const driver of sys.list('bus/ap/drivers'))
    for (const device of sys.list(`bus/ap/drivers/${driver}`)) if (QUEUE.test(device)) drivers.set(device, driver);
  const names = sys.list('bus/ap/devices').filter((name) => QUEUE.test(name));
  return names.sort().map((name) => {
    const [, adapter = '', domain = ''] = QUEUE.exec(name) ?? [];
    const driver = drivers.get(name);
    const ask = driver === 'cex4queue' && names.length <= MANY_QUEUES;
    return {
      adapter: Number.parseInt(adapter, 16),
      domain: Number.parseInt(domain, 16),
      driver,
      online: ask ? sys.flag(`devices/ap/card${adapter}/${name}/online`) : undefined,
    };
  });
}

function readMdevs(sys: Sysfs): MdevView[] {
  const base = 'devices/vfio_ap/matrix';
  const uuids = sys.list(base).filter((name) => UUID.test(name));
  return uuids.sort().map((uuid) => ({
    uuid,
    assigned: assignedIn(sys, `${base}/${uuid}`),
    guest: matrixIn(sys.read(`${base}/${uuid}/guest_matrix`)),
    controlDomains: (sys.read(`${base}/${uuid}/control_domains`) ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Number.parseInt(line, 16)),
  }));
}

/** From the masks of `ap_config` where the kernel has it: `matrix` ends at a page. */
function assignedIn(sys: Sysfs, path: string): MatrixView {
  const [apm, aqm] = (sys.read(`${path}/ap_config`) ?? '').split(',');
  return apm && aqm ? { adapters: idsInMask(apm), domains: idsInMask(aqm) } : matrixIn(sys.read(`${path}/matrix`));
}

/** Lines `00.0004`, or `00.` and `.0004` where the other half is empty. */
function matrixIn(text = ''): MatrixView {
  const adapters = new Set<number>();
  const domains = new Set<number>();
  for (const line of text.split('\n')) {
    const [adapter, domain] = line.split('.');
    if (adapter) adapters.add(Number.parseInt(adapter, 16));
    if (domain) domains.add(Number.parseInt(domain, 16));
  }
  return { adapters: [...adapters], domains: [...domains] };
}

function readGuests(control: Control, sys: Sysfs): GuestView[] | undefined {
  const text = control.readIfAllowed('guest');
  if (text === undefined) return undefined;
  const existing = new Set(sys.list('bus/ap/devices').filter((device) => QUEUE.test(device)));
  return [...text.matchAll(/^(\S+) pid (\d+) device (open|closed) vcpus (\d+)(.*)$/gm)].map(
    ([, uuid = '', pid, device, vcpus, more = '']) => {
      const name = / name (\S+)/.exec(more)?.[1];
      const [, version, state = ''] = / kernel (\S+) (\S+)/.exec(more) ?? [];
      const its = `guests/${name ?? uuid}`;
      const bus = `kernel/debug/ap_sim/${its}/sys/bus/ap`;
      const masks = [...(control.readIfAllowed(`${its}/apcb`) ?? '').matchAll(/^(a[pqd]m) (0x\S+)$/gm)];
      const [apm, aqm, adm] = ['apm', 'aqm', 'adm'].map((name) => masks.find(([, n]) => n === name)?.[2]);
      const apcb = apm && aqm && adm ? { apm, aqm, adm } : undefined;
      const has = new Set(apcb && product(apcb.apm, apcb.aqm));
      return {
        uuid,
        pid: Number(pid),
        open: device === 'open',
        vcpus: Number(vcpus),
        apcb,
        name,
        inside: version === undefined ? undefined : { version, state, ...against(has, existing, queuesOn(sys, bus)) },
      };
    },
  );
}

const product = (apm: string, aqm: string): string[] =>
  idsInMask(apm).flatMap((adapter) => idsInMask(aqm).map((domain) => apqn(adapter, domain)));

/** What a guest has found, against what its APCB has; it can find only what exists. */
function against(
  has: ReadonlySet<string>,
  existing: ReadonlySet<string>,
  queues: readonly string[] | undefined,
): Pick<InsideView, 'queues' | 'notFound' | 'lost'> {
  const seen = new Set(queues);
  return {
    queues,
    notFound: [...has].filter((name) => existing.has(name) && !seen.has(name)),
    lost: [...seen].filter((name) => !has.has(name)),
  };
}

/** Queue devices of a bus, in order; undefined: there is no such bus. */
function queuesOn(sys: Sysfs, bus: string): string[] | undefined {
  if (sys.list(bus).length === 0) return undefined;
  return sys
    .list(`${bus}/devices`)
    .filter((name) => QUEUE.test(name))
    .sort();
}
