/**
 * Masks of adapters, usage domains and control domains with their maxima.
 *
 * Mirrors struct ap_matrix and the lists that sysfs shows of it.
 * spec/vfio-ap.md 1 and 4.5, spec/attributes.md H.
 */
import { type ApConfigInfo, QCI } from '../hardware/instructions.js';
import { Mask } from '../text/bitmap.js';

/** The driver's copy of the QCI block (`matrix_dev->info`). */
export interface HostConfig {
  readonly flags: number;
  readonly na: number;
  readonly nd: number;
  readonly apm: Mask;
  readonly aqm: Mask;
  readonly adm: Mask;
}

/** Without facility 12: nothing is there. */
export const NO_HOST_CONFIG: HostConfig = {
  flags: 0,
  na: 0,
  nd: 0,
  apm: Mask.zeros(),
  aqm: Mask.zeros(),
  adm: Mask.zeros(),
};

export const hostConfigOf = (info: ApConfigInfo): HostConfig => ({
  flags: info.flags,
  na: info.na,
  nd: info.nd,
  apm: new Mask(info.apm.slice()),
  aqm: new Mask(info.aqm.slice()),
  adm: new Mask(info.adm.slice()),
});

const MAX_ADAPTER_OLD = 63;
const MAX_DOMAIN_OLD = 15;

export interface ApMasks {
  apm: Mask;
  aqm: Mask;
  adm: Mask;
}

export class ApMatrix implements ApMasks {
  apmMax = MAX_ADAPTER_OLD;
  aqmMax = MAX_DOMAIN_OLD;
  admMax = MAX_DOMAIN_OLD;
  apm = Mask.zeros();
  aqm = Mask.zeros();
  adm = Mask.zeros();

  constructor(host: HostConfig) {
    this.initMaxima(host);
  }

  /** `vfio_ap_matrix_init`. */
  initMaxima(host: HostConfig): void {
    const apxa = (host.flags & QCI.APXA) !== 0;
    this.apmMax = apxa ? host.na : MAX_ADAPTER_OLD;
    this.aqmMax = apxa ? host.nd : MAX_DOMAIN_OLD;
    this.admMax = apxa ? host.nd : MAX_DOMAIN_OLD;
  }

  /** A copy of the three masks. */
  masks(): ApMasks {
    return { apm: this.apm.copy(), aqm: this.aqm.copy(), adm: this.adm.copy() };
  }

  setMasks(masks: ApMasks): void {
    this.apm = masks.apm.copy();
    this.aqm = masks.aqm.copy();
    this.adm = masks.adm.copy();
  }

  has(apid: number, apqi: number): boolean {
    return this.apm.has(apid) && this.aqm.has(apqi);
  }

  /** `matrix` and `guest_matrix`: APQNs, adapter-major; where one kind is missing the ids of the other. */
  listText(): string {
    const adapters = [...this.apm.bits(this.apmMax)].map(hex2);
    const domains = [...this.aqm.bits(this.aqmMax)].map(hex4);
    if (adapters.length === 0) return domains.map((d) => `.${d}\n`).join('');
    if (domains.length === 0) return adapters.map((a) => `${a}.\n`).join('');
    return adapters.map((a) => domains.map((d) => `${a}.${d}\n`).join('')).join('');
  }

  /** `control_domains`. */
  controlDomainsText(): string {
    return [...this.adm.bits(this.admMax)].map((d) => `${hex4(d)}\n`).join('');
  }

  /** `ap_config`. */
  configText(): string {
    return `${this.apm},${this.aqm},${this.adm}\n`;
  }
}

export const hex2 = (id: number): string => id.toString(16).padStart(2, '0');
export const hex4 = (id: number): string => id.toString(16).padStart(4, '0');

/** An APQN as sysfs and the log write it. */
export const apqnName = (apid: number, apqi: number): string => `${hex2(apid)}.${hex4(apqi)}`;
