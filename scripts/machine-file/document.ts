/**
 * A YAML or JSON text as plain values, with the place of each.
 *
 * Fields that hold text keep what is written there: a serial number of digits
 * or the version 6.10 stay as they are. A field without a value is as good as
 * left out. What is reached by `*name` has its place there, where it is used,
 * and says where it is written.
 */
import {
  type Alias,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import type { FieldPath } from '../../lib/description/problem.js';
import type { Position } from './problem.js';
import { syntaxText } from './syntax.js';

export interface SyntaxProblem {
  readonly at: Position;
  readonly text: string;
}

/** A place in the text, and how one comes there. */
export interface Located extends Position {
  /** `in &card, line 3`: the place is that of `*card`. */
  readonly note?: string;
}

interface Place {
  readonly key?: number;
  readonly value: number;
  /** A list or group that begins below its key. */
  readonly block: boolean;
  /** Where the characters of a text begin, if they stand there as they are. */
  readonly characters?: number;
  readonly note?: string;
}

/** What there is to know of fields, by name. */
export interface FieldKinds {
  /** It holds nothing but text. */
  isText(field: string): boolean;
  /** There is such a field somewhere; any other is kept, even without a value, so that it is complained of. */
  isKnown(field: string): boolean;
  /** Items of a list, at most. */
  mostItems(field: string): number | undefined;
}

/** No machine needs so many values; aliases can make more of them than the file has. */
const MOST_VALUES = 100_000;

/** A machine file is six levels deep. */
const MOST_LEVELS = 50;

/** A reference that is being followed: the outermost one counts. */
interface Reference {
  readonly offset: number;
  readonly note: string;
}

/** What makes reading on pointless. */
class GiveUp extends Error {
  constructor(
    readonly offset: number,
    readonly text: string,
  ) {
    super(text);
  }
}

type Ranged = { readonly range?: readonly [number, number, number] | null } | null | undefined;
const offsetOf = (node: unknown): number | undefined => (node as Ranged)?.range?.[0];

export class SourceDocument {
  readonly value: unknown;
  readonly problems: SyntaxProblem[] = [];
  /** The text could be read as far as it goes. */
  readonly readable: boolean;
  readonly #text: string;
  readonly #lines = new LineCounter();
  readonly #places = new Map<string, Place>();
  readonly #kinds: FieldKinds;
  /** What each reference stands for. */
  #targets = new Map<Alias, Node>();
  /** Lists and groups that are being read. */
  readonly #open = new Set<object>();
  #values = 0;

  constructor(text: string, fields: FieldKinds) {
    this.#text = text;
    this.#kinds = fields;
    try {
      const { contents, errors } = this.#parse(text);
      this.readable = errors.length === 0;
      if (this.readable && contents) {
        this.#targets = targetsIn(contents);
        this.value = this.#plain(contents, [], '');
      }
    } catch (e) {
      if (!(e instanceof GiveUp)) throw e;
      this.problems.push({ at: this.#position(e.offset), text: e.text });
      this.readable = false;
    }
  }

  /**
   * Where a field is; for one that is not there, what it would be in.
   * @param key where a name in it stands
   * @param character of a text: where this character of it stands
   */
  locate(path: FieldPath, key?: string, character?: number): Located {
    if (key !== undefined) {
      const place = this.#places.get(id([...path, key]));
      if (place?.key !== undefined) return this.#located(place.key, place);
    }
    for (let length = path.length; length > 0; length--) {
      const place = this.#places.get(id(path.slice(0, length)));
      if (!place) continue;
      if (character !== undefined && place.characters !== undefined && length === path.length)
        return this.#located(place.characters + character, place);
      return this.#located(place.block ? (place.key ?? place.value) : place.value, place);
    }
    return this.#position(this.#places.get(id([]))?.value ?? 0);
  }

  #located(offset: number, { note }: Place): Located {
    return { ...this.#position(offset), ...(note !== undefined && { note }) };
  }

  #position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  /** Complaints of the parser become problems: the first of each line, the others follow from it. */
  #parse(text: string): { contents: ParsedNode | null; errors: readonly YAMLError[] } {
    const { contents, errors, warnings } = parseWhole(text, this.#lines);
    const tooDeep = errors.find(({ code }) => code === 'RESOURCE_EXHAUSTION');
    if (tooDeep) throw new GiveUp(tooDeep.pos[0], syntaxText(tooDeep));
    const lines = new Set<number>();
    for (const fault of [...errors, ...warnings].sort((a, b) => a.pos[0] - b.pos[0])) {
      const at = this.#position(fault.pos[0]);
      if (!lines.has(at.line)) this.problems.push({ at, text: syntaxText(fault) });
      lines.add(at.line);
    }
    return { contents, errors };
  }

  #plain(node: unknown, path: FieldPath, field: string, key?: number, via?: Reference): unknown {
    const offset = offsetOf(node) ?? key ?? 0;
    this.#count(path, via?.offset ?? offset);
    this.#note(node, path, offset, key, via);
    if (isAlias(node)) {
      const target = this.#targets.get(node);
      if (target) return this.#plain(target, path, field, key, via ?? this.#reference(node, target));
      this.problems.push({ at: this.#position(offset), text: `nothing is named &${node.source} before this` });
      return undefined;
    }
    if (isSeq(node)) {
      const most = this.#kinds.mostItems(field) ?? MOST_VALUES;
      if (node.items.length > most)
        throw new GiveUp(
          offsetOf(node.items[most]) ?? offset,
          `${field}: this list has ${node.items.length} items, and may have ${most}`,
        );
      return this.#inside(node, path, () =>
        node.items.map((item, i) => this.#plain(item, [...path, i], field, undefined, via)),
      );
    }
    if (isMap(node)) return this.#object(node, path, via);
    if (!isScalar(node)) return undefined;
    const { value, source } = node;
    if (value === null || value === undefined) return undefined;
    const isFraction = typeof value === 'number' && !/^[-+]?(?:0[xo])?[0-9a-f]+$/i.test(source ?? '');
    const keepsSource = typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';
    return keepsSource && source !== undefined && (isFraction || this.#kinds.isText(field)) ? source : value;
  }

  #count(path: FieldPath, offset: number): void {
    if (++this.#values > MOST_VALUES)
      throw new GiveUp(offset, `this is too much: a machine file has at most ${MOST_VALUES} values`);
    if (path.length > MOST_LEVELS) throw new GiveUp(offset, 'this is nested too deeply');
  }

  /** The first place counts: a reference stands where it is used. */
  #note(node: unknown, path: FieldPath, offset: number, key: number | undefined, via: Reference | undefined): void {
    const name = id(path);
    if (this.#places.has(name)) {
      // What a reference stands for: its place is there already, and needs to say where this is written.
      const place = this.#places.get(name);
      if (place && place.value === via?.offset) this.#places.set(name, { ...place, note: via.note });
      return;
    }
    if (via) {
      this.#places.set(name, { value: via.offset, block: false, key: via.offset, note: via.note });
      return;
    }
    const block = (isMap(node) || isSeq(node)) && node.flow !== true;
    const characters = this.#charactersOf(node);
    this.#places.set(name, {
      value: offset,
      block,
      ...(key !== undefined && { key }),
      ...(characters !== undefined && { characters }),
    });
  }

  #charactersOf(node: unknown): number | undefined {
    const offset = offsetOf(node);
    if (!isScalar(node) || typeof node.value !== 'string' || offset === undefined) return undefined;
    const { value } = node;
    return [offset, offset + 1].find((start) => this.#text.startsWith(value, start));
  }

  #reference(alias: Alias, target: Node): Reference {
    const { line } = this.#position(offsetOf(target) ?? 0);
    return { offset: offsetOf(alias) ?? 0, note: `in &${alias.source}, line ${line}` };
  }

  /** Works on the contents of a list or group, unless it is in itself. */
  #inside<T>(node: object, path: FieldPath, body: () => T): T | undefined {
    if (this.#open.has(node)) {
      const { line, column } = this.locate(path);
      this.problems.push({ at: { line, column }, text: 'this refers to itself' });
      return undefined;
    }
    this.#open.add(node);
    try {
      return body();
    } finally {
      this.#open.delete(node);
    }
  }

  #object(map: YAMLMap, path: FieldPath, via?: Reference): Record<string, unknown> | undefined {
    return this.#inside(map, path, () => this.#fields(map, path, via));
  }

  #fields(map: YAMLMap, path: FieldPath, via?: Reference): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    const merged: unknown[] = [];
    const firsts = new Map<string, number>();
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : String(key);
      const first = firsts.get(name);
      if (first !== undefined && !via) this.#twice(offsetOf(key) ?? 0, first);
      if (first === undefined) firsts.set(name, offsetOf(key) ?? 0);
      if (name === '<<') {
        const target = this.#followed(value);
        merged.push(...(isSeq(target) ? target.items : [value]));
        continue;
      }
      const plain = this.#plain(value, [...path, name], name, offsetOf(key), via);
      if (plain === undefined && this.#kinds.isKnown(name)) continue;
      // A name such as __proto__ is one like any other.
      Object.defineProperty(out, name, { value: plain ?? null, enumerable: true, writable: true, configurable: true });
    }
    for (const item of merged) {
      const source = this.#followed(item);
      if (!isMap(source)) continue;
      const from = via ?? (isAlias(item) ? this.#reference(item, source) : undefined);
      const inherited = this.#object(source, path, from) ?? {};
      for (const [name, value] of Object.entries(inherited)) if (!Object.hasOwn(out, name)) out[name] = value;
    }
    return out;
  }

  #twice(offset: number, first: number): void {
    const { line } = this.#position(first);
    this.problems.push({ at: this.#position(offset), text: `this field is there twice, first in line ${line}` });
  }

  #followed(node: unknown): unknown {
    return isAlias(node) ? this.#targets.get(node) : node;
  }
}

