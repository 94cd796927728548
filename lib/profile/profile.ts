/**
 * What differs between the kernels, by name.
 *
 * One member, one difference, with the words of the spec (ap-bus.md 10,
 * vfio-ap.md 13, the `since` columns). Nothing else in the model asks for a
 * version number. Long-term kernels: 6.1.192, 6.12.107, 7.2.13; 6.1 has
 * back-ported locking fixes and is newer than 6.12 there.
 */
import type { MaskNumberOverflow } from '../text/bitmap.js';
import type { ScanOverflow } from '../text/kstrto.js';

export type KernelVersion = '6.1' | '6.12' | '7.2';

/** What a module's build left to be seen in /sys/module. */
export interface ModuleFacts {
  readonly coresize: number;
  readonly version?: string;
  readonly srcversion?: string;
  readonly importNs?: string;
  readonly taint: string;
}

export interface Profile {
  readonly version: KernelVersion;
  /** `uname -r` of the recorded kernel family. */
  readonly release: string;

  // --- parsers ---
  /** vsscanf beyond 64 bits: 7.2 stays at 2^64-1, before it wraps. */
  readonly scanOverflow: ScanOverflow;
  /** Numbers of a relative mask beyond 64 bits: EINVAL in 7.2, before modulo 2^64. */
  readonly maskNumberOverflow: MaskNumberOverflow;

  // --- sysfs files ---
  /** lseek on a removed node: ENODEV (6.1: works). */
  readonly lseekAfterRemovalFails: boolean;
  /** `bindings_complete_count` of the bus. */
  readonly hasBindingsCompleteCount: boolean;
  /** `features` of the bus and of the matrix device. */
  readonly hasFeatures: boolean;
  /** `ap_functions` of queues. */
  readonly hasQueueApFunctions: boolean;
  /** `driver_override` of queues with its rules. */
  readonly hasDriverOverride: boolean;
  /** `se_bind`, `se_associate` of queues, F bit and bs of the state machine. */
  readonly hasSecureExecutionFiles: boolean;
  /** Events SE_BIND and SE_ASSOC. */
  readonly hasSecureExecutionEvents: boolean;
  /** `poll_thread`: bool text; 6.1: number. */
  readonly pollThreadTakesBool: boolean;
  /** `poll_timeout`: kstrtoul, 0 allowed; 6.1: %llu, minimum 1. */
  readonly pollTimeoutTakesKstrtoul: boolean;
  /** Mode of the ap module parameters: 0444, before 7.2 0440. */
  readonly apParameterMode: 0o444 | 0o440;
  /** `msgpool_min_items` of ap and `mempool_threshold` of zcrypt. */
  readonly hasMessagePools: boolean;
  /** `hwrng_seed` of zcrypt. */
  readonly hasHwrngSeed: boolean;
  /** `online` of cards and queues reads 0, and refuses 1, while check-stopped (6.1 looks at config only). */
  readonly onlineLooksAtCheckstop: boolean;
  /** `rng_available` ends with the word none. */
  readonly rngAvailableEndsWithNone: boolean;
  /** An overlong show logs a warning (7.2 cuts silently). */
  readonly warnsOfOverlongMatrix: boolean;
  /** op_modes bits that have a name. */
  readonly ep11OpModes: readonly (readonly [bit: number, name: string])[];

  // --- AP bus ---
  /** Smallest adapter type that gets a device: CEX4 (10); 6.1: CEX2 (6). */
  readonly smallestType: 6 | 10;
  /** A forced scan runs in the caller and has a result; 6.1 queues it, waits, and has none. */
  readonly rescanHasResult: boolean;
  /** A queue newly found by a scan is initialised by the scan. */
  readonly scanInitialisesNewQueue: boolean;
  /** Configured again, no longer check-stopped: initialise with a POLL; 6.1: states only. */
  readonly scanPollsReturningQueue: boolean;
  /** BINDINGS=complete on the transition only, re-armed by probes; 6.1: at each probe with equal numbers. */
  readonly bindingsCompleteRearmed: boolean;
  /** Depth used and shown is qd + 1; 6.1: qd. */
  readonly depthIsFieldPlusOne: boolean;
  /** Status word has an async bit. */
  readonly hasAsyncBit: boolean;
  /** After the last reply a queue without interrupts tries to enable them again. */
  readonly hasIrqCheck: boolean;
  /** Interrupt state of a queue from its status word; 6.1: remembered flag. */
  readonly irqStateFromStatus: boolean;
  /** Two poll periods, high and low frequency; 6.1: one. */
  readonly hasLowPollPeriod: boolean;
  /** Functions of a card are stored masked to the upper half word. */
  readonly masksCardFunctions: boolean;
  /** in_use is asked about new bits times all ones; before: times the other mask. */
  readonly inUseAsksWholeOtherDimension: boolean;
  /** What an unbound queue counts as at a mask change: word of low memory read through a null pointer. */
  readonly unboundQueueCountsAsDefault: boolean;
  /** Class name of the bus mask mutex. */
  readonly attrMutexName: 'ap_attr_mutex' | 'ap_perms_mutex';
  /** A queue counts as usable only while OPERATING; 6.1: config and chkstop only. */
  readonly usableNeedsOperating: boolean;
  /** ap_*_mask show "not supported" when the QCI flags word is 0; 6.1: when QCI failed. */
  readonly qciUnsupportedByFlags: boolean;

