/**
 * Completion for shells: `ap-sysfs completion bash|zsh`, by @bomb.sh/tab.
 *
 * Commands and options come from the program itself; words of the vocabularies,
 * modules, uuids and mounts are added here. What is mounted is only asked when
 * a shell wants to complete.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import tab, { ShellCompDirective } from '@bomb.sh/tab';
import adapt from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { TRANSPORTS } from '../fs-tree/transport/transport.js';
import { FAULT_OPS } from '../lib/description/fault.js';
import { ERRNO } from '../lib/errno.js';
import { HARDWARE_COMMANDS } from '../lib/hardware/vocabulary.js';
import { PROFILES } from '../lib/profile/tables.js';
import { REQUEST_KINDS } from '../lib/zcrypt/program/work.js';
import { LEVELS } from './commands/dmesg.js';
import { parseFaults } from './commands/fault.js';
import { examples } from './help.js';
import { PRESETS } from './machine-file/presets.js';
import { chooseMount } from './mounts/choose.js';
import { Control } from './mounts/control.js';
import { mounts } from './mounts/registry.js';
import { oneOf } from './one-of.js';
import { print } from './output/terminal.js';
import { RECIPES } from './run/recipes.js';

type Words = () => readonly string[];

/** Offers words; a shell that completes must never see an error. */
const offer =
  (words: Words) =>
  (complete: (value: string, description: string) => void): void => {
    try {
      for (const word of words()) complete(word, '');
    } catch {
      // Nothing is mounted, or not for us.
    }
  };

/** What stands on the line that a shell wants completed; its last word is not finished. */
function typed(): readonly string[] {
  const at = process.argv.indexOf('--');
  return at < 0 ? [] : process.argv.slice(at + 1, -1);
}

/** The machine that the line is about, as for the command itself. */
function machineOfLine(): string {
  const words = typed();
  const at = words.findIndex((word) => /^--sys(?:=|$)/.test(word));
  return chooseMount(words[at]?.split('=')[1] ?? (at < 0 ? undefined : words[at + 1]));
}

const control = (): Control => new Control(machineOfLine());

const queues = (): string[] =>
  readdirSync(join(machineOfLine(), 'bus/ap/devices')).filter((name) => /^[0-9a-f]{2}\.[0-9a-f]{4}$/.test(name));

const cards = (): string[] =>
  [
    ...control()
      .read('hw')
      .matchAll(/^card ([0-9a-f]{2})/gm),
  ].map(([, id]) => `0x${id}`);

const guests = (): string[] =>
  [
    ...control()
      .read('guest')
      .matchAll(/^\S+(?= pid )/gm),
  ].map(([uuid]) => uuid);

/** What a guest can be started with: mdevs that no guest has. */
function mdevs(): string[] {
  const taken = guests();
  const all = readdirSync(join(machineOfLine(), 'devices/vfio_ap/matrix'));
  return all.filter((name) => /^[0-9a-f]{8}-/.test(name) && !taken.includes(name));
}

/** What can be done to a part of the hardware; a test compares with the vocabulary. */
const HARDWARE_ACTIONS: Readonly<Record<string, readonly string[]>> = {
  card: ['add', 'remove', 'configure', 'deconfigure', 'checkstop', 'type', 'apm', 'present', 'sclp-rc'],
  domain: ['add', 'remove'],
  cdomain: ['add', 'remove'],
  queue: 'hold release status drop irqoff reset-ms reset-polls busy bs async inject reply'.split(' '),
};

const { ShellCompDirectiveFilterDirs, ShellCompDirectiveDefault, ShellCompDirectiveNoFileComp } = ShellCompDirective;

/** Set when a directory or a file is wanted: the shell completes those itself. */
let wanted = ShellCompDirectiveNoFileComp;
const directory: Words = () => {
  wanted = ShellCompDirectiveFilterDirs;
  return [];
};
const file: Words = () => {
  wanted = ShellCompDirectiveDefault;
  return [];
};

/** tab always tells the shell to keep its own completion out of it. */
function letDirectoriesIn(): void {
  Object.defineProperty(tab, 'directive', { get: () => wanted, set: () => undefined });
}

/** Presets, and what may be a machine file here. */
const machines: Words = () => [
  ...Object.keys(PRESETS),
  ...readdirSync('.').filter((name) => /\.(?:ya?ml|json)$/.test(name)),
];

/** What the script for bash takes from the package bash-completion, where that is not installed. */
const FOR_BASH = `declare -F _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref() {
    words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD
    cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
}
`;

