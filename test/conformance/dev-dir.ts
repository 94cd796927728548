/**
 * A directory that follows the device nodes of the simulated kernel.
 *
 * Nodes are made before the store that caused them returns: a helper is asked
 * through FIFOs and waited for. It is started before the mount, because a child
 * that is started later would hold /dev/fuse.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { DevNode, Devtmpfs } from '../../lib/driver-core/devtmpfs.js';

const HELPER = `
open(my $in, '<', $ARGV[0]) or die; open(my $out, '>', $ARGV[1]) or die; select($out); $| = 1;
while (my $line = <$in>) {
  chomp $line;
  my ($op, $name, $major, $minor, $mode) = split / /, $line;
  my $path = pack 'H*', $name;
  if ($op eq 'rm') { unlink $path } else { system('mknod', '-m', $mode, '--', $path, 'c', $major, $minor) }
  print '.';
}`;

/** The simulated kernel has names as bytes, one a character; blanks and newlines may be among them. */
const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');
const hex = (path: string): string => bytes(path).toString('hex');

export class DevDir {
  readonly #dir: string;
  readonly #ask: number;
  readonly #ack: number;
  #closed = false;

  constructor(dir: string) {
    this.#dir = dir;
    const ask = `${dir}.ask`;
    const ack = `${dir}.ack`;
    spawnSync('mkfifo', ['-m', '600', ask, ack]);
    spawn('perl', ['-e', HELPER, ask, ack], { stdio: 'ignore' }).unref();
    // The helper opens them in this order; it ends when our end is closed, however we end.
    this.#ask = openSync(ask, 'w');
    this.#ack = openSync(ack, 'r');
  }

  /** Makes and removes nodes as the kernel does from now on. */
  follow(devtmpfs: Devtmpfs): void {
    const create = devtmpfs.create.bind(devtmpfs);
    const remove = devtmpfs.remove.bind(devtmpfs);
    devtmpfs.create = (path: string, node: DevNode) => {
      create(path, node);
      const place = this.#place(path);
      mkdirSync(bytes(dirname(place)), { recursive: true });
      this.#do(`mk ${hex(place)} ${node.major} ${node.minor} 0${node.mode.toString(8)}`);
    };
    devtmpfs.remove = (path: string, major: number, minor: number) => {
      remove(path, major, minor);
      if (!devtmpfs.nodes.has(path)) this.#do(`rm ${hex(this.#place(path))}`);
    };
  }

  /** Ends the helper; the directory follows nobody any more. */
  close(): void {
    this.#closed = true;
    closeSync(this.#ask);
    closeSync(this.#ack);
  }

  /** Of a node: any name is good, and `..` leads out of devtmpfs as little as it does in the kernel. */
  #place(path: string): string {
    return join(Buffer.from(this.#dir).toString('latin1'), resolve('/', path));
  }

  #do(line: string): void {
    if (this.#closed) return;
    writeSync(this.#ask, `${line}\n`);
    readSync(this.#ack, Buffer.alloc(1));
  }
}
