/**
 * Who sends events by netlink, which Node does not speak.
 */
import { Failure } from '../failure.js';
import { findProgram, packaged } from './plan.js';

/** Programs, each with its script. */
export const HELPERS = [
  ['perl', 'uevents.pl'],
  ['python3', 'uevents.py'],
] as const;

/** The first that is there; undefined: none. */
export function findUplink(): [program: string, script: string] | undefined {
  for (const [name, script] of HELPERS)
    try {
      return [findProgram(name), packaged(script)];
    } catch {
      // The next one.
    }
  return undefined;
}

/** @throws Failure */
export function uplink(): [program: string, script: string] {
  const found = findUplink();
  if (found) return found;
  throw new Failure('--uevents: events go by netlink, and neither perl nor python3 is there to send them', {
    next: 'install perl-base or python3; without --uevents they are in kernel/debug/ap_sim/uevents',
  });
}
