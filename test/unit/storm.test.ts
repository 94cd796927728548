/**
 * Requests while their queues are taken away: the short form of
 * `npm run stress:requests`.
 */
import t from 'tap';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { type StormReport, storm } from '../stress/storm.js';

const STEPS = 120;

const sum = (report: StormReport, pattern: RegExp): number =>
  Object.entries(report.outcomes).reduce((n, [name, count]) => n + (pattern.test(name) ? count : 0), 0);

for (const [kernel, commandLine] of [
  ['7.2', ''],
  ['7.2', 'ap.useirq=0'],
  ['7.2', 'ap.useirq=0 ap.poll_thread=1'],
  ['6.12', ''],
  ['6.1', ''],
] as readonly (readonly [KernelVersion, string])[])
  t.test(`no request is lost in a storm, and nothing is left of it (${kernel} ${commandLine})`, async (t) => {
    const report = await storm({ seed: 5, kernel, commandLine, steps: STEPS });
    t.same(
      report.complaints,
      [],
      `again: --kernel ${kernel} --seed 5 --steps ${STEPS} --command-line '${commandLine}'`,
    );
    t.equal(report.steps, STEPS);
    t.ok(report.requests > 500, `${report.requests} requests`);
    t.ok(sum(report, / ok$/) > report.requests / 4, 'many succeed');
    t.ok(sum(report, / ENODEV$/) > 0, 'some find nobody');
    t.ok((report.events.flushed ?? 0) > 0, 'some are flushed and tried again');
  });

t.test('the same seed gives the same storm', async (t) => {
  const first = await storm({ seed: 9, steps: 60 });
  t.same(await storm({ seed: 9, steps: 60 }), first);
  t.not((await storm({ seed: 10, steps: 60 })).digest, first.digest);
});
