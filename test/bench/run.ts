/**
 * Benchmarks as a table.
 *
 * Usage: npm run bench -- [--only NAME-PART[,..]] [--runs N] [--json] [--list] [--check]
 *
 * Figures are CPU microseconds an operation: the median of the runs, and the
 * least and most. `--check` ends with 1 if one is above its limit.
 */
import { parseArgs } from 'node:util';
import { table } from '../../scripts/output/table.js';
import { type Benchmark, type Measured, measure } from './bench.js';
import { REQUESTS } from './requests.js';

const ALL: readonly Benchmark[] = [...REQUESTS];

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    runs: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});

const wanted = values.only.flatMap((text) => text.split(','));
const chosen = ALL.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));

const us = (n: number): string => n.toFixed(n < 10 ? 2 : 1);

/** Name, figures, comparison with another one and with the limit. */
function row(measured: Measured, all: readonly Measured[]): string[] {
  const other = all.find(({ name }) => name === measured.against);
  const ratio = other ? `${(measured.median / other.median).toFixed(2)} x ${other.name}` : '';
  const { limit, median } = measured;
  const verdict = limit === undefined ? '' : `${median < limit ? 'below' : 'ABOVE'} ${limit}`;
  const { name, what, least, most } = measured;
  return [name, us(median), `${us(least)}-${us(most)}`, verdict, ratio, what];
}

const COLUMNS = [
  { head: 'benchmark' },
  { head: 'us', align: 'right' },
  { head: 'range', align: 'right' },
  { head: 'limit' },
  { head: 'compared with' },
  { head: 'operation', optional: true },
] as const;

async function main(): Promise<number> {
  if (values.list || chosen.length === 0) {
    for (const { name, what } of ALL) console.log(`${name.padEnd(24)} ${what}`);
    return chosen.length === 0 ? 2 : 0;
  }
  const all: Measured[] = [];
  for (const benchmark of chosen) {
    if (process.stderr.isTTY) process.stderr.write(`${benchmark.name} ..\x1b[K\r`);
    all.push(await measure(benchmark, { runs: Math.max(1, Number(values.runs)) }));
  }
  if (values.json) console.log(JSON.stringify(all, undefined, 1));
  else
    console.log(
      table(
        COLUMNS,
        all.map((measured) => row(measured, all)),
        0,
      ),
    );
  const tooMuch = all.some(({ median, limit }) => limit !== undefined && median >= limit);
  return values.check && tooMuch ? 1 : 0;
}

process.exit(await main());
