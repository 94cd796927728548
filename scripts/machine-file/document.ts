/**
 * A YAML or JSON text as plain values, with the place of each.
 *
 * Fields that hold text keep what is written there: a serial number of digits
 * or the version 6.10 stay as they are. A field without a value is as good as
 * left out.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import type { FieldPath } from '../../lib/description/problem.js';

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface SyntaxProblem {
  readonly at: Position;
  readonly text: string;
}

interface Place {
  readonly key?: number;
  readonly value: number;
  /** A list or group that begins below its key. */
  readonly block: boolean;
}

/** What there is to know of fields, by name. */
export interface FieldKinds {
  /** It holds nothing but text. */
  isText(field: string): boolean;
  /** There is such a field somewhere; any other is kept, even without a value, so that it is complained of. */
  isKnown(field: string): boolean;
}

/** No machine needs so many; aliases can make more of them than the file has. */
const MOST_NODES = 100_000;

export class SourceDocument {
  readonly value: unknown;
  readonly problems: SyntaxProblem[] = [];
  /** The text could be read as far as it goes. */
  readonly readable: boolean;
  readonly #lines = new LineCounter();
  readonly #places = new Map<string, Place>();
  readonly #kinds: FieldKinds;
  /** Lists and groups that are being read. */
  readonly #open = new Set<object>();
  #nodes = 0;

  constructor(text: string, fields: FieldKinds) {
    this.#kinds = fields;
    const doc = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, version: '1.2' });
    for (const { pos, message, code } of [...doc.errors, ...doc.warnings])
      this.problems.push({
        at: this.#position(pos[0]),
        text: code === 'DUPLICATE_KEY' ? 'this field is there twice' : (message.split('\n')[0] ?? message),
      });
    this.readable = doc.errors.every(({ code }) => code === 'DUPLICATE_KEY');
    this.value = this.readable && doc.contents ? this.#plain(doc, doc.contents, [], '') : undefined;
  }

  /** Where a field is; for one that is not there, what it would be in. `key`: where a name in it stands. */
  locate(path: FieldPath, key?: string): Position {
    if (key !== undefined) {
      const place = this.#places.get(id([...path, key]));
      if (place?.key !== undefined) return this.#position(place.key);
    }
    for (let length = path.length; length > 0; length--) {
      const place = this.#places.get(id(path.slice(0, length)));
      if (place) return this.#position(place.block ? (place.key ?? place.value) : place.value);
    }
    return this.#position(this.#places.get(id([]))?.value ?? 0);
  }

  #position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  #plain(doc: Document, node: unknown, path: FieldPath, field: string, key?: number): unknown {
    if (++this.#nodes > MOST_NODES) {
      if (this.#nodes === MOST_NODES + 1) this.problems.push({ at: this.locate(path), text: 'this is too much' });
      return undefined;
    }
    const range = (node as { range?: readonly [number, number, number] | null } | null)?.range;
    const offset = range?.[0] ?? key ?? 0;
    const block = (isMap(node) || isSeq(node)) && node.flow !== true;
    if (!this.#places.has(id(path)))
      this.#places.set(id(path), { value: offset, block, ...(key !== undefined && { key }) });
    if (isAlias(node)) {
      const target = node.resolve(doc);
      if (!target)
        this.problems.push({ at: this.#position(offset), text: `nothing is named &${node.source} before this` });
      return this.#plain(doc, target, path, field, key);
    }
    if (isSeq(node))
      return this.#inside(node, path, () => node.items.map((item, i) => this.#plain(doc, item, [...path, i], field)));
    if (isMap(node)) return this.#object(doc, node, path);
    if (!isScalar(node)) return undefined;
    const { value, source } = node;
    if (value === null || value === undefined) return undefined;
    const isFraction = typeof value === 'number' && !/^[-+]?(?:0[xo])?[0-9a-f]+$/i.test(source ?? '');
    const keepsSource = typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';
    return keepsSource && source !== undefined && (isFraction || this.#kinds.isText(field)) ? source : value;
  }

  /** Works on the contents of a list or group, unless it is in itself. */
  #inside<T>(node: object, path: FieldPath, body: () => T): T | undefined {
    if (this.#open.has(node)) {
      this.problems.push({ at: this.locate(path), text: 'this refers to itself' });
      return undefined;
    }
    this.#open.add(node);
    try {
      return body();
    } finally {
      this.#open.delete(node);
    }
  }

  #object(doc: Document, map: YAMLMap, path: FieldPath): Record<string, unknown> | undefined {
    return this.#inside(map, path, () => this.#fields(doc, map, path));
  }

  #fields(doc: Document, map: YAMLMap, path: FieldPath): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    const merged: unknown[] = [];
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : String(key);
      const target = isAlias(value) ? value.resolve(doc) : value;
      if (name === '<<' && target) merged.push(...(isSeq(target) ? target.items : [target]));
      else {
        const offset = (key as { range?: readonly [number, number, number] | null } | null)?.range?.[0];
        const plain = this.#plain(doc, value, [...path, name], name, offset);
        if (plain === undefined && this.#kinds.isKnown(name)) continue;
        // A name such as __proto__ is one like any other.
        Object.defineProperty(out, name, {
          value: plain ?? null,
          enumerable: true,
          writable: true,
          configurable: true,
        });
      }
    }
    for (const item of merged) {
      const source = isAlias(item) ? item.resolve(doc) : item;
      if (!isMap(source)) continue;
      const inherited = this.#object(doc, source, path) ?? {};
      for (const [name, value] of Object.entries(inherited)) if (!Object.hasOwn(out, name)) out[name] = value;
    }
    return out;
  }
}

const id = (path: FieldPath): string => JSON.stringify(path);
