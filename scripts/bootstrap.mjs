/**
 * From a fresh clone to a running command, with nothing there but Node and npm:
 * installs the dependencies, compiles, finds the system packages, goes on.
 *
 *   node scripts/bootstrap.mjs start [ARGUMENT..]   mounts the default machine
 *   node scripts/bootstrap.mjs test [FILE..]        all tests (compiled files under dist/test)
 *   node scripts/bootstrap.mjs unit                 the tests that need no mount
 *   node scripts/bootstrap.mjs fuse-native          those that do, all of them over fuse-native
 *
 * Plain JavaScript without dependencies: it runs before there are any. Each
 * step is skipped when its result is there and newer than what it is made of.
 * Exit status: that of the command, or one of EXIT below (scripts/exit-status.ts
 * has the whole list).
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const EXIT = { usage: 2, noDevice: 15, noPermission: 16, node: 20, install: 21, build: 22, packages: 23 };

const SOURCES = ['lib', 'fs-tree', 'scripts', 'test'];
const STAMP = 'dist/.built';
/** Tests that need a mount, and those that only root can run at all. */
const NEED_MOUNT = ['mounted/', 'clients/', 'conformance/replay', 'conformance/vocabulary'];
const NEED_ROOT = ['clients/container', 'conformance/replay', 'conformance/vocabulary'];

/** Package managers: how to ask for packages, and what brings libfuse.so.2 and fusermount there. */
const MANAGERS = [
  { tool: 'apt-get', install: 'apt-get install -y --no-install-recommends', libfuse: 'libfuse2', helper: 'fuse3' },
  { tool: 'dnf', install: 'dnf install -y', libfuse: 'fuse-libs', helper: 'fuse' },
  { tool: 'zypper', install: 'zypper --non-interactive install', libfuse: 'libfuse2', helper: 'fuse' },
];

const isRoot = process.getuid?.() === 0;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function say(text) {
  process.stderr.write(`ap-sysfs: ${text}\n`);
}

function fail(status, text) {
  say(text);
  process.exit(status);
}

/** Runs a program in the clone; its output is ours. */
function run(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) say(`${program}: ${error.message}`);
  return status ?? 1;
}

function inPath(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/bin', '/usr/bin', '/sbin', '/usr/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
}

function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) fail(EXIT.node, `Node ${process.versions.node} is too old: 20 or newer is needed`);
}

/** True if every package of the lock file is installed in its version. */
function isInstalled() {
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  try {
    const there = read('node_modules/.package-lock.json');
    return Object.entries(read('package-lock.json')).every(
      ([path, { version, optional }]) => path === '' || optional || there[path]?.version === version,
    );
  } catch {
    return false;
  }
}

function install() {
  if (isInstalled()) return;
  say('installing the packages of package-lock.json (npm ci)');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const status = npm?.endsWith('.js') ? run(process.execPath, [npm, ...args]) : run('npm', args);
  if (status !== 0) fail(EXIT.install, 'npm ci failed; what is missing stands above');
  // tap builds itself for our plugins into node_modules, and remembers here that it has.
  rmSync(join(root, '.tap/plugins'), { recursive: true, force: true });
}

function* files(folder, suffix) {
  if (!existsSync(join(root, folder))) return;
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path, suffix);
    else if (entry.name.endsWith(suffix)) yield path;
  }
}

function isBuilt() {
  if (!existsSync(join(root, STAMP))) return false;
  const built = statSync(join(root, STAMP)).mtimeMs;
  const newer = (path) => statSync(join(root, path)).mtimeMs > built;
  if (['tsconfig.json', 'package-lock.json'].some(newer)) return false;
  const compiled = new Set();
  for (const folder of SOURCES)
    for (const path of files(folder, '.ts')) {
      if (newer(path)) return false;
      compiled.add(join('dist', path.replace(/\.ts$/, '.js')));
    }
  return [...files('dist', '.js')].every((path) => compiled.has(path));
}

function build() {
  if (isBuilt()) return;
  say('compiling (tsc)');
  // Files whose sources are gone must not stay: the tests among them would run.
  for (const path of files('dist', '.js'))
    if (!existsSync(join(root, path.slice('dist/'.length).replace(/\.js$/, '.ts')))) rmSync(join(root, path));
  const started = new Date();
  if (run(process.execPath, ['node_modules/typescript/bin/tsc']) !== 0) fail(EXIT.build, 'compiling failed');
  // As old as the start: a source that was saved meanwhile is compiled next time.
  writeFileSync(join(root, STAMP), `${started.toISOString()}\n`);
}

/** What loading the addon says, or undefined when it loads. */
function addonProblem() {
  const { status, stderr } = spawnSync(process.execPath, ['-e', "require('fuse-native')"], { cwd: root });
  return status === 0 ? undefined : String(stderr);
}

/** Root may mount by itself (--transport dev-fuse), unless a container has taken that right. */
function mayMount() {
  const mask = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return isRoot && ((BigInt(`0x${mask}`) >> 21n) & 1n) === 1n;
}

