/**
 * What lszcrypt printed: the table of -V (-VV is the same), and if they are in
 * the same text those of -b (bus), -d (domains) and -s (serial numbers).
 *
 * Columns go by their heads, since releases differ. QDEPTH is left out: releases
 * and kernels count it differently.
 */
import { Mask } from '../../lib/text/bitmap.js';
import { ImportError } from '../record/format.js';
import { Picture } from './picture.js';

const HEAD = /^CARD\.DOM(?:AIN)?\s+TYPE\s/m;

export const isLszcrypt = (text: string): boolean => HEAD.test(text);

type Row = ReadonlyMap<string, string>;

/** @throws ImportError with its line */
export function readLszcrypt(text: string, file: string): Picture {
  const picture = new Picture('lszcrypt', file);
  let heads: readonly string[] = [];
  let domains: { usage: number[]; control: number[] } | undefined;
  for (const [i, line] of text.split('\n').entries()) {
    if (HEAD.test(line)) heads = line.trim().split(/\s+/);
    else if (/^DOMAIN 00 01 /.test(line)) domains ??= { usage: [], control: [] };
    else if (/^-+$/.test(line.trim()) || line.trim() === '') continue;
    else if (/^\s+[0-9a-f]0(?:\s+[.CUB]){16}\s*$/.test(line)) domainRow(domains ?? { usage: [], control: [] }, line);
    else if (/^[0-9a-f]{2}(?:\.[0-9a-f]{4})?\s/.test(line) && heads.length > 0) {
      const row = rowOf(heads, line);
      if (!row) throw new ImportError(file, i + 1, `this row has not the columns ${heads.join(' ')}`);
      addDevice(picture, row);
    } else busLine(picture, line);
  }
  if (domains) {
    picture.addFile('bus/ap/ap_usage_domain_mask', `${Mask.of(...domains.usage)}\n`);
    picture.addFile('bus/ap/ap_control_domain_mask', `${Mask.of(...domains.control)}\n`);
  }
  return picture;
}

/** The status of a queue of vfio_ap may have a blank in it. */
function rowOf(heads: readonly string[], line: string): Row | undefined {
  const words = line
    .trim()
    .replace(/\bin use\b/, 'in_use')
    .split(/\s+/);
  if (words.length !== heads.length) return undefined;
  return new Map(heads.map((head, i) => [head.replace('DOMAIN', 'DOM'), (words[i] ?? '').replace('in_use', 'in use')]));
}

function domainRow({ usage, control }: { usage: number[]; control: number[] }, line: string): void {
  const [first = '', ...marks] = line.trim().split(/\s+/);
  for (const [i, mark] of marks.entries()) {
    const domain = Number.parseInt(first, 16) + i;
    if (mark === 'U' || mark === 'B') usage.push(domain);
    if (mark === 'C' || mark === 'B') control.push(domain);
  }
}

const BUS: readonly (readonly [line: RegExp, file: string])[] = [
  [/^features: (.*)$/, 'features'],
  [/^ap_domain=(\S+)/, 'ap_domain'],
  [/^ap_max_domain_id=(\S+)/, 'ap_max_domain_id'],
  [/^config_time=(\d+)/, 'config_time'],
  [/^poll_timeout=(\d+)/, 'poll_timeout'],
];
const ENABLED = /^(ap_interrupts|poll_thread) (?:are|is) (enabled|disabled)/;

function busLine(picture: Picture, line: string): void {
  const [, name, state] = ENABLED.exec(line) ?? [];
  if (name !== undefined) picture.addFile(`bus/ap/${name}`, state === 'enabled' ? '1\n' : '0\n');
  for (const [pattern, file] of BUS) {
    const value = pattern.exec(line)?.[1];
    if (value !== undefined)
      picture.addFile(`bus/ap/${file}`, `${/^0x/.test(value) ? Number.parseInt(value, 16) : value}\n`);
  }
}

const MODES: Readonly<Record<string, string>> = { 'CCA-Coproc': 'cca', 'EP11-Coproc': 'ep11', Accelerator: 'accel' };
const NO_DRIVER = /^(?:-|-no-driver-)$/;

function addDevice(picture: Picture, row: Row): void {
  const id = row.get('CARD.DOM') ?? '';
  const [card = '', domain] = id.split('.');
  const path = domain === undefined ? `devices/ap/card${card}` : `devices/ap/card${card}/${id}`;
  const set = (file: string, value: string | number | undefined): void => {
    if (value !== undefined) picture.addFile(`${path}/${file}`, `${value}\n`);
  };
  picture.addDirectory(path);
  const status = row.get('STATUS') ?? '-';
  set('config', status === 'deconfig' ? 0 : 1);
  set('chkstop', status === 'chkstop' ? 1 : 0);
  const driver = row.get('DRIVER') ?? (domain === undefined ? 'cex4card' : undefined);
  if (driver !== undefined && !NO_DRIVER.test(driver)) picture.addLink(`${path}/driver`, driver);
  if (status === 'online' || status === 'offline') set('online', status === 'online' ? 1 : 0);
  else if (/^(?:assigned|unassigned|in use)$/.test(status)) set('status', status);
  if (domain !== undefined) return;
  const type = row.get('TYPE') ?? '';
  if (/^CEX\d+[ACP]$/.test(type)) set('type', type);
  set('hwtype', row.get('HWTYPE'));
  const mode = MODES[row.get('MODE') ?? ''];
  if (mode !== undefined) picture.addFile(`${path}/uevent`, `MODE=${mode}\n`);
  const functions = row.get('FUNCTIONS');
  if (functions !== undefined) set('ap_functions', functionBits(functions));
  const serial = row.get('SERIALNR');
  if (serial !== undefined && serial !== '-') set('serialnr', serial);
}

/** `S--D--N-F-`: the leftmost bits of the facility word, a letter for each that is set. */
function functionBits(letters: string): string {
  const bits = [...letters].reduce((word, letter, i) => (letter === '-' ? word : word | (0x80000000 >>> i)), 0);
  return `0x${(bits >>> 0).toString(16).toUpperCase().padStart(8, '0')}`;
}
