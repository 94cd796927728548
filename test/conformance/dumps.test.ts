/**
 * The trees of real kernels, path by path: existence, type, mode, owner, size,
 * link count, link target, content, and the errno of what cannot be read.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { PROJECT, plainNode } from '../support/mounted.js';

interface DumpReport {
  readonly kernel: string;
  readonly state: string;
  readonly paths: number;
  readonly differences: readonly { readonly path: string; readonly what: string }[];
}

t.test('nine recorded states of three kernels have the same tree here', async (t) => {
  const script = join(PROJECT, 'dist/test/conformance/compare-dumps.js');
  // Its exit status says whether anything differs; the report says what.
  const { stdout } = await promisify(execFile)(...plainNode(script, '--json'), {
    cwd: PROJECT,
    maxBuffer: 1 << 26,
  }).catch((e: { stdout: string }) => e);
  const reports = JSON.parse(stdout) as DumpReport[];
  t.equal(reports.length, 25, 'every recorded state was compared');
  for (const { kernel, state, paths, differences } of reports)
    t.same(differences, [], `${kernel} ${state}: ${paths} paths`);
});
