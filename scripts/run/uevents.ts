/**
 * Events of the simulated kernel on their way to netlink.
 *
 * A process with the right to may send an event into the network name space
 * that it owns (Linux 4.18 and newer); the kernel numbers it and passes it on to
 * all listeners there, as its own. Node has no netlink: a small helper sends
 * (uevents.pl or uevents.py), and reads one event a line, in hexadecimal, as it
 * is to be sent but for its number.
 */
import { createWriteStream } from 'node:fs';
import type { DriverCore } from '../../lib/driver-core/core.js';
import type { Uevent } from '../../lib/driver-core/uevent.js';

/** What goes through netlink: header and keys, each ended by a NUL. */
export const message = ({ action, devpath, keys }: Uevent): Buffer =>
  Buffer.from([`${action}@${devpath}`, ...keys].map((line) => `${line}\0`).join(''), 'latin1');

/** From now on all events go to the helper that reads the named pipe. */
export function passOn(core: DriverCore, pipe: string): void {
  const helper = createWriteStream(pipe);
  // Without its helper a run has no events, but goes on.
  helper.on('error', () => helper.destroy());
  core.uevents.subscribe((event) => {
    if (!helper.destroyed) helper.write(`${message(event).toString('hex')}\n`);
  });
}
