/**
 * Recorded scenarios of three kernels, step by step in a real shell.
 *
 * All of 7.2 and every fifth of 6.12 and 6.1; AP_SYSFS_CONFORMANCE=all takes
 * all of them. Scenarios that call the real clients (lszcrypt and others) need
 * scripts/get-clients.sh to have been run.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cannotMount, isRoot, PROJECT } from '../support/mounted.js';
import { KNOWN_DIFFERENCES } from './known-differences.js';
import { findClients } from './programs.js';

const RECORDINGS = join(PROJECT, 'test/conformance/recordings');
const CLIENTS = /\b(?:lszcrypt|chzcrypt|zcryptctl|mdevctl)\b/;
const ALL = process.env.AP_SYSFS_CONFORMANCE === 'all';
const CI = process.env.CI !== undefined;

interface Report {
  readonly steps: number;
  readonly equal: number;
  readonly scenarios: readonly {
    readonly kernel: string;
    readonly name: string;
    readonly details: readonly { readonly step: number; readonly cmd: string; readonly equal: boolean }[];
  }[];
}

const clients = findClients(PROJECT);
const haveClients = clients.s390 !== undefined && clients.mdevctl !== undefined;

/** Scenarios to replay, and those left out because the clients are not there. */
function choose(kernel: string): { chosen: string[]; leftOut: string[] } {
  const names = readdirSync(join(RECORDINGS, kernel)).map((file) => file.replace(/\.json$/, ''));
  const wanted = kernel === '7.2' || ALL ? names : names.filter((_, n) => n % 5 === 0);
  const needs = (name: string): boolean => {
    const { steps } = JSON.parse(readFileSync(join(RECORDINGS, kernel, `${name}.json`), 'utf8')) as {
      steps: { cmd: string }[];
    };
    return steps.some(({ cmd }) => CLIENTS.test(cmd));
  };
  return {
    chosen: haveClients ? wanted : wanted.filter((name) => !needs(name)),
    leftOut: haveClients ? [] : wanted.filter(needs),
  };
}

function replay(kernel: string, names: readonly string[]): Promise<Report> {
  const script = join(PROJECT, 'dist/test/conformance/replay.js');
  const args = [script, '--kernel', kernel, '--scenario', names.join(','), '--json'];
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      args,
      { cwd: PROJECT, maxBuffer: 1 << 28, timeout: 900_000 },
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

t.setTimeout(1_200_000);
const skip = cannotReplay();

for (const kernel of ['7.2', '6.12', '6.1'])
  t.test(`recorded scenarios of kernel ${kernel} come out the same, step by step`, { skip }, async (t) => {
    const { chosen, leftOut } = choose(kernel);
    if (leftOut.length > 0) {
      t.comment(`left out, as scripts/get-clients.sh was not run: ${leftOut.join(', ')}`);
      t.notOk(CI, 'in CI the real clients are there');
    }
    const report = await replay(kernel, chosen);
    t.equal(report.scenarios.length, chosen.length, 'every chosen scenario was replayed');
    const known = (name: string, step: number): boolean =>
      KNOWN_DIFFERENCES.some((d) => d.kernels.includes(kernel) && d.scenario === name && d.step === step);
    const different = report.scenarios.flatMap(({ name, details }) =>
      details.filter((d) => !d.equal && !known(name, d.step)).map((d) => `${name} ${d.step} $ ${d.cmd}`),
    );
    t.same(different, [], 'no step differs but those that are known');
    t.comment(`${report.equal} of ${report.steps} steps equal`);
  });
