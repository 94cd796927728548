/**
 * `ap-sysfs trace`: every instruction, state change and event, in order; or
 * the story of one request, or of one queue.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { TracePart, TraceView } from '../../fs-tree/control/trace.js';
import { didYouMean } from '../../lib/description/nearest.js';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { readOn } from '../follow.js';
import { examples } from '../help.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { Control } from '../mounts/control.js';
import { colour, print } from '../output/terminal.js';

const LOOK_EVERY_MS = 250;

interface TraceOptions {
  readonly sys?: string;
  readonly follow?: true;
  readonly request?: number;
  readonly queue?: string;
  readonly kind?: string;
  readonly stores?: true;
  readonly clear?: true;
  readonly json?: true;
}

export function addTrace(program: Command): void {
  const command = addSysOption(program.command('trace'))
    .summary('what happened below the files, in order')
    .description(
      'Prints the trace: AP instructions, queue states, requests, removals, what a guest is given. Options that choose can be combined.',
    )
    .option('-f, --follow', 'go on with what happens next, until Ctrl-C')
    .option('-r, --request <number>', 'only this request, from its making to its end', requestNumber)
    .option('-q, --queue <queue>', 'only what this queue did, such as 03.0006', queueName)
    .option('-k, --kind <prefix>', 'only these, such as ap.instr, zcrypt or kvm')
    .option('--stores', 'only what was written to files: by whom, how it ended, what came of it')
    .option('--clear', 'empty it')
    .option('--json', 'one JSON object a line: seq, time, kind, text, request, queue; data of stores');
  examples(command, [
    ['ap-sysfs trace --request 7', 'selected, queued, sent, retried, answered'],
    ['ap-sysfs trace --queue 03.0006 --follow', 'what a queue does from now on'],
    ['ap-sysfs trace --kind ap.state', 'the lives of the queues so far'],
    ['ap-sysfs trace --stores --json --follow', 'every write to a file, for programs'],
    ['ap-sysfs trace --clear', 'before an experiment'],
  ]).action(async (options: TraceOptions, self: Command) => {
    const control = new Control(chooseMount(self.optsWithGlobals().sys ?? options.sys));
    if (options.clear) {
      control.run('trace', 'clear');
      return;
    }
    if (options.follow) process.once('SIGINT', () => process.exit(EXIT.ok));
    const { shown, ...first } = showPart(control, options, 0);
    let { last } = first;
    if (!options.follow && shown === 0) explainNothing(control, options);
    while (options.follow) {
      await sleep(LOOK_EVERY_MS);
      const part = await readOn(() => showPart(control, options, last));
      if (part === undefined) return;
      ({ last } = part);
    }
  });
}

function requestNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It is the number of a request, as in the trace: 7.');
  return Number(text);
}

/** Also `3.6`, for 03.0006. */
function queueName(text: string): string {
  const [, card, domain] = /^(?:0x)?([0-9a-f]{1,2})\.([0-9a-f]{1,4})$/i.exec(text) ?? [];
  if (card === undefined || domain === undefined) throw new InvalidArgumentError('It is a queue as in sysfs: 03.0006.');
  return `${card.padStart(2, '0')}.${domain.padStart(4, '0')}`.toLowerCase();
}

/** Prints what fits and came behind the event with this number. */
function showPart(control: Control, options: TraceOptions, since: number): { shown: number; last: number } {
  const { request, queue, kind, stores, json } = options;
  const words = [
    `since=${since}`,
    ...(request === undefined ? [] : [`request=${request}`]),
    ...(queue === undefined ? [] : [`queue=${queue}`]),
    ...(kind === undefined ? [] : [`kind=${kind}`]),
    ...(stores ? ['stores=ended'] : []),
  ];
  const { entries, dropped, last } = read(control, words);
  const chosen = request !== undefined || queue !== undefined || kind !== undefined || stores === true;
  // What had been dropped before may be none of what is chosen; in between it may.
  if (dropped > since && !json && !(chosen && since === 0)) print(colour.yellow(`# ${dropped - since} dropped\n`));
  if (request !== undefined && since === 0 && entries[0] && entries[0].kind !== 'zcrypt.request')
    process.stderr.write(`ap-sysfs: the trace has lost the beginning of request ${request}\n`);
  for (const entry of entries) print(json ? `${JSON.stringify(entry)}\n` : line(entry));
  return { shown: entries.length, last };
}

function read(control: Control, words: readonly string[]): TracePart {
  const { data, stderr } = control.run('trace', `show ${words.join(' ')}`);
  if (data === undefined) throw new Failure(stderr.trim(), { next: 'ap-sysfs trace --help    explains the command' });
  return data as TracePart;
}

function line({ seq, time, kind, text }: TraceView): string {
  const stamp = `[${time.toFixed(6).padStart(12)}]`;
  const words = text.replaceAll('\n', '\\n');
  return `${colour.dim(`${seq}`)} ${colour.green(stamp)} ${colour.cyan(kind)}: ${words}\n`;
}

/** Tells what there is instead. */
function explainNothing(control: Control, { request, queue, kind }: TraceOptions): void {
  if (request === undefined && queue === undefined && kind === undefined) return;
  const { entries, dropped } = read(control, []);
  const there = entries.length === 0 ? 'the trace is empty' : instead(entries, { request, queue, kind });
  const lost = dropped > 0 ? `; ${dropped} older events have been dropped` : '';
  const asked = Object.entries({ request, queue, kind }).flatMap(([what, value]) =>
    value === undefined ? [] : [`${what} ${value}`],
  );
  process.stderr.write(`ap-sysfs: nothing of ${asked.join(', ')}; ${there}${lost}\n`);
}

/** What the first of the options that finds nothing could have been. */
function instead(
  entries: readonly TraceView[],
  { request, queue, kind }: { request: number | undefined; queue: string | undefined; kind: string | undefined },
): string {
  const all = <T>(pick: (entry: TraceView) => T | undefined): T[] => [
    ...new Set(entries.flatMap((entry) => pick(entry) ?? [])),
  ];
  const kinds = all((entry) => entry.kind).sort();
  if (kind !== undefined && !kinds.some((known) => known.startsWith(kind)))
    return `there are ${kinds.join(', ')}${didYouMean(kind, kinds)}`;
  const requests = all((entry) => entry.request);
  if (request !== undefined && !requests.includes(request))
    return requests.length === 0
      ? 'there are no requests'
      : `there are the requests ${Math.min(...requests)} to ${Math.max(...requests)}`;
  const queues = all((entry) => entry.queue).sort();
  if (queue !== undefined && !queues.includes(queue)) return `there are the queues ${queues.join(', ') || 'none'}`;
  return 'leave one of the options out';
}
