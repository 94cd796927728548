/**
 * Builds the recorded states of each kernel and compares the trees path by path.
 *
 *   node dist/test/conformance/compare-dumps.js [--kernel 7.2] [--recordings DIR] [--json] [-v]
 *
 * States 1 to 6 follow each other on one machine, as do 7 and 8; each dump
 * reads the attributes that talk to the cards, so a dump is part of the story.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describe } from './compare.js';
import { packageRoot } from './package-root.js';
import { type BootOptions, DEFAULT_HARDWARE, KERNELS, type PathState, type RecordedKernel } from './recording.js';
import { Session } from './session.js';
import { sameState } from './snapshot.js';

const root = packageRoot();

const { values: options } = parseArgs({
  options: {
    kernel: { type: 'string' },
    recordings: { type: 'string', default: join(root, 'test/conformance/recordings') },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', short: 'v', default: false },
  },
});

const U1 = '11111111-1111-4111-8111-111111111111';
const U2 = '22222222-2222-4222-8222-222222222222';
const M1 = `devices/vfio_ap/matrix/${U1}`;
const TYPE = 'devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough';

type Action = readonly ['write', path: string, text: string] | readonly ['control', file: string, line: string];

interface State {
  readonly name: string;
  readonly actions: readonly Action[];
}

interface Machine {
  readonly boot: Partial<BootOptions>;
  readonly states: readonly State[];
}

const MACHINES: readonly Machine[] = [
  { boot: { novfio: true }, states: [{ name: '0-boot-without-vfio_ap', actions: [] }] },
  {
    boot: {},
    states: [
      { name: '1-boot', actions: [] },
      { name: '2-handed-over', actions: [['write', 'bus/ap/apmask', '-0,-1\n']] },
      {
        name: '3-mdev-assigned',
        actions: [
          ['write', `${TYPE}/create`, `${U1}\n`],
          ['write', `${TYPE}/create`, `${U2}\n`],
          ['write', `${M1}/assign_adapter`, '0\n'],
          ['write', `${M1}/assign_adapter`, '1\n'],
          ['write', `${M1}/assign_domain`, '4\n'],
          ['write', `${M1}/assign_domain`, '6\n'],
          ['write', `${M1}/assign_control_domain`, '4\n'],
          ['write', `${M1}/assign_control_domain`, '0x55\n'],
        ],
      },
      { name: '4-guest-running', actions: [['control', 'guest', `vfioguest start ${U1}`]] },
      {
        name: '5-guest-degraded',
        actions: [
          ['write', 'bus/ap/drivers/vfio_ap/unbind', '01.0004\n'],
          ['control', 'hw', 'card 2 deconfigure'],
          ['control', 'hw', 'card 3 checkstop on'],
          ['write', 'bus/ap/scans', '1\n'],
          ['control', 'hw', 'card 7 add cex5 accel'],
          ['write', 'class/zcrypt/create', 'mynode\n'],
        ],
      },
      { name: '6-guest-stopped', actions: [['control', 'guest', `vfioguest cmd ${U1} exit`]] },
    ],
  },
  {
    boot: { se: true },
    states: [
      { name: '7-se-guest-boot', actions: [] },
      {
        name: '8-se-guest-bound',
        actions: [
          ['write', 'devices/ap/card01/01.0004/se_bind', '1\n'],
          ['write', 'devices/ap/card01/01.0004/se_associate', '5\n'],
          ['write', 'devices/ap/card02/02.0004/se_bind', '1\n'],
        ],
      },
    ],
  },
];

interface DumpReport {
  readonly kernel: string;
  readonly state: string;
  readonly paths: number;
  /** Sections and notes of modules, which are not compared. */
  readonly leftOut: number;
  readonly differences: readonly { path: string; what: string }[];
}

/** Content that is the build's. */
const BUILD = /^\/sys\/module\/\w+\/(?:coresize|initsize|taint)$/;
/** Which sections and notes a module has, and where they lie, is the build's too. */
const SECTIONS = /^\/sys\/module\/\w+\/(?:sections|notes)\//;

