/**
 * News of the tree: which names came and went, in order.
 *
 * What fs/kernfs tells fsnotify, for transports that cache entries and for
 * whoever watches. The sources are the model's own tree (lib/driver-core) and
 * the static directories; both speak this language.
 */
export interface TreeChange {
  readonly op: 'add' | 'remove' | 'change';
  /** What came or went, where the source tells. */
  readonly what?: 'dir' | 'link' | 'group';
  /** `owner` of the directory in which it happened. */
  readonly dir: object;
  /** The name of the entry; of a group of files that came or went together the group's name. */
  readonly name: string;
}

export type ChangeListener = (change: TreeChange) => void;

/** Whoever publishes changes; the result of onChange ends the subscription. */
export interface ChangeSource {
  onChange(listener: ChangeListener): () => void;
}

/** Passes changes on to listeners, in the order in which they happen. */
export class ChangeHub implements ChangeSource {
  readonly #listeners = new Set<ChangeListener>();

  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(change: TreeChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
