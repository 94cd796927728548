/**
 * Replays recorded scenarios against the simulation and reports the differences.
 *
 *   node dist/test/conformance/replay.js [--kernel 7.2,6.12] [--scenario GLOB] [--recordings DIR] [--mount]
 *                                        [--jobs N] [--json] [-v]
 *
 * Exit status 0 when nothing differs, 1 when something does, 2 when nothing could be replayed.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compareStep, type Difference } from './compare.js';
import { packageRoot } from './package-root.js';
import { type Clients, findClients, missingClient, nodeOpener } from './programs.js';
import {
  bootOptions,
  type Effects,
  findRecordings,
  KERNELS,
  loadRecording,
  type RecordedKernel,
  type Recording,
  type Step,
} from './recording.js';
import { type ScenarioReport, type StepReport, scenarioText, summaryText, total } from './report.js';
import { bindingsEvents } from './rules.js';
import { Session } from './session.js';
import { timeline } from './timeline.js';

const root = packageRoot();

interface Job {
  readonly kernel: RecordedKernel;
  readonly name: string;
}

const { values: options } = parseArgs({
  options: {
    kernel: { type: 'string' },
    scenario: { type: 'string' },
    recordings: { type: 'string', default: join(root, 'test/conformance/recordings') },
    mount: { type: 'boolean', default: false },
    transport: { type: 'string', default: 'fuse-native' },
    jobs: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
    verbose: { type: 'boolean', short: 'v', default: false },
  },
});

/** Mounts must not be seen by anybody else, and must end with us: go on in a mount namespace of our own. */
function enterNamespace(): void {
  if (process.env.AP_SYSFS_REPLAY_NS === '1') return;
  const { status, error } = spawnSync(
    'unshare',
    ['-m', '--propagation', 'private', process.execPath, ...process.argv.slice(1)],
    {
      stdio: 'inherit',
      env: { ...process.env, AP_SYSFS_REPLAY_NS: '1' },
    },
  );
  if (error) console.error(`a mount namespace is needed (root): ${error.message}`);
  process.exit(status ?? 2);
}

async function replayScenario(
  work: string,
  job: Job,
  clients: Clients,
  preload: string | undefined,
): Promise<ScenarioReport> {
  const recording = loadRecording(join(options.recordings, job.kernel, `${job.name}.json`), job.name);
  const details: StepReport[] = [];
  const broken = (reason: string): StepReport[] =>
    recording.steps.slice(details.length).map(({ cmd }, i) => different(details.length + i, cmd, reason));
  let session: Session | undefined;
  try {
    const times = timeline(recording, job.kernel);
    const boot = bootOptions(recording, job.kernel, times[0] ?? 0);
    session = await Session.start({ work, packageRoot: root, throughMount: options.mount, preload }, boot);
    await playSteps(session, recording, { ...job, times, bootUevents: boot.bootUevents }, clients, details);
  } catch (e) {
    details.push(...broken(e instanceof Error ? (e.stack ?? e.message) : String(e)));
  } finally {
    await session?.end();
  }
  return {
    kernel: job.kernel,
    name: job.name,
    steps: recording.steps.length,
    equal: details.filter((step) => step.equal).length,
    details,
  };
}

async function playSteps(
  session: Session,
  recording: Recording,
  { kernel, name, times, bootUevents }: Job & { readonly times: readonly number[]; readonly bootUevents: boolean },
  clients: Clients,
  details: StepReport[],
): Promise<void> {
  const number = name.split('-')[0] ?? name;
  const results: (Effects & { bugs: string[] })[] = [];
  const surplus = (at: number): number => {
    const [expected, got] = [recording.steps[at], results[at]];
    return expected && got ? bindingsEvents(expected) - bindingsEvents(got) : 0;
  };
  const judge = (at: number): void => {
    const [step, got] = [recording.steps[at] as Step, results[at] as Effects & { bugs: string[] }];
    const bindingsNearby = [-2, -1, 1, 2].reduce((sum, by) => sum + surplus(at + by), 0);
    const { differences, rules } = compareStep(step, got, { number, kernel, step: at, bindingsNearby });
    const missing = missingClient(step.cmd, clients);
    const all: Difference[] = [
      ...(missing ? [{ field: 'reason' as const, expected: 'the real program', got: missing }] : []),
      ...got.bugs.map((bug) => ({ field: 'reason' as const, expected: 'no bug', got: bug })),
      ...differences,
    ];
    details.push({ step: at, cmd: step.cmd, equal: all.length === 0, rules, differences: all });
  };
  try {
    for (const [at, step] of recording.steps.entries())
      results.push(await session.step(step.cmd, times[at + 1] ?? 0, bootUevents));
  } finally {
    for (const at of results.keys()) judge(at);
  }
}

const different = (step: number, cmd: string, reason: string): StepReport => ({
  step,
  cmd,
  equal: false,
  rules: [],
  differences: [{ field: 'reason', expected: 'the step is replayed', got: reason }],
});

async function main(): Promise<number> {
  const wanted = options.kernel?.split(',');
  const kernels = KERNELS.filter((kernel) => !wanted || wanted.includes(kernel));
  const jobs: Job[] = kernels.flatMap((kernel) =>
    findRecordings(options.recordings, kernel, options.scenario).map((name) => ({ kernel, name })),
  );
  if (jobs.length === 0) {
    console.error('no recording fits');
    return 2;
  }
  const clients = findClients(root);
  const base = mkdtempSync(join(tmpdir(), 'ap-sysfs-replay-'));
  // Steps run programs from there as other users.
  chmodSync(base, 0o755);
  const preload = nodeOpener(base, root);
  const reports: ScenarioReport[] = new Array(jobs.length);
  let next = 0;
  let printed = 0;
  const worker = async (id: number): Promise<void> => {
    for (let at = next++; at < jobs.length; at = next++) {
      const job = jobs[at] as Job;
      reports[at] = await replayScenario(join(base, `${id}`), job, clients, preload);
      if (!options.json)
        for (; reports[printed]; printed++)
          console.log(scenarioText(reports[printed] as ScenarioReport, options.verbose));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, Number(options.jobs)) }, (_, id) => worker(id)));
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
  const report = total(reports);
  console.log(options.json ? JSON.stringify(report, null, 1) : summaryText(report));
  return report.equal === report.steps ? 0 : 1;
}

enterNamespace();
process.exitCode = await main();
