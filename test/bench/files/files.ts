/**
 * File operations, side by side.
 *
 * In each round every system is measured for a moment, one after the other;
 * what a shared machine does in between happens to all of them. Medians of
 * the rounds count, and ratios rather than times.
 */
import { Missing, program } from '../mounts.js';
import { type Effort, median, type Report, type Section, type Target } from '../section.js';
import { buildClient } from './build.js';
import { OPERATIONS, type Operation, SYSTEMS, type System, type SystemName, start } from './systems.js';

const CLIENTS = [1, 4, 16] as const;
/** Client and server share one CPU, or have two between them. */
const CPUS = [1, 2] as const;

const COSTS =
  'Microseconds for each operation, and dev-fuse as a multiple of others. On 1 CPU: CPU time of client and server ' +
  'together, which is the time on the wall where nothing else runs. On 2 CPUs: wall time, all clients together.';

interface Case {
  readonly operation: Operation;
  readonly clients: (typeof CLIENTS)[number];
  readonly cpus: (typeof CPUS)[number];
}

/** Microseconds for each operation, as `COSTS` says. */
type Figures = Map<SystemName, number>;

export const FILES: Section = {
  name: 'files',
  what: 'open+read+close, pread, stat, readdir, write against sysfs, C on libfuse3 and fuse-native',

  async run(effort, only) {
    const missing: string[] = [];
    const systems: System[] = [];
    let client: string;
    try {
      client = await buildClient();
    } catch (e) {
      if (!(e instanceof Missing)) throw e;
      return report([], new Map(), [`everything: ${e.message}`]);
    }
    for (const name of SYSTEMS)
      try {
        systems.push(await start(name));
      } catch (e) {
        if (!(e instanceof Missing)) throw e;
        missing.push(`${name}: ${e.message}`);
      }
    const cases = chosenCases(only);
    for (const system of systems) await warmUp(client, system, effort);
    const measured = new Map<Case, Figures>();
    for (const one of cases) measured.set(one, await measure(client, systems, one, effort));
    return report(systems, measured, missing);
  },
};

/** Programs of ours are compiled while they run; nobody measures that here. */
async function warmUp(client: string, { name, path, pid }: System, { quick, say }: Effort): Promise<void> {
  if (name !== 'dev-fuse' && name !== 'fuse-native') return;
  say(`${name} warms up`);
  for (const operation of OPERATIONS)
    await program(client, [operation, path(operation) ?? '', '1', quick ? '1500' : '3000', String(pid)]);
}

const nameOf = ({ operation, clients, cpus }: Case): string => `files.${operation}-${clients}-${cpus}cpu`;

function chosenCases(only: readonly string[]): Case[] {
  const all = CPUS.flatMap((cpus) =>
    CLIENTS.flatMap((clients) => OPERATIONS.map((operation) => ({ operation, clients, cpus }))),
  );
  const wanted = all.filter((one) => only.some((part) => nameOf(one).includes(part)));
  return wanted.length > 0 ? wanted : all;
}

async function measure(client: string, systems: readonly System[], one: Case, effort: Effort): Promise<Figures> {
  const { operation, clients, cpus } = one;
  effort.say(nameOf(one));
  const [serverCpus, clientCpus] = cpus === 1 ? ['0', '0'] : clients === 1 ? ['0', '1'] : ['0,1', '0,1'];
  const milliseconds = String(effort.quick ? 100 : 250);
  const able = systems.filter((system) => system.path(operation) !== undefined);
  for (const system of able) await system.pin(serverCpus);
  const costs = new Map(able.map(({ name }) => [name, [] as number[]]));
  // The first round does not count: programs that are compiled while they run come from other work.
  for (let round = 0; round <= effort.runs; round++)
    for (const { name, path, pid } of able) {
      const words = [client, operation, path(operation) ?? '', String(clients), milliseconds, String(pid)];
      const figures = (await program('taskset', ['-c', clientCpus, ...words])).split(' ').map(Number);
      const [operations = Number.NaN, wall = Number.NaN, own = Number.NaN, server = Number.NaN] = figures;
      if (round > 0) costs.get(name)?.push((cpus === 1 ? own + server : wall) / 1000 / operations);
    }
  return new Map([...costs].map(([name, list]) => [name, median(list)]));
}

const ratio = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a / b;

const us = (n: number | undefined): string => (n === undefined ? '-' : n.toFixed(n < 10 ? 2 : n < 100 ? 1 : 0));

function report(systems: readonly System[], measured: ReadonlyMap<Case, Figures>, missing: readonly string[]): Report {
  const names = systems.map(({ name }) => name);
  const against = (['sysfs', 'C single', 'C multi', 'fuse-native'] as const).filter((name) => names.includes(name));
  return {
    title: 'File operations',
    words: `${COSTS} C: low-level API of libfuse3; names and attributes are not remembered, or ("cached") for ever.`,
    columns: ['operation', 'clients', 'CPUs', ...names, ...against.map((name) => `x ${name}`)],
    rows: [...measured].map(([{ operation, clients, cpus }, figures]) => [
      operation === 'open' ? 'open+read+close' : operation,
      String(clients),
      String(cpus),
      ...names.map((name) => us(figures.get(name))),
      ...against.map((name) => ratio(figures.get('dev-fuse'), figures.get(name))?.toFixed(2) ?? '-'),
    ]),
    targets: targets(measured),
    missing,
    charts: [...measured]
      .filter(([{ clients, cpus }]) => clients === 1 && cpus === 1)
      .map(([{ operation }, figures]) => ({
        title: operation === 'open' ? 'open+read+close' : operation,
        unit: 'us',
        bars: [...figures].map(([name, value]) => ({ name, value })),
      })),
  };
}

function targets(measured: ReadonlyMap<Case, Figures>): Target[] {
  const list: Target[] = [];
  const add = (operation: Operation, clients: number, cpus: number, other: SystemName, limit: number): void => {
    for (const [one, figures] of measured) {
      if (one.operation !== operation || one.clients !== clients || one.cpus !== cpus) continue;
      const value = ratio(figures.get('dev-fuse'), figures.get(other));
      const what = `${operation}, ${clients} client${clients > 1 ? 's' : ''}, ${cpus} CPU${cpus > 1 ? 's' : ''}: x ${other}`;
      if (value !== undefined) list.push({ what, value, limit });
    }
  };
  add('open', 1, 1, 'C single', 0.6);
  add('open', 1, 1, 'sysfs', 5);
  add('stat', 1, 1, 'sysfs', 1.5);
  add('open', 1, 1, 'fuse-native', 0.35);
  const many = [...measured].find(
    ([{ operation, clients, cpus }]) => operation === 'open' && clients === 16 && cpus === 2,
  );
  const throughput = ratio(many?.[1].get('C multi'), many?.[1].get('dev-fuse'));
  if (throughput !== undefined)
    list.push({ what: 'open, 16 clients, 2 CPUs: throughput x C multi', value: throughput, limit: 1.2, atLeast: true });
  return list;
}
