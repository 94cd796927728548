/**
 * `trace`: every instruction, state change and event, in order.
 *
 * A ring; what fell out is counted in its first line. Write `clear`.
 */
import type { TraceEntry, TraceRing } from '../host/trace.js';
import { dropped } from './listings.js';
import { type Outcome, printed } from './verbs.js';

export const traceLine = ({ seq, time, kind, text }: TraceEntry): string =>
  `${seq} [${(time / 1e9).toFixed(6).padStart(12)}] ${kind}: ${text.replaceAll('\n', '\\n')}\n`;

export function describeTrace(trace: TraceRing): string {
  return dropped(trace) + trace.entries().map(traceLine).join('');
}

export function runTraceCommand(trace: TraceRing, line: string): Outcome {
  if (line.trim() !== 'clear') return { stdout: '', stderr: `trace: "${line}": expected clear\n`, rc: 1 };
  trace.clear();
  return printed('');
}
