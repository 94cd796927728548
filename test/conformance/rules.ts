/**
 * What two runs of the same kernel may do differently: few rules, each with a
 * name, each counted in the report where it mattered.
 *
 * They never touch exit status, output or content of the tree, except what is
 * named here. Everything else that differs is a defect of the model.
 */
import type { Change, Effects, KmsgLine, PathState } from './recording.js';

export interface RuleContext {
  /** Name of the recording, `42-mdev-remove-inuse`. */
  readonly name: string;
  readonly kernel: string;
  readonly step: number;
  /** The 30 s timer made the bus scan within this step of the replay. */
  readonly timedScan?: boolean;
  /** Other steps of the same recording, by their distance. */
  readonly near?: (distance: number) => Pair | undefined;
}

/** Both sides of a step, as they are compared. */
export interface Pair {
  readonly expected: Effects;
  readonly got: Effects;
}

export interface Rule {
  readonly name: string;
  readonly apply: (pair: Pair, context: RuleContext) => Pair;
}

const both =
  (change: (effects: Effects) => Effects) =>
  ({ expected, got }: Pair): Pair => ({ expected: change(expected), got: change(got) });

const kmsgText =
  (edit: (text: string) => string) =>
  (effects: Effects): Effects => ({ ...effects, kmsg: effects.kmsg.map((k) => ({ ...k, text: edit(k.text) })) });

const stateOf = (change: Change, edit: (state: PathState) => PathState): Change => ({
  path: change.path,
  before: change.before && edit(change.before),
  after: change.after && edit(change.after),
});

