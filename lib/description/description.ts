/**
 * A machine as a plain object: what is plugged, which kernel boots, what is
 * there when it is up.
 *
 * The same structure as a machine file, with names in camel case and ranges
 * written out; every field may be left out. Nothing of it goes into a driver:
 * world.ts builds hardware from it, boots, and then does what a user would do.
 */
import type { ClockMode } from '../clock.js';
import type { AdapterMode } from '../hardware/made-up.js';
import type { KeyState, MasterKeyRegister } from '../hardware/master-keys.js';
import type { Nanoseconds } from '../ports.js';
import type { KernelVersion } from '../profile/profile.js';
import type { FaultDescription } from './fault.js';
import type { Ep11OpMode, QciFlag } from './names.js';

export type { AdapterMode, KeyState, MasterKeyRegister };

/** What the system runs in. It decides defaults of `Facilities` and how fast the AP bus polls. */
export type SystemKind = 'lpar' | 'zvm' | 'kvm';

export interface MachineDescription {
  /** Default `lpar`. */
  readonly system?: SystemKind;
  /** The system is a secure-execution guest (default false); only a KVM guest can be one. */
  readonly secureExecution?: boolean;
  readonly facilities?: Facilities;
  readonly limits?: Limits;
  /** Flags word of the QCI block, by name or as a number (default: all names). */
  readonly qciFlags?: number | readonly QciFlag[];
  readonly adapters?: readonly AdapterEntry[];
  readonly domains?: Domains;
  readonly timing?: Timing;
  readonly kernel?: KernelDescription;
  /** What was done to the system since it came up. */
  readonly state?: StateDescription;
  /** Mediated devices that are made after boot, in this order. */
  readonly mdevs?: readonly MdevDescription[];
  /** Virtual machines that are started after that. */
  readonly guests?: readonly GuestDescription[];
  /** Files that fail once the machine is up; for whoever shows it as files. */
  readonly faults?: readonly FaultDescription[];
  /** The world has it once it is up (a mount: `real` unless named); the clock that it boots with must not be `manual`. */
  readonly clock?: ClockMode;
  /** Of the random numbers (default 1); for whoever makes the Random port. */
  readonly seed?: number;
}

/** What is installed. Left out: what `system` has. */
export interface Facilities {
  /** AP instructions at all (default true). */
  readonly ap?: boolean;
  /** Query of the AP configuration, facility 12 (default true). */
  readonly qci?: boolean;
  /** Interrupts of AP queues, facility 65 (default true). */
  readonly interrupts?: boolean;
  /** Adapters can be configured by the system itself (default: true in an LPAR, else false). */
  readonly sclp?: boolean;
  /** The system is told when its AP configuration changes (default true). */
  readonly changeEvents?: boolean;
}

/** Greatest ids that QCI tells; 255 each by default. */
export interface Limits {
  readonly adapter?: number;
  readonly domain?: number;
}

/** Crypto domains of the system. */
export interface Domains {
  readonly usage?: readonly number[];
  /** Default: the usage domains. */
  readonly control?: readonly number[];
}

/** One adapter, or several alike. */
export interface AdapterEntry {
  readonly id: number | readonly number[];
  /** `cex4` .. `cex9`, or the type number that the hardware reports. */
  readonly type: string | number;
  readonly mode: AdapterMode;
  /** Default `configured`. */
  readonly state?: 'configured' | 'standby';
  readonly checkstop?: boolean;
  /** Requests that a queue holds, 1..16 (default 8). */
  readonly depth?: number;
  /** Greatest message in units of 4096 bytes, 0..15 (default 0, which is 12 KiB). */
  readonly messageLimit?: number;
  /** Function bits of TAPQ instead of those of the mode. */
  readonly functions?: number;
  /** 1 to 8 characters; an EP11 card may have 16. */
  readonly serial?: string;
  /** EP11: firmware level, `MAJOR.MINOR` (default 8.8). */
  readonly firmware?: string;
  /** EP11: API ordinal number (default 6). */
  readonly apiOrdinal?: number;
  /** EP11: modes of operation, by name or as a bit mask (default FIPS2009, FIPS2011, FIPS2021). */
  readonly opModes?: number | readonly Ep11OpMode[];
  readonly masterKeys?: MasterKeysDescription;
  /** What is different in single domains of this adapter. */
  readonly domains?: readonly AdapterDomainEntry[];
}

export interface AdapterDomainEntry {
  readonly id: number | readonly number[];
  readonly opModes?: number | readonly Ep11OpMode[];
  readonly masterKeys?: MasterKeysDescription;
}

/**
 * Registers by kind of key: aes, apka, asym of a CCA card, wk of an EP11 card.
 * What is left out: new `empty`, current `valid` with a made-up pattern, old `invalid`.
 */
