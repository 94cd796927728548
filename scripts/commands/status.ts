/**
 * `ap-sysfs status`: what is mounted, by which process, since when.
 */
import type { Command } from 'commander';
import { EXIT } from '../exit-status.js';
import { examples } from '../help.js';
import { ownRun } from '../mounts/own-run.js';
import { type FoundMount, mounts } from '../mounts/registry.js';
import { duration, table } from '../output/table.js';
import { colour, print } from '../output/terminal.js';

export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .summary('list the machines that are mounted')
    .description(
      'Lists the machines that are mounted: where, by which process, with which kernel, since when. Ends with 5 if the daemon of one has died.',
    )
    .option('--json', 'for programs');
  examples(command, [
    ['ap-sysfs status', 'for people'],
    ["ap-sysfs status --json | jq -r '.[].mountPoint'", 'for programs'],
  ]).action(({ json }: { json?: true }) => {
    const own = ownRun();
    const found = own ? [own, ...mounts().filter(({ mountPoint }) => mountPoint !== own.mountPoint)] : mounts();
    if (json) print(`${JSON.stringify(found, undefined, 2)}\n`);
    else print(describe(found));
    if (found.some(({ state }) => state === 'dead')) process.exitCode = EXIT.dead;
  });
}

const WORDS = { live: 'answers', dead: 'its daemon has died', elsewhere: 'mounted out of our sight' } as const;

function describe(found: readonly FoundMount[]): string {
  if (found.length === 0)
    return 'no machine is mounted\n  mkdir -p sys && ap-sysfs mount sys    mounts the default machine on ./sys\n';
  const rows = found.map((mount) => [
    mount.state === 'live' ? colour.green('●') : colour.red('✗'),
    mount.machine,
    mount.kernel,
    String(mount.pid),
    mount.transport,
    mount.state === 'dead' ? '-' : duration(Date.now() - Date.parse(mount.started)),
    mount.mountPoint,
  ]);
  const columns = ['', 'machine', 'kernel', 'pid', 'transport', 'up', 'directory'].map((head) => ({
    head,
    optional: head === 'transport' || head === 'kernel',
  }));
  return `${table(columns, rows, 0)}${found.map(remark).join('')}`;
}

/** What is wrong with it, and what to do. */
function remark({ state, mountPoint, log, run }: FoundMount): string {
  if (run)
    return `${mountPoint}: ${state === 'dead' ? `${WORDS.dead}; it was that` : 'that'} of the run that you are in\n`;
  if (state === 'live') return '';
  const mend = state === 'dead' ? `  ap-sysfs umount ${mountPoint}    takes it away\n` : '';
  return `${mountPoint}: ${WORDS[state]}\n${log ? `  its log: ${log}\n` : ''}${mend}`;
}
