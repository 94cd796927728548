/**
 * The machine of the run that this process is in: nobody has noted it, because
 * only what runs inside can reach it.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Control } from './control.js';
import { type FoundMount, ownRunPath } from './registry.js';

/** What its control tree tells of itself; undefined: we are in no run, or it does not tell us. */
export function ownRun(): FoundMount | undefined {
  const mountPoint = ownRunPath();
  if (mountPoint === undefined) return undefined;
  const about = new Control(mountPoint).aboutIfAllowed();
  const tell = (key: string): string => about.get(key) ?? '';
  const dead = isDead(mountPoint);
  if (tell('pid') === '' && !dead) return undefined;
  return {
    mountPoint,
    pid: Number(tell('pid')),
    pidStart: '',
    uid: process.getuid?.() ?? 0,
    machine: tell('machine'),
    kernel: tell('kernel'),
    transport: tell('transport'),
    started: tell('started'),
    state: dead ? 'dead' : 'live',
    run: true,
  };
}

function isDead(mountPoint: string): boolean {
  try {
    readdirSync(join(mountPoint, 'bus/ap'));
    return false;
  } catch (e) {
    return ['ENOTCONN', 'ECONNABORTED'].includes((e as NodeJS.ErrnoException).code ?? '');
  }
}
