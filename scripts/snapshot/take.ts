/**
 * A mounted machine as a machine file, if a machine that is started from the file is the same.
 *
 * Recorded and imported as machines from elsewhere are, with what only the simulation knows. Then it is started, in
 * memory, and its tree and hardware are compared with those of the mount: what cannot be brought back by a machine file
 * is found there, and refused with its name. Counters, the logs and the seed of random numbers start anew.
 */
import { standingClock } from '../../fs-tree/host/clock-host.js';
import { hostCrypto } from '../../fs-tree/host/crypto.js';
import { SeededRandom } from '../../fs-tree/host/random.js';
import { TraceRing } from '../../fs-tree/host/trace.js';
import { Ops } from '../../fs-tree/ops.js';
import { worldTree } from '../../fs-tree/world-tree.js';
import { type ClockMode, SimClock } from '../../lib/clock.js';
import { DescriptionError, type MachineDescription, worldFromDescription } from '../../lib/description/index.js';
import { describeMachine } from '../../lib/hardware/describe.js';
import type { World } from '../../lib/world.js';
import { Failure } from '../failure.js';
import { importMachine, readBytes } from '../import/index.js';
import { printMachine } from '../machine-file/print.js';
import { Control } from '../mounts/control.js';
import { type MachineRecord, parseRecord } from '../record/format.js';
import { runRecorder } from '../record/script.js';
import { recordTree } from '../record/walk.js';

/** Files that tell how much has happened. */
const COUNTERS = /\/(?:request_count|scans|bindings_complete_count|refcnt)$/;
const MOST_LINES = 8;
const ROOT = { uid: 0, gid: 0, groups: [], pid: 1, comm: 'ap-sysfs' };

/** @returns the text of a machine file @throws Failure the machine is not idle, or cannot be brought back */
export async function takeSnapshot(mountPoint: string): Promise<string> {
  const control = new Control(mountPoint);
  mustBeIdle(control);
  const text = runRecorder(mountPoint);
  const { description: seen } = importMachine(readBytes(Buffer.from(text, 'latin1'), mountPoint));
  const hardware = control.read('hw');
  const timing = timingOf(hardware);
  const description = { ...seen, ...(timing && { timing }) };
  const world = await started(description);
  try {
    const differences = [
      ...linesThatDiffer(hardwareOf(hardware), hardwareOf(describeMachine(world.machine))),
      ...filesThatDiffer(parseRecord(text, mountPoint), await recordTree(world, opsOf(world), ROOT)),
    ];
    if (differences.length > 0) throw notTheSame(differences);
  } finally {
    world.stop();
  }
  const about = control.about();
  return `# A snapshot of ${about.get('machine')} with kernel ${about.get('kernel')}, to be restored by ap-sysfs.\n${printMachine({ ...description, clock: clockOf(control) })}`;
}

/** What runs, or waits, is nowhere in a machine file. */
function mustBeIdle(control: Control): void {
  const refuse = (what: string, next: string): Failure => new Failure(`no snapshot: ${what}`, { next });
  if (control.read('guest').trim() !== '')
    throw refuse('a guest runs, and what its kernel is doing cannot be kept', 'ap-sysfs guest exit UUID    ends it');
  if (
    control
      .read('load')
      .split('\n')
      .some((line) => line !== '' && !/^\d+ load \S+ ended:/.test(line))
  )
    throw refuse(
      'programs run, with device nodes open',
      'wait for those of ap-sysfs load, close those that you opened (kernel/debug/ap_sim/load)',
    );
  if (/^\d/m.test(control.read('faults')))
    throw refuse(
      'files fail by rules, whose counters cannot be kept',
      'ap-sysfs fault remove --all    takes them away',
    );
  const waits = control
    .read('clock')
    .split('\n')
    .filter((line) => /^\d/.test(line) && !line.endsWith('(background)'));
  if (waits.length > 0)
    throw refuse(
      `the machine is busy: ${waits.map((line) => line.replace(/^\S+ /, '')).join(', ')}`,
      'wait, and try again',
    );
}

const clockOf = (control: Control): ClockMode =>
  (/^mode (real|auto|manual)$/m.exec(control.read('clock'))?.[1] ?? 'real') as ClockMode;

/** No file of the kernel tells it; the hardware does. */
function timingOf(hardware: string): MachineDescription['timing'] {
  const number = (name: string): number => Number(new RegExp(`\\b${name} ([\\d.]+)`).exec(hardware)?.[1] ?? 0);
  const bySpeed = /\bdelay by-speed\b/.test(hardware);
  const timing = {
    ...(number('reset-ms') > 0 && { reset: number('reset-ms') * 1e6 }),
    ...(number('reset-polls') > 0 && { resetPolls: number('reset-polls') }),
    ...(number('assoc-polls') > 0 && { associationPolls: number('assoc-polls') }),
    ...(bySpeed ? { reply: 'by-speed' as const } : number('delay') !== 200 && { reply: number('delay') * 1000 }),
  };
  return Object.keys(timing).length > 0 ? timing : undefined;
}

async function started(description: MachineDescription): Promise<World> {
  const clock = new SimClock(standingClock, 'auto');
  const trace = new TraceRing();
  try {
    return await worldFromDescription({ clock, random: new SeededRandom(1), crypto: hostCrypto, trace }, description);
  } catch (e) {
    if (e instanceof DescriptionError) throw notTheSame(e.message.split('\n'));
    throw e;
  }
}

function opsOf(world: World): Ops {
  return new Ops({
    root: worldTree(world, new TraceRing()),
    now: () => 0,
    onBug: (error) => {
      throw error;
    },
  });
}

/** Without how often the hardware was asked. */
const hardwareOf = (text: string): string[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ answered \d+.*$/, ''));

function linesThatDiffer(now: readonly string[], then: readonly string[]): string[] {
  const gone = now.filter((line) => !then.includes(line)).map((line) => `hardware: ${line}`);
  const other = then.filter((line) => !now.includes(line)).map((line) => `hardware, after a restore: ${line}`);
  return [...gone, ...other];
}

function filesThatDiffer(now: MachineRecord, then: MachineRecord): string[] {
  const tell = ({ entries }: MachineRecord): Map<string, string> =>
    new Map(
      entries
        .filter(({ path }) => !COUNTERS.test(path))
        .map(({ path, content, target, error }) => [path, (error ?? target ?? content ?? '').trimEnd()]),
    );
  const [a, b] = [tell(now), tell(then)];
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((path) => a.get(path) !== b.get(path))
    .map((path) => `${path}: ${a.get(path) ?? 'not there'} -> ${b.get(path) ?? 'not there'}`);
}

function notTheSame(differences: readonly string[]): Failure {
  const more = differences.length > MOST_LINES ? [`.. and ${differences.length - MOST_LINES} more`] : [];
  return new Failure('no snapshot: a machine file cannot bring this machine back', {
    next: [...differences.slice(0, MOST_LINES), ...more].map((line) => line.replaceAll('\n', '\\n')).join('\n'),
  });
}
