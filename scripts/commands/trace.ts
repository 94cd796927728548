/**
 * `ap-sysfs trace`: every instruction, state change and event, in order.
 */
import type { Command } from 'commander';
import { didYouMean } from '../../lib/description/nearest.js';
import { follow, type Lines } from '../follow.js';
import { examples } from '../help.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { Control } from '../mounts/control.js';
import { colour, print } from '../output/terminal.js';

interface TraceOptions {
  readonly sys?: string;
  readonly follow?: true;
  readonly kind?: string;
  readonly clear?: true;
  readonly json?: true;
}

export interface TraceLine {
  readonly seq: number;
  /** Machine time in seconds. */
  readonly time: number;
  readonly kind: string;
  readonly text: string;
}

export function addTrace(program: Command): void {
  const command = addSysOption(program.command('trace'))
    .summary('what happened below the files, in order')
    .description('Prints the trace: AP instructions, queue states, requests, removals, what a guest is given.')
    .option('-f, --follow', 'go on with what happens next, until Ctrl-C')
    .option('--kind <prefix>', 'only these, such as ap.instr or kvm')
    .option('--clear', 'empty it')
    .option('--json', 'one JSON object a line');
  examples(command, [
    ['ap-sysfs trace --kind ap.state', 'the lives of the queues so far'],
    ['ap-sysfs trace --follow', 'from now on too'],
    ['ap-sysfs trace --clear', 'before an experiment'],
  ]).action(async (options: TraceOptions, self: Command) => {
    const control = new Control(chooseMount(self.optsWithGlobals().sys ?? options.sys));
    if (options.clear) {
      control.run('trace', 'clear');
      return;
    }
    let shown = 0;
    await follow(
      () => traceLines(control.read('trace')),
      options.follow === true,
      (line) => {
        if (show(line, options)) shown++;
      },
    );
    if (shown === 0 && options.kind !== undefined) nothing(options.kind, traceLines(control.read('trace')));
  });
}

/** Lines by their number; `# N dropped` has none. */
function traceLines(text: string): Lines {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({ line, id: Number(/^\d+/.exec(line)?.[0] ?? 0) }));
}

export function parseTraceLine(line: string): TraceLine | undefined {
  const match = /^(\d+) \[ *([\d.]+)\] ([^:]+): (.*)$/.exec(line);
  if (!match) return undefined;
  const [, seq, time, kind = '', text = ''] = match;
  return { seq: Number(seq), time: Number(time), kind, text };
}

/** Tells which kinds there are. */
function nothing(kind: string, lines: Lines): void {
  const kinds = [...new Set(lines.flatMap(({ line }) => parseTraceLine(line)?.kind ?? []))].sort();
  const known = kinds.length > 0 ? `there are ${kinds.join(', ')}${didYouMean(kind, kinds)}` : 'the trace is empty';
  process.stderr.write(`ap-sysfs: nothing of kind ${kind}; ${known}\n`);
}

/** @returns whether the line was wanted */
function show(line: string, { kind, json }: TraceOptions): boolean {
  const parsed = parseTraceLine(line);
  if (kind !== undefined && !parsed?.kind.startsWith(kind)) return false;
  if (json) print(parsed ? `${JSON.stringify(parsed)}\n` : '');
  else if (!parsed) print(`${colour.yellow(line)}\n`);
  else {
    const time = `[${parsed.time.toFixed(6).padStart(12)}]`;
    print(`${colour.dim(`${parsed.seq}`)} ${colour.green(time)} ${colour.cyan(parsed.kind)}: ${parsed.text}\n`);
  }
  return true;
}
