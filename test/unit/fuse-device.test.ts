/**
 * How the device is read: timers and signals have their turn however many
 * messages there are. /dev/zero stands for a connection that never runs dry.
 */
import { openSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { FuseDevice, type PipeClass } from '../../fs-tree/transport/dev-fuse/device.js';

/** More than anybody may read without a turn of the event loop. */
const FOREVER = 10_000;

/** Counts messages; after too many of them the device is closed, so that the test comes to an end. */
class Counter {
  messages = 0;
  ended = false;
  idle = true;
  /** How long each message takes. */
  ms = 0;
  constructor(private readonly device: FuseDevice) {}

  onMessage(): void {
    for (const end = performance.now() + this.ms; performance.now() < end; );
    if (++this.messages === FOREVER) this.device.close();
  }

  onEnd(): void {
    this.ended = true;
  }
}

function endless(t: Test): { device: FuseDevice; user: Counter } {
  const device = new FuseDevice(4096, openSync('/dev/zero', 'r'));
  t.teardown(() => device.close());
  return { device, user: new Counter(device) };
}

t.test('a timer that looks leaves the event loop its turns', async (t) => {
  const { device, user } = endless(t);
  device.start(undefined, user);
  while (user.messages === 0) await turn();
  const before = user.messages;
  t.ok(before < FOREVER, `${before} messages, and no more`);
  for (let turns = 0; user.messages === before && turns < FOREVER; turns++) await turn();
  t.ok(user.messages > before && !user.ended, 'and goes on with the rest');
});

t.test('messages that are there are read at once, so many and no more, and none while something waits', async (t) => {
  const { device, user } = endless(t);
  let arrive = (): void => undefined;
  class Pipe {
    onread = (): void => undefined;
    open = (): number => 0;
    useUserBuffer = (): void => undefined;
    readStart = (): number => {
      arrive = () => {
        device.incoming.bytes.fill(1, 0, 4);
        this.onread();
      };
      return 0;
    };
    close = (): void => undefined;
  }
  device.start(Pipe as PipeClass, user);
  arrive();
  t.ok(user.messages > 1 && user.messages < FOREVER, `${user.messages} messages`);
  user.messages = 0;
  user.idle = false;
  arrive();
  t.equal(user.messages, 1, 'the one that came');
  user.messages = 0;
  user.idle = true;
  user.ms = 100;
  arrive();
  t.ok(user.messages <= 4, 'and not many that take long');
});
