/**
 * Replays recorded scenarios against the simulation and reports the differences.
 *
 * Exit status 0 when nothing differs, 1 when something does, 2 when nothing could be replayed.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { htmlReport } from './html.js';
import { packageRoot } from './package-root.js';
import { findRecordings, KERNELS } from './recording.js';
import { type Report, scenarioText, summaryText, unlikeness } from './report.js';
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

/** Mounts must not be seen by anybody else, and must end with us: go on in a mount namespace of our own. */
function enterNamespace(): void {
  if (process.env.AP_SYSFS_REPLAY_NS === '1') return;
  const { status, error } = spawnSync(
    'unshare',
    ['-m', '--propagation', 'private', process.execPath, ...process.argv.slice(1)],
    { stdio: 'inherit', env: { ...process.env, AP_SYSFS_REPLAY_NS: '1' } },
  );
  if (error) console.error(`a mount namespace is needed (root): ${error.message}`);
  process.exit(status ?? 2);
}

function chooseJobs({ kernel, recordings, scenario }: Options): Job[] {
  const wanted = kernel?.split(',');
  const unknown = wanted?.find((word) => !KERNELS.some((known) => known === word));
  if (unknown !== undefined) throw new UsageError(`--kernel: ${unknown} is not one of ${KERNELS.join(', ')}`);
  return KERNELS.filter((one) => !wanted || wanted.includes(one)).flatMap((one) =>
    findRecordings(recordings, one, scenario).map((name) => ({ kernel: one, name })),
  );
}

async function main(options: Options): Promise<number> {
  const jobs = chooseJobs(options);
  if (jobs.length === 0) throw new UsageError(`no recording fits below ${options.recordings}`);
  const shown = (one: Report['scenarios'][number]): void => {
    if (!options.json) console.log(scenarioText(one, options.verbose));
  };
  const report = await replayAll(jobs, options, shown);
  const unlike = await repeated(jobs, options, report);
  if (options.html !== undefined) writeFileSync(options.html, htmlReport(report));
  console.log(options.json ? JSON.stringify(report, null, 1) : summaryText(report));
  for (const line of unlike) console.error(line);
  return report.equal === report.steps && unlike.length === 0 ? 0 : 1;
}

/** Replays it all again; what came out unlike the first time. */
async function repeated(jobs: readonly Job[], options: Options, first: Report): Promise<string[]> {
  const unlike: string[] = [];
  for (let run = 2; run <= options.repeat; run++) {
    const again = await replayAll(jobs, options, () => undefined);
    const found = unlikeness(first, again);
    if (!options.json)
      console.log(`run ${run}: ${found.length === 0 ? 'identical' : `${found.length} steps unlike run 1`}`);
    unlike.push(...found.map((text) => `run ${run}: ${text}`));
  }
  return unlike;
}

try {
  const options = readOptions();
  if (options.help) process.stdout.write(USAGE);
  else {
    enterNamespace();
    process.exitCode = await main(options);
  }
} catch (e) {
  const plain = e instanceof UsageError || (e as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(plain ? (e as Error).message : e);
  process.exitCode = 2;
}