export interface MasterKeysDescription {
  readonly aes?: CcaRegisters;
  readonly apka?: CcaRegisters;
  readonly asym?: CcaRegisters;
  readonly wk?: Ep11Registers;
}

export interface CcaRegisters {
  readonly new?: MasterKeyRegister<'empty' | 'partial' | 'full'>;
  readonly current?: MasterKeyRegister<'valid' | 'invalid'>;
  readonly old?: MasterKeyRegister<'valid' | 'invalid'>;
}

export interface Ep11Registers {
  readonly new?: MasterKeyRegister<'empty' | 'uncommitted' | 'committed'>;
  readonly current?: MasterKeyRegister<'valid' | 'invalid'>;
}

/** How long the hardware takes. */
export interface Timing {
  /** A reset of a queue (default 0). */
  readonly reset?: Nanoseconds;
  /** So many looks at the queue a reset takes (default 0). */
  readonly resetPolls?: number;
  /** From a request to its reply (default 200 us); `by-speed`: as long as this card needs for this request. */
  readonly reply?: Nanoseconds | 'by-speed';
  /** So many looks at the queue an association with a secret takes (default 0). */
  readonly associationPolls?: number;
}

export interface KernelDescription {
  /** Default 7.2. */
  readonly version?: KernelVersion;
  /** `ap.*` parameters count. */
  readonly commandLine?: string;
  /** Default zcrypt_cex4 and vfio_ap. */
  readonly modules?: readonly string[];
  /** Built with CONFIG_AP_DEBUG (default false). */
  readonly debugAttributes?: boolean;
}

/** Done after boot by the stores that a root shell would use; what is left out stays as it came up. */
export interface StateDescription {
  readonly bus?: BusState;
  readonly adapters?: readonly CardState[];
  readonly queues?: readonly QueueState[];
  /** In this order: minor numbers follow from it. */
  readonly zcryptNodes?: readonly ZcryptNodeState[];
}

/** /sys/bus/ap; masks as the kernel reads them (`0x..`, `+1-5,-3`). */
export interface BusState {
  readonly apmask?: string;
  readonly aqmask?: string;
  /** Default domain. */
  readonly domain?: number;
  /** Seconds between two scans, 5 to 120. */
  readonly configTime?: number;
  readonly pollThread?: boolean;
  readonly pollTimeout?: Nanoseconds;
  /** `drivers_autoprobe`, once all else is done. */
  readonly autoprobe?: boolean;
  /** The bus is scanned until the file of that name says so. */
  readonly scans?: number;
}

export interface CardState {
  readonly id: number | readonly number[];
  readonly driver?: 'cex4card' | 'none';
  readonly online?: boolean;
  /** By `config`, once the card has been up; `AdapterEntry.state` is for one that never was. */
  readonly configured?: boolean;
}

/** All queues of these adapters in these domains. */
export interface QueueState {
  readonly adapters: readonly number[];
  readonly domains: readonly number[];
  /** Kernel 7.2. */
  readonly driverOverride?: string;
  readonly driver?: 'cex4queue' | 'vfio_ap' | 'none';
  /** In a secure-execution guest: it is bound to it (`se_bind`). */
  readonly seBind?: boolean;
  /** ..., and associated with the secret of that index (`se_associate`). */
  readonly seAssociate?: number;
  readonly online?: boolean;
}

/** A device node of zcrypt; masks that are left out are zero. */
export interface ZcryptNodeState {
  readonly name: string;
  readonly ioctlmask?: string;
  readonly apmask?: string;
  readonly aqmask?: string;
  readonly admask?: string;
}

export interface MdevDescription {
  readonly uuid: string;
  readonly adapters?: readonly number[];
  readonly domains?: readonly number[];
  readonly controlDomains?: readonly number[];
}

/** What a virtual machine has of what its host has; all of it unless said otherwise. */
export interface GuestFacilities {
  /** AP instructions are interpreted. */
  readonly ap?: boolean;
  /** Interrupts of AP queues reach its CPUs. */
  readonly interrupts?: boolean;
  /** Its monitor tells it when its AP configuration changes (never with hosts before 7.2). */
  readonly changeEvents?: boolean;
}

/** A virtual machine that an mdev is passed through to. */
export interface GuestDescription {
  /** UUID of the mdev. */
  readonly mdev: string;
  /** What it is called (default: the UUID). */
  readonly name?: string;
  /** Default true: it runs when the machine is up. */
  readonly autostart?: boolean;
  /** Virtual CPUs (default 1); 0: it holds its queues and runs no kernel. */
  readonly vcpus?: number;
  readonly kernel?: KernelDescription;
  readonly facilities?: GuestFacilities;
  /** A secure-execution guest (default false). */
  readonly protected?: boolean;
  /** It gives the device back when the host asks for it (default false). */
  readonly releaseOnRequest?: boolean;
}