const ARGUMENTS: Readonly<Record<string, readonly [name: string, words: Words][]>> = {
  mount: [['directory', directory]],
  start: [['directory', directory]],
  machine: [['preset', () => Object.keys(PRESETS)]],
  umount: [['directory', () => mounts().map(({ mountPoint }) => mountPoint)]],
  hw: [
    ['command', () => HARDWARE_COMMANDS],
    ['which', () => (typed().at(-1) === 'queue' ? queues() : typed().at(-1) === 'card' ? cards() : [])],
    ['what', () => HARDWARE_ACTIONS[typed().at(-2) ?? ''] ?? []],
  ],
  guest: [
    [
      'command',
      () => ['start', 'exit', 'info', 'irqinfo', 'reset', 'events', 'reqirq', 'cfgirq', 'close', 'open', 'vcpu'],
    ],
    ['uuid', () => (typed().at(-1) === 'start' ? mdevs() : guests())],
  ],
  import: [['file', file]],
  run: [['command', file]],
  'fault remove': [['number', () => parseFaults(control().read('faults')).map(({ id }) => String(id))]],
  modprobe: [['module', () => (control().about().get('modules') ?? '').split(' ')]],
  rmmod: [
    [
      'modules',
      () =>
        [
          ...control()
            .read('modules')
            .matchAll(/^[a-z]\w+/gm),
        ].map(([name]) => name),
    ],
  ],
};

/** Values of options. */
const VALUES: Readonly<Record<string, Words>> = {
  'mount --machine': machines,
  'start --machine': machines,
  'mount --kernel': () => Object.keys(PROFILES),
  'start --kernel': () => Object.keys(PROFILES),
  'mount --transport': () => ['auto', ...TRANSPORTS],
  'start --transport': () => ['auto', ...TRANSPORTS],
  'mount --owner': () => ['root', 'me'],
  'run --machine': machines,
  'shell --machine': machines,
  'run --kernel': () => Object.keys(PROFILES),
  'shell --kernel': () => Object.keys(PROFILES),
  'run --recipe': () => RECIPES,
  'shell --recipe': () => RECIPES,
  'run --kernels': () => [Object.keys(PROFILES).join(',')],
  'dmesg --level': () => LEVELS,
  'load --kind': () => REQUEST_KINDS,
  'load --node': () => [
    'z90crypt',
    ...[
      ...control()
        .read('dev')
        .matchAll(/^c \S+ 247:\d+ (\S+)$/gm),
    ].map(([, name = '']) => name),
  ],
  'load --adapter': () => [...new Set(queues().map((queue) => queue.slice(0, 2)))],
  'load --domain': () => [...new Set(queues().map((queue) => queue.slice(3)))],
  'trace --queue': () => queues(),
  'trace --kind': () => ['ap.instr', 'ap.state', 'ap.request', 'ap.remove', 'zcrypt', 'kvm', 'store'],
  'fault add --op': () => FAULT_OPS,
  'fault add --errno': () => Object.keys(ERRNO),
  'import --kernel': () => Object.keys(PROFILES),
  'import --output': file,
  'record --output': file,
  'export --output': file,
  'export --record': file,
};

const SHELLS = ['bash', 'zsh'];
const DESCRIPTION = 'Prints a script by which a shell completes commands, options, modules, cards and mounts.';

/** Adds the commands `completion` and, unseen, `complete`. */
export function addCompletion(program: Command): void {
  adapt(program, { completionCommandName: 'completion' });
  for (const [name, list] of Object.entries(ARGUMENTS)) {
    const command = tab.commands.get(name);
    command?.arguments.clear();
    for (const [argument, words] of list) command?.argument(argument, offer(words));
  }
  for (const [place, words] of Object.entries(VALUES)) {
    const [name = '', option = ''] = place.split(' --');
    const found = tab.commands.get(name)?.options.get(option);
    if (found) found.handler = offer(words);
  }
  const command = program.commands.find((known) => known.name() === 'completion');
  const shell = command?.registeredArguments[0];
  // tab knows more shells; these two are tested.
  shell?.choices(SHELLS).argParser(oneOf(SHELLS));
  const told = tab.commands.get('completion');
  told?.arguments.clear();
  told?.argument(
    'shell',
    offer(() => SHELLS),
  );
  const others = program.commands.map((known) => known.name()).filter((name) => name !== 'complete');
  tab.command('help', 'explain a command').argument(
    'command',
    offer(() => others),
  );
  if (shell) shell.description = 'which shell';
  command?.hook('preAction', (_program, { args }) => {
    if (args[0] === 'bash') print(FOR_BASH);
  });
  letDirectoriesIn();
  for (const place of [tab, ...tab.commands.values()]) {
    const sys = place.options.get('sys');
    if (sys) sys.handler = offer(() => mounts().map(({ mountPoint }) => mountPoint));
  }
  if (command)
    examples(command.summary('print a completion script for a shell').description(DESCRIPTION), [
      ['source <(ap-sysfs completion bash)', 'in ~/.bashrc'],
      ['source <(ap-sysfs completion zsh)', 'in ~/.zshrc, after compinit'],
    ]);
}