const id = (path: FieldPath): string => JSON.stringify(path);

function parseWhole(text: string, lineCounter: LineCounter) {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, version: '1.2', uniqueKeys: false });
  } catch (e) {
    // The parser calls itself for each level.
    if (e instanceof RangeError) throw new GiveUp(deepest(text), 'this is nested too deeply');
    throw e;
  }
}

/** Where brackets are nested deeper than a machine file can be; texts and comments are not looked at closely. */
function deepest(text: string): number {
  let level = 0;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at] ?? '';
    if ('[{'.includes(sign)) level++;
    else if (']}'.includes(sign)) level--;
    if (level > MOST_LEVELS) return at;
  }
  return 0;
}

/** What each reference stands for: the last node with that name before it. The parser's own search takes the square of the time. */
function targetsIn(contents: Node): Map<Alias, Node> {
  const named = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  const left: unknown[] = [contents];
  while (left.length > 0) {
    const node = left.pop();
    if (isPair(node)) left.push(node.value, node.key);
    else if (isAlias(node)) {
      const target = named.get(node.source);
      if (target) targets.set(node, target);
    } else if (isScalar(node) || isMap(node) || isSeq(node)) {
      if (node.anchor) named.set(node.anchor, node);
      if (!isScalar(node)) for (let i = node.items.length - 1; i >= 0; i--) left.push(node.items[i]);
    }
  }
  return targets;
}
