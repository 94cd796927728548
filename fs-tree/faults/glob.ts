/**
 * Patterns of paths, as shells with globstar know them: `*`, `?`, `[a-f]`,
 * `[!0]` inside a name, `**` for any number of directories.
 *
 * A node has one real path. A pattern may also lead to it through symbolic
 * links (`bus/ap/devices/*` + `/online`): links are followed in front of the
 * first `**`, where a name of the pattern meets one; `**` itself goes through
 * real directories only. A file is thus met by its node, by whichever path it
 * is opened. `\` takes the next character as it is.
 */
import type { DirNode, Node } from '../kernfs/node.js';

/** Links that may follow one another before it is a loop, as in fs/namei.c. */
const MAX_LINKS = 40;

/** A pattern that makes no sense. */
export class GlobError extends Error {
  override readonly name = 'GlobError';
}

interface Component {
  readonly text: string;
  readonly regex: RegExp;
  /** The name itself, if nothing in it is a wildcard. */
  readonly literal: string | undefined;
}

export class PathGlob {
  /** As it was written. */
  readonly text: string;
  /** What leads to directories, links followed. */
  readonly #leading: readonly Component[];
  /** What is left of the path below such a directory. */
  readonly #rest: RegExp;

  /** @throws GlobError */
  constructor(text: string) {
    this.text = text;
    const parts = text.replace(/^\/?sys\//, '').split('/');
    const names = parts.filter((part) => part !== '' && part !== '.');
    if (names.length === 0) throw new GlobError(`"${text}" names no file`);
    if (names.includes('..')) throw new GlobError(`"${text}": .. is not followed in a pattern`);
    const deep = names.indexOf('**');
    const split = deep < 0 ? names.length - 1 : deep;
    this.#leading = names.slice(0, split).map(component);
    this.#rest = new RegExp(`^${restSource(names.slice(split))}$`);
  }

  /** Real paths of the directories that the leading names meet now. */
  directories(root: DirNode): Set<string> {
    let found = new Map<string, DirNode>([['', root]]);
    for (const part of this.#leading) {
      const below = new Map<string, DirNode>();
      for (const [path, dir] of found)
        for (const name of namesIn(dir, part)) {
          const target = enter(root, path, name);
          if (target) below.set(target.path, target.dir);
        }
      found = below;
    }
    return new Set(found.keys());
  }

  /** @param directories what `directories` gave */
  matches(path: string, directories: ReadonlySet<string>): boolean {
    for (let end = path.lastIndexOf('/'); ; end = path.lastIndexOf('/', end - 1)) {
      const directory = end < 0 ? '' : path.slice(0, end);
      if (directories.has(directory) && this.#rest.test(end < 0 ? path : path.slice(end + 1))) return true;
      if (end < 0) return false;
    }
  }
}

function component(text: string): Component {
  const source = nameSource(text);
  const literal = /[*?[\\]/.test(text) ? undefined : text;
  return { text, regex: new RegExp(`^${source}$`), literal };
}

/** `**` is any number of directories, and at the end any file below. */
function restSource(names: readonly string[]): string {
  return names
    .map((name, i) => {
      const last = i === names.length - 1;
      if (name === '**') return last ? '.+' : '(?:[^/]+/)*';
      return `${nameSource(name)}${last ? '' : '/'}`;
    })
    .join('');
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** A name with wildcards as the source of a regular expression. @throws GlobError */
function nameSource(name: string): string {
  let source = '';
  for (let i = 0; i < name.length; i++) {
    const c = name[i] ?? '';
    if (c === '*') source += '[^/]*';
    else if (c === '?') source += '[^/]';
    else if (c === '\\') source += escaped(name[++i] ?? '\\');
    else if (c === '[') {
      // A bracket that comes first stands for itself.
      const end = name.indexOf(']', i + (/^\[[!^]/.test(name.slice(i)) ? 3 : 2));
      if (end < 0) throw new GlobError(`"${name}" has a [ without its ]`);
      source += classSource(name.slice(i + 1, end), name);
      i = end;
    } else source += escaped(c);
  }
  return source;
}

function classSource(inside: string, name: string): string {
  const negated = /^[!^]/.test(inside);
  const set = (negated ? inside.slice(1) : inside).replace(/[\\\]^[]/g, '\\$&');
  try {
    const source = `[${negated ? '^/' : ''}${set}]`;
    new RegExp(source);
    return source;
  } catch {
    throw new GlobError(`"${name}" has a range in [${inside}] that goes backwards`);
  }
}

function* namesIn(dir: DirNode, { literal, regex }: Component): Generator<string> {
  if (literal !== undefined) yield literal;
  else for (const { name, kind } of dir.entries()) if (kind !== 'file' && regex.test(name)) yield name;
}

interface Place {
  readonly path: string;
  readonly dir: DirNode;
}

/** The directory of that name, or at the end of the link of that name; undefined: there is none. */
function enter(root: DirNode, directory: string, name: string): Place | undefined {
  const trail: Place[] = [{ path: '', dir: root }];
  const todo = [...directory.split('/'), name].filter((part) => part !== '');
  for (let links = 0; todo.length > 0; ) {
    const part = todo.shift() ?? '';
    const at = trail.at(-1) as Place;
    if (part === '..') {
      if (trail.length > 1) trail.pop();
      continue;
    }
    const node: Node | undefined = at.dir.lookup(part);
    if (node?.kind === 'link') {
      if (++links > MAX_LINKS) return undefined;
      todo.unshift(...node.target.split('/'));
    } else if (node?.kind === 'dir') trail.push({ path: at.path === '' ? part : `${at.path}/${part}`, dir: node });
    else return undefined;
  }
  return trail.at(-1);
}

/** Why a pattern makes no sense; undefined: it does. */
export function globProblem(text: string): string | undefined {
  try {
    new PathGlob(text);
    return undefined;
  } catch (e) {
    if (e instanceof GlobError) return e.message;
    throw e;
  }
}
