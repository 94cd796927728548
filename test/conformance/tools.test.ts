/**
 * The judge itself: what it excuses and what not, recordings from elsewhere, the report as a page.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { compareStep } from './compare.js';
import { htmlReport } from './html.js';
import { wheelExpiry } from './jiffies.js';
import { DEFAULT_HARDWARE, type Effects, findRecordings, kernelDirectory, loadRecording } from './recording.js';
import {
  digestOf,
  jsonText,
  type Report,
  rulesThatMattered,
  type StepReport,
  total,
  unlikeness,
  unlikeText,
} from './report.js';
import { timeline } from './timeline.js';

const nothing: Effects = { rc: 0, stdout: '', stderr: '', timeout: false, changes: [], uevents: [], kmsg: [] };
const here = { name: '900-elsewhere', kernel: '7.2', step: 3 };
const file = (content: string) => ({ type: 'file', mode: '0444', uid: 0, gid: 0, size: 4096, content });
const change = (path: string, before: string, after: string) => ({ path, before: file(before), after: file(after) });

t.test('exit status, output and content of the tree are never excused', async (t) => {
  const fields = (expected: Partial<Effects>, got: Partial<Effects>): string[] =>
    compareStep({ ...nothing, ...expected }, { ...nothing, ...got }, here).differences.map(({ field }) => field);
  t.same(fields({ rc: 1 }, { rc: 0 }), ['rc']);
  t.same(fields({ stdout: '1\n' }, { stdout: '2\n' }), ['stdout']);
  t.same(fields({ stderr: 'a' }, { stderr: 'b' }), ['stderr']);
  t.same(fields({ timeout: true }, {}), ['timeout']);
  t.same(fields({ changes: [change('/sys/bus/ap/apmask', '1', '2')] }, {}), ['tree']);
  t.same(
    fields(
      { changes: [change('/sys/module/mdev/version', '1', '2')] },
      { changes: [change('/sys/module/mdev/version', '1', '3')] },
    ),
    ['tree'],
  );
  t.same(
    fields(
      { kmsg: [{ level: 6, text: 'x: 3 callbacks suppressed' }] },
      { kmsg: [{ level: 6, text: 'x: 5 callbacks suppressed' }] },
    ),
    ['kmsg'],
  );
  t.same(
    fields({ uevents: [['a@/x'], ['b@/y']] }, { uevents: [['b@/y'], ['a@/x']] }),
    ['uevents'],
    'events have an order',
  );
});

t.test('what two runs of a kernel do differently is matched by a rule with a name', async (t) => {
  const rules = (expected: Partial<Effects>, got: Partial<Effects>): string => {
    const verdict = compareStep({ ...nothing, ...expected }, { ...nothing, ...got }, here);
    return verdict.differences.length === 0 ? verdict.rules.join() : 'different';
  };
  t.equal(rules({ uevents: [['change@/k', 'PID=7']] }, { uevents: [['change@/k', 'PID=8']] }), 'process-ids');
  t.equal(rules({ stderr: 'real\t0m1.2s' }, { stderr: 'real\t0m0.1s' }), 'time-output');
  t.equal(
    rules(
      { stdout: '-r--r--r-- 1 root root 4096 Nov 21 01:41 x' },
      { stdout: '-r--r--r-- 1 root root 4096 Dec  1 01:41 x' },
    ),
    'ls-dates',
  );
  const sizes = (size: string) => ({ changes: [change('/sys/module/mdev/coresize', '', size)] });
  t.equal(rules(sizes('1'), sizes('2')), 'module-build');
  const scans = (after: string) => ({ changes: [change('/sys/bus/ap/scans', '1', after)] });
  t.equal(rules(scans('2'), {}), 'scan-timer');
  t.equal(rules(scans('4'), {}), 'different', 'the timer alone scans once');
  const bindings = ['change@/devices/ap', 'BINDINGS=complete', 'COMPLETECOUNT=2'];
  const early = { uevents: [bindings, ['a@/x']] };
  const late = { uevents: [['a@/x'], bindings] };
  t.equal(rules(early, late), 'different', 'without a scan by the timer, events have an order');
  const timed = compareStep({ ...nothing, ...early }, { ...nothing, ...late }, { ...here, timedScan: true });
  t.same(timed, { differences: [], rules: ['scan-timer'] });
});

t.test('a rule for steps of one recording does not reach another one with its number', async (t) => {
  const sent = (card: string) => ({
    ...nothing,
    changes: [change(`/sys/devices/ap/card${card}/request_count`, '0', '1')],
  });
  const differences = (name: string): number =>
    compareStep(sent('00'), sent('03'), { name, kernel: '7.2', step: 12 }).differences.length;
  t.equal(differences('12-request-counters'), 0);
  t.equal(differences('12-something-else'), 2);
});

t.test('recordings from anywhere, with fields missing', async (t) => {
  const dir = t.testdir();
  const put = (path: string, value: unknown): void => {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), JSON.stringify(value));
  };
  put('7.2/300-mine.json', { steps: [{ cmd: 'true' }, { cmd: 'false', rc: 1, stdout: null }] });
  put('7.2/no-number.json', { steps: [] });
  put('6.12.107/301-x.json', { steps: [], hw: 'card 1 add cex5 cca', append: 'oracle.novfio ap.domain=3', se: true });
  put('6.1/broken.json', { scenario: 'x' });
  t.same(findRecordings(dir, '7.2'), ['300-mine', 'no-number']);
  t.same(findRecordings(dir, '7.2', '300'), ['300-mine']);
  t.equal(kernelDirectory(dir, '6.12'), join(dir, '6.12.107'), 'a full version is a kernel too');
  t.equal(kernelDirectory(dir, '6.1'), join(dir, '6.1'), '6.12 is not 6.1');
  const mine = loadRecording(join(dir, '7.2/300-mine.json'), '300-mine');
  t.match(mine, { hw: DEFAULT_HARDWARE, append: '', se: false, scenario: '300-mine' });
  t.same(
    mine.steps.map(({ rc, stdout, changes }) => [rc, stdout, changes.length]),
    [
      [0, '', 0],
      [1, '', 0],
    ],
  );
  t.match(
    timeline(mine, '7.2'),
    [
      { begin: Number, look: Number },
      { begin: Number, look: Number },
    ],
    'steps without a log have times',
  );
  put('7.2/302-odd.json', {
    ...{ hw: null, append: ['a', 'b'], dmesg: ['[1.0] x'], kernel: 7.2 },
    steps: [{ cmd: 'true' }, { cmd: 'false', rc: '1', stdout: ['x'] }, { rc: 0 }, 'true', null],
  });
  const odd = loadRecording(join(dir, '7.2/302-odd.json'), '302-odd');
  t.match(odd, { hw: DEFAULT_HARDWARE, append: 'a b', dmesg: '[1.0] x', kernel: '7.2' });
  t.same(
    odd.steps.map(({ cmd, fault }) => [cmd, fault]),
    [
      ['true', undefined],
      ['false', 'the recorded step cannot be read: rc, stdout'],
      ['', 'the recorded step cannot be read: cmd'],
      ['', 'the recorded step is no object'],
      ['', 'the recorded step is no object'],
    ],
    'a step that cannot be read counts, and is a different one',
  );
  t.throws(() => loadRecording(join(dir, '6.1/broken.json'), 'broken'), /no steps/);
  writeFileSync(join(dir, '6.1/torn.json'), '{ "steps": [');
  t.throws(() => loadRecording(join(dir, '6.1/torn.json'), 'torn'), /torn\.json: .*JSON/);
});

t.test('the page shows both sides, and nothing of them is markup', async (t) => {
  const details = [
    { step: 0, cmd: 'true', equal: true, rules: ['process-ids'], differences: [], digest: 'a' },
    {
      step: 1,
      cmd: 'echo "<b>" && x',
      equal: false,
      rules: [],
      differences: [{ field: 'stdout' as const, expected: 'same\n<i>one</i>', got: 'same\n\u0007two' }],
      digest: 'b',
    },
  ];
  const report = total([{ kernel: '7.2', name: '01-x', steps: 2, equal: 1, details }]);
  const page = htmlReport(report);
  t.match(page, '<del>&lt;i&gt;one&lt;/i&gt;</del>');
  t.match(page, '<ins>\\x07two</ins>');
  t.match(page, 'echo &quot;&lt;b&gt;&quot; &amp;&amp; x');
  t.match(page, '1 of 2 steps equal');
  t.notMatch(page, /<script|https?:/);
  t.same(rulesThatMattered(report), [['process-ids', ['7.2 01-x 0']]]);
});

t.test('a later run that is not identical says where, and both texts', async (t) => {
  const run = (came: Partial<Effects>, more: Partial<StepReport> = {}): Report => {
    const all = { ...nothing, ...came };
    const step = { step: 0, cmd: 'x', equal: true, rules: [], differences: [], digest: digestOf(all), came: all };
    return total([{ kernel: '7.2', name: '01-x', steps: 1, equal: 1, details: [{ ...step, ...more }] }]);
  };
  const first = run({ stdout: 'one', uevents: [['a@/x'], ['b@/y']] });
  t.same(unlikeness(first, run({ stdout: 'one', uevents: [['a@/x'], ['b@/y']] }), 2), []);
  const [found, ...more] = unlikeness(first, run({ stdout: 'two', uevents: [['b@/y'], ['a@/x']] }), 3);
  t.same(more, []);
  t.same(found, {
    ...{ run: 3, kernel: '7.2', scenario: '01-x', step: 0, cmd: 'x' },
    differences: [
      { field: 'stdout', expected: 'one', got: 'two' },
      { field: 'uevents', expected: 'a@/x\nb@/y', got: 'b@/y\na@/x' },
    ],
  });
  const page = htmlReport({ ...first, unlike: [found!] });
  t.match(page, '7.2 01-x step 0, run 3');
  t.match(page, '<h5>run 1</h5><pre><del>one</del></pre>');
  t.match(htmlReport({ ...first, unlike: [] }), 'All runs are identical');
  t.match(unlikeText(3, [found!], false), '7.2 01-x 0 $ x\n    stdout\n      - "one"\n      + "two"');
  const judged = unlikeness(first, run({ stdout: 'one', uevents: [['a@/x'], ['b@/y']] }, { rules: ['ls-dates'] }), 2);
  t.match(judged, [{ differences: [{ field: 'verdict' }] }], 'also where the same came and another rule mattered');
  t.notMatch(jsonText(first), '"came"');
});

t.test('timers of the wheel are late, as in the kernel', async (t) => {
  t.equal(wheelExpiry(1000, 5), 1006, 'msleep(20) with HZ=250 takes 24 ms');
  t.equal(wheelExpiry(1000, 62), 1063, 'the first level is exact but for the current jiffy');
  t.equal(wheelExpiry(1000, 63) % 8, 0);
  t.equal(wheelExpiry(1000, 1250) % 64, 0, '5 s: to the next 256 ms');
  t.equal(wheelExpiry(1000, 7500) % 512, 0, '30 s: to the next 2048 ms');
  t.ok(wheelExpiry(1000, 7500) > 8500);
});
