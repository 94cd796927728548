/**
 * What became of requests, for people.
 */
import type { JobView, ResultView } from '../../fs-tree/control/load-jobs.js';
import { table } from '../output/table.js';
import { colour } from '../output/terminal.js';

/** `204 us`, `3.2 ms`, `1.5 s`. */
export function microseconds(us: number): string {
  const short = (value: number): string => (value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));
  if (us < 1000) return `${short(us)} us`;
  return us < 1e6 ? `${short(us / 1000)} ms` : `${short(us / 1e6)} s`;
}

const WIDTHS = { seq: 7, request: 9, apqn: 9, result: 11, retries: 8 } as const;

export const eachHead = (): string =>
  colour.dim(
    `${'#'.padStart(WIDTHS.seq)}  ${'request'.padEnd(WIDTHS.request)}${'APQN'.padEnd(WIDTHS.apqn)}${'result'.padEnd(WIDTHS.result)}${'retries'.padEnd(WIDTHS.retries)}latency\n`,
  );

export function eachLine({ seq, request, result, apqn, retries, latencyUs }: ResultView): string {
  const padded = result.padEnd(WIDTHS.result);
  const shown = result === 'ok' ? colour.green(padded) : colour.red(padded);
  const cells = `${String(request).padEnd(WIDTHS.request)}${(apqn ?? '-').padEnd(WIDTHS.apqn)}${shown}`;
  return `${String(seq).padStart(WIDTHS.seq)}  ${cells}${String(retries).padEnd(WIDTHS.retries)}${microseconds(latencyUs)}\n`;
}

/** Several lines: sums, queues, errors, latencies. */
export function summary(view: JobView): string {
  const { kind, node, ok, wrong, failed, retries, late, seconds, perSecond, byQueue, latencyUs } = view;
  const ended = ok + wrong + failed;
  const speed = perSecond === null ? '' : `, ${Number(perSecond.toPrecision(3))} a second`;
  const bad = (word: string, count: number): string =>
    count > 0 ? colour.red(`${word} ${count}`) : `${word} ${count}`;
  const sums = [`ok ${ok}`, bad('wrong', wrong), bad('failed', failed), `retries ${retries}`];
  if (late > 0) sums.push(`late ${late}`);
  const lines = [
    `${colour.bold(kind)} by ${node}: ${ended} request${ended === 1 ? '' : 's'} in ${microseconds(seconds * 1e6)}${speed}`,
    `  ${sums.join('   ')}`,
  ];
  if (latencyUs) {
    const { p50, p90, p99, max } = latencyUs;
    const parts = { p50, p90, p99, max };
    lines.push(
      `  latency   ${Object.entries(parts)
        .map(([name, us]) => `${name} ${microseconds(us)}`)
        .join('   ')}`,
    );
  }
  return `${lines.join('\n')}\n${queueTable(byQueue)}${errorTable(view)}`;
}

function queueTable(byQueue: JobView['byQueue']): string {
  const rows = Object.entries(byQueue).map(([queue, count]) => [queue, String(count)]);
  return rows.length === 0 ? '' : table([{ head: 'APQN' }, { head: 'answered', align: 'right' }], rows);
}

function errorTable({ byErrno }: JobView): string {
  const rows = Object.entries(byErrno).map(([errno, count]) => [errno, String(count)]);
  return rows.length === 0 ? '' : table([{ head: 'errno  ' }, { head: 'requests', align: 'right' }], rows);
}
