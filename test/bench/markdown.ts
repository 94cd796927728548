/**
 * Reports as markdown that can be pasted: the machine, a table each, and which
 * targets are met.
 */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { isMet, type Report, type Target } from './section.js';

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((head, i) => Math.max(head.length, 3, ...rows.map((row) => row[i]?.length ?? 0)));
  const numeric = columns.map((_, i) => rows.length > 0 && rows.every((row) => /^[-\d.]*$/.test(row[i] ?? '')));
  const pad = (cells: readonly string[]): string[] =>
    cells.map((cell, i) => (numeric[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)));
  const rule = widths.map((width, i) => (numeric[i] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [line(pad(columns)), line(rule), ...rows.map((row) => line(pad(row)))].join('\n');
}

export function machineLine(): string {
  const model = cpus()[0]?.model ?? 'unknown CPU';
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0];
  const memory = Math.round(totalmem() / 2 ** 30);
  const date = new Date().toISOString().slice(0, 10);
  return `${model}, ${cpus().length} CPUs, ${memory} GiB, Linux ${release()}, Node ${process.version}, load ${load}, ${date}`;
}

export function markdown({ title, words, columns, rows, missing }: Report): string {
  const parts = [`### ${title}`, words];
  if (rows.length > 0) parts.push(table(columns, rows));
  if (missing.length > 0) parts.push(missing.map((what) => `- not measured: ${what}`).join('\n'));
  return parts.join('\n\n');
}

export function targetTable(targets: readonly Target[]): string {
  const rows = targets.map((target) => [
    target.what,
    target.value.toFixed(2),
    `${target.atLeast ? '>=' : '<='} ${target.limit}`,
    isMet(target) ? 'yes' : 'NO',
  ]);
  return `### Targets\n\n${table(['target', 'value', 'limit', 'met'], rows)}`;
}
