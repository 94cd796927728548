/**
 * What came of a replay, for people and for programs.
 */
import type { Difference } from './compare.js';

export interface StepReport {
  readonly step: number;
  readonly cmd: string;
  readonly equal: boolean;
  readonly rules: readonly string[];
  readonly differences: readonly Difference[];
  /** Of all that the step did here, equal or not, without what differs from run to run (process ids, dates). */
  readonly digest: string;
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
export function unlikeness(first: Report, again: Report): string[] {
  return first.scenarios.flatMap((one, n) => {
    const other = again.scenarios[n];
    return one.details
      .filter((step, at) => JSON.stringify(step) !== JSON.stringify(other?.details[at]))
      .map(({ step, cmd }) => `${one.kernel} ${one.name} step ${step} $ ${cut(cmd, 100)}`);
  });
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
    const shown = verbose ? differences : differences.slice(0, 6);
    const length = verbose ? 4000 : 300;
    for (const { field, path, expected, got } of shown) {
      lines.push(`    ${field}${path ? ` ${path}` : ''}`);
      lines.push(`      - ${cut(JSON.stringify(expected), length)}`);
      lines.push(`      + ${cut(JSON.stringify(got), length)}`);
    }
    if (differences.length > shown.length) lines.push(`    ... and ${differences.length - shown.length} more`);
  }
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
