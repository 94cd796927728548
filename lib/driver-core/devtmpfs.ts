/**
 * The device nodes that the kernel makes in /dev.
 *
 * Mirrors drivers/base/devtmpfs.c: a node appears with a device that has a
 * number and leaves with it; a name that is taken stays as it is.
 */
export interface DevNode {
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
}

export class Devtmpfs {
  readonly #nodes = new Map<string, DevNode>();

  /** Path below /dev -> node, in order of creation. */
  get nodes(): ReadonlyMap<string, DevNode> {
    return this.#nodes;
  }

  create(path: string, node: DevNode): void {
    if (!this.#nodes.has(path)) this.#nodes.set(path, node);
  }

  /** Removes the node if it is the one with this number. */
  remove(path: string, major: number, minor: number): void {
    const node = this.#nodes.get(path);
    if (node && node.major === major && node.minor === minor) this.#nodes.delete(path);
  }
}
