/**
 * `trace`: every instruction, state change and event, in order.
 *
 * A ring; what fell out is counted in its first line. Write `clear`, or
 *   show [since=SEQ] [request=N] [queue=CC.DDDD] [kind=PREFIX] [stores=ended]
 * for a part of it: what fits all of these. Behind the word json the reply
 * has the same as `data`.
 */
import { KernelError } from '../../lib/errno.js';
import type { TraceEntry, TraceRing } from '../host/trace.js';
import { dropped } from './listings.js';
import { type Outcome, printed } from './verbs.js';

/** An event as its `data`; one of these a line in `ap-sysfs trace --json`. */
export interface TraceView {
  readonly seq: number;
  /** Machine time in seconds. */
  readonly time: number;
  readonly kind: string;
  readonly text: string;
  /** The request that it belongs to, by its number. */
  readonly request?: number;
  /** The queue that it belongs to, as in sysfs. */
  readonly queue?: string;
  /** Of kinds `store` and `store.begin`: path, value, comm, pid, uid, gid; of `store` also result, added, removed, events. */
  readonly data?: TraceEntry['data'];
}

/** The reply to `json show`. */
export interface TracePart {
  readonly entries: readonly TraceView[];
  /** Events that were overwritten or cleared, of whatever kind. */
  readonly dropped: number;
  /** Number of the last event so far, shown or not: where to go on. */
  readonly last: number;
}

export const traceLine = ({ seq, time, kind, text }: TraceEntry): string =>
  `${seq} [${(time / 1e9).toFixed(6).padStart(12)}] ${kind}: ${text.replaceAll('\n', '\\n')}\n`;

export function describeTrace(trace: TraceRing): string {
  return dropped(trace) + trace.entries().map(traceLine).join('');
}

export function runTraceCommand(trace: TraceRing, line: string): Outcome {
  const [verb, ...words] = line.trim().split(/\s+/);
  if (verb === 'clear' && words.length === 0) {
    trace.clear();
    return printed('');
  }
  if (verb !== 'show') throw new KernelError('EINVAL', `trace: "${line}": expected clear or show`);
  const all = trace.entries();
  const wanted = all.filter(filter(words));
  const last = all.at(-1)?.seq ?? trace.dropped;
  const data: TracePart = { entries: wanted.map(view), dropped: trace.dropped, last };
  return { ...printed(wanted.map(traceLine).join('')), data };
}

/** @throws EINVAL */
function filter(words: readonly string[]): (entry: TraceEntry) => boolean {
  const tests = words.map((word): ((entry: TraceEntry) => boolean) => {
    const [key = '', value = ''] = word.split('=', 2);
    const number = /^\d+$/.test(value) ? Number(value) : undefined;
    if (key === 'since' && number !== undefined) return ({ seq }) => seq > number;
    if (key === 'request' && number !== undefined) return ({ data }) => data?.request === number;
    if (key === 'queue' && /^[0-9a-f]{2}\.[0-9a-f]{4}$/.test(value)) return (entry) => queueOf(entry) === value;
    if (key === 'kind' && value !== '') return ({ kind }) => kind.startsWith(value);
    if (key === 'stores' && value === 'ended') return ({ kind }) => kind === 'store';
    throw new KernelError(
      'EINVAL',
      `trace: "${word}" is not one of since=SEQ, request=N, queue=CC.DDDD, kind=PREFIX, stores=ended`,
    );
  });
  return (entry) => tests.every((test) => test(entry));
}

/** Instructions carry their queue as a number. */
function queueOf({ data }: TraceEntry): string | undefined {
  if (typeof data?.queue === 'string') return data.queue;
  if (typeof data?.qid !== 'number') return undefined;
  const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
  return `${hex(data.qid >> 8, 2)}.${hex(data.qid & 0xff, 4)}`;
}

function view(entry: TraceEntry): TraceView {
  const { seq, time, kind, text, data } = entry;
  const queue = queueOf(entry);
  return {
    seq,
    time: time / 1e9,
    kind,
    text,
    ...(typeof data?.request === 'number' && { request: data.request }),
    ...(queue !== undefined && { queue }),
    ...(kind.startsWith('store') && data && { data }),
  };
}
