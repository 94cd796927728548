/**
 * `ap-sysfs doctor`: what is missing on this system, and how to get it.
 */
import type { Command } from 'commander';
import { thisHost } from '../doctor/host.js';
import { examine, type Finding } from '../doctor/needs.js';
import { EXIT } from '../exit-status.js';
import { examples } from '../help.js';
import { paragraph } from '../output/table.js';
import { colour, print } from '../output/terminal.js';

export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .summary('what is missing on this system, and how to get it')
    .description('Looks for what a mount needs. Ends with 1 if something is missing that nothing works without.')
    .option('--json', 'for programs');
  examples(command, [
    ['ap-sysfs doctor', ''],
    ["ap-sysfs doctor --json | jq -r '.[].mend // empty'", 'the lines to type'],
  ]).action(async ({ json }: { json?: true }) => {
    const { addonProblem } = await import('../../fs-tree/transport/fuse-native.js');
    const findings = examine(thisHost(addonProblem));
    if (json) print(`${JSON.stringify(findings, undefined, 2)}\n`);
    else print(findings.map(describe).join('') + sum(findings));
    if (findings.some(({ verdict }) => verdict === 'missing')) process.exitCode = EXIT.failed;
  });
}

const SIGNS = {
  ok: colour.green('ok      '),
  missing: colour.red('missing '),
  optional: colour.yellow('optional'),
} as const;

function describe({ need, verdict, found, mend }: Finding): string {
  const first = paragraph([`${SIGNS[verdict]}  ${colour.bold(need)}:`, ...found.split(' ')], 10);
  return mend === undefined ? first : `${first}${' '.repeat(10)}${colour.cyan(mend)}\n`;
}

function sum(findings: readonly Finding[]): string {
  const lacks = findings.filter(({ verdict }) => verdict === 'missing').length;
  return lacks === 0
    ? 'A machine can be mounted: mkdir -p sys && ap-sysfs mount sys\n'
    : `${lacks} missing: type what stands below ${lacks === 1 ? 'it' : 'each'}, then ap-sysfs doctor again\n`;
}
