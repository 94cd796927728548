/**
 * Replays recorded scenarios against the simulation and reports the differences.
 *
 * Exit status 0 when nothing differs, 1 when something does, 2 when nothing could be replayed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { abandonOnSignals, SIGNALS, statusOf, watchParent } from './abandon.js';
import { htmlReport } from './html.js';
import { packageRoot } from './package-root.js';
import { findRecordings, KERNELS } from './recording.js';
import { jsonText, type Report, scenarioText, summaryText, type UnlikeStep, unlikeness, unlikeText } from './report.js';
import { type Job, replayAll } from './run.js';
import { TRANSPORT_NAMES, transportName } from './transports.js';

const USAGE = `Usage: npm run conformance -- [options]

Replays recorded scenarios of real kernels on the simulation, step by step, and
shows every difference. Needs root, for a mount namespace with /sys of its own.

  --kernel K[,K]      ${KERNELS.join(', ')} (default: all)
  --scenario GLOB     names or numbers; several with commas: '42*,77'
  --recordings DIR    recordings of the same format: a directory per kernel
  --mount GLOB        take the snapshots of these scenarios through the mount ('*': all)
  --transport NAME    ${TRANSPORT_NAMES.join(', ')} (default: auto)
  --jobs N            scenarios at the same time (default: as fits the processors)
  --repeat N          replay N times; the reports must be identical
  --json              the report as one JSON object: steps, equal, scenarios
  --html FILE         the report as a page, differences side by side
  -v, --verbose       equal steps too, and differences whole
  -h, --help

Exit status: 0 nothing differs, 1 something does, 2 nothing could be replayed.
`;

class UsageError extends Error {}

function readOptions() {
  const { values } = parseArgs({
    options: {
      kernel: { type: 'string' },
      scenario: { type: 'string' },
      recordings: { type: 'string', default: join(packageRoot(), 'test/conformance/recordings') },
      mount: { type: 'string' },
      transport: { type: 'string', default: 'auto' },
      jobs: { type: 'string' },
      repeat: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      html: { type: 'string' },
      verbose: { type: 'boolean', short: 'v', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const transport = transportName(values.transport);
  if (!transport) throw new UsageError(`--transport: ${values.transport} is not one of ${TRANSPORT_NAMES.join(', ')}`);
  const count = (name: 'jobs' | 'repeat'): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (!/^[1-9]\d{0,3}$/.test(text)) throw new UsageError(`--${name}: ${text} is no number from 1 to 9999`);
    return Number(text);
  };
  return { ...values, transport, jobs: count('jobs'), repeat: count('repeat') ?? 1 };
}

type Options = ReturnType<typeof readOptions>;

const INSIDE = 'AP_SYSFS_REPLAY_NS';
const UNSHARE = ['-m', '--propagation', 'private'];

/** Mounts must not be seen by anybody else, and must end with us: goes on in a mount namespace; says how that ended. */
async function enterNamespace(): Promise<number> {
  const { status, error, stderr } = spawnSync('unshare', [...UNSHARE, 'true'], { encoding: 'utf8' });
  if (status !== 0) throw new UsageError(`a mount namespace is needed (root): ${error?.message ?? stderr.trim()}`);
  // The last of its descriptors ends with this process, however that ends.
  const inside = spawn('unshare', [...UNSHARE, process.execPath, ...process.argv.slice(1)], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, [INSIDE]: '1' },
  });
  for (const signal of SIGNALS) process.on(signal, () => inside.kill(signal));
  return new Promise((resolve, reject) => {
    inside.on('error', reject);
    inside.on('exit', (code, signal) => resolve(signal ? statusOf(signal) : (code ?? 2)));
  });
}

function chooseJobs({ kernel, recordings, scenario }: Options): Job[] {
  const wanted = kernel?.split(',').map((word) => word.trim());
  const unknown = wanted?.find((word) => !KERNELS.some((known) => known === word));
  if (unknown !== undefined) throw new UsageError(`--kernel: ${unknown} is not one of ${KERNELS.join(', ')}`);
  return KERNELS.filter((one) => !wanted || wanted.includes(one)).flatMap((one) =>
    findRecordings(recordings, one, scenario).map((name) => ({ kernel: one, name })),
  );
}

/** What is only needed after a long replay is looked at before it. */
function checkPlaces({ recordings, html }: Options): void {
  if (!statSync(recordings, { throwIfNoEntry: false })?.isDirectory())
    throw new UsageError(`--recordings: ${recordings} is no directory`);
  if (html === undefined) return;
  try {
    const place = statSync(html, { throwIfNoEntry: false });
    if (place?.isDirectory()) throw new Error('it is a directory');
    accessSync(place ? html : dirname(html), constants.W_OK);
  } catch (e) {
    throw new UsageError(`--html: ${html} cannot be written: ${(e as Error).message}`);
  }
}

async function main(options: Options): Promise<number> {
  checkPlaces(options);
  const jobs = chooseJobs(options);
  if (jobs.length === 0) throw new UsageError(`no recording fits below ${options.recordings}`);
  const shown = (one: Report['scenarios'][number]): void => {
    if (!options.json) console.log(scenarioText(one, options.verbose));
  };
  const first = await replayAll(jobs, options, shown);
  const unlike = await repeated(jobs, options, first);
  const report = options.repeat > 1 ? { ...first, unlike } : first;
  if (options.html !== undefined) writeFileSync(options.html, htmlReport(report));
  console.log(options.json ? jsonText(report) : summaryText(report));
  if (report.steps === 0) throw new UsageError('no recording has a step');
  return report.equal === report.steps && unlike.length === 0 ? 0 : 1;
}

/** Replays it all again; what came out unlike the first time. */
async function repeated(jobs: readonly Job[], options: Options, first: Report): Promise<UnlikeStep[]> {
  const unlike: UnlikeStep[] = [];
  for (let run = 2; run <= options.repeat; run++) {
    const again = await replayAll(jobs, options, () => undefined);
    const found = unlikeness(first, again, run);
    if (!options.json) console.log(unlikeText(run, found, options.verbose));
    unlike.push(...found);
  }
  return unlike;
}

try {
  const options = readOptions();
  if (options.help) process.stdout.write(USAGE);
  else if (process.env[INSIDE] !== '1') process.exitCode = await enterNamespace();
  else {
    delete process.env[INSIDE];
    abandonOnSignals();
    watchParent();
    process.exitCode = await main(options);
  }
} catch (e) {
  const plain = e instanceof UsageError || (e as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(plain ? (e as Error).message : e);
  process.exitCode = 2;
}
