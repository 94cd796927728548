/**
 * kernel/debug/ap_sim: the knobs of the simulation as files.
 *
 * In the manner of netdevsim and gpio-sim: apart from the ABI trees, plain
 * verbs, exact errnos, `cat` shows state, so that a shell script can do
 * everything. Nothing here reaches into a driver: hardware is changed below
 * the drivers, guests are driven as a VMM would.
 */
import { runHardwareCommand } from '../../lib/hardware/vocabulary.js';
import type { Task } from '../../lib/sync/task.js';
import type { World } from '../../lib/world.js';
import type { Faults } from '../faults/faults.js';
import type { TraceRing } from '../host/trace.js';
import type { StaticDir, StaticTree } from '../kernfs/static-tree.js';
import { type About, describeAbout } from './about.js';
import { describeClock, runClockCommand } from './clock.js';
import { describeFaults, runFaultCommand } from './faults.js';
import { guestsDir } from './guests.js';
import { describeDevNodes, describeLog } from './listings.js';
import { Load } from './load.js';
import { describeModules, runModuleCommand } from './modules.js';
import { describeTrace, runTraceCommand } from './trace.js';
import { UeventRing } from './uevents.js';
import { commandStore, LastError, type Outcome, printed } from './verbs.js';

const RW = 0o600;
const RO = 0o400;
const UEVENT_RING = 4096;

export const HELP = `Control files of the simulation. Write a command, read the state.
hw       the machine: card N add cex8 cca | remove | configure | deconfigure | checkstop on|off | type TYPE MODE;
         domain N add|remove; cdomain N add|remove; queue CC.DDDD hold|release|reset-ms MS|inject INSTR RC [COUNT]; ...
guest    virtual machines: start UUID [kernel=6.12] [name=NAME] [vcpus=N] [noaiv] [nonotify] [protected] [modules=A,B]
         [nokernel] [cmdline=..]; reset UUID; close UUID; open UUID; info UUID; events UUID; exit UUID; ...
guests/  one directory for each virtual machine, by its name or UUID: apcb, events; with a kernel also sys (its own
         /sys), kernel, kmsg, uevents, modules
load     traffic: run rsa2048|crt4096|cca|ep11|rng|.. [rate=N] [concurrency=N] [count=N] [duration=10s] [node=zcrypt_1]
         [adapter=03] [domain=001b] [guest=NAME] [as NAME]; status [N]; each N [since=SEQ]; stop N; kill N; wait N;
         whole programs: cryptoload [-d DEV] [-b BITS] [-c] [-n COUNT] [-p PROCS]; zcdev DEV status|..|cca CARD DOM|ep11 CARD DOM;
         step by step: open MAJOR MINOR|NODE; request N me|crt BITS|cca CARD DOM|ep11 CARD DOM; result N; reply N; signal N; close N; ...
modules  load NAME [PARAMETER=VALUE ..] | unload NAME; read as lsmod
kmsg     the kernel log; write "clear" to empty it
dev      device nodes the kernel made: type, mode, major:minor, path below /dev
clock    real | auto | manual | advance 30s | settle
trace    what happened, in order; write clear | show [since=SEQ] [request=N] [queue=CC.DDDD] [kind=PREFIX] [stores=ended]
uevents  events the kernel sent; write "clear"
lockdep  the order of locks learnt so far
faults   add read|write|open GLOB [nth N] [count N] [delay 2s] [errno EIO | value TEXT] | remove N|all; read: the rules
error    what the last failed command complained of
about    machine, kernel, and who serves it
`;

export interface ControlOptions {
  readonly world: World;
  readonly trace: TraceRing;
  readonly tree: StaticTree;
  readonly about?: About;
  /** Rules that the files of the tree obey; without them there is no file `faults`. */
  readonly faults?: Faults | undefined;
}

/** Builds the directory; it follows the world from now on. */
export function controlDir({ world, trace, tree, about = {}, faults }: ControlOptions): StaticDir {
  const { kernel, machine, clock } = world;
  const last = new LastError();
  const uevents = new UeventRing(kernel.core.uevents, UEVENT_RING);

  const dir = tree.dir(0o700);
  const file = (
    name: string,
    show: (task: Task) => string | Promise<string>,
    run?: (line: string, task: Task) => Outcome | Promise<Outcome>,
  ): void => {
    dir.add(
      name,
      tree.file({
        mode: run ? RW : RO,
        unlimited: true,
        show: ({ task }) => show(task),
        ...(run && { store: commandStore(last, run) }),
      }),
    );
  };
  const clearable =
    (what: string, clear: () => void) =>
    (line: string): Outcome => {
      if (line.trim() !== 'clear') return { stdout: '', stderr: `${what}: "${line}": expected clear\n`, rc: 1 };
      clear();
      return printed('');
    };

  file('help', () => HELP);
  file(
    'hw',
    () => runHardwareCommand(machine, 'show'),
    (line) => printed(runHardwareCommand(machine, line, { running: true })),
  );
  const guests = guestsDir(world, tree, last);
  file('guest', () => guests.describe(), guests.run);
  dir.add('guests', guests.dir);
  const load = new Load(world);
  file('load', () => load.describe(), load.run);
  file(
    'modules',
    () => describeModules(kernel),
    (line, task) => runModuleCommand(kernel, task, line),
  );
  file(
    'kmsg',
    () => describeLog(kernel.core.log.lines()),
    clearable('kmsg', () => kernel.core.log.clear()),
  );
  file('dev', () => describeDevNodes(kernel.core));
  file(
    'clock',
    () => describeClock(clock),
    (line) => runClockCommand(clock, line),
  );
  file(
    'trace',
    () => describeTrace(trace),
    (line) => runTraceCommand(trace, line),
  );
  file(
    'uevents',
    () => uevents.describe(),
    clearable('uevents', () => uevents.clear()),
  );
  file('lockdep', () => kernel.core.lockdep.describe());
  if (faults)
    file(
      'faults',
      () => describeFaults(faults),
      (line) => runFaultCommand(faults, line),
    );
  file('error', () => last.text);
  file('about', () => describeAbout(world, about));
  return dir;
}
