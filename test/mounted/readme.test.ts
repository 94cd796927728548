/**
 * What the README shows is what happens: its console blocks are typed on a mount.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { namespaceProblem } from '../../scripts/run/namespace.js';
import { cannotMount, Daemon, isRoot, mountCommand, PROJECT, shell } from '../support/mounted.js';

interface Step {
  readonly command: string;
  /** Lines that follow it in the README. */
  readonly output: string;
}

/** The steps of all `console` blocks between the marks of that name. */
function steps(name: string): Step[] {
  const text = readFileSync(join(PROJECT, 'README.md'), 'utf8');
  const marked = text.slice(text.indexOf(`<!-- ${name} -->`), text.indexOf(`<!-- end of ${name} -->`));
  const lines = [...marked.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block]) =>
    (block ?? '').trimEnd().split('\n'),
  );
  const found: { command: string; output: string }[] = [];
  for (const line of lines) {
    if (line.startsWith('$ ')) found.push({ command: line.slice(2), output: '' });
    else {
      const last = found.at(-1);
      if (last) last.output += `${line}\n`;
    }
  }
  return found;
}

const END = '--- end of step ---';

t.test('the tour of the README prints what it says', { skip: cannotMount() }, async (t) => {
  const tour = steps('tour');
  t.ok(tour.length > 20, 'there is a tour');
  const daemon = Daemon.start(t, { command: mountCommand() });
  t.match(await daemon.line(), /mounted on/);
  const script = tour
    .map(({ command }) => `{ ${command.replace(/^cd sys$/, `cd ${daemon.directory}`)}\n} 2>&1; echo '${END}'`)
    .join('\n');
  const { stdout } = await shell(script);
  // An interactive shell does not say which line of its input it is at.
  const outputs = stdout.replace(/^(?:\S*bash): line \d+: /gm, 'bash: ').split(`${END}\n`);
  for (const [n, { command, output }] of tour.entries()) t.equal(outputs[n], output, command);
});

/** Types the steps of that name as somebody would who has the command; three dots stand for what is not shown. */
async function typed(t: Test, name: string): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'ap-sysfs-readme-'));
  t.teardown(async () => {
    await shell(`cd ${home}; ap() { node ${PROJECT}dist/scripts/ap-sysfs.js "$@"; }; ap umount sys; true`);
    rmSync(home, { recursive: true, force: true });
  });
  const shown = steps(name);
  t.ok(shown.length >= 5);
  const before = [
    `cd ${home}`,
    `export AP_SYSFS_RUNTIME_DIR=${home}/run NO_COLOR=1 COLUMNS=100`,
    `ap-sysfs() { node ${PROJECT}dist/scripts/ap-sysfs.js "$@"; }`,
  ];
  const script = [...before, ...shown.map(({ command }) => `{ ${command}\n} 2>&1; echo '${END}'`)].join('\n');
  const { stdout } = await shell(script, 300);
  const outputs = stdout
    .replaceAll(home, '/home/me')
    .replace(/up \d+ s/, 'up 0 s')
    .split(`${END}\n`);
  for (const [n, { command, output }] of shown.entries()) {
    const [beginning, ...rest] = output.split('...\n');
    if (rest.length > 0) t.ok(outputs[n]?.startsWith(beginning ?? ''), `${command}: ${outputs[n]}`);
    else t.equal(outputs[n], output, command);
  }
}

t.test('the command does what the README shows', { skip: cannotMount() }, (t) => typed(t, 'command'));

t.test('programs see what the README shows', { skip: cannotMount() || namespaceProblem() || false }, (t) =>
  typed(t, 'run'),
);

t.test('the demonstration of a guest’s matrix prints what it always did', { skip: cannotMount() }, async (t) => {
  const daemon = Daemon.start(t, { command: mountCommand() });
  t.match(await daemon.line(), /mounted on/);
  const { stdout, stderr } = await shell(`scripts/demos/worked-example.sh ${daemon.directory}`, 40);
  t.equal(stderr, '');
  const expected = readFileSync(join(PROJECT, 'test/mounted/worked-example.expected'), 'utf8');
  t.same(stdout.split('\n'), expected.split('\n'));
});

t.test('an ordinary user may write what is shown as his own', { skip: isRoot ? false : cannotMount() }, async (t) => {
  // Root mounts for uid 4242 here; who is no root is the owner anyway.
  const owner = isRoot ? '4242:4242' : 'me';
  const daemon = Daemon.start(t, {
    command: mountCommand('--owner', owner),
  });
  t.match(await daemon.line(), /mounted on/);
  const as = isRoot ? 'setpriv --reuid 4242 --regid 4242 --clear-groups ' : '';
  const file = `${daemon.directory}/bus/ap/config_time`;
  const { stdout } = await shell(
    `chmod 755 ${daemon.directory}; ${as}bash -c 'echo 31 > ${file}; cat ${file}; stat -c %u ${file}'`,
  );
  t.equal(stdout, isRoot ? '31\n4242\n' : `31\n${process.getuid?.()}\n`);
});