function compare(
  kernel: string,
  state: string,
  expected: Map<string, PathState>,
  got: Map<string, PathState>,
): DumpReport {
  const differences: { path: string; what: string }[] = [];
  const plain = (path: string, one: PathState): PathState => {
    if (!BUILD.test(path) || one.type !== 'file') return one;
    const { size: _size, ...rest } = one;
    return { ...rest, content: '(build)' };
  };
  let leftOut = 0;
  for (const path of [...new Set([...expected.keys(), ...got.keys()])].sort()) {
    if (SECTIONS.test(path)) {
      leftOut++;
      continue;
    }
    const a = expected.get(path);
    const b = got.get(path);
    if (a && b && sameState(plain(path, a), plain(path, b))) continue;
    if (!a) differences.push({ path, what: 'should not be there' });
    else if (!b) differences.push({ path, what: `missing: ${JSON.stringify(a)}` });
    else differences.push({ path, what: describe({ path, before: a, after: b }) });
  }
  return { kernel, state, paths: expected.size, leftOut, differences };
}

function loadDump(kernel: string, state: string): Map<string, PathState> | undefined {
  const file = join(options.recordings, 'dumps', `${kernel}-${state}.jsonl`);
  if (!existsSync(file)) return undefined;
  const dump = new Map<string, PathState>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue;
    const { path, ...rest } = JSON.parse(line) as PathState & { path: string };
    dump.set(path, rest);
  }
  return dump;
}

async function run(kernel: RecordedKernel, { boot, states }: Machine): Promise<DumpReport[]> {
  const reports: DumpReport[] = [];
  const session = await Session.inMemory(
    { work: '', packageRoot: root, throughMount: false },
    {
      kernel,
      hw: DEFAULT_HARDWARE,
      commandLine: '',
      se: false,
      novfio: false,
      nozcrypt: false,
      bootUevents: false,
      start: 1,
      uptime: 3.5,
      ...boot,
    },
  );
  try {
    for (const { name, actions } of states) {
      const trouble: { path: string; what: string }[] = [];
      for (const [how, where, what] of actions) {
        if (how === 'write') {
          const errno = await session.write(where, what);
          if (errno) trouble.push({ path: where, what: `write of ${JSON.stringify(what)} fails: ${errno}` });
        } else {
          const { rc, stderr } = await session.control(where, what);
          if (rc !== 0) trouble.push({ path: where, what: `${what}: ${stderr}` });
        }
        await session.settle();
      }
      const expected = loadDump(kernel, name);
      if (!expected) continue;
      const got = new Map(await session.dump());
      const report = compare(kernel, name, expected, got);
      const { bugs } = await session.settle();
      reports.push({
        ...report,
        differences: [...trouble, ...bugs.map((what) => ({ path: 'bug', what })), ...report.differences],
      });
    }
  } finally {
    await session.end();
  }
  return reports;
}

const kernels = KERNELS.filter((kernel) => !options.kernel || options.kernel.split(',').includes(kernel));
const reports: DumpReport[] = [];
for (const kernel of kernels)
  for (const machine of MACHINES)
    try {
      reports.push(...(await run(kernel, machine)));
    } catch (e) {
      const what = e instanceof Error ? (e.stack ?? e.message) : String(e);
      for (const { name } of machine.states)
        reports.push({
          kernel,
          state: name,
          paths: loadDump(kernel, name)?.size ?? 0,
          leftOut: 0,
          differences: [{ path: 'boot', what }],
        });
    }
if (options.json) console.log(JSON.stringify(reports, null, 1));
else
  for (const { kernel, state, paths, leftOut, differences } of reports) {
    const verdict = differences.length === 0 ? 'equal' : `${differences.length} differences`;
    console.log(`${kernel} ${state}: ${verdict} (${paths} paths, ${leftOut} module sections and notes not compared)`);
    for (const { path, what } of differences.slice(0, options.verbose ? undefined : 8))
      console.log(`  ${path}: ${what.slice(0, 300)}`);
  }
process.exitCode = reports.every((one) => one.differences.length === 0) ? 0 : 1;