  // --- zcrypt ---
  /** ENODEV forces a rescan in every caller; 6.1: only where an earlier reply asked for one. */
  readonly enodevForcesRescan: boolean;
  /** In-kernel senders use the retry loop; 6.1: a single try. */
  readonly kernelSendRetries: boolean;
  /** Good values of serialnr and the like are kept and shown while offline (6.1, 6.12). */
  readonly keepsCardInfo: boolean;
  /** CCA requests remember their last queue (6.1, 6.12). */
  readonly ccaRemembersQueue: boolean;
  /** The chosen domain overwrites the CPRB's always; before: only "any". */
  readonly cprbDomainAlwaysOverwritten: boolean;
  /** The hardware RNG's first read happens in a thread; 6.1: inside the probe. */
  readonly hwrngReadsInThread: boolean;
  /** Where the RNG thread finds its first queue after a module load: 7.2 binds all queues first. */
  readonly hwrngThreadStartsLate: boolean;
  /** Misc minor of z90crypt as recorded. */
  readonly z90cryptMinor: number;

  // --- vfio_ap, vfio ---
  /** `ap_config` of mdevs. */
  readonly hasApConfig: boolean;
  /** Resets by a work item for each queue; 6.1: synchronous, queue by queue. */
  readonly resetByWork: boolean;
  /** A reset that answers rc 01 frees interrupt resources and ends. */
  readonly resetHandlesRc01: boolean;
  /** Last reset codes with which a queue may be passed through. */
  readonly passableResetCodes: readonly number[];
  /** Queues of filtered adapters are reset. */
  readonly resetsFilteredAdapters: boolean;
  /** Removing a queue resets its whole adapter if that was plugged; 6.1: only this queue, always. */
  readonly removeResetsAdapter: boolean;
  /** Removing a queue that is not in the host configuration frees its interrupt resources. */
  readonly removeFreesNonHostQueue: boolean;
  /** Host removal updates the VM if a guest mask changed; 6.12: if what is left is not empty (defect). */
  readonly hostRemovalUpdate: 'if-changed' | 'if-rest-not-empty';
  /** A host control domain that goes leaves the guest adm; 6.12: stays (defect). */
  readonly hostRemovalClearsAdm: boolean;
  /** DMA unmap disables interrupts of queues with their indicator in the range; 6.1: unpins only. */
  readonly dmaUnmapDisablesIrq: boolean;
  /** Number of VFIO interrupt indexes: 0 none, 1 request, 2 and configuration change. */
  readonly vfioIrqs: 0 | 1 | 2;
  /** A second device of one VM is refused before the hook is overwritten; 6.12: after (defect). */
  readonly secondDeviceCheckedFirst: boolean;
  /** rc of an AQIC whose sub class registration failed. */
  readonly badSubclassRc: 0x06 | 0x08;
  /** Freeing resources without a VM marks the sub class none silently; before: warning, kept. */
  readonly freeWithoutVmMarksNone: boolean;
  /** vfio-dev/ vanishes at once in a blocked removal; 6.1: at its end. */
  readonly vfioDevLeavesAtOnce: boolean;
  /** Locks as in 6.1.192 and 7.2; 6.12.107 has the older scheme (vfio-ap.md 12). */
  readonly listUnderGuestsLock: boolean;
  /** A removal that a VM blocks takes the VM's masks at once and signals the configuration change. */
  readonly requestClearsMasks: boolean;
  /** The request callback takes the update locks; 6.12: none. */
  readonly requestTakesLocks: boolean;
  /** Level of the line that opens a kernel warning. */
  readonly cutHereLevel: 'info' | 'warning';
  /** What debugfs logs when a directory is made twice. */
  readonly debugfsTaken: (name: string, parent: string) => string;
  /** status file takes guests lock too. */
  readonly statusTakesGuestsLock: boolean;
  /** Errno of VFIO device ioctls that are not there: GET_REGION_INFO. */
  readonly regionInfoErrno: 'EINVAL' | 'EOPNOTSUPP';
  /** Errno of SET_CONTAINER with a descriptor of something else. */
  readonly wrongContainerErrno: 'EBADFD' | 'EINVAL';

  /** Constants of the recorded module builds. */
  readonly modules: Readonly<Record<string, ModuleFacts>>;
}
