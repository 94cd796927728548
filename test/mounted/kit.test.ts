/**
 * The package for authors of tests: the README's example, what `mount` and `Files` do at their edges, and the stream of
 * stores.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  createWorld,
  Files,
  MountError,
  type Mounted,
  mount,
  type StoreData,
  type World,
} from '../../fs-tree/kit/index.js';
import {
  ASKED_TRANSPORT,
  cannotMount,
  cleanUp,
  Daemon,
  mountCommand,
  PROJECT,
  shell,
  TRANSPORT,
} from '../support/mounted.js';
import { caller } from '../support/transport-differences.js';

const skip = cannotMount();

/** libfuse2's addon leaves something behind that keeps a process from ending by itself (README). */
const LINGERS = TRANSPORT === 'fuse-native';
if (LINGERS) t.teardown(() => void setTimeout(() => process.exit(), 1000));

async function mounted(t: Test, world: World): Promise<Mounted> {
  const directory = mkdtempSync(join(tmpdir(), 'ap-sysfs-kit-'));
  const found = await mount(world, directory, { transport: TRANSPORT, onBug: (error) => t.fail(String(error)) });
  t.teardown(async () => {
    await found.unmount();
    world.stop();
    await cleanUp(directory);
  });
  return found;
}

t.test('the example of the README runs', { skip }, async (t) => {
  const text = readFileSync(join(PROJECT, 'README.md'), 'utf8');
  const [, code] = /<!-- kit -->\n```js\n([\s\S]*?)```/.exec(text) ?? [];
  t.ok(code, 'there is one');
  // Inside the package, whose name then means itself.
  const folder = mkdtempSync(join(PROJECT, 'dist/kit-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'example.test.mjs'), code ?? '');
  const { status, stdout } = await shell(
    `cd ${folder}; exec timeout -s KILL 40 env -u NODE_OPTIONS node ${LINGERS ? '--test-force-exit' : ''} example.test.mjs`,
    60,
  );
  t.equal(status, 0, stdout);
  t.match(stdout, /# pass 2\n# fail 0\n/);
});

t.test('several machines side by side do not know each other', { skip }, async (t) => {
  const adapters = [{ id: 7, type: 'cex8', mode: 'ep11' }] as const;
  const [a, b] = [
    await mounted(t, await createWorld()),
    await mounted(t, await createWorld({ adapters, domains: { usage: [1] }, kernel: { version: '6.1' } })),
  ];
  // And one by the command.
  const daemon = Daemon.start(t, { command: mountCommand() });
  t.match(await daemon.line(), /mounted on/);
  const masks = async (): Promise<string> =>
    (await shell(`cut -c1-4 ${a.path}/bus/ap/apmask ${b.path}/bus/ap/apmask ${daemon.directory}/bus/ap/apmask`)).stdout;
  t.equal(await masks(), '0xff\n0xff\n0xff\n');
  t.equal((await shell(`echo -1 > ${a.path}/bus/ap/apmask; echo -2 > ${daemon.directory}/bus/ap/apmask`)).status, 0);
  t.equal(await masks(), '0xbf\n0xff\n0xdf\n');
  t.equal((await shell(`ls ${b.path}/bus/ap/devices`)).stdout, '07.0001\ncard07\n');
  t.ok(await a.unmount(), 'one goes');
  t.equal((await shell(`cat ${b.path}/devices/ap/card07/type`)).stdout, 'CEX8P\n', 'the others stay');
  const again = await mount(a.world, a.path, { transport: TRANSPORT });
  t.equal((await shell(`cut -c1-4 ${a.path}/bus/ap/apmask`)).stdout, '0xbf\n', 'a world outlives its mount');
  t.ok(await again.unmount());
});

t.test('the process that serves the mount may read it asynchronously', { skip }, async (t) => {
  const { path } = await mounted(t, await createWorld());
  t.equal(await readFile(`${path}/devices/ap/card00/type`, 'utf8'), 'CEX8C\n');
  await writeFile(`${path}/bus/ap/config_time`, '60\n');
  await t.rejects(writeFile(`${path}/bus/ap/config_time`, '2\n'), { code: 'EINVAL' });
});

t.test('what cannot be mounted says why', async (t) => {
  const world = await createWorld();
  t.teardown(() => world.stop());
  await t.rejects(mount(world, '/nonexistent/sys'), { name: 'MountError', reason: /missing|no-device/ });
  t.ok(MountError.prototype instanceof Error);
  await t.rejects(createWorld({ adapters: [{ id: 300, type: 'cex8', mode: 'cca' }] }), /300|adapters/);
});

t.test('time is the machine’s own', async (t) => {
  const world = await createWorld({
    adapters: [{ id: 0, type: 'cex8', mode: 'cca' }],
    domains: { usage: [4] },
    timing: { reset: 3600e9 },
  });
  t.teardown(() => world.stop());
  const sys = new Files(world);
  const scans = Number(await sys.read('bus/ap/scans'));
  await sys.write('bus/ap/drivers/cex4queue/unbind', '00.0004\n');
  t.notOk(sys.exists('bus/ap/devices/00.0004/driver'), 'a reset of an hour is over');
  t.equal(Number(await sys.read('bus/ap/scans')), scans, 'no scan by itself');
  await world.clock.advance(31e9);
  t.equal(Number(await sys.read('bus/ap/scans')), scans + 1);
  t.equal(sys.link('bus/ap/devices/card00'), '../../../devices/ap/card00');
  t.same(sys.list('bus/ap/drivers').sort(), ['cex4card', 'cex4queue', 'vfio_ap']);
  const user = new Files(world, { uid: 1000, gid: 1000 });
  await t.rejects(user.write('bus/ap/apmask', '-1\n'), /EACCES/);
});

t.test('each store is told with its caller, its result and what it changed', { skip }, async (t) => {
  const { path, trace } = await mounted(t, await createWorld());
  const stores: StoreData[] = [];
  trace.onEntry(({ kind, data }) => {
    if (kind === 'store') stores.push(data as StoreData);
  });
  const U = '11111111-1111-4111-8111-111111111111';
  const { stdout, stderr } = await shell(
    `cd ${path}; echo $BASHPID; P=devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough
     echo ${U} > $P/create; echo ${U} > $P/create; echo 0 > devices/ap/card00/online; echo 'card 1 chkstop' > kernel/debug/ap_sim/hw
     echo 1 > devices/vfio_ap/matrix/${U}/remove`,
  );
  t.match(stderr, /File exists/);
  const bash = { comm: 'bash', pid: Number(stdout), uid: process.getuid?.(), gid: process.getgid?.() };
  const create = { path: 'devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/create', value: `${U}\n` };
  t.match(stores, [
    { ...caller(TRANSPORT, bash), ...create, result: 'ok', removed: [], alone: true },
    { ...caller(TRANSPORT, bash), ...create, result: 'EEXIST', added: [], removed: [], events: [] },
    { path: 'devices/ap/card00/online', value: '0\n', result: 'ok', added: [], removed: [] },
    { path: `devices/vfio_ap/matrix/${U}/remove`, result: 'ok', added: [] },
  ]);
  t.equal(stores.length, 4, 'commands to the simulation are none');
  const [made, , offline, removed] = stores;
  for (const entry of [`devices/vfio_ap/matrix/${U}`, `bus/mdev/devices/${U}`]) {
    t.ok(made?.added.includes(entry), `+${entry}`);
    t.ok(removed?.removed.includes(entry), `-${entry}`);
  }
  t.ok(made?.events.includes(`add@/devices/vfio_ap/matrix/${U}`));
  t.same(offline?.events.slice(0, 1), ['change@/devices/ap/card00']);
});

t.test('the command prints them, one JSON object a line', { skip }, async (t) => {
  const daemon = Daemon.start(t, { command: mountCommand() });
  t.match(await daemon.line(), /mounted on/);
  const { stdout } = await shell(
    `echo 7 > ${daemon.directory}/bus/ap/config_time; echo 3 > ${daemon.directory}/bus/ap/config_time
     node dist/scripts/ap-sysfs.js trace --sys ${daemon.directory} --stores --json`.replace(
      'node dist',
      `node ${PROJECT}dist`,
    ),
  );
  const printed = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(printed, [
    {
      kind: 'store',
      data: { path: 'bus/ap/config_time', value: '7\n', ...caller(ASKED_TRANSPORT, { comm: 'bash' }), result: 'ok' },
    },
    { kind: 'store', data: { path: 'bus/ap/config_time', value: '3\n', result: 'EINVAL' } },
  ]);
  t.equal(printed.length, 2);
  t.type(printed[0].time, 'number');
});
