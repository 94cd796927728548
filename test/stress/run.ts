/**
 * Sixty seconds of requests while their queues are taken away.
 *
 * Usage: npm run stress:requests -- [--seed N] [--seconds N | --steps N] [--kernel V] [--storms N] [--command-line TEXT]
 *
 * A storm is the same for the same seed, kernel and number of steps; the time
 * only decides where it ends. What it prints last repeats it.
 */
import type { KernelVersion } from '../../lib/profile/profile.js';
import { optionsOf } from '../support/options.js';
import { type StormReport, storm } from './storm.js';

const USAGE = `npm run stress:requests -- [--seed 1] [--seconds 60 | --steps N] [--kernel 7.2] [--storms 1] [--command-line TEXT]

Requests of every kind while their queues are taken away. What it prints last repeats it.

Exit status 0 if each request ended as it should, 1 if not, 2 for a wrong option.
`;

const values = optionsOf(USAGE, {
  seed: { type: 'string', default: '1' },
  seconds: { type: 'string', default: '60' },
  steps: { type: 'string' },
  kernel: { type: 'string', default: '7.2' },
  storms: { type: 'string', default: '1' },
  'command-line': { type: 'string', default: '' },
});

const line = (title: string, counts: Readonly<Record<string, number>>): string =>
  `  ${title}: ${Object.entries(counts)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ')}`;

function print(report: StormReport, kernel: string): void {
  const { seed, steps, rounds, requests, seconds, digest, complaints } = report;
  console.log(
    `${complaints.length > 0 ? 'FAILED ' : 'ok     '} kernel ${kernel} seed ${seed}: ${requests} requests, ` +
      `${steps} steps in ${rounds} rounds, ${Math.round(seconds)} s of machine time, digest ${digest}`,
  );
  console.log(line('requests', report.outcomes));
  console.log(line('events', report.events));
  console.log(line('steps', report.actions));
  console.log(line('writes', report.errnos));
  for (const complaint of complaints) console.log(`  ${complaint}`);
  const boot = values['command-line'] === '' ? '' : ` --command-line '${values['command-line']}'`;
  console.log(`  again: npm run stress:requests -- --kernel ${kernel} --seed ${seed} --steps ${steps}${boot}`);
}

let failed = false;
for (let n = 0; n < Number(values.storms); n++) {
  const end = performance.now() + Number(values.seconds) * 1000;
  const report = await storm({
    seed: Number(values.seed) + n,
    kernel: values.kernel as KernelVersion,
    steps: values.steps === undefined ? Number.POSITIVE_INFINITY : Number(values.steps),
    ...(values.steps === undefined && { goOn: () => performance.now() < end }),
    commandLine: values['command-line'],
  });
  print(report, values.kernel);
  failed ||= report.complaints.length > 0;
}
process.exit(failed ? 1 : 0);
