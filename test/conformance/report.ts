/**
 * What came of a replay, for people and for programs.
 */
import { createHash } from 'node:crypto';
import { type Difference, differencesOf } from './compare.js';
import type { Effects } from './recording.js';

export interface StepReport {
  readonly step: number;
  readonly cmd: string;
  readonly equal: boolean;
  readonly rules: readonly string[];
  readonly differences: readonly Difference[];
  /** Of all that the step did here, equal or not, without what differs from run to run (process ids, dates). */
  readonly digest: string;
  /** That itself; not in the JSON. Missing where the step was not replayed. */
  readonly came?: Effects;
}

/** A step that came out unlike in a later run of the same: `expected` is what came in run 1. */
export interface UnlikeStep {
  readonly run: number;
  readonly kernel: string;
  readonly scenario: string;
  readonly step: number;
  readonly cmd: string;
  readonly differences: readonly Difference[];
}

export interface ScenarioReport {
  readonly kernel: string;
  readonly name: string;
  readonly steps: number;
  readonly equal: number;
  readonly details: readonly StepReport[];
}

export interface Report {
  readonly steps: number;
  readonly equal: number;
  readonly scenarios: readonly ScenarioReport[];
  /** Of several runs: what was not identical. */
  readonly unlike?: readonly UnlikeStep[];
}

export function digestOf(came: Effects): string {
  return createHash('sha256').update(JSON.stringify(came)).digest('hex').slice(0, 16);
}

/** For programs: without what came of equal steps. */
export function jsonText(report: Report): string {
  return JSON.stringify(report, (key, value) => (key === 'came' ? undefined : value), 1);
}

export function total(scenarios: readonly ScenarioReport[]): Report {
  const sum = (pick: (one: ScenarioReport) => number): number => scenarios.reduce((n, one) => n + pick(one), 0);
  return { steps: sum((one) => one.steps), equal: sum((one) => one.equal), scenarios };
}

/** Rules by name, with the steps that would have been different without them, `7.2 42-mdev-remove-inuse 3`. */
export function rulesThatMattered(report: Report): [name: string, steps: string[]][] {
  const found = new Map<string, string[]>();
  for (const { kernel, name, details } of report.scenarios)
    for (const { step, rules } of details)
      for (const rule of rules) found.set(rule, [...(found.get(rule) ?? []), `${kernel} ${name} ${step}`]);
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Steps that came out unlike in another run of the same. */
export function unlikeness(first: Report, again: Report, run: number): UnlikeStep[] {
  return first.scenarios.flatMap(({ kernel, name, details }, n) =>
    details.flatMap((one, at) => {
      const other = again.scenarios[n]?.details[at];
      const { step, cmd } = one;
      const found = { run, kernel, scenario: name, step, cmd };
      return other && verdict(one) === verdict(other) ? [] : [{ ...found, differences: betweenRuns(one, other) }];
    }),
  );
}

/** Everything that a report says of a step. */
const verdict = ({ came: _came, ...step }: StepReport): string => JSON.stringify(step);

function betweenRuns(one: StepReport, other: StepReport | undefined): Difference[] {
  const came = one.came && other?.came ? differencesOf({ expected: one.came, got: other.came }) : [];
  if (came.length > 0) return came;
  // The same came, and was judged otherwise; or it did not come to that.
  return [{ field: 'verdict', expected: verdict(one), got: other ? verdict(other) : 'no such step' }];
}

const percent = (equal: number, steps: number): string =>
  steps === 0 ? '-' : `${((100 * equal) / steps).toFixed(2)} %`;

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text);

/** Lines of one scenario: its figure, and its differences unless all are equal. */
export function scenarioText(one: ScenarioReport, verbose: boolean): string {
  const lines = [`${one.kernel} ${one.name}: ${one.equal} of ${one.steps}`];
  for (const { step, cmd, equal, differences, rules } of one.details) {
    if (equal) {
      if (verbose) lines.push(`  ok ${step} ${cut(cmd, 100)}${rules.length > 0 ? ` (${rules.join(', ')})` : ''}`);
      continue;
    }
    lines.push(`  DIFFERENT ${step} $ ${cut(cmd, 160)}`);
    lines.push(...differenceLines(differences, verbose));
  }
  return lines.join('\n');
}

function differenceLines(differences: readonly Difference[], verbose: boolean): string[] {
  const shown = verbose ? differences : differences.slice(0, 6);
  const length = verbose ? 4000 : 300;
  const lines = shown.flatMap(({ field, path, expected, got }) => [
    `    ${field}${path ? ` ${path}` : ''}`,
    `      - ${cut(JSON.stringify(expected), length)}`,
    `      + ${cut(JSON.stringify(got), length)}`,
  ]);
  const more = differences.length - shown.length;
  return more > 0 ? [...lines, `    ... and ${more} more`] : lines;
}

/** Lines of a later run: what it did unlike run 1 (-: run 1, +: this one). */
export function unlikeText(run: number, unlike: readonly UnlikeStep[], verbose: boolean): string {
  const lines = [`run ${run}: ${unlike.length === 0 ? 'identical' : `${unlike.length} steps unlike run 1`}`];
  for (const { kernel, scenario, step, cmd, differences } of unlike)
    lines.push(`  UNLIKE ${kernel} ${scenario} ${step} $ ${cut(cmd, 160)}`, ...differenceLines(differences, verbose));
  return lines.join('\n');
}

/** The figures: by kernel, in total, and which rules mattered how often. */
export function summaryText(report: Report): string {
  const lines: string[] = [];
  for (const kernel of new Set(report.scenarios.map((one) => one.kernel))) {
    const { steps, equal } = total(report.scenarios.filter((one) => one.kernel === kernel));
    lines.push(`kernel ${kernel}: ${equal} of ${steps} steps equal (${percent(equal, steps)})`);
  }
  lines.push(`total: ${report.equal} of ${report.steps} steps equal (${percent(report.equal, report.steps)})`);
  const rules = rulesThatMattered(report).map(([name, steps]) => `${name} ${steps.length}`);
  if (rules.length > 0) lines.push(`rules that mattered: ${rules.join(', ')}`);
  return lines.join('\n');
}
