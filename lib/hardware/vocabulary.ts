/**
 * The `hw` vocabulary: changes of the machine as text.
 *
 * Mirrors the "Vocabulary of the scenarios" of traces/README.md. All commands
 * of a text are parsed before the first one runs; a command that fails changes
 * nothing, commands before it stay done. Numbers are C numbers (0x.. hex).
 */
import { KernelError } from '../errno.js';
import { MSEC, USEC } from '../ports.js';
import { describeMachine } from './describe.js';
import type { Machine } from './machine.js';
import { parseCardCommand } from './vocabulary-card.js';
import { parseQueueCommand } from './vocabulary-queue.js';
import { CommandError, type Run, Words } from './words.js';

export interface CommandOptions {
  /** A kernel runs on the machine: what can only be before it boots is refused. */
  readonly running?: boolean;
}

/**
 * Runs one or several commands, separated by `;` or newline; a leading `hw` is
 * allowed. Returns what they print. Throws KernelError EINVAL with a message,
 * which says of several commands which are done and which are not.
 */
export function runHardwareCommand(machine: Machine, text: string, options: CommandOptions = {}): string {
  const commands = text
    .split(/[;\n]/)
    .map((command) => command.trim())
    .filter((command) => command !== '');
  const runs = commands.map((command) => withCommand(commands, command, 0, () => parseCommand(command, options)));
  let output = '';
  for (const [i, run] of runs.entries()) {
    const result = withCommand(commands, commands[i] ?? '', i, () => run(machine));
    if (result === 'changed') machine.announceChange();
    else output += result;
  }
  return output;
}

/** Puts the command into the message of whatever it fails with, and what became of the others: `done` of them are done. */
function withCommand<T>(all: readonly string[], command: string, done: number, body: () => T): T {
  try {
    return body();
  } catch (e) {
    if (!(e instanceof CommandError)) throw e;
    throw new KernelError('EINVAL', `hw: ${command}: ${e.message}${all.length > 1 ? whatIsDone(all, done) : ''}`);
  }
}

function whatIsDone(all: readonly string[], done: number): string {
  if (done === 0) return '; nothing was done';
  const names = (commands: readonly string[]): string => commands.map((command) => `"${command}"`).join(', ');
  const left = all.slice(done + 1);
  return `; done before it: ${names(all.slice(0, done))}${left.length > 0 ? `; not done: ${names(left)}` : ''}`;
}

function parseCommand(command: string, options: CommandOptions): Run {
  const words = new Words(command);
  words.skip('hw');
  const run = parseVerb(words, options);
  words.end();
  return run;
}

type Verb = (words: Words, options: CommandOptions) => Run;

/** A command that prints nothing and changes nothing that is announced. */
const quietly =
  (change: (machine: Machine) => void): Run =>
  (machine) => {
    change(machine);
    return '';
  };

const VERBS: Readonly<Record<string, Verb>> = {
  card: parseCardCommand,
  queue: parseQueueCommand,
  domain: (words) => parseDomain(words, (machine, id, on) => machine.setUsageDomain(id, on)),
  cdomain: (words) => parseDomain(words, (machine, id, on) => machine.setControlDomain(id, on)),
  resets: () => (machine) => machine.takeResetReport(),
  show: () => (machine) => describeMachine(machine),
  hold: () => quietly((machine) => machine.setHoldAll(true)),
  release: () => quietly((machine) => machine.setHoldAll(false)),
  qci: (words, { running = false }) => {
    const on = words.onOff();
    // Kernels ask for the facility once, at boot.
    if (running) throw new CommandError(`QCI is ${WITHOUT_QCI}`);
    return quietly((machine) => {
      machine.qciInstalled = on;
    });
  },
  notify: (words) => {
    const what = words.oneOf('on', 'off', 'now');
    return quietly((machine) => {
      if (what === 'now') machine.announceChange(true);
      else machine.notify = what === 'on';
    });
  },
  trace: (words) => {
    const on = words.onOff();
    return quietly((machine) => {
      machine.traceInstructions = on;
    });
  },
  'reset-ms': (words) => {
    const ms = words.number('milliseconds', 0, 86_400_000);
    return quietly((machine) => {
      machine.resetDuration = ms * MSEC;
    });
  },
  'reset-polls': (words) => {
    const polls = words.number('polls', 0, 1e9);
    return quietly((machine) => {
      machine.resetPolls = polls;
    });
  },
  'assoc-polls': (words) => {
    const polls = words.number('polls', 0, 1e9);
    return quietly((machine) => {
      machine.assocPolls = polls;
    });
  },
  delay: (words) => {
    const delay = words.skip('by-speed') ? 'by-speed' : words.number('microseconds', 0, 1e12) * USEC;
    return quietly((machine) => {
      machine.processingDelay = delay;
    });
  },
  'qci-flags': (words) => {
    const flags = words.number('flags', 0, 0xffffffff);
    return quietly((machine) => {
      machine.qciFlags = flags;
    });
  },
  limits: (words) => {
    const na = words.number('maximum adapter id', 0, 255);
    const nd = words.number('maximum domain id', 0, 255);
    return quietly((machine) => {
      machine.maxAdapter = na;
      machine.maxDomain = nd;
    });
  },
};

/** The first words of all commands. */
export const HARDWARE_COMMANDS: readonly string[] = Object.keys(VERBS);

const WITHOUT_QCI = 'installed or not before the kernel boots: facilities: { qci: false } in the machine file';

function parseVerb(words: Words, options: CommandOptions): Run {
  const verb = words.word('a command');
  const parse = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (!parse) {
    throw new CommandError(`unknown command "${verb}" (known: ${Object.keys(VERBS).join(' ')})`);
  }
  return parse(words, options);
}

function parseDomain(words: Words, change: (machine: Machine, id: number, on: boolean) => boolean): Run {
  const id = words.number('domain id', 0, 255);
  const on = words.oneOf('add', 'remove') === 'add';
  return (machine) => (change(machine, id, on) ? 'changed' : '');
}