/** Process ids in events of KVM and in log lines that name a task. */
const pids: Rule = {
  name: 'process-ids',
  apply: both((effects) => ({
    ...effects,
    uevents: effects.uevents.map((message) =>
      message.map((key) => key.replace(/^PID=\d+$/, 'PID=N').replace(/^STATS_PATH=.*$/, 'STATS_PATH=N')),
    ),
    kmsg: effects.kmsg.map((k) => ({ ...k, text: k.text.replace(/(task "[^"]*" )\(\d+\)/, '$1(N)') })),
  })),
};

/** `function+0x12/0x34` in log lines: the build's addresses. */
const addresses: Rule = {
  name: 'addresses',
  apply: both(kmsgText((text) => text.replace(/\+0x[0-9a-f]+\/0x[0-9a-f]+/g, ''))),
};

/** A WARN() with its registers and stack trace is one line: what it warns of. */
const warnings: Rule = {
  name: 'warning-blocks',
  apply: both((effects) => ({ ...effects, kmsg: foldWarnings(effects.kmsg) })),
};

/** Lines of dump_stack(). */
const STACK =
  /^(?:CPU: \d+ .*Comm: |Tainted: |Hardware name: |Call Trace:| \(?\[<[0-9a-f]+>\] | [a-z_]\w*(?:\+0x|$)|\(\[<[0-9a-f]+>\])/;

function foldWarnings(lines: readonly KmsgLine[]): KmsgLine[] {
  const out: KmsgLine[] = [];
  const push = (line: KmsgLine): void => {
    if (!STACK.test(line.text)) out.push(line);
    else if (out.at(-1)?.text !== '[stack]') out.push({ level: line.level, text: '[stack]' });
  };
  let words: string[] | undefined;
  let frame = false;
  let level = 0;
  for (const line of lines) {
    if (line.text.includes('[ cut here ]')) {
      words = [];
      frame = false;
      level = line.level;
    } else if (words && line.text.startsWith('---[ end trace')) {
      out.push({ level, text: `[warning] ${words.join(' ')}` });
      words = undefined;
    } else if (words) {
      frame ||= /^(?:WARNING: |Modules linked in)/.test(line.text);
      if (!frame) words.push(line.text);
    } else push(line);
  }
  return out;
}

const SUPPRESSED = /^(.*: )(\d+)( callbacks suppressed)$/;

/** How often a wait of some jiffies fits into a time depends on where in a jiffy it began: one line more or less. */
const jiffyPhase: Rule = {
  name: 'jiffy-phase',
  apply: ({ expected, got }) => {
    const count = ({ text }: KmsgLine): number => Number(SUPPRESSED.exec(text)?.[2]);
    const kmsg = got.kmsg.map((line, at) => {
      const theirs = expected.kmsg[at];
      return theirs && Math.abs(count(line) - count(theirs)) === 1
        ? { ...line, text: line.text.replace(SUPPRESSED, `$1${count(theirs)}$3`) }
        : line;
    });
    return { expected, got: { ...got, kmsg } };
  },
};

/** The sizes and sections of a module, and the taint of an out-of-tree build, are the build's. */
const builds: Rule = {
  name: 'module-build',
  apply: both((effects) => ({
    ...effects,
    changes: effects.changes.map((change) =>
      /^\/sys\/module\/\w+\/(?:coresize|initsize|taint)$/.test(change.path)
        ? stateOf(change, (state) => ('content' in state ? { ...state, content: '(build)' } : state))
        : change,
    ),
    kmsg: effects.kmsg.filter((k) => !/tain(?:ts|ting) kernel/.test(k.text)),
  })),
};

const LS_DATE =
  /^([-dlcbps][-rwxsStT]{9}[.+@]? +\d+ \S+ +\S+ +(?:\d+, *)?\d+ )[A-Z][a-z]{2} +\d+ +(?:\d\d:\d\d|\d{4}) /gm;

/** Dates, and with them the width of columns, of `ls -l`. */
const dates: Rule = {
  name: 'ls-dates',
  apply: both((effects) => ({ ...effects, stdout: effects.stdout.replace(LS_DATE, '$1DATE ') })),
};

/** What bash's `time` says. */
const times: Rule = {
  name: 'time-output',
  apply: both((effects) => ({
    ...effects,
    stderr: effects.stderr.replace(/^(real|user|sys)\t\d+m[\d.]+s$/gm, '$1\tTIME'),
  })),
};

const SCANS = /^\/sys\/bus\/ap\/(?:scans|bindings_complete_count)$/;
const isBindings = (message: readonly string[]): boolean => message.some((key) => key.startsWith('BINDINGS='));

const bindingsEvents = (effects: Effects): number => effects.uevents.filter(isBindings).length;

/** The bus scans every 30 s by itself: that may fall into any step, on either side, and anywhere in it. */
const scanTimer: Rule = {
  name: 'scan-timer',
  apply: (pair, { timedScan = false, near = () => undefined }) => {
    const deltas = (effects: Effects): Map<string, number> =>
      new Map(
        effects.changes
          .filter(({ path, before, after }) => SCANS.test(path) && before && after)
          .map(({ path, before, after }) => [path, Number(after?.content) - Number(before?.content)]),
      );
    const expected = deltas(pair.expected);
    const got = deltas(pair.got);
    const moved = (path: string): boolean => Math.abs((expected.get(path) ?? 0) - (got.get(path) ?? 0)) <= 1;
    // An event that is too many here is one that is missing next door, or comes with a scan that only one side saw.
    const surplus = surplusOf(pair);
    const nearby = [-2, -1, 1, 2].reduce((sum, by) => sum + surplusOf(near(by)), 0);
    const otherScan = expected.get('/sys/bus/ap/scans') !== got.get('/sys/bus/ap/scans');
    const elsewhere = Math.abs(surplus) === 1 && (otherScan || surplus === -nearby);
    const dropEvents = elsewhere || (surplus === 0 && timedScan);
    return both((effects) => ({
      ...effects,
      changes: effects.changes.filter(
        ({ path, before, after }) => !(SCANS.test(path) && before && after && moved(path)),
      ),
      uevents: effects.uevents
        .filter((message) => !(dropEvents && isBindings(message)))
        .map((message) => message.map((key) => key.replace(/^COMPLETECOUNT=\d+$/, 'COMPLETECOUNT=N'))),
    }))(pair);
  },
};

/** BINDINGS events that came less often than recorded. */
const surplusOf = (pair: Pair | undefined): number =>
  pair ? bindingsEvents(pair.expected) - bindingsEvents(pair.got) : 0;

/** Steps of one recording: name, first and last step, and the kernel if it is not all. */
type Steps = readonly (readonly [name: string, first: number, last: number, kernel?: string])[];

const listed = (steps: Steps, { name, kernel, step }: RuleContext): boolean =>
  steps.some(([n, first, last, k]) => n === name && step >= first && step <= last && (k ?? kernel) === kernel);

/** Two recordings of the same kernel differ here: several senders start at once, a module loads while the bus scans. */
const OPEN_STEPS: Steps = [
  ['12-request-counters', 11, 25],
  ['16-unbind-pending', 1, 7],
  ['46-module-params', 11, 11],
];

/** Those steps are compared by what all outcomes share: exit status, the number of requests, the set of events. */
const openSteps: Rule = {
  name: 'open-steps',
  apply: (pair, context) => (listed(OPEN_STEPS, context) ? both(shared)(pair) : pair),
};

/**
 * A program ends that has a VM and a device, and another one waits to remove that device. The last close of the
 * device wakes the remover; whether the end of the VM comes before or after what the remover does is open (42 step 22
 * and 81 step 25 on 6.1 have both).
 */
const vmEnd: Rule = {
  name: 'vm-end-order',
  apply: both((effects) => {
    const { uevents } = effects;
    const vmEnds = (message: readonly string[]): boolean => message.includes('EVENT=destroy');
    if (!uevents.some(([header]) => /^unbind@\/devices\/vfio_ap\/matrix\//.test(header ?? ''))) return effects;
    return { ...effects, uevents: [...uevents.filter((m) => !vmEnds(m)), ...uevents.filter(vmEnds)] };
  }),
};

/** The scan by the timer falls anywhere here, and what it finds shows one step earlier or later. */
const TIMED_STEPS: Steps = [['69-scan-timer', 5, 10]];

const timedSteps: Rule = {
  name: 'timed-steps',
  apply: (pair, context) => {
    const neighbours = [-1, 1].flatMap((by) => {
      const other = context.near?.(by);
      return other && listed(TIMED_STEPS, { ...context, step: context.step + by }) ? [other] : [];
    });
    if (!listed(TIMED_STEPS, context) || neighbours.length === 0) return pair;
    return {
      expected: withoutMoved(
        pair.expected,
        pair.got,
        neighbours.map(({ got }) => got),
      ),
      got: withoutMoved(
        pair.got,
        pair.expected,
        neighbours.map(({ expected }) => expected),
      ),
    };
  },
};

/** Leaves out what the other side has in a neighbouring step instead of in this one. */
function withoutMoved(one: Effects, other: Effects, neighbours: readonly Effects[]): Effects {
  const moved =
    <T>(pick: (effects: Effects) => readonly T[], key: (item: T) => string) =>
    (item: T): boolean => {
      const has = (effects: Effects): boolean => pick(effects).some((candidate) => key(candidate) === key(item));
      return !has(other) && neighbours.some(has);
    };
  const change = moved(({ changes }) => changes, JSON.stringify);
  const event = moved(({ uevents }) => uevents, JSON.stringify);
  const line = moved(({ kmsg }) => kmsg, JSON.stringify);
  return {
    ...one,
    changes: one.changes.filter((item) => !change(item)),
    uevents: one.uevents.filter((item) => !event(item)),
    kmsg: one.kmsg.filter((item) => !line(item)),
  };
}

/** Tree paths that follow from who waits where. */
const WAITING = /\/(?:pendingq_count|requestq_count|load|reset|refcnt)$/;

const RESETS = /^(?:No Reset Timer set|Reset Timer armed|Reset in progress)\.$/;

const sorted = (messages: Effects['uevents']): string[][] =>
  messages.map((message) => [...message]).sort((a, b) => (a.join() < b.join() ? -1 : 1));

function shared(effects: Effects): Effects {
  let requests = 0;
  const changes: Change[] = [];
  for (const change of effects.changes) {
    if (SCANS.test(change.path) || WAITING.test(change.path)) continue;
    const counted = /\/card..\/request_count$/.test(change.path) && change.before && change.after;
    if (counted) requests += Number(change.after?.content) - Number(change.before?.content);
    else if (!/\/request_count$/.test(change.path)) changes.push(change);
  }
  if (requests !== 0)
    changes.push({
      path: 'all requests',
      before: null,
      after: { type: 'sum', mode: '', uid: 0, gid: 0, content: `${requests}` },
    });
  const lines = new Set(
    effects.stdout.split('\n').map((line) => line.replace(/^(?:.*: )?\d+$/, 'N').replace(RESETS, 'RESET')),
  );
  return {
    ...effects,
    changes,
    stdout: [...lines].sort().join('\n'),
    uevents: sorted(effects.uevents.filter((message) => !isBindings(message))),
    kmsg: [...effects.kmsg].sort((a, b) => (a.text < b.text ? -1 : 1)),
  };
}

/** The kernel writes beyond a page while it shows a long matrix; what follows is luck: only the exit status counts. */
const overrun: Rule = {
  name: 'matrix-overrun',
  apply: (pair, { name, kernel, step }) => {
    if (name !== '63-large-config' || kernel === '7.2' || step < 8) return pair;
    return both(({ rc, timeout }) => ({ rc, timeout, stdout: '', stderr: '', changes: [], uevents: [], kmsg: [] }))(
      pair,
    );
  },
};

/** What a step did, without what two runs of the same replay may do differently. */
export function plainEffects(effects: Effects, context: RuleContext): Effects {
  const { near: _near, ...alone } = context;
  const same: Pair = { expected: effects, got: effects };
  return [pids, addresses, dates, times].reduce((pair, rule) => rule.apply(pair, alone), same).got;
}

export const RULES: readonly Rule[] = [
  pids,
  addresses,
  warnings,
  jiffyPhase,
  builds,
  dates,
  times,
  scanTimer,
  openSteps,
  vmEnd,
  timedSteps,
  overrun,
];
