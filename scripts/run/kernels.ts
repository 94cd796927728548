/**
 * `run --kernels`: the same program on several kernels, and what differs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { EXIT } from '../exit-status.js';
import type { MachineSource } from '../machine-file/source.js';
import { table, title } from '../output/table.js';
import { print } from '../output/terminal.js';
import { linesApart } from './lines-apart.js';
import type { RunChoices } from './options.js';

const CLI = fileURLToPath(new URL('../ap-sysfs.js', import.meta.url));

/** How it went on one kernel. */
export interface KernelRun {
  readonly kernel: KernelVersion;
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

const ASPECTS = ['status', 'stdout', 'stderr'] as const;

/** Runs them one after the other. @returns 0: no difference, 1: some */
export async function compareKernels(
  words: readonly string[],
  machine: MachineSource,
  choices: RunChoices & { readonly kernels: readonly KernelVersion[] },
): Promise<number> {
  const runs: KernelRun[] = [];
  for (const kernel of choices.kernels) runs.push(await runOn(kernel, words, machine, choices));
  if (choices.json) print(`${JSON.stringify({ same: same(runs), runs }, undefined, 2)}\n`);
  else print(describe(runs));
  return same(runs) ? EXIT.ok : EXIT.failed;
}

const same = (runs: readonly KernelRun[]): boolean =>
  ASPECTS.every((aspect) => runs.every((run) => run[aspect] === runs[0]?.[aspect]));

/** This command once more: each has a machine of its own. */
async function runOn(
  kernel: KernelVersion,
  words: readonly string[],
  { name, text }: MachineSource,
  { recipe, asUser, uevents, s390x }: RunChoices,
): Promise<KernelRun> {
  const options = [
    ...['--kernel', kernel, '--machine', text === undefined ? name : '/proc/self/fd/3'],
    ...(recipe ? ['--recipe', recipe] : []),
    ...(asUser ? ['--as-user'] : []),
    ...(uevents ? ['--uevents'] : []),
    ...(s390x ? ['--s390x'] : []),
  ];
  const child = spawn(process.execPath, [CLI, 'run', ...options, '--', ...words], {
    stdio: ['ignore', 'pipe', 'pipe', text === undefined ? 'ignore' : 'pipe'],
  });
  if (text !== undefined) (child.stdio[3] as NodeJS.WritableStream).end(text);
  const [stdout, stderr, [code, signal]] = await Promise.all([
    all(child.stdout as NodeJS.ReadableStream),
    all(child.stderr as NodeJS.ReadableStream),
    once(child, 'close'),
  ]);
  return { kernel, status: (code ?? signal) as number | string, stdout, stderr };
}

async function all(stream: NodeJS.ReadableStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** A table, and below it the lines that are not the same on all. */
export function describe(runs: readonly KernelRun[]): string {
  const [first] = runs;
  if (!first) return '';
  const told = (run: KernelRun, aspect: 'stdout' | 'stderr'): string => {
    if (run === first) return count(run[aspect]);
    return run[aspect] === first[aspect] ? 'same' : `${count(run[aspect])}, differs`;
  };
  const rows = runs.map((run) => [run.kernel, String(run.status), told(run, 'stdout'), told(run, 'stderr')]);
  const heads = ['kernel', 'exit status', 'stdout', 'stderr'].map((head) => ({ head }));
  const parts = [table(heads, rows)];
  for (const aspect of ['stdout', 'stderr'] as const)
    for (const run of runs.slice(1)) {
      const apart = linesApart(first[aspect], run[aspect]);
      if (apart !== '') parts.push(title(`${aspect}: ${first.kernel} (-), ${run.kernel} (+)`), apart);
    }
  return parts.join('');
}

function count(text: string): string {
  const lines = text.split('\n').length - (text.endsWith('\n') || text === '' ? 1 : 0);
  return lines === 1 ? '1 line' : `${lines} lines`;
}
