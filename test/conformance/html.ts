/**
 * The report as a page: what was expected and what came, side by side.
 *
 * One file without scripts and without anything from elsewhere; long texts are
 * shown whole, since a reader wants to search in them.
 */
import type { Difference } from './compare.js';
import {
  type Report,
  rulesThatMattered,
  type ScenarioReport,
  type StepReport,
  total,
  type UnlikeStep,
} from './report.js';

export function htmlReport(report: Report): string {
  const kernels = [...new Set(report.scenarios.map((one) => one.kernel))];
  const different = report.scenarios.filter((one) => one.equal < one.steps);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Conformance: ${report.equal} of ${report.steps} steps equal</title>
<style>${STYLE}</style>
<header>
<h1>${report.equal} of ${report.steps} steps equal</h1>
<p>Recorded scenarios of real kernels, replayed on the simulation step by step. A step is equal when exit status,
output, events, log lines and every path of the trees are.</p>
</header>
<main>
${summary(report, kernels)}
<section>
<h2>Differences</h2>
${different.length === 0 ? '<p class="fine">Nothing differs.</p>' : different.map(differences).join('\n')}
</section>
${laterRuns(report)}
<section>
<h2>Scenarios</h2>
${matrix(report, kernels)}
</section>
${rules(report)}
</main>
</html>
`;
}

function summary(report: Report, kernels: readonly string[]): string {
  const rows = kernels.map((kernel) => {
    const { steps, equal, scenarios } = total(report.scenarios.filter((one) => one.kernel === kernel));
    return row(`Linux ${kernel}`, scenarios.length, steps, equal);
  });
  if (kernels.length > 1) rows.push(row('all', report.scenarios.length, report.steps, report.equal));
  return `<section>
<table class="summary">
<thead><tr><th>kernel</th><th class="n">scenarios</th><th class="n">steps</th><th class="n">equal</th><th class="n">different</th><th></th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</section>`;
}

function row(name: string, scenarios: number, steps: number, equal: number): string {
  const share = steps === 0 ? 0 : (100 * equal) / steps;
  const missing = steps - equal;
  return `<tr><th scope="row">${text(name)}</th><td class="n">${scenarios}</td><td class="n">${steps}</td><td class="n">${equal}</td><td class="n${missing > 0 ? ' bad' : ''}">${missing}</td><td class="bar"><meter min="0" max="100" value="${share.toFixed(3)}">${share.toFixed(2)} %</meter> ${share.toFixed(2)} %</td></tr>`;
}

/** Scenarios down, kernels across. */
function matrix(report: Report, kernels: readonly string[]): string {
  const names = [...new Set(report.scenarios.map((one) => one.name))].sort(
    (a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1),
  );
  const found = new Map(report.scenarios.map((one) => [`${one.kernel} ${one.name}`, one]));
  const cell = (one: ScenarioReport | undefined): string => {
    if (!one) return '<td class="none">-</td>';
    if (one.equal === one.steps) return `<td class="ok">${one.steps}</td>`;
    return `<td class="no"><a href="#${anchor(one)}">${one.equal} of ${one.steps}</a></td>`;
  };
  const rows = names.map(
    (name) =>
      `<tr><th scope="row">${text(name)}</th>${kernels.map((kernel) => cell(found.get(`${kernel} ${name}`))).join('')}</tr>`,
  );
  const heads = kernels.map((kernel) => `<th>${text(kernel)}</th>`).join('');
  return `<table class="matrix">
<thead><tr><th>scenario</th>${heads}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>`;
}

function differences(one: ScenarioReport): string {
  const steps = one.details.filter((step) => !step.equal);
  return `<article id="${anchor(one)}">
<h3><span class="kernel">${text(one.kernel)}</span> ${text(one.name)} <small>${one.equal} of ${one.steps} equal</small></h3>
${steps.map(step).join('\n')}
</article>`;
}

function step({ step, cmd, differences, rules }: StepReport): string {
  const by = rules.length > 0 ? `<p class="rules">matched by rule: ${text(rules.join(', '))}</p>` : '';
  return `<details open>
<summary><span class="at">step ${step}</span> <code>${text(cmd)}</code></summary>
${differences.map((one) => sideBySide(one)).join('\n')}
${by}</details>`;
}

/** Of several runs of the same: what was not identical. */
function laterRuns({ unlike }: Report): string {
  if (!unlike) return '';
  const found = unlike.map(unlikeStep).join('\n');
  return `<section>
<h2>Runs</h2>
${unlike.length === 0 ? '<p class="fine">All runs are identical.</p>' : found}
</section>`;
}

function unlikeStep({ run, kernel, scenario, step, cmd, differences }: UnlikeStep): string {
  return `<details open>
<summary><span class="at">${text(kernel)} ${text(scenario)} step ${step}, run ${run}</span> <code>${text(cmd)}</code></summary>
${differences.map((one) => sideBySide(one, 'run 1', `run ${run}`)).join('\n')}
</details>`;
}

function sideBySide({ field, path, expected, got }: Difference, here = 'expected', there = 'got'): string {
  const [left, right] = marked(expected, got);
  return `<div class="pair">
<h4>${text(field)}${path === undefined ? '' : ` <code>${text(path)}</code>`}</h4>
<div class="side"><h5>${here}</h5><pre>${left}</pre></div>
<div class="side"><h5>${there}</h5><pre>${right}</pre></div>
</div>`;
}

/** Both texts line by line; lines that the other one does not have are marked. */
function marked(expected: string, got: string): [string, string] {
  const left = expected.split('\n');
  const right = got.split('\n');
  const common = commonLines(left, right);
  const paint = (lines: readonly string[], kept: ReadonlySet<number>, tag: string): string =>
    lines.map((line, n) => (kept.has(n) ? text(line) : `<${tag}>${text(line) || ' '}</${tag}>`)).join('\n');
  return [
    expected === '' ? '<i>nothing</i>' : paint(left, new Set(common.map(([a]) => a)), 'del'),
    got === '' ? '<i>nothing</i>' : paint(right, new Set(common.map(([, b]) => b)), 'ins'),
  ];
}

/** The longest common subsequence, as pairs of line numbers; very long texts are only compared from the start. */
function commonLines(left: readonly string[], right: readonly string[]): [number, number][] {
  const LONGEST = 1000;
  const [n, m] = [Math.min(left.length, LONGEST), Math.min(right.length, LONGEST)];
  const width = m + 1;
  const length = new Uint16Array((n + 1) * width);
  const at = (a: number, b: number): number => length[a * width + b] ?? 0;
  for (let a = n - 1; a >= 0; a--)
    for (let b = m - 1; b >= 0; b--)
      length[a * width + b] = left[a] === right[b] ? at(a + 1, b + 1) + 1 : Math.max(at(a + 1, b), at(a, b + 1));
  const pairs: [number, number][] = [];
  for (let a = 0, b = 0; a < n && b < m; ) {
    if (left[a] === right[b]) pairs.push([a++, b++]);
    else if (at(a + 1, b) >= at(a, b + 1)) a++;
    else b++;
  }
  return pairs;
}

function rules(report: Report): string {
  const used = rulesThatMattered(report);
  if (used.length === 0) return '';
  const rows = used.map(
    ([name, steps]) =>
      `<tr><th scope="row">${text(name)}</th><td class="n">${steps.length}</td><td class="where">${text(steps.join(', '))}</td></tr>`,
  );
  return `<section>
<h2>Rules that mattered</h2>
<p>What two runs of one kernel may do differently, and where it was needed.</p>
<table class="used">
<thead><tr><th>rule</th><th class="n">steps</th><th>where</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</section>`;
}

const anchor = (one: ScenarioReport): string => `s-${one.kernel}-${one.name}`.replace(/[^\w.-]/g, '_');

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
// Control characters would be invisible, and some are not allowed in a page.
const text = (raw: string): string =>
  raw
    .replace(/[&<>"]/g, (c) => ENTITIES[c] ?? c)
    .replace(/[^\P{Cc}\n\t]/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);

const STYLE = `
:root { color-scheme: light dark; --line: #d5d9de; --soft: #f4f6f8; --text: #1c2228; --quiet: #5c6670;
  --good: #1a7f4b; --bad: #b3261e; --del: #fde3e1; --ins: #dcf3e4; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #363d45; --soft: #20252b; --text: #e3e7eb; --quiet: #98a2ad;
  --good: #5cc08b; --bad: #ff8a80; --del: #4d2523; --ins: #1f4030; --page: #16191d; } }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); }
header, main { max-width: 1400px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 28px; }
h1 { margin: 0; font-size: 28px; }
h2 { margin: 36px 0 12px; font-size: 20px; border-bottom: 1px solid var(--line); padding-bottom: 6px; }
h3 { margin: 24px 0 8px; font-size: 17px; }
h3 small { font-weight: normal; color: var(--quiet); margin-left: 8px; }
h4, h5 { margin: 0; font-size: 13px; }
h5 { color: var(--quiet); font-weight: normal; padding: 4px 10px; border-bottom: 1px solid var(--line); }
header p, .rules { color: var(--quiet); max-width: 70ch; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: 4px 14px 4px 0; vertical-align: top; border-bottom: 1px solid var(--line); }
th[scope=row] { font-weight: normal; white-space: nowrap; }
thead th { color: var(--quiet); font-weight: normal; font-size: 13px; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.bad, .no a { color: var(--bad); font-weight: 600; }
.ok, .fine { color: var(--good); }
.none, .where { color: var(--quiet); }
.where { font-size: 13px; }
meter { width: 180px; vertical-align: middle; }
.matrix td, .matrix thead th:not(:first-child) { text-align: right; min-width: 90px; }
.kernel { background: var(--soft); border: 1px solid var(--line); border-radius: 4px; padding: 1px 7px; font-size: 14px; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 8px 0; overflow: hidden; }
summary { cursor: pointer; padding: 7px 12px; background: var(--soft); }
summary code { white-space: pre-wrap; overflow-wrap: anywhere; }
.at { color: var(--quiet); margin-right: 6px; white-space: nowrap; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 12px; padding: 10px 12px; }
.pair h4 { grid-column: 1 / -1; margin-bottom: 6px; overflow-wrap: anywhere; }
.side { border: 1px solid var(--line); border-radius: 4px; min-width: 0; }
.side pre { margin: 0; padding: 8px 10px; white-space: pre-wrap; overflow-wrap: anywhere; }
del, ins { text-decoration: none; display: inline-block; width: 100%; }
del { background: var(--del); }
ins { background: var(--ins); }
.rules { margin: 0; padding: 0 12px 10px; font-size: 13px; }
@media (max-width: 800px) { .pair { grid-template-columns: 1fr; gap: 8px; } }
`;
