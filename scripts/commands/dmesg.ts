/**
 * `ap-sysfs dmesg`: the log of the simulated kernel, as dmesg prints it.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { didYouMean } from '../../lib/description/nearest.js';
import { follow, type Lines } from '../follow.js';
import { examples } from '../help.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { Control } from '../mounts/control.js';
import { colour, print } from '../output/terminal.js';

/** As dmesg names them, by number. */
export const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'] as const;

interface DmesgOptions {
  readonly sys?: string;
  readonly follow?: true;
  readonly level?: readonly number[];
  readonly raw?: true;
  readonly clear?: true;
  readonly json?: true;
}

export function addDmesg(program: Command): void {
  const command = addSysOption(program.command('dmesg'))
    .summary('what the simulated kernel said')
    .description('Prints the log of the simulated kernel. Times are machine time, in seconds since it was switched on.')
    .option('-w, --follow', 'go on with what it says next, until Ctrl-C')
    .option('-l, --level <list>', `only these levels: ${LEVELS.join(', ')}`, parseLevels)
    .option('-r, --raw', 'with the level in front: <6>')
    .option('-C, --clear', 'empty the log')
    .option('--json', 'one JSON object a line');
  examples(command, [
    ['ap-sysfs dmesg --level err,warn', 'what went wrong'],
    ['ap-sysfs dmesg --follow', 'in a second terminal'],
  ]).action(async (options: DmesgOptions, self: Command) => {
    const control = new Control(chooseMount(self.optsWithGlobals().sys ?? options.sys));
    if (options.clear) {
      control.run('kmsg', 'clear');
      return;
    }
    await follow(
      () => logLines(control.read('kmsg')),
      options.follow === true,
      (line) => show(line, options),
    );
  });
}

function parseLevels(text: string): number[] {
  return text.split(',').map((word) => {
    const level = (LEVELS as readonly string[]).indexOf(word);
    if (level < 0) throw new InvalidArgumentError(`Levels are ${LEVELS.join(', ')}${didYouMean(word, LEVELS)}.`);
    return level;
  });
}

/** Lines have no number of their own; the same text at the same time is counted. */
function logLines(text: string): Lines {
  const seen = new Map<string, number>();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const times = (seen.get(line) ?? 0) + 1;
      seen.set(line, times);
      return { line, id: `${times} ${line}` };
    });
}

function show(line: string, { level, raw, json }: DmesgOptions): void {
  const match = /^<(\d)>\[ *([\d.]+)\] (.*)$/.exec(line);
  if (!match) {
    print(`${line}\n`);
    return;
  }
  const [, digit, time = '', text = ''] = match;
  const at = Number(digit);
  if (level && !level.includes(at)) return;
  if (json) print(`${JSON.stringify({ level: LEVELS[at], time: Number(time), text })}\n`);
  else if (raw) print(`${line}\n`);
  else print(`${colour.green(`[${time.padStart(12)}]`)} ${paint(at, text)}\n`);
}

/** As dmesg: what a line is about in yellow, warnings bold, errors red. */
function paint(level: number, text: string): string {
  const [, about = '', rest = text] = /^([\w .-]+: )(.*)$/.exec(text) ?? [];
  const words = level <= 3 ? colour.red(rest) : level === 4 ? colour.bold(rest) : rest;
  return colour.yellow(about) + words;
}
