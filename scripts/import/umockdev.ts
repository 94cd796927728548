/**
 * umockdev descriptions: devices with their properties, attributes and links.
 *
 * The format is that of umockdev-record(1): paragraphs of lines `P:` path, `N:`
 * node, `S:` link to it, `E:` property, `A:` attribute, `H:` the same in hex,
 * `L:` attribute that is a link. In A: a newline is \n and a backslash \\.
 */
import { ImportError } from '../record/format.js';
import { Picture } from './picture.js';

export const isUmockdev = (text: string): boolean => /^(?:#.*\n|\s*\n)*P: \/devices\//.test(text);

const LINE = /^([PNSEAHL]): (.*)$/;

export const escapeValue = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

const unescapeValue = (value: string): string =>
  value.replace(/\\(.)/g, (whole, c: string) => (c === 'n' ? '\n' : c === '\\' ? '\\' : whole));

/** Devices as a sysfs. @throws ImportError with its line */
export function readUmockdev(text: string, file: string): Picture {
  const picture = new Picture('umockdev', file);
  let device: Device | undefined;
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, kind, rest = ''] = LINE.exec(line) ?? [];
    const wrong = (what: string): ImportError => new ImportError(file, i + 1, what);
    if (kind === undefined) throw wrong(`"${line.slice(0, 40)}" is no line of an umockdev description`);
    if (kind === 'P') {
      if (!rest.startsWith('/devices/')) throw wrong(`${rest} is no path of a device`);
      if (device) finish(picture, device);
      device = { path: rest.slice(1), properties: [] };
      picture.addDirectory(device.path);
      continue;
    }
    if (!device) throw wrong(`a line ${kind}: before the first P:`);
    if (kind === 'N' || kind === 'S') continue;
    const equals = rest.indexOf('=');
    if (equals <= 0) throw wrong(`${kind}: without NAME=VALUE`);
    const [name, value] = [rest.slice(0, equals), rest.slice(equals + 1)];
    if (kind === 'E') device.properties.push([name, value]);
    else if (kind === 'L') picture.addLink(`${device.path}/${name}`, value);
    else if (kind === 'A') picture.addFile(`${device.path}/${name}`, unescapeValue(value));
    else if (!/^(?:[0-9a-f]{2})*$/i.test(value)) throw wrong('H: is not in hex');
    else picture.addFile(`${device.path}/${name}`, Buffer.from(value, 'hex').toString('latin1'));
  }
  if (device) finish(picture, device);
  return picture;
}

interface Device {
  readonly path: string;
  readonly properties: [string, string][];
}

/** Its properties are its file uevent and its subsystem. */
function finish(picture: Picture, { path, properties }: Device): void {
  const own = properties.filter(([name]) => !/^(?:SUBSYSTEM|DEVPATH|TAGS|USEC_INITIALIZED|ID_.*|.*_ID)$/.test(name));
  picture.addFile(`${path}/uevent`, own.map(([name, value]) => `${name}=${value}\n`).join(''));
  const subsystem = properties.find(([name]) => name === 'SUBSYSTEM')?.[1];
  const name = path.split('/').at(-1) ?? '';
  if (subsystem === 'zcrypt') picture.addLink(`class/zcrypt/${name}`, `../../${path}`);
  if (subsystem === 'ap' && !picture.has(`${path}/driver`)) {
    const driver = properties.find(([key]) => key === 'DRIVER')?.[1];
    if (driver !== undefined) picture.addLink(`${path}/driver`, driver);
  }
}
