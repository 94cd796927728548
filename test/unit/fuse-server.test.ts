/**
 * The conversation with the kernel, without one: requests by hand, replies as
 * they would be written.
 */
import { Buffer } from 'node:buffer';
import t from 'tap';
import { Ops } from '../../fs-tree/ops.js';
import type { FuseDevice } from '../../fs-tree/transport/dev-fuse/device.js';
import { Message } from '../../fs-tree/transport/dev-fuse/message.js';
import * as P from '../../fs-tree/transport/dev-fuse/protocol.js';
import { FuseServer, READ_BUFFER } from '../../fs-tree/transport/dev-fuse/server.js';
import { toyTree } from '../support/toy-tree.js';

interface Reply {
  readonly error: number;
  readonly body: Buffer;
}

class Kernel {
  readonly incoming = new Message(READ_BUFFER);
  readonly replies = new Map<number, Reply>();
  readonly toy = toyTree();
  readonly #server: FuseServer;
  #unique = 0;

  constructor() {
    const device = {
      incoming: this.incoming,
      write: (bytes: Buffer, length: number) => {
        const { at, size } = P.fuse_out_header;
        this.replies.set(Number(bytes.readBigUInt64LE(at.unique)), {
          error: bytes.readInt32LE(at.error),
          body: Buffer.from(bytes.subarray(size, length)),
        });
      },
    };
    this.#server = new FuseServer({
      ops: new Ops({
        root: this.toy.root,
        now: () => 0,
        onBug: (error) => {
          throw error;
        },
      }),
      device: device as unknown as FuseDevice,
      names: true,
      onHello: () => undefined,
      onEnd: () => undefined,
      onBug: (error) => {
        throw error;
      },
    });
  }

  /** @param put writes what follows the header @returns the reply, if it is there at once */
  ask(opcode: number, nodeid: number, put: (at: number) => void, pid = 1): Reply | undefined {
    const { at, size } = P.fuse_in_header;
    const { incoming } = this;
    incoming.clear(0, 512);
    incoming.setU32(at.opcode, opcode);
    incoming.setU64(at.unique, ++this.#unique);
    incoming.setU64(at.nodeid, nodeid);
    incoming.setU32(at.pid, pid);
    put(size);
    this.#server.onMessage();
    return this.replies.get(this.#unique);
  }

  /** The node id. */
  lookup(path: string): number {
    let id = P.FUSE_ROOT_ID;
    for (const name of path.split('/')) {
      const reply = this.ask(P.FUSE.LOOKUP, id, (at) => this.incoming.setText(at, `${name}\0`));
      id = Number(reply?.body.readBigUInt64LE(P.fuse_entry_out.at.nodeid));
    }
    return id;
  }

  open(nodeid: number, pid = 1): Reply | undefined {
    return this.ask(P.FUSE.OPEN, nodeid, () => undefined, pid);
  }

  read(handle: number, offset: number, length: number): Reply | undefined {
    return this.ask(P.FUSE.READ, 0, (base) => {
      const { at } = P.fuse_read_in;
      this.incoming.setU64((base + at.fh) as P.U64, handle);
      this.incoming.setU64((base + at.offset) as P.U64, offset);
      this.incoming.setU32((base + at.size) as P.U32, length);
    });
  }
}

const handleOf = (reply: Reply | undefined): number => Number(reply?.body.readBigUInt64LE(P.fuse_open_out.at.fh));

t.test('a read of more than a reply holds goes on where the reply ended', async (t) => {
  const kernel = new Kernel();
  const { tree, root } = kernel.toy;
  let shown = 0;
  const show = (time: number): string => `${time}\n`.repeat(200_000);
  root.add('trace', tree.file({ unlimited: true, show: () => show(++shown) }));
  const handle = handleOf(kernel.open(kernel.lookup('trace')));
  let all = '';
  for (let body = 'x'; body !== ''; all += body)
    body = kernel.read(handle, all.length, 2 << 20)?.body.toString('latin1') ?? '';
  t.ok(all === show(1), `${all.length} bytes of one show`);
});

t.test('who opens by a path what is gone is sent back to the path, once', async (t) => {
  const kernel = new Kernel();
  const id = kernel.lookup('devices/toy/fixed');
  await (kernel.toy.root.lookup('devices') as typeof kernel.toy.device).remove('toy');
  const [ESTALE, ENODEV] = [-116, -19];
  t.equal(kernel.open(id, 1)?.error, ESTALE);
  t.equal(kernel.open(id, 2)?.error, ESTALE, 'each for himself');
  t.equal(kernel.open(id, 2)?.error, ENODEV, 'there was no path');
  t.equal(kernel.open(id, 1)?.error, ENODEV, 'he has not come to the end of his path');
  kernel.ask(P.FUSE.LOOKUP, P.FUSE_ROOT_ID, (at) => kernel.incoming.setText(at, 'nothing\0'));
  t.equal(kernel.open(id, 1)?.error, ESTALE, 'now he has, and this is another one');
});

t.test('a handle is given anew only when it was given back', async (t) => {
  const kernel = new Kernel();
  const id = kernel.lookup('devices/toy/counter');
  const [first, second] = [handleOf(kernel.open(id)), handleOf(kernel.open(id))];
  t.not(first, second);
  t.equal(kernel.read(second, 0, 99)?.body.toString(), '1\n');
  const released = kernel.ask(P.FUSE.RELEASE, id, (at) => kernel.incoming.setU64(at as P.U64, first));
  t.equal(released?.error, 0);
  t.equal(kernel.read(first, 0, 99)?.error, -9, 'EBADF');
  const third = handleOf(kernel.open(id));
  t.not(third, second);
  t.equal(kernel.read(third, 0, 99)?.body.toString(), '2\n', 'nothing is left of the former file');
  t.equal(kernel.read(second, 2, 99)?.body.toString(), '', 'the other reads on');
});
