/**
 * Dependencies point one way, and lib knows nothing of its host.
 *
 * Reads the import statements of all sources. The rules are those of the
 * README: scripts -> fs-tree -> lib; inside lib vfio-ap and zcrypt stand on ap,
 * ap on driver-core and hardware, vfio-ap also on kvm.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
const LAYERS = ['lib', 'fs-tree', 'scripts'];

interface Source {
  /** Path below the clone, without `.ts`. */
  readonly path: string;
  /** Without comments and strings. */
  readonly code: string;
  /** What it imports: paths below the clone, or names of packages. */
  readonly imports: readonly { readonly from: string; readonly typeOnly: boolean }[];
}

function* tsFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(join(PROJECT, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* tsFiles(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

/** Static imports and re-exports, import() and require of a literal. */
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?[^;'"]*?from\s*'([^']+)'|(?:^|\n)\s*import\s*'([^']+)'|\bimport\('([^']+)'\)|[rR]equire(?:\([^()]*\))?\('([^']+)'\)/g;

function parse(file: string): Source {
  const text = readFileSync(join(PROJECT, file), 'utf8');
  const withoutComments = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`\w])\/\/.*$/gm, '$1');
  const imports = [...withoutComments.matchAll(IMPORT)].map((match) => {
    const name = match[2] ?? match[3] ?? match[4] ?? match[5] ?? '';
    const from = name.startsWith('.') ? normalize(join(dirname(file), name)).replace(/\.js$/, '') : name;
    return { from, typeOnly: match[1] !== undefined };
  });
  const code = withoutComments
    .replace(/\$\{/g, '')
    .replace(/'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, "''")
    .replace(/`(?:\\.|[^`\\])*`/g, '``');
  return { path: file.replace(/\.ts$/, ''), code, imports };
}

const sources = LAYERS.flatMap((layer) => [...tsFiles(layer)].map(parse));

/** All imports from one set of files that reach another, as `a -> b`. */
function edges(from: (path: string) => boolean, to: (target: string) => boolean): string[] {
  return sources
    .filter(({ path }) => from(path))
    .flatMap(({ path, imports }) => imports.filter((i) => to(i.from)).map((i) => `${path} -> ${i.from}`));
}

const inside =
  (...folders: string[]) =>
  (path: string): boolean =>
    folders.some((folder) => path === folder || path.startsWith(`${folder}/`));

t.test('the parser finds imports', (t) => {
  t.ok(sources.length > 40, `${sources.length} files`);
  t.ok(edges(inside('fs-tree/ops'), inside('lib/errno')).length > 0);
  t.ok(edges(inside('lib/sync'), (name) => name === 'async-mutex').length > 0);
  t.end();
});

t.test('layers: scripts -> fs-tree -> lib', (t) => {
  t.same(edges(inside('lib'), inside('fs-tree', 'scripts', 'test')), []);
  t.same(edges(inside('fs-tree'), inside('scripts', 'test')), []);
  t.same(edges(inside('scripts'), inside('test')), []);
  t.same(
    edges(inside('fs-tree/kernfs'), inside('fs-tree/sysfs', 'fs-tree/control', 'fs-tree/transport', 'fs-tree/host')),
    [],
  );
  t.same(
    edges(inside('fs-tree/ops'), inside('fs-tree/sysfs', 'fs-tree/control', 'fs-tree/transport', 'fs-tree/host')),
    [],
  );
  t.same(
    edges(inside('fs-tree/transport'), inside('fs-tree/sysfs', 'fs-tree/control', 'fs-tree/host')),
    [],
    'a transport knows no tree',
  );
  t.same(edges(inside('fs-tree/sysfs'), inside('fs-tree/control', 'fs-tree/transport')), []);
  t.end();
});

t.test('lib: what stands on what', (t) => {
  /** Each folder may import itself, those listed, and the files directly in lib that everybody uses. */
  const STANDS_ON: Record<string, readonly string[]> = {
    text: [],
    sync: [],
    hardware: ['text', 'sync'],
    'driver-core': ['text', 'sync', 'profile'],
    profile: ['text'],
    kvm: ['text', 'sync', 'hardware', 'profile', 'driver-core'],
    ap: ['text', 'sync', 'profile', 'hardware', 'driver-core'],
    zcrypt: ['text', 'sync', 'profile', 'hardware', 'driver-core', 'ap'],
    load: ['text', 'sync', 'profile', 'hardware', 'driver-core', 'ap', 'zcrypt'],
    'vfio-ap': ['text', 'sync', 'profile', 'hardware', 'driver-core', 'ap', 'kvm'],
  };
  for (const [folder, below] of Object.entries(STANDS_ON)) {
    const foreign = Object.keys(STANDS_ON).filter((other) => other !== folder && !below.includes(other));
    t.same(edges(inside(`lib/${folder}`), inside(...foreign.map((other) => `lib/${other}`))), [], folder);
  }
  t.end();
});

t.test('no folder depends on itself through others', (t) => {
  /** `lib/hardware/firmware` belongs to lib/hardware; files directly in lib or fs-tree stand for themselves. */
  const groupOf = (path: string): string => path.split('/').slice(0, 2).join('/');
  const graph = new Map<string, Set<string>>();
  for (const { path, imports } of sources)
    for (const { from, typeOnly } of imports) {
      // Types are gone at run time: the composition root and what it composes may name each other's.
      if (typeOnly || !inside(...LAYERS)(from) || groupOf(from) === groupOf(path)) continue;
      graph.set(groupOf(path), (graph.get(groupOf(path)) ?? new Set()).add(groupOf(from)));
    }
  const cycles: string[] = [];
  const visited = new Set<string>();
  const visit = (at: string, trail: string[]): void => {
    if (trail.includes(at)) {
      cycles.push([...trail.slice(trail.indexOf(at)), at].join(' -> '));
      return;
    }
    if (visited.has(at)) return;
    visited.add(at);
    for (const next of graph.get(at) ?? []) visit(next, [...trail, at]);
  };
  for (const start of graph.keys()) visit(start, []);
  t.same(cycles, []);
  t.end();
});

t.test('packages', (t) => {
  const users = (name: string): string[] =>
    edges(inside(...LAYERS), (from) => from === name).map((e) => e.split(' ')[0] ?? '');
  t.ok(users('async-mutex').every(inside('lib/sync')), 'only lib/sync uses async-mutex');
  t.same(users('fuse-native'), ['fs-tree/transport/fuse-native'], 'one adapter uses fuse-native');
  t.ok(users('commander').every(inside('scripts')));
  const isPackage = (name: string): boolean => !inside(...LAYERS)(name);
  t.same(
    edges(inside('lib'), (name) => isPackage(name) && name !== 'async-mutex'),
    [],
    'lib imports no package and nothing of Node',
  );
  t.end();
});

t.test('lib knows no host', (t) => {
  const HOST =
    /\b(process|Date|performance|setTimeout|setInterval|setImmediate|queueMicrotask|Buffer|console|globalThis|require)\b\s*[.([]|Math\.random|new\s+Date\b/;
  for (const { path, code } of sources.filter(({ path }) => inside('lib')(path))) {
    const hit = HOST.exec(code.replace(/\.\s*(?:process|require)\b/g, '.x'));
    if (hit) t.fail(`${path} uses ${hit[0]}`);
  }
  t.pass('all files read');
  t.end();
});

t.test('relative imports name files that exist', (t) => {
  const known = new Set(sources.map(({ path }) => path));
  t.same(
    edges(inside(...LAYERS), (from) => inside(...LAYERS)(from) && !known.has(from)),
    [],
  );
  t.equal(relative(PROJECT, join(PROJECT, 'lib')), 'lib');
  t.end();
});
