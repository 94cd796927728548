/**
 * Completion for shells: `ap-sysfs completion bash|zsh`, by @bomb.sh/tab.
 *
 * Commands and options come from the program itself; words of the vocabularies,
 * modules, uuids and mounts are added here. What is mounted is only asked when
 * a shell wants to complete.
 */
import tab from '@bomb.sh/tab';
import adapt from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { examples } from './help.js';
import { PRESETS } from './machine-file/presets.js';
import { chooseMount } from './mounts/choose.js';
import { Control } from './mounts/control.js';
import { mounts } from './mounts/registry.js';
import { oneOf } from './one-of.js';

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

const control = (): Control => new Control(chooseMount(undefined));

const ARGUMENTS: Readonly<Record<string, readonly [name: string, words: Words][]>> = {
  umount: [['directory', () => mounts().map(({ mountPoint }) => mountPoint)]],
  hw: [
    ['command', () => ['card', 'domain', 'cdomain', 'queue', 'show', 'resets', 'hold', 'release', 'notify', 'qci']],
    [
      'which',
      () =>
        [
          ...control()
            .read('hw')
            .matchAll(/^card ([0-9a-f]{2})/gm),
        ].map(([, id]) => `0x${id}`),
    ],
    [
      'what',
      () => ['add', 'remove', 'configure', 'deconfigure', 'checkstop', 'type', 'apm', 'present', 'reset-ms', 'inject'],
    ],
  ],
  guest: [
    [
      'command',
      () => ['start', 'exit', 'info', 'irqinfo', 'reset', 'events', 'reqirq', 'cfgirq', 'close', 'open', 'vcpu'],
    ],
    ['uuid', () => [...control().read('guest').matchAll(/^\S+/gm)].map(([uuid]) => uuid)],
  ],
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

/** Adds the commands `completion` and, unseen, `complete`. */
export function addCompletion(program: Command): void {
  adapt(program, { completionCommandName: 'completion' });
  for (const [name, list] of Object.entries(ARGUMENTS)) {
    const command = tab.commands.get(name);
    command?.arguments.clear();
    for (const [argument, words] of list) command?.argument(argument, offer(words));
  }
  for (const name of ['mount', 'start']) {
    const machine = tab.commands.get(name)?.options.get('machine');
    if (machine) machine.handler = offer(() => Object.keys(PRESETS));
  }
  const command = program.commands.find((known) => known.name() === 'completion');
  command?.registeredArguments[0]?.argParser(oneOf(['bash', 'zsh', 'fish', 'powershell']));
  if (command)
    examples(command.summary('print a completion script for a shell'), [
      ['source <(ap-sysfs completion bash)', 'in ~/.bashrc'],
      ['source <(ap-sysfs completion zsh)', 'in ~/.zshrc, after compinit'],
    ]);
}
