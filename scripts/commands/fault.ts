/**
 * `ap-sysfs fault add|list|remove`: files that fail, take long or tell
 * something else, for tests of programs.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { FAULT_OPS } from '../../lib/description/fault.js';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { examples } from '../help.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { Control } from '../mounts/control.js';
import { oneOf } from '../one-of.js';
import { table } from '../output/table.js';
import { print } from '../output/terminal.js';

interface AddOptions {
  readonly sys?: string;
  readonly path: string;
  readonly op: string;
  readonly nth?: number;
  readonly count?: number;
  readonly errno?: string;
  readonly delay?: string;
  readonly value?: string;
}

/** A rule as the control file lists it. */
export interface FaultLine {
  readonly id: number;
  readonly matched: number;
  readonly hits: number;
  /** It hits no more calls. */
  readonly over: boolean;
  readonly op: string;
  readonly path: string;
  readonly nth?: number;
  readonly count?: number;
  readonly delay?: string;
  readonly errno?: string;
  readonly value?: string;
}

const AFTER = `
A pattern is a path below /sys with *, ?, [a-f] and ** (any directories). Links
in front of the first ** are followed, so bus/ap/devices/00.0004/online means
the file of that queue, by whichever path a program opens it. Calls are counted
over all files of the pattern: a read is one reading from the beginning, a
write one write(2). A delay passes on the machine's clock.
Without --nth and --count every call is hit; with --nth only that one.`;

function positive(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError('It is a number from 1 on.');
  return Number(text);
}

export function addFault(program: Command): void {
  const command = addSysOption(program.command('fault'))
    .summary('let files fail: fault add --path "**/mkvps" --op read ..')
    .description('Lets reads, writes and opens of files fail, take long or tell something else, above the drivers.')
    .addHelpText('after', AFTER);
  addAdd(command);
  addList(command);
  addRemove(command);
  examples(command, [
    ['ap-sysfs fault add --path "**/mkvps" --op read --errno EIO', 'no key patterns any more'],
    ['ap-sysfs fault list', 'what there is, and how often it hit'],
    ['ap-sysfs fault remove --all', 'as good as new'],
  ]);
}

const controlOf = (self: Command): Control => new Control(chooseMount(self.optsWithGlobals().sys));

function addAdd(fault: Command): void {
  const command = addSysOption(new Command('add').copyInheritedSettings(fault))
    .summary('add a rule; prints its number')
    .description('Adds a rule and prints its number.')
    .requiredOption('--path <glob>', 'which files: a pattern of paths below /sys')
    .addOption(new Option('--op <call>', `which calls: ${FAULT_OPS.join(', ')}`).argParser(oneOf(FAULT_OPS)))
    .option('--nth <number>', 'the first call that is hit', positive)
    .option('--count <number>', 'how many calls from there on', positive)
    .option('--errno <name>', 'the call fails: EIO, ENODEV, ..')
    .option('--delay <time>', 'so much time passes first: 2s, 300ms, ..')
    .option('--value <text>', 'is read, or written, instead');
  for (const option of command.options) if (option.long === '--op') option.makeOptionMandatory();
  examples(command, [
    ['ap-sysfs fault add --path "**/online" --op write --nth 2 --errno EBUSY', 'the second chzcrypt fails'],
    ['ap-sysfs fault add --path bus/ap/bindings --op read --count 3 --value "0/4"', 'a bus that takes its time'],
    ['ap-sysfs fault add --path "**/serialnr" --op read --delay 7s', 'a card that hardly answers'],
  ]).action((options: AddOptions, self: Command) => {
    const { path, op, nth, count, delay, errno, value } = options;
    const words = [op, path];
    for (const [name, word] of Object.entries({ nth, count, delay, errno }))
      if (word !== undefined) words.push(name, String(word));
    if (value !== undefined) words.push('value', value.replaceAll('\n', '\\n'));
    print(run(controlOf(self), `add ${words.join(' ')}`, 'ap-sysfs fault add --help    explains the words'));
  });
  fault.addCommand(command);
}

