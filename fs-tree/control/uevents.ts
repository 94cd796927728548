/**
 * The events that a kernel has sent lately, as text.
 *
 * Each is kept as one string: a machine that is handed over sends a hundred
 * thousand, and thousands of lists of strings cost more to keep than to make.
 */
import type { Uevent, UeventChannel } from '../../lib/driver-core/uevent.js';
import { dropped } from './listings.js';
import { Ring } from './ring.js';

/** Between the parts of an event: no key of a kernel has one inside. */
const NUL = '\0';

export class UeventRing {
  readonly #ring: Ring<string>;

  constructor(channel: UeventChannel, capacity: number) {
    this.#ring = new Ring(capacity);
    channel.subscribe((event) => this.#ring.push(message(event)));
  }

  clear(): void {
    this.#ring.clear();
  }

  /** Of each a header line, the keys, SEQNUM, an empty line. A newline inside a value is shown as `\n`. */
  describe(): string {
    const events = this.#ring.entries().map((text) => {
      const lines = text.split(NUL);
      return lines.map((line) => `${line.replaceAll('\n', '\\n')}\n`).join('');
    });
    return `${dropped(this.#ring)}${events.join('\n')}${events.length > 0 ? '\n' : ''}`;
  }
}

/** As it goes over netlink: the header, then the keys. */
function message({ action, devpath, keys, seqnum }: Uevent): string {
  return [`${action}@${devpath}`, ...keys, `SEQNUM=${seqnum}`].join(NUL);
}
