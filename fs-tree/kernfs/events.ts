/**
 * News of a file's content, for whoever polls it.
 *
 * Mirrors the event counter of struct kernfs_open_node and `kernfs_notify`
 * (fs/kernfs/file.c): the first event of a file is 1, an open file has seen
 * none before its first show.
 */
import type { FileNode } from './node.js';

interface Events {
  count: number;
  readonly watchers: Set<() => void>;
}

const FIRST = 1;

export class NodeEvents {
  /** By what lasts of a node: its owner, and its inode number. */
  readonly #of = new WeakMap<object, Map<number, Events>>();

  count(node: FileNode): number {
    return this.#of.get(node.owner)?.get(node.ino)?.count ?? FIRST;
  }

  notify(node: FileNode): void {
    const events = this.#make(node);
    events.count++;
    const { watchers } = events;
    for (const tell of [...watchers]) tell();
  }

  /** @returns ends it */
  watch(node: FileNode, onEvent: () => void): () => void {
    const { watchers } = this.#make(node);
    watchers.add(onEvent);
    return () => watchers.delete(onEvent);
  }

  #make(node: FileNode): Events {
    let ofOwner = this.#of.get(node.owner);
    if (!ofOwner) this.#of.set(node.owner, (ofOwner = new Map()));
    let events = ofOwner.get(node.ino);
    if (!events) ofOwner.set(node.ino, (events = { count: FIRST, watchers: new Set() }));
    return events;
  }
}