function addList(fault: Command): void {
  const command = addSysOption(new Command('list').copyInheritedSettings(fault))
    .summary('list the rules, with their counts')
    .description('Lists the rules: how many calls each has met, and how many of them it hit.')
    .option('--json', 'for programs');
  examples(command, [
    ['ap-sysfs fault list', ''],
    ["ap-sysfs fault list --json | jq '.[] | select(.hits == 0)'", 'what never happened'],
  ]).action(({ json }: { json?: true }, self: Command) => {
    const lines = parseFaults(controlOf(self).read('faults'));
    if (json) print(`${JSON.stringify(lines, undefined, 2)}\n`);
    else print(lines.length === 0 ? 'no faults\n' : draw(lines));
  });
  fault.addCommand(command);
}

function addRemove(fault: Command): void {
  const command = addSysOption(new Command('remove').copyInheritedSettings(fault))
    .summary('remove rules')
    .description('Removes rules by their numbers, or all.')
    .argument('[number...]', 'as `fault list` shows them', (text: string, before: number[] = []) => [
      ...before,
      positive(text),
    ])
    .option('--all', 'all rules');
  examples(command, [
    ['ap-sysfs fault remove 2', ''],
    ['ap-sysfs fault remove --all', ''],
  ]).action((numbers: number[] | undefined, { all }: { all?: true }, self: Command) => {
    const which = all ? ['all'] : (numbers ?? []);
    const next = 'ap-sysfs fault list    shows the rules and their numbers';
    if (which.length === 0) throw new Failure('which rule? a number, or --all', { status: EXIT.usage, next });
    const control = controlOf(self);
    for (const one of which) run(control, `remove ${one}`, next);
  });
  fault.addCommand(command);
}

function run(control: Control, line: string, next: string): string {
  const { stdout, stderr, rc } = control.run('faults', line);
  if (rc === 0) return stdout;
  const complaint = stderr.trim().replace(/^(?:faults|clock): /, '');
  throw new Failure(`fault: ${complaint}`, {
    status: complaint.startsWith('there is no') ? EXIT.failed : EXIT.usage,
    next,
  });
}

/** What the control file `faults` lists. */
export function parseFaults(text: string): FaultLine[] {
  const LINE = /^(\d+) matched (\d+) hits (\d+) (on|over) (\S+) (\S+)(.*)$/;
  return text.split('\n').flatMap((line) => {
    const [, id, matched, hits, state, op = '', path = '', rest = ''] = LINE.exec(line) ?? [];
    if (id === undefined) return [];
    const value = / value (.*)$/.exec(rest)?.[1];
    const words = (value === undefined ? rest : rest.slice(0, rest.indexOf(' value '))).trim().split(' ');
    const what: Record<string, string | number> = {};
    for (let i = 0; i + 1 < words.length; i += 2) {
      const [name = '', word = ''] = [words[i], words[i + 1]];
      what[name] = name === 'nth' || name === 'count' ? Number(word) : word;
    }
    return [
      {
        id: Number(id),
        matched: Number(matched),
        hits: Number(hits),
        over: state === 'over',
        op,
        path,
        ...what,
        ...(value !== undefined && { value }),
      },
    ];
  });
}

function draw(faults: readonly FaultLine[]): string {
  const when = ({ nth = 1, count }: FaultLine, all: boolean): string => {
    if (all) return 'all';
    return count === undefined || count === 1 ? `${nth}` : `${nth}-${nth + count - 1}`;
  };
  const what = ({ delay, errno, value }: FaultLine): string =>
    [delay, errno, value === undefined ? undefined : JSON.stringify(value)]
      .filter((part) => part !== undefined)
      .join(', ');
  return table(
    [
      { head: 'id', align: 'right' },
      { head: 'op' },
      { head: 'calls' },
      { head: 'what' },
      { head: 'met', align: 'right' },
      { head: 'hit', align: 'right' },
      { head: '' },
      { head: 'path' },
    ],
    faults.map((fault) => [
      String(fault.id),
      fault.op,
      when(fault, fault.nth === undefined && fault.count === undefined),
      what(fault),
      String(fault.matched),
      String(fault.hits),
      fault.over ? 'over' : '',
      fault.path,
    ]),
  );
}
