/**
 * Every recorded scenario of three kernels, step by step in a real shell.
 *
 * Scenarios that call the real clients (lszcrypt and others) need
 * scripts/get-clients.sh to have been run; without, they are left out by name.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { addonProblem } from '../../fs-tree/transport/fuse-native.js';
import type { TransportChoice } from '../../fs-tree/transport/transport.js';
import { ASKED_TRANSPORT, cannotMount, isRoot, PROJECT, plainNode } from '../support/mounted.js';
import { FUSE_NATIVE_STEPS } from '../support/transport-differences.js';
import { KNOWN_DIFFERENCES } from './known-differences.js';
import { findClients, missingClient } from './programs.js';
import { findRecordings, KERNELS, type RecordedKernel, scenarioMatcher } from './recording.js';
import type { Report } from './report.js';

const RECORDINGS = join(PROJECT, 'test/conformance/recordings');
/** Their snapshots are taken through the mount: short ones, with many kinds of changes. */
const THROUGH_MOUNT = '07,09,13,16,27,41,46,47,51,69,97';
const LEAST_THROUGH_MOUNT = 10;
/** A few over fuse-native too, of one kernel; `npm run test:fuse-native` has all. */
const OVER_FUSE_NATIVE = '09,97';
const CI = process.env.CI !== undefined;

const clients = findClients(PROJECT);

/** Scenarios to replay, and those left out because the clients are not there. */
function choose(kernel: RecordedKernel): { chosen: string[]; leftOut: string[] } {
  const names = findRecordings(RECORDINGS, kernel);
  const lacks = (name: string): boolean => {
    const { steps } = JSON.parse(readFileSync(join(RECORDINGS, kernel, `${name}.json`), 'utf8')) as {
      steps: { cmd: string }[];
    };
    return steps.some(({ cmd }) => missingClient(cmd, clients) !== undefined);
  };
  return { chosen: names.filter((name) => !lacks(name)), leftOut: names.filter(lacks) };
}

function replay(names: readonly string[], transport: TransportChoice, ...words: readonly string[]): Promise<Report> {
  const script = join(PROJECT, 'dist/test/conformance/replay.js');
  const args = [
    script,
    '--scenario',
    names.join(','),
    '--mount',
    THROUGH_MOUNT,
    '--transport',
    transport,
    '--json',
    ...words,
  ];
  return new Promise((resolve, reject) => {
    execFile(
      ...plainNode(...args),
      { cwd: PROJECT, maxBuffer: 1 << 28, timeout: 1_500_000 },
      (error, stdout, stderr) => {
        try {
          resolve(JSON.parse(stdout) as Report);
        } catch {
          reject(new Error(`no report: ${error?.message} ${stderr}`));
        }
      },
    );
  });
}

function cannotReplay(): string | false {
  if (!isRoot) return 'the replay needs root for a mount namespace with /sys of its own';
  if (!existsSync('/usr/bin/perl')) return 'the replay needs perl';
  return cannotMount();
}

t.setTimeout(1_800_000);
const skip = cannotReplay();

t.test('recorded scenarios come out the same, step by step', { skip }, async (t) => {
  const choices = new Map(KERNELS.map((kernel) => [kernel, choose(kernel)]));
  const leftOut = [...choices].flatMap(([kernel, { leftOut }]) => leftOut.map((name) => `${kernel} ${name}`));
  if (leftOut.length > 0) {
    t.comment(`left out, as scripts/get-clients.sh was not run: ${leftOut.join(', ')}`);
    t.notOk(CI, 'in CI the real clients are there');
  }
  const report = await replay([...new Set([...choices.values()].flatMap(({ chosen }) => chosen))], ASKED_TRANSPORT);
  for (const [kernel, { chosen }] of choices) {
    const scenarios = report.scenarios.filter((one) => one.kernel === kernel && chosen.includes(one.name));
    t.equal(scenarios.length, chosen.length, `${kernel}: every chosen scenario was replayed`);
    const mounted = chosen.filter(scenarioMatcher(THROUGH_MOUNT)).length;
    if (leftOut.length === 0)
      t.ok(mounted >= LEAST_THROUGH_MOUNT, `${kernel}: ${mounted} with snapshots through the mount`);
    const known = (name: string, step: number): boolean =>
      KNOWN_DIFFERENCES.some((d) => d.kernels.includes(kernel) && d.scenario === name && d.step === step) ||
      (ASKED_TRANSPORT === 'fuse-native' && FUSE_NATIVE_STEPS.some((d) => d.scenario === name && d.step === step));
    const different = scenarios.flatMap(({ name, details }) =>
      details
        .filter((d) => !d.equal && !known(name, d.step))
        .map((d) => `${name} ${d.step} $ ${d.cmd}: ${JSON.stringify(d.differences.slice(0, 3))}`),
    );
    t.same(different, [], `${kernel}: no step differs but those that are known`);
  }
  t.comment(`${report.equal} of ${report.steps} steps equal`);
});

const again =
  skip || addonProblem() || (ASKED_TRANSPORT === 'fuse-native' && 'all of them have been over fuse-native already');

t.test('some of them, and their trees through the mount, over fuse-native', { skip: again }, async (t) => {
  const { equal, steps, scenarios } = await replay(OVER_FUSE_NATIVE.split(','), 'fuse-native', '--kernel', '7.2');
  t.equal(scenarios.length, OVER_FUSE_NATIVE.split(',').length);
  t.equal(
    equal,
    steps,
    scenarios.flatMap(({ name, details }) => details.filter((d) => !d.equal).map((d) => `${name} ${d.step}`)).join(),
  );
  t.ok(steps > 15, `${steps} steps`);
});
