/**
 * Walks over whole trees: `find` on the full machine against a tmpfs with the
 * same names, and `lszcrypt -V`. Client and server share one CPU; what counts
 * is the CPU time of both.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Missing, PROJECT, program, Served } from './mounts.js';
import { type Effort, median, type Report, type Section, type Target } from './section.js';

const TMPFS = '/dev/shm';

interface Kind {
  readonly name: string;
  /** Words of find behind the directory. */
  readonly words: readonly string[];
  /** At most so many times the cost in memory. */
  readonly limits?: { readonly cold: number; readonly warm: number };
}

const KINDS: readonly Kind[] = [
  { name: 'find', words: [], limits: { cold: 8, warm: 4 } },
  { name: 'find with a stat of each', words: ['-printf', '%s\n'] },
];

/** Where walks begin: sixteen cards with their queues, and the directory that has a link for every queue. */
const BEGIN = 'devices/ap/card0[0-9a-f] bus/ap/devices';

/** Walked over before anything counts: programs of ours are compiled while they run. */
const ELSEWHERE = 'devices/ap/card[12][0-9a-f]';

/** The shell's own report: seconds of CPU of the children, user and system. */
const timed = (from: string): string => `cd "$1" && TIMEFORMAT="%U %S"; n=$2; shift 2
{ time for ((i = 0; i < n; i++)); do find ${from} "$@" > /dev/null; done; } 2>&1`;

/** Microseconds of CPU of so many walks, with those of the server. */
async function find(
  directory: string,
  { words }: Kind,
  { server, times = 1, from = BEGIN }: { server?: Served; times?: number; from?: string },
): Promise<number> {
  const before = server?.cpu ?? 0;
  const said = await program(
    'taskset',
    ['-c', '0', 'bash', '-c', timed(from), 'sh', directory, String(times), ...words],
    300,
  );
  const [user = Number.NaN, system = Number.NaN] = said.trim().split(' ').map(Number);
  return 1e6 * (user + system + (server?.cpu ?? 0) - before);
}

async function countNodes(directory: string): Promise<number> {
  return Number(await program('sh', ['-c', `cd "$1" && find ${BEGIN} | wc -l`, 'sh', directory], 300));
}

/** The same directories, files and links, in memory. @returns the copy; whoever asked takes it away */
async function copyTree(from: string): Promise<string> {
  const to = mkdtempSync(join(TMPFS, 'ap-sysfs-bench-'));
  const words = ['-c', `cd "$1" && find ${BEGIN} -printf '%y %p\\t%l\\n'`, 'sh', from];
  for (const line of (await program('sh', words, 300)).split('\n')) {
    const [path = '', target = ''] = line.slice(2).split('\t');
    if (line.startsWith('d')) mkdirSync(join(to, path), { recursive: true });
    else if (line.startsWith('l')) symlinkSync(target, join(to, path));
    else if (line !== '') writeFileSync(join(to, path), '');
  }
  return to;
}

/** Microseconds of CPU a node: the first walk over a fresh mount, the middle one of those behind it, and in memory. */
interface Walks {
  readonly nodes: number;
  readonly cold: number;
  readonly warm: number;
  readonly inMemory: number;
}

async function walks(kind: Kind, { quick, runs }: Effort): Promise<Walks> {
  const served = await Served.machine(quick ? 'large' : 'full', 'dev-fuse', 120);
  await served.pin('0');
  await find(served.directory, kind, { from: ELSEWHERE });
  const cold = await find(served.directory, kind, { server: served });
  const warm: number[] = [];
  for (let n = 0; n < runs; n++) warm.push(await find(served.directory, kind, { server: served }));
  const nodes = await countNodes(served.directory);
  const copy = await copyTree(served.directory);
  const inMemory: number[] = [];
  try {
    const copied = await countNodes(copy);
    const times = Math.ceil(200_000 / copied);
    for (let n = 0; n < runs; n++) inMemory.push((await find(copy, kind, { times })) / (copied * times));
  } finally {
    rmSync(copy, { recursive: true });
    await served.end();
  }
  return { nodes, cold: cold / nodes, warm: median(warm) / nodes, inMemory: median(inMemory) };
}

