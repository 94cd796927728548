/**
 * All benchmarks: markdown on stdout, a chart as SVG.
 *
 * Interleaved, pinned, medians; what counts are ratios, for machines are
 * shared. What cannot be measured on this system is said with its reason.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CPU } from './cpu.js';
import { FILES } from './files/files.js';
import { FULL } from './full/full.js';
import { machineLine, markdown, targetTable } from './markdown.js';
import { endAll } from './mounts.js';
import { isMet, type Report, type Section } from './section.js';
import { svg } from './svg.js';
import { FIND, LSZCRYPT, MEMORY } from './walks.js';

const SECTIONS: readonly Section[] = [FILES, FIND, LSZCRYPT, FULL, MEMORY, CPU];

const HELP = `Usage: npm run bench -- [OPTIONS]

  --only NAME[,..]  a section, or a part of a figure's name (files.open, files.stat-1-1cpu, requests.rng)
  --quick           fewer and shorter runs: a look, not a measurement
  --runs N          runs of which the median counts (default 5, quick 3)
  --svg FILE        where the chart goes (default dist/bench.svg)
  --json            the figures as JSON instead of markdown
  --check           end with 1 if a target is missed
  --list            what there is

Sections:
${SECTIONS.map(({ name, what }) => `  ${name.padEnd(10)} ${what}`).join('\n')}`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    runs: { type: 'string' },
    svg: { type: 'string', default: 'dist/bench.svg' },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const only = values.only.flatMap((text) => text.split(','));
const chosen = SECTIONS.filter(({ name }) => only.length === 0 || only.some((part) => part.split('.')[0] === name));

function say(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${what} ..\x1b[K\r`);
}

function show(report: Report): void {
  if (!values.json) console.log(`${markdown(report)}\n`);
}

async function main(): Promise<number> {
  if (values.help || values.list) {
    console.log(HELP);
    return 0;
  }
  if (chosen.length === 0) {
    console.error(HELP);
    return 2;
  }
  const runs = Math.max(1, Number(values.runs ?? (values.quick ? 3 : 5)) || 1);
  const machine = machineLine();
  if (!values.json) console.log(`${machine}\n`);
  const reports: Report[] = [];
  for (const section of chosen) {
    const report = await section.run({ quick: values.quick, runs, say }, only);
    reports.push(report);
    show(report);
  }
  const targets = reports.flatMap((report) => report.targets);
  if (values.json) console.log(JSON.stringify({ machine, reports }, undefined, 1));
  else if (targets.length > 0) console.log(`${targetTable(targets)}\n`);
  const charts = reports.flatMap((report) => report.charts);
  if (charts.length > 0) {
    writeFileSync(values.svg, svg(charts, machine));
    if (!values.json) console.log(`Chart: ${values.svg}`);
  }
  return values.check && !targets.every(isMet) ? 1 : 0;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void endAll().then(() => process.exit(130)));
let status = 1;
try {
  status = await main();
} finally {
  await endAll();
}
process.exit(status);
