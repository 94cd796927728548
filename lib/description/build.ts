/**
 * From a description to hardware and kernel options: what is there at power on.
 */
import { type AdapterDescription, type DomainDescription, describeAdapter } from '../hardware/adapter.js';
import type { Machine, MachineOptions } from '../hardware/machine.js';
import { EP11_DEFAULTS } from '../hardware/made-up.js';
import type { MasterKeys } from '../hardware/master-keys.js';
import type { WorldOptions } from '../world.js';
import type { AdapterDomainEntry, AdapterEntry, MachineDescription, MasterKeysDescription } from './description.js';
import { opModesMask, qciFlagsWord, typeNumber } from './names.js';

/** One id, or several alike. */
export const idsOf = (id: number | readonly number[]): readonly number[] => (typeof id === 'number' ? [id] : id);

/** Everything of a description that a world is created with. Mdevs and guests come later: see worldFromDescription. */
export function worldOptions(description: MachineDescription): WorldOptions {
  const { kernel = {} } = description;
  return {
    machine: machineOptions(description),
    hardware: (machine) => buildHardware(machine, description),
    ...(kernel.version !== undefined && { kernel: kernel.version }),
    ...(kernel.commandLine !== undefined && { commandLine: kernel.commandLine }),
    ...(kernel.modules !== undefined && { modules: kernel.modules }),
    ...(kernel.debugAttributes !== undefined && { debugAttributes: kernel.debugAttributes }),
  };
}

/** What cannot be changed while kernels run. A hypervisor does not let its guests configure adapters. */
export function machineOptions(description: MachineDescription): MachineOptions {
  const { system = 'lpar', facilities = {} } = description;
  return {
    apInstructions: facilities.ap ?? true,
    qci: facilities.qci ?? true,
    apInterrupts: facilities.interrupts ?? true,
    sclpConfigure: facilities.sclp ?? system === 'lpar',
    zvm: system === 'zvm',
    protVirtGuest: description.secureExecution ?? false,
  };
}

/** Plugs the adapters and sets the machine's knobs; raises no event. */
export function buildHardware(machine: Machine, description: MachineDescription): void {
  const { facilities = {}, limits = {}, timing = {}, domains = {} } = description;
  machine.notify = facilities.changeEvents ?? machine.notify;
  machine.maxAdapter = limits.adapter ?? machine.maxAdapter;
  machine.maxDomain = limits.domain ?? machine.maxDomain;
  if (description.qciFlags !== undefined) machine.qciFlags = qciFlagsWord(description.qciFlags);
  machine.resetDuration = timing.reset ?? machine.resetDuration;
  machine.resetPolls = timing.resetPolls ?? machine.resetPolls;
  machine.processingDelay = timing.reply ?? machine.processingDelay;
  machine.assocPolls = timing.associationPolls ?? machine.assocPolls;
  for (const entry of description.adapters ?? []) for (const id of idsOf(entry.id)) plug(machine, id, entry);
  const { usage = [], control = usage } = domains;
  for (const domain of usage) machine.setUsageDomain(domain, true);
  for (const domain of control) machine.setControlDomain(domain, true);
}

function plug(machine: Machine, id: number, entry: AdapterEntry): void {
  const adapter = machine.addAdapter(id, adapterDescription(id, entry));
  adapter.configured = entry.state !== 'standby';
  adapter.checkstopped = entry.checkstop ?? false;
}

function adapterDescription(id: number, entry: AdapterEntry): AdapterDescription {
  const domains = (entry.domains ?? []).flatMap((domain) =>
    idsOf(domain.id).map((apqi) => [apqi, domainDescription(domain)] as const),
  );
  return describeAdapter(id, typeNumber(entry.type) ?? 0, entry.mode, {
    ...(entry.functions !== undefined && { fac: entry.functions }),
    ...(entry.depth !== undefined && { depth: entry.depth }),
    ...(entry.messageLimit !== undefined && { ml: entry.messageLimit }),
    // The card fills up with blanks.
    ...(entry.serial !== undefined && { serial: entry.serial.padEnd(8) }),
    ...(entry.masterKeys && { masterKeys: masterKeys(entry.masterKeys) }),
    ...(domains.length > 0 && { domains: new Map(domains) }),
    ep11: ep11Firmware(entry),
  });
}

function ep11Firmware(entry: AdapterEntry): AdapterDescription['ep11'] {
  const [major, minor] = (entry.firmware ?? '').split('.');
  return {
    apiOrdinal: entry.apiOrdinal ?? EP11_DEFAULTS.apiOrdinal,
    firmwareMajor: major ? Number(major) : EP11_DEFAULTS.firmwareMajor,
    firmwareMinor: minor ? Number(minor) : EP11_DEFAULTS.firmwareMinor,
    opModes: entry.opModes === undefined ? EP11_DEFAULTS.opModes : opModesMask(entry.opModes),
  };
}

function domainDescription(entry: AdapterDomainEntry): DomainDescription {
  return {
    ...(entry.opModes !== undefined && { opModes: opModesMask(entry.opModes) }),
    ...(entry.masterKeys && { masterKeys: masterKeys(entry.masterKeys) }),
  };
}

function masterKeys({ aes, apka, asym, wk }: MasterKeysDescription): MasterKeys {
  return {
    ...(aes && { AES: aes }),
    ...(apka && { APKA: apka }),
    ...(asym && { ASYM: asym }),
    ...(wk && { WK: wk }),
  };
}