export const FIND: Section = {
  name: 'find',
  what: 'find over the full machine, cold and warm, against tmpfs',

  async run(effort) {
    const rows: string[][] = [];
    const targets: Target[] = [];
    const missing: string[] = [];
    for (const kind of KINDS) {
      effort.say(kind.name);
      try {
        if (!existsSync(TMPFS)) throw new Missing(`there is no ${TMPFS}`);
        const costs = await walks(kind, effort);
        const { nodes, inMemory } = costs;
        for (const name of ['cold', 'warm'] as const) {
          const cost = costs[name];
          const ratio = cost / inMemory;
          const limit = kind.limits?.[name];
          rows.push([kind.name, name, String(nodes), cost.toFixed(2), inMemory.toFixed(2), ratio.toFixed(1)]);
          if (limit !== undefined) targets.push({ what: `${kind.name}, ${name}: x tmpfs`, value: ratio, limit });
        }
      } catch (e) {
        if (!(e instanceof Missing)) throw e;
        missing.push(`${kind.name}: ${e.message}`);
      }
    }
    return {
      title: 'Walking the tree',
      words: `${BEGIN} of the machine \`${effort.quick ? 'large' : 'full'}\` over dev-fuse; microseconds of CPU a node, of find and of the mount. Cold: the first walk there, after one over other cards.`,
      columns: ['walk', '', 'nodes', 'us a node', 'tmpfs', 'x tmpfs'],
      rows,
      targets,
      missing,
      charts: [],
    };
  },
};

const S390 = join(PROJECT, 'scripts/s390');
/** The full machine has 65,792 lines, and the emulated program takes 4 to 5 ms for each. */
const LSZCRYPT_SECONDS = 900;

/** @throws Missing */
async function lszcrypt(machine: string, { runs }: Effort): Promise<readonly string[]> {
  const served = await Served.machine(machine, 'dev-fuse', 120);
  try {
    const times: number[] = [];
    let lines = 0;
    const cpu = served.cpu;
    for (let n = 0; n < runs; n++) {
      const begin = performance.now();
      let out: string;
      try {
        out = await program(S390, ['--sys', served.directory, 'lszcrypt', '-V'], LSZCRYPT_SECONDS);
      } catch (e) {
        const { stderr = '', killed } = e as { stderr?: string; killed?: boolean };
        throw new Missing(killed ? `no end in ${LSZCRYPT_SECONDS} s` : stderr.split('\n')[0] || String(e));
      }
      times.push(performance.now() - begin);
      lines = out.split('\n').length - 1;
    }
    const ours = (1000 * (served.cpu - cpu)) / runs;
    return [machine, String(lines), median(times).toFixed(0), ours.toFixed(0)];
  } finally {
    await served.end();
  }
}

export const LSZCRYPT: Section = {
  name: 'lszcrypt',
  what: 'lszcrypt -V of s390-tools, under emulation, on default, large, full',

  async run(effort): Promise<Report> {
    const rows: (readonly string[])[] = [];
    const missing: string[] = [];
    for (const machine of effort.quick ? ['default', 'large'] : ['default', 'large', 'full']) {
      effort.say(`lszcrypt on ${machine}`);
      try {
        rows.push(await lszcrypt(machine, { ...effort, runs: machine === 'full' ? 1 : effort.runs }));
      } catch (e) {
        if (!(e instanceof Missing)) throw e;
        missing.push(`${machine}: ${e.message}`);
      }
    }
    return {
      title: 'lszcrypt -V',
      words: 'The s390x program under qemu-user; most of the time is its own.',
      columns: ['machine', 'lines', 'ms of wall time', 'ms of CPU of the mount'],
      rows,
      targets: [],
      missing,
      charts: [],
    };
  },
};

export const MEMORY: Section = {
  name: 'memory',
  what: 'resident memory of a mount: default, large, full, and after a walk over it',

  async run({ quick, say }): Promise<Report> {
    const rows: string[][] = [];
    for (const machine of quick ? ['default', 'large'] : ['default', 'large', 'full']) {
      say(`memory of ${machine}`);
      const served = await Served.machine(machine, 'dev-fuse', 120);
      const { resident } = served;
      await program('find', [served.directory, '-size', '+1G'], 300);
      rows.push([machine, resident.toFixed(0), served.resident.toFixed(0)]);
      await served.end();
    }
    return {
      title: 'Resident memory of a mount',
      words: 'MiB; a walk looks at every node.',
      columns: ['machine', 'mounted', 'after a walk'],
      rows,
      targets: [],
      missing: [],
      charts: [],
    };
  },
};
