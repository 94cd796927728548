/**
 * What kmod's tools look at before they ask the kernel: /sys/module.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Control } from './mounts/control.js';

/** A dash in a name is as good as an underscore. */
export const moduleName = (written: string): string => written.replaceAll('-', '_');

const path = ({ mountPoint }: Control, name: string, ...rest: string[]): string =>
  join(mountPoint, 'module', name, ...rest);

/** Nothing else is looked for: '' and '..' are directories too. */
const isName = (name: string): boolean => /^\w+$/.test(name);

/** A module has `initstate`, what is built in has not. */
export const isLoaded = (control: Control, name: string): boolean =>
  isName(name) && existsSync(path(control, name, 'initstate'));

export const isBuiltIn = (control: Control, name: string): boolean =>
  isName(name) && existsSync(path(control, name)) && !isLoaded(control, name);

/** Names of the modules that use it, with blanks between. */
export function users(control: Control, name: string): string {
  return readdirSync(path(control, name, 'holders')).join(' ');
}

export function referenceCount(control: Control, name: string): number {
  return Number(readFileSync(path(control, name, 'refcnt'), 'utf8'));
}

const REASONS: Readonly<Record<string, string>> = {
  EINVAL: 'Invalid argument',
  ERANGE: 'Numerical result out of range',
  ENODEV: 'No such device',
  EBUSY: 'Device or resource busy',
  EAGAIN: 'Resource temporarily unavailable',
  ENOENT: 'Unknown symbol in module, or unknown parameter (see dmesg)',
};

/** The control file's complaint as kmod words it. */
export function reason(stderr: string): string {
  const text = stderr.trim();
  return REASONS[text] ?? text;
}
