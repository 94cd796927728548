/**
 * A directory that follows the device nodes of the simulated kernel.
 *
 * Nodes are made before the store that caused them returns: a helper is asked
 * through FIFOs and waited for. It is started before the mount, because a child
 * that is started later would hold /dev/fuse.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { DevNode, Devtmpfs } from '../../lib/driver-core/devtmpfs.js';

const HELPER = `
open(my $in, '<', $ARGV[0]) or die; open(my $out, '>', $ARGV[1]) or die; select($out); $| = 1;
while (my $line = <$in>) {
  chomp $line;
  my ($op, $path, $major, $minor, $mode) = split / /, $line;
  if ($op eq 'rm') { unlink $path } else { system('mknod', '-m', $mode, $path, 'c', $major, $minor) }
  print '.';
}`;

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
      mkdirSync(join(this.#dir, path, '..'), { recursive: true });
      this.#do(`mk ${join(this.#dir, path)} ${node.major} ${node.minor} 0${node.mode.toString(8)}`);
    };
    devtmpfs.remove = (path: string, major: number, minor: number) => {
      remove(path, major, minor);
      if (!devtmpfs.nodes.has(path)) this.#do(`rm ${join(this.#dir, path)}`);
    };
  }

  /** Ends the helper; the directory follows nobody any more. */
  close(): void {
    this.#closed = true;
    closeSync(this.#ask);
    closeSync(this.#ack);
  }

  #do(line: string): void {
    if (this.#closed) return;
    writeSync(this.#ask, `${line}\n`);
    readSync(this.#ack, Buffer.alloc(1));
  }
}
