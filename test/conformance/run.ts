/**
 * Plays scenarios, several at a time, and judges every step.
 */
import { chmodSync, mkdtempSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TransportChoice } from '../../fs-tree/transport/transport.js';
import { remember } from './abandon.js';
import { compareStep, type Difference } from './compare.js';
import { DaemonProcess } from './daemon-process.js';
import { packageRoot } from './package-root.js';
import { type Clients, findClients, missingClient, nodeOpener } from './programs.js';
import {
  bootOptions,
  kernelDirectory,
  loadRecording,
  type RecordedKernel,
  type Recording,
  type Step,
  scenarioMatcher,
} from './recording.js';
import { digestOf, type Report, type ScenarioReport, type StepReport, total } from './report.js';
import { type Pair, plainEffects, type RuleContext } from './rules.js';
import { type Got, Session } from './session.js';
import { type StepTimes, timeline, uptime } from './timeline.js';

export interface Job {
  readonly kernel: RecordedKernel;
  readonly name: string;
}

export interface RunOptions {
  readonly recordings: string;
  readonly transport: TransportChoice;
  /** Scenarios whose snapshots are taken through the mount. */
  readonly mount?: string | undefined;
  readonly jobs?: number | undefined;
}

/** What all scenarios of a run share. */
interface Surroundings extends RunOptions {
  readonly root: string;
  readonly base: string;
  readonly clients: Clients;
  readonly preload: string | undefined;
}

/** One scenario more than processors: a replay waits now and then. */
const usualJobs = (): number => availableParallelism() + 1;

/** Reports come in order; `done` is told of each as soon as those before it are there. */
export async function replayAll(
  jobs: readonly Job[],
  options: RunOptions,
  done: (report: ScenarioReport) => void,
): Promise<Report> {
  const root = packageRoot();
  const base = mkdtempSync(join(tmpdir(), 'ap-sysfs-replay-'));
  const forget = remember(base);
  // Steps run programs from there as other users.
  chmodSync(base, 0o755);
  const around: Surroundings = { ...options, root, base, clients: findClients(root), preload: nodeOpener(base, root) };
  const reports: ScenarioReport[] = new Array(jobs.length);
  const queue = longestFirst(jobs, options);
  let told = 0;
  const worker = async (id: number): Promise<void> => {
    let daemon: DaemonProcess | undefined;
    for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
      if (daemon === undefined || daemon.dead !== undefined) daemon = new DaemonProcess();
      reports[at] = await replayScenario(join(base, `${id}`), jobs[at] as Job, around, daemon);
      for (; reports[told]; told++) done(reports[told] as ScenarioReport);
    }
    daemon?.kill();
  };
  try {
    await Promise.all(Array.from({ length: options.jobs ?? usualJobs() }, (_, id) => worker(id)));
  } finally {
    forget();
  }
  return total(reports);
}

/** What takes long must not come last: a recording's size says roughly how long it takes. */
function longestFirst(jobs: readonly Job[], { recordings }: RunOptions): number[] {
  // What is not there says so when its turn comes.
  const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const size = (job: Job): number => sizeOf(fileOf(recordings, job)) + (WAITS.test(job.name) ? 1e9 : 0);
  const sizes = jobs.map(size);
  return [...jobs.keys()].sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
}

/** Real clients that poll in real time. */
const WAITS = /^54-/;

const fileOf = (recordings: string, { kernel, name }: Job): string =>
  join(kernelDirectory(recordings, kernel) ?? '', `${name}.json`);

/** What `uname -r` said in the recordings; one that does not say is as usual. */
const USUAL_RELEASE: Readonly<Record<RecordedKernel, string>> = {
  '7.2': '7.2.13+deb14-s390x',
  '6.12': '6.12.107+deb13-s390x',
  '6.1': '6.1.0-50-s390x',
};

async function replayScenario(
  work: string,
  job: Job,
  around: Surroundings,
  daemon: DaemonProcess,
): Promise<ScenarioReport> {
  const { kernel, name } = job;
  const details: StepReport[] = [];
  const end = (steps: number): ScenarioReport => {
    const equal = details.filter((step) => step.equal).length;
    return { kernel, name, steps, equal, details };
  };
  let recording: Recording;
  try {
    recording = loadRecording(fileOf(around.recordings, job), name);
  } catch (e) {
    details.push(different(0, name, (e as Error).message));
    return end(1);
  }
  let session: Session | undefined;
  try {
    const times = timeline(recording, kernel);
    const boot = bootOptions(recording, kernel, { start: times[0]?.begin ?? 0, uptime: uptime(recording) });
    const throughMount = around.mount !== undefined && scenarioMatcher(around.mount)(name);
    const { root: packageRoot, transport, preload } = around;
    const release = recording.kernel || USUAL_RELEASE[kernel];
    session = await Session.start({ work, packageRoot, throughMount, transport, preload, release, daemon }, boot);
    await playSteps(session, recording, job, { times, bootUevents: boot.bootUevents }, around.clients, details);
  } catch (e) {
    const left = recording.steps.slice(details.length);
    details.push(...left.map(({ cmd }, i) => different(details.length + i, cmd, message(e))));
  } finally {
    await session?.end();
  }
  return end(recording.steps.length);
}

const message = (e: unknown): string => (e instanceof Error ? (e.stack ?? e.message) : String(e));

const NOW: StepTimes = { begin: 0, look: 0 };

async function playSteps(
  session: Session,
  recording: Recording,
  { kernel, name }: Job,
  { times, bootUevents }: { readonly times: readonly StepTimes[]; readonly bootUevents: boolean },
  clients: Clients,
  details: StepReport[],
): Promise<void> {
  const results: Got[] = [];
  const pairAt = (at: number): Pair | undefined => {
    const [expected, got] = [recording.steps[at], results[at]];
    return expected && got && { expected, got };
  };
  try {
    for (const [at, step] of recording.steps.entries())
      results.push(await session.step(step.cmd, times[at] ?? NOW, bootUevents));
  } finally {
    for (const [at, got] of results.entries()) {
      const near = (distance: number): Pair | undefined => pairAt(at + distance);
      const context = { name, kernel, step: at, timedScan: got.timedScans > 0, near };
      details.push(judge(recording.steps[at] as Step, got, context, clients));
    }
  }
}

function judge(step: Step, got: Got, context: RuleContext, clients: Clients): StepReport {
  const { differences, rules } = compareStep(step, got, context);
  const missing = missingClient(step.cmd, clients);
  const all: Difference[] = [
    ...(step.fault !== undefined ? [{ field: 'reason' as const, expected: 'a recorded step', got: step.fault }] : []),
    ...(missing ? [{ field: 'reason' as const, expected: 'the real program', got: missing }] : []),
    ...got.bugs.map((bug) => ({ field: 'reason' as const, expected: 'no bug', got: bug })),
    ...differences,
  ];
  const came = plainEffects(got, context);
  const digest = digestOf(came);
  return { step: context.step, cmd: step.cmd, equal: all.length === 0, rules, differences: all, digest, came };
}

const different = (step: number, cmd: string, reason: string): StepReport => ({
  step,
  cmd,
  equal: false,
  rules: [],
  differences: [{ field: 'reason', expected: 'the step is replayed', got: reason }],
  digest: '',
});