/** Brings or names the system packages that fuse-native needs. */
function systemPackages() {
  const problem = addonProblem();
  const lacksLibrary = problem?.includes('libfuse.so.2') ?? false;
  if (problem !== undefined && !lacksLibrary)
    fail(EXIT.packages, `the addon fuse-native does not load on this machine (${process.arch}):\n${problem}`);
  const wanted = (manager) => [
    ...(lacksLibrary ? [manager.libfuse] : []),
    ...(inPath('fusermount') ? [] : [manager.helper]),
  ];
  const manager = MANAGERS.find(({ tool }) => inPath(tool));
  if (!manager) {
    const names = wanted({
      libfuse: 'libfuse.so.2 (package libfuse2 or fuse-libs)',
      helper: 'fusermount (package fuse3)',
    });
    if (names.length > 0) fail(EXIT.packages, `missing on this system: ${names.join(', ')}`);
    return;
  }
  const packages = wanted(manager);
  if (packages.length === 0) return;
  const command = `${manager.install} ${packages.join(' ')}`;
  if (!isRoot) fail(EXIT.packages, `a system package is missing. Please type:\n  sudo ${command}`);
  say(`installing system packages: ${command}`);
  const [program, ...args] = command.split(' ');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // stdout stays ours: what a package manager tells goes where our own messages go.
  const stdio = ['ignore', 2, 2];
  if (run(program, args, { env, stdio }) !== 0) {
    if (manager.tool === 'apt-get') run('apt-get', ['update'], { env, stdio });
    if (manager.tool !== 'apt-get' || run(program, args, { env, stdio }) !== 0)
      fail(EXIT.packages, `that failed. Please install ${packages.join(' and ')}`);
  }
  const left = addonProblem();
  if (left !== undefined) fail(EXIT.packages, `the addon fuse-native still does not load:\n${left}`);
}

function fuseDevice() {
  if (!existsSync('/dev/fuse')) fail(EXIT.noDevice, 'there is no /dev/fuse. Please type (as root):\n  modprobe fuse');
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
  } catch {
    fail(EXIT.noPermission, 'you may not use /dev/fuse. Please type:\n  sudo chmod 666 /dev/fuse');
  }
}

/** What is left out of a log: what passed, below the level of files, and TAP's own furniture. */
const NOISE = /^\s+ok \d(?!.*# SKIP)|^\s*# Subtest: |^\s*\d+\.\.\d+$|^\s*$|^\s+# time=|^TAP version/;

/** Runs test files. A terminal sees tap's drawing, a log one line a file and everything that failed. */
async function tap(paths) {
  const runner = ['node_modules/tap/dist/esm/run.mjs', ...paths];
  if (process.stdout.isTTY) return run(process.execPath, [...runner, '--reporter=terse']);
  const child = spawn(process.execPath, [...runner, '--reporter=tap'], {
    cwd: root,
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
  for await (const line of createInterface({ input: child.stdout })) if (!NOISE.test(line)) console.log(line);
  return ended;
}

/** Compiled tests; tap's own search leaves out folders called dist. */
function tests(wanted) {
  return [...files('dist/test', '.test.js')].filter(wanted);
}

/** Not left to root. */
const runsHere = (path) => isRoot || !isOf(NEED_ROOT)(path);

const isOf = (kinds) => (path) => kinds.some((kind) => path.startsWith(`dist/test/${kind}`));

/** Format and lint, before any test: what fails here is mended by `npm run format`. */
function lint() {
  if (run(process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.']) !== 0)
    fail(EXIT.build, 'format or lint failed: npm run format mends most of it');
}

/** Whether there is a way to mount without libfuse2: by fusermount3, or in a user name space. */
async function mountsWithoutLibrary() {
  if (isRoot) return mayMount();
  const { wayToMount } = await import('../dist/scripts/launch.js');
  return wayToMount({ transport: 'auto' }, true).then(
    () => true,
    () => false,
  );
}

/** @param mounts false, 'any' (one way to mount is enough) or 'all' */
async function prepare({ mounts }) {
  checkNode();
  install();
  build();
  if (!mounts) return;
  if (mounts === 'all' || !(await mountsWithoutLibrary())) systemPackages();
  fuseDevice();
}

const [command, ...rest] = process.argv.slice(2);
switch (command) {
  case 'start':
    await prepare({ mounts: 'any' });
    // In this very process, so that Ctrl-C meets one process and not three.
    process.argv = [process.execPath, join(root, 'dist/scripts/ap-sysfs.js'), 'start', ...rest];
    await import('../dist/scripts/ap-sysfs.js');
    break;
  case 'test':
    await prepare({ mounts: 'all' });
    if (rest.length > 0) process.exit(await tap(rest));
    lint();
    if (!isRoot) say(`left to root: ${tests(isOf(NEED_ROOT)).join(', ')}`);
    process.exit(await tap(tests(runsHere)));
    break;
  case 'fuse-native':
    await prepare({ mounts: 'all' });
    process.env.AP_SYSFS_TEST_TRANSPORT = 'fuse-native';
    process.exit(
      await tap(tests((path) => runsHere(path) && isOf(NEED_MOUNT)(path) && !path.includes('/fuse-native/'))),
    );
    break;
  case 'unit':
    await prepare({ mounts: false });
    process.exit(await tap(tests((path) => !isOf(NEED_MOUNT)(path))));
    break;
  default:
    fail(EXIT.usage, 'usage: node scripts/bootstrap.mjs start | test | unit | fuse-native');
}
