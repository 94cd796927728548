/**
 * scripts/examples: YAML that parses, machines that are machines, options that the command has, and a test in bats that
 * runs.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { loadMachine } from '../../scripts/machine-file/index.js';
import { cannotMount, isRoot, PROJECT, shell } from '../support/mounted.js';

const EXAMPLES = join(PROJECT, 'scripts/examples');
const text = (name: string): string => readFileSync(join(EXAMPLES, name), 'utf8');

/** The documents of a file. Fails the test with the parser's words. */
function documents(t: Test, name: string): unknown[] {
  const parsed = parseAllDocuments(text(name), { strict: true, uniqueKeys: true });
  return [parsed].flat().map((document) => {
    t.same([...document.errors, ...document.warnings].map(String), [], name);
    return document.toJS();
  });
}

t.test('every example is listed, and says what it needs', async (t) => {
  const names = readdirSync(EXAMPLES).filter((name) => name !== 'README.md');
  for (const name of names) {
    t.match(text('README.md'), `\`${name}\``);
    t.match(text(name), /^# What it needs, and why|What that needs, and why/m, name);
  }
  t.equal(names.length, 3);
});

t.test('the workflow mounts, tests, and keeps what happened', async (t) => {
  const [workflow] = documents(t, 'github-workflow.yml') as [
    { jobs: { test: { strategy: { matrix: { kernel: string[] } }; steps: { run?: string; uses?: string }[] } } },
  ];
  const { steps, strategy } = workflow.jobs.test;
  t.same(strategy.matrix.kernel, ['7.2', '6.12', '6.1'], 'as strings: 6.10 would be 6.1');
  for (const { run, uses } of steps) t.ok((run === undefined) !== (uses === undefined));
  const used = steps.flatMap(({ run }) => [
    ...(run ?? '').matchAll(/ap-sysfs ((?:mount|trace|dmesg)\b(?:[^\n]|\\\n)*)/g),
  ]);
  t.equal(used.length, 3);
  for (const [, words = ''] of used) {
    const [command = '', ...rest] = words.split(/\s+/);
    const help = (await shell(`node ${PROJECT}dist/scripts/ap-sysfs.js ${command} --help`)).stdout;
    for (const option of rest.filter((word) => word.startsWith('--'))) t.match(help, option, `${command} ${option}`);
  }
});

t.test('the Deployment passes the mount on', async (t) => {
  const [map, deployment] = documents(t, 'kubernetes.yaml') as [
    { kind: string; data: Record<string, string> },
    {
      kind: string;
      spec: { template: { spec: Record<'initContainers' | 'containers', Record<string, unknown>[]> } };
    },
  ];
  t.same([map.kind, deployment.kind], ['ConfigMap', 'Deployment']);
  const { initContainers, containers } = deployment.spec.template.spec;
  t.match(initContainers, [
    {
      restartPolicy: 'Always',
      securityContext: { privileged: true },
      volumeMounts: [{ mountPath: '/machine', mountPropagation: 'Bidirectional' }, {}],
    },
  ]);
  t.match(containers, [{ volumeMounts: [{ mountPath: '/machine', mountPropagation: 'HostToContainer' }] }]);
  const folder = mkdtempSync(join(tmpdir(), 'ap-sysfs-example-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'machine.yaml');
  writeFileSync(file, map.data['machine.yaml'] ?? '');
  t.match(loadMachine(file), { adapters: [{ type: 'cex8' }] }, 'its machine is one');
});

const noBats = (await shell('bats --version')).status === 0 ? cannotMount() : 'no bats: apt-get install bats';
if (noBats) process.stderr.write(`the example in bats does not run: ${noBats}\n`);

t.test('in CI, the example in bats runs', { skip: process.env.CI && isRoot ? false : 'not root in CI' }, async (t) => {
  t.equal(noBats, false);
});

t.test('the example in bats', { skip: noBats }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ap-sysfs-bats-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const command = join(folder, 'ap-sysfs');
  writeFileSync(command, `#!/bin/sh\nexec ${process.execPath} ${PROJECT}dist/scripts/ap-sysfs.js "$@"\n`, {
    mode: 0o755,
  });
  symlinkSync(join(EXAMPLES, 'machine.bats'), join(folder, 'machine.bats'));
  const { status, stdout, stderr } = await shell(
    `cd ${folder}; export PATH=${folder}:$PATH AP_SYSFS_RUNTIME_DIR=${folder}/run; exec timeout -k 5 100 bats --tap machine.bats`,
    110,
  );
  t.same({ status, stderr }, { status: 0, stderr: '' }, stdout);
  t.match(stdout, /^1\.\.4\nok 1 .*\nok 2 .*\nok 3 .*\nok 4 .*\n$/);
});
