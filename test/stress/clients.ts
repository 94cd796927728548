/**
 * Many client processes on a mount for minutes: memory stays flat, answers do
 * not get slower, nothing hangs.
 *
 * Usage: npm run stress -- [--minutes N] [--clients N] [--transport NAME]
 *
 * The clients are those of the stress test: 16 that change the machine, the
 * rest read it. Beside them a probe opens and reads a file every few
 * milliseconds. Resident memory of the last third of the time may be 5 % above
 * that of the first, the probe's 99th percentile of the last minute 1.5 times
 * that of the first; before that it all runs up to a minute unwatched. Ends with 1 if one of them is more, or if a client was
 * told what nobody should be told.
 */
import { endAll, PROJECT, program, Served } from '../bench/mounts.js';
import { type Client, READERS, runClient, WRITERS } from '../mounted/stress-clients.js';
import { optionsOf } from '../support/options.js';

const USAGE = `npm run stress -- [--minutes 5] [--clients 64] [--transport dev-fuse]

So many client processes on a mount for minutes, after up to a minute unwatched: memory stays flat, answers do not get
slower, nobody is told what nobody should be told.

Exit status 0 if it is so, 1 if not, 2 for a wrong option.
`;

const values = optionsOf(USAGE, {
  minutes: { type: 'string', default: '5' },
  clients: { type: 'string', default: '64' },
  transport: { type: 'string', default: 'dev-fuse' },
});
const seconds = Math.max(6, Math.round(Number(values.minutes) * 60));
const count = Number(values.clients);
const MEMORY_LIMIT = 5;
const DRIFT_LIMIT = 1.5;
/** Seconds before anything counts: code is compiled, the rings of trace, log and events fill. */
const WARM_UP = Math.min(60, Math.ceil(seconds / 3));
const TOTAL = WARM_UP + seconds;
/** Seconds at either end whose answers are compared. */
const EDGE = Math.min(60, Math.floor(seconds / 3));

const mean = (list: readonly number[]): number => list.reduce((sum, n) => sum + n, 0) / list.length;

function percentile99(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
}

/** Milliseconds of each answer, with the second in which it came. */
async function probe(sys: string): Promise<{ first: number[]; last: number[] }> {
  const script = `${PROJECT}/dist/test/stress/probe.js`;
  const out = await program(process.execPath, [script, `${sys}/bus/ap/apmask`, String(TOTAL)], TOTAL + 30);
  const answers = out
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  const between = (from: number, to: number): number[] =>
    answers.filter(([at = 0]) => at >= from && at < to).map(([, took = Number.NaN]) => took);
  return { first: between(WARM_UP, WARM_UP + EDGE), last: between(TOTAL - EDGE, TOTAL) };
}

async function main(): Promise<boolean> {
  const served = await Served.machine('default', values.transport);
  const resident: number[] = [];
  const begin = performance.now();
  const watch = setInterval(() => {
    if (performance.now() - begin > WARM_UP * 1000) resident.push(served.resident);
  }, 500);
  const clients = Array.from({ length: count }, (_, n): Client => {
    const list = n < WRITERS.length ? WRITERS : READERS;
    return list[n % list.length] as Client;
  });
  const probed = probe(served.directory);
  const ended = await Promise.all(clients.map((client) => runClient(client, served.directory, TOTAL)));
  const { first, last } = await probed;
  clearInterval(watch);

  const third = Math.floor(resident.length / 3);
  const [before, middle, after] = [0, third, resident.length - third].map((at) =>
    mean(resident.slice(at, at + third)),
  ) as [number, number, number];
  const growth = 100 * (after / before - 1);
  const [early, late] = [percentile99(first), percentile99(last)];
  const drift = late / early;
  const unfair = [...new Set(ended.flatMap((one) => one.unfair))];
  const rounds = ended.reduce((sum, one) => sum + one.rounds, 0);
  for (const line of [...unfair, ...served.words.split('\n').filter((word) => word !== '')]) console.log(line);
  const good =
    growth <= MEMORY_LIMIT && drift <= DRIFT_LIMIT && unfair.length === 0 && served.words === '' && rounds > 0;
  console.log(
    `stress: ${count} clients, ${(seconds / 60).toFixed(1)} min, ${rounds} rounds, ${unfair.length} unfair answers; ` +
      `memory ${before.toFixed(1)}, ${middle.toFixed(1)}, ${after.toFixed(1)} MiB (${growth >= 0 ? '+' : ''}${growth.toFixed(1)} %, limit +${MEMORY_LIMIT} %); ` +
      `p99 of the first and last ${EDGE} s ${early.toFixed(1)} -> ${late.toFixed(1)} ms (x ${drift.toFixed(2)}, limit x ${DRIFT_LIMIT}): ` +
      (good ? 'ok' : 'NOT ok'),
  );
  return good;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void endAll().then(() => process.exit(130)));
let good = false;
try {
  good = await main();
} finally {
  await endAll();
}
process.exit(good ? 0 : 1);
