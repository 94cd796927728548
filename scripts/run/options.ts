/**
 * The options of `run` and `shell`, and what follows from them.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { oneOf } from '../one-of.js';
import { addMachineOptions, KERNELS, machineSource } from '../world-options.js';
import { takeLeftOversAway } from './left-over.js';
import { findProgram, type RunPlan } from './plan.js';
import { chooseRecipe, RECIPES, type Recipe } from './recipes.js';

export interface RunChoices {
  readonly machine: string;
  readonly kernel?: KernelVersion;
  readonly recipe?: Recipe;
  readonly asUser?: true;
  readonly uevents?: true;
  readonly s390x?: true;
  readonly kernels?: readonly KernelVersion[];
  readonly json?: true;
}

/** Those of `run` and `shell` alike. */
export function addPlaceOptions(command: Command): Command {
  return addMachineOptions(command)
    .addOption(
      new Option(
        '--recipe <name>',
        'how the program finds the machine: namespace (in /sys), preload (in /sys, by umockdev), ' +
          'env (SYSFS_ROOT says where); default: the first that this system allows',
      ).argParser(oneOf(RECIPES)),
    )
    .option('--as-user', 'keep your user id; an ordinary user is root inside without')
    .option('--uevents', 'pass events on by netlink, in a network of its own; /dev then has no nodes of the host');
}

export function addRunOptions(command: Command): Command {
  return addPlaceOptions(command)
    .option('--s390x', 'the program is one for s390x: emulate it (qemu-user)')
    .addOption(
      new Option(
        '--kernels <list>',
        'run it on each of these kernels, and tell what differed; ends with 1 if something did',
      )
        .argParser(kernelList)
        .conflicts('kernel'),
    )
    .option('--json', 'with --kernels: for programs');
}

function kernelList(written: string): KernelVersion[] {
  const list = written.split(',').map(oneOf(KERNELS));
  if (new Set(list).size < Math.max(2, list.length))
    throw new InvalidArgumentError(`Name at least two, each once: ${KERNELS.join(',')}.`);
  return list;
}

/** Runs a command as chosen. @returns the exit status @throws Failure */
export async function runPlanned(
  words: readonly string[],
  choices: RunChoices,
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  if (choices.json && !choices.kernels)
    throw new Failure('--json is about --kernels', {
      status: EXIT.usage,
      next: 'ap-sysfs run --kernels 6.1,7.2 --json -- ..',
    });
  const command = choices.s390x ? (await import('./s390x.js')).emulated(words) : words;
  findProgram(command[0] ?? '', env.PATH);
  const machine = machineSource(choices);
  const plan: RunPlan = {
    command,
    machine,
    ...(choices.kernel && { kernel: choices.kernel }),
    asUser: choices.asUser === true,
    uevents: choices.uevents === true,
    env,
  };
  if (choices.kernels) {
    const { compareKernels } = await import('./kernels.js');
    return compareKernels(words, machine, choices as RunChoices & { kernels: readonly KernelVersion[] });
  }
  return runOnce(plan, choices.recipe);
}

async function runOnce(plan: RunPlan, asked: Recipe | undefined): Promise<number> {
  await takeLeftOversAway();
  const recipe = chooseRecipe(asked, (line) => process.stderr.write(`ap-sysfs: ${line}\n`));
  if (recipe === 'namespace') return (await import('./namespace.js')).runInNamespace(plan);
  return (await import('./direct.js')).runDirectly(plan, recipe === 'preload');
}
