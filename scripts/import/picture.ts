/**
 * What a source knows of a sysfs: files, links and directories by their paths
 * below /sys. All sources are made into this; what one lacks is just not there.
 */
import type { RecordEntry } from '../record/format.js';

export type SourceKind = 'record' | 'archive' | 'directory' | 'umockdev' | 'lszcrypt';

/** What each is called in messages. */
export const SOURCE_NAMES: Readonly<Record<SourceKind, string>> = {
  record: 'a record of ap-sysfs record',
  archive: 'an archive of a sysfs (dbginfo.sh)',
  directory: 'a copy of a sysfs',
  umockdev: 'an umockdev description',
  lszcrypt: 'the output of lszcrypt',
};

export class Picture {
  readonly #files = new Map<string, string>();
  readonly #links = new Map<string, string>();
  readonly #children = new Map<string, Set<string>>();
  /** Facts from outside of sysfs: `release`, `cmdline`. */
  readonly facts = new Map<string, string>();
  /** Lines of /proc/sysinfo. */
  readonly sysinfo: string[] = [];

  /** @param name of the file, for messages */
  constructor(
    readonly kind: SourceKind,
    readonly name: string,
  ) {}

  /** Content of a file, as it was read. */
  raw(path: string): string | undefined {
    return this.#files.get(path);
  }

  /** Content without the newline; undefined also for an empty one. */
  read(path: string): string | undefined {
    return this.#files.get(path)?.trim() || undefined;
  }

  number(path: string): number | undefined {
    const text = this.read(path);
    return text !== undefined && /^-?(?:\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : undefined;
  }

  /** `1` and `0`. */
  flag(path: string): boolean | undefined {
    const text = this.read(path);
    return text === '1' ? true : text === '0' ? false : undefined;
  }

  /** Last name of a link's target. */
  link(path: string): string | undefined {
    return this.#links.get(path)?.split('/').at(-1);
  }

  has(path: string): boolean {
    return this.#files.has(path) || this.#links.has(path) || this.#children.has(path);
  }

  /** Names in a directory, sorted. */
  list(path: string): string[] {
    return [...(this.#children.get(path) ?? [])].sort();
  }

  addFile(path: string, content: string): void {
    this.#files.set(path, content);
    this.#addName(path);
  }

  addLink(path: string, target: string): void {
    this.#links.set(path, target);
    this.#addName(path);
  }

  addDirectory(path: string): void {
    if (!this.#children.has(path)) this.#children.set(path, new Set());
    if (path !== '') this.#addName(path);
  }

  /** Entries of a record. Files that could not be read are there, without a content. */
  addEntries(entries: Iterable<RecordEntry>): void {
    for (const { kind, path, target, content } of entries) {
      const below = /^\/sys\/(.+)$/.exec(path)?.[1];
      if (below === undefined) continue;
      if (kind === 'dir') this.addDirectory(below);
      else if (kind === 'link') this.addLink(below, target ?? '');
      else if (kind === 'file') this.addFile(below, content ?? '');
    }
  }

  #addName(path: string): void {
    const slash = path.lastIndexOf('/');
    const parent = slash < 0 ? '' : path.slice(0, slash);
    const names = this.#children.get(parent);
    if (names) names.add(path.slice(slash + 1));
    else {
      this.#children.set(parent, new Set([path.slice(slash + 1)]));
      if (parent !== '') this.#addName(parent);
    }
  }
}
