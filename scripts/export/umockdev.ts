/**
 * A recorded machine as an umockdev description.
 *
 * What the format has room for: devices with a subsystem, their properties,
 * attributes and links (umockdev-record(1)). What it has not: files of buses,
 * drivers and modules, write-only files, permissions.
 */
import { escapeValue } from '../import/umockdev.js';
import type { MachineRecord, RecordEntry } from '../record/format.js';

interface Device {
  /** From /devices on. */
  readonly path: string;
  readonly subsystem: string;
  readonly uevent: string;
  /** Attributes and links, also of directories in it that are no devices, by name. */
  readonly attributes: Map<string, RecordEntry>;
}

export function printUmockdev({ entries }: MachineRecord): string {
  const paragraphs = devicesIn(entries).map((device) => `${deviceLines(device).join('\n')}\n`);
  return paragraphs.join('\n');
}

function devicesIn(entries: readonly RecordEntry[]): Device[] {
  const devices = new Map<string, Device>();
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path, kind, target } of entries)
    if (kind === 'link' && path.startsWith('/sys/devices/') && path.endsWith('/subsystem')) {
      const device = path.slice('/sys'.length, -'/subsystem'.length);
      const uevent = byPath.get(`/sys${device}/uevent`)?.content ?? '';
      devices.set(device, { path: device, subsystem: nameOf(target), uevent, attributes: new Map() });
    }
  for (const entry of entries) {
    const path = entry.path.slice('/sys'.length);
    const owner = entry.path.startsWith('/sys/') && ownerOf(devices, path);
    if (owner) owner.attributes.set(path.slice(owner.path.length + 1), entry);
  }
  return [...devices.values()];
}

const nameOf = (target = ''): string => target.split('/').at(-1) ?? '';

/** The device in whose directory, or in a directory of whose, a file is. */
function ownerOf(devices: ReadonlyMap<string, Device>, path: string): Device | undefined {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
    const device = devices.get(path.slice(0, end));
    if (device) return device;
  }
  return undefined;
}

/** umockdev makes these itself. */
const OWN = new Set(['uevent', 'subsystem']);

function deviceLines({ path, subsystem, uevent, attributes }: Device): string[] {
  const properties = uevent.split('\n').filter((line) => line.includes('='));
  const node = properties.find((line) => line.startsWith('DEVNAME='))?.slice('DEVNAME='.length);
  const lines = [`P: ${path}`];
  if (node !== undefined) lines.push(`N: ${node}`);
  for (const property of properties) lines.push(`E: ${property.replace(/^DEVNAME=(?!\/)/, 'DEVNAME=/dev/')}`);
  lines.push(`E: SUBSYSTEM=${subsystem}`);
  for (const [name, { kind, target, content, error, mode }] of attributes) {
    if (OWN.has(name)) continue;
    if (kind === 'link') lines.push(`L: ${name}=${target}`);
    else if (kind === 'file' && content !== undefined && error === undefined && mode & 0o444)
      lines.push(attributeLine(name, content));
  }
  return lines;
}

/** In hex where a line cannot hold it. */
function attributeLine(name: string, content: string): string {
  if (/^[\t\n -~]*$/.test(content)) return `A: ${name}=${escapeValue(content)}`;
  return `H: ${name}=${Buffer.from(content, 'latin1').toString('hex').toUpperCase()}`;
}
