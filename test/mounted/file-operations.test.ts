/**
 * The same table of file operations (operations.py) on the host's own /sys and
 * on a mount: the same results, but for what FUSE or the transport forces
 * (support/transport-differences.ts).
 *
 * The host's part is a tun device in a network name space of its own with a
 * fresh sysfs, so that it can be taken away while files are open. The mount's
 * part is a toy made from a dump of that device.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { cannotMount, Daemon, isRoot, PROJECT, shell, TRANSPORT } from '../support/mounted.js';
import { differencesOf } from '../support/transport-differences.js';

type Results = Record<string, unknown>;

/** Everything that may differ, and why. */
const DIFFERENCES = differencesOf(TRANSPORT);

const TABLE = join(PROJECT, 'test/mounted/operations.py');
const REMOVE = 'ip tuntap del dev tun9 mode tun';
const ADD = 'ip tuntap add dev tun9 mode tun';

async function whyNot(): Promise<string | false> {
  if (!isRoot) return 'needs root: name spaces and a tun device';
  const tools = await shell('command -v python3 && command -v ip && command -v unshare');
  if (tools.status !== 0) return 'needs python3, ip (iproute2) and unshare (util-linux)';
  const probe = await shell(
    `unshare -n -m sh -c 'mount -t sysfs sysfs /sys && ${ADD} && test -e /sys/class/net/tun9/mtu'`,
  );
  return probe.status === 0 ? cannotMount() : `no tun device in a name space here: ${probe.stderr.trim()}`;
}

/** Runs a part of the table on the host's own sysfs. */
async function onHost(part: string): Promise<Results> {
  const command = `mount -t sysfs sysfs /sys && ${ADD} && python3 ${TABLE} ${part} /sys "${REMOVE}" "${ADD}"`;
  return results(await shell(`unshare -n -m sh -c '${command}'`, 60));
}

async function onMount(part: string, mount: string): Promise<Results> {
  return results(
    await shell(`python3 ${TABLE} ${part} ${mount} "echo remove > ${mount}/control" "echo add > ${mount}/control"`, 60),
  );
}

function results({ status, stdout, stderr }: { status: number | null; stdout: string; stderr: string }): Results {
  if (status !== 0) throw new Error(`the table ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as Results;
}

const skip = await whyNot();
if (skip) console.error(`# comparison with the host's /sys is skipped: ${skip}`);

t.test('file operations are as on the host', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ap-sysfs-shape-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const shape = join(folder, 'shape.json');
  const dumped = await shell(
    `unshare -n -m sh -c 'mount -t sysfs sysfs /sys && ${ADD} && python3 ${TABLE} dump /sys > ${shape}'`,
  );
  t.equal(dumped.status, 0, `dumps a tun device ${dumped.stderr}`);
  t.ok(Object.keys(JSON.parse(readFileSync(shape, 'utf8')) as object).length > 50, 'has found its files');
  const daemon = await Daemon.toy(t, { shape });

  const compare = (t: Test, host: Results, mount: Results): void => {
    t.same(Object.keys(mount), Object.keys(host), 'the same operations ran');
    let same = 0;
    for (const [row, expected] of Object.entries(host)) {
      const known = DIFFERENCES.find(({ rows }) => rows.test(row));
      const equal = JSON.stringify(mount[row]) === JSON.stringify(expected);
      if (equal) same++;
      else t.ok(known, `${row}: host ${JSON.stringify(expected)}, mount ${JSON.stringify(mount[row])}`);
    }
    t.ok(same > 600, `${same} of ${Object.keys(host).length} operations gave the same`);
  };

  t.test('as an ordinary user', async (t) => compare(t, await onHost('user'), await onMount('user', daemon.directory)));

  t.test('as root', async (t) => {
    const [host, mount] = [await onHost('run'), await onMount('run', daemon.directory)];
    compare(t, host, mount);
    for (const { rows, why } of DIFFERENCES) {
      const differ = Object.keys(host).filter(
        (row) => rows.test(row) && JSON.stringify(host[row]) !== JSON.stringify(mount[row]),
      );
      t.not(differ.length, 0, `still differs: ${why}`);
    }
  });
});
