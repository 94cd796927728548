/**
 * `ap-sysfs load`: traffic from programs with an open zcrypt node, by the
 * control file `load`. They live in the machine; this command only watches.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { JobView, ResultView } from '../../fs-tree/control/load-jobs.js';
import { REQUEST_KINDS, type RequestKind } from '../../lib/zcrypt/program/work.js';
import { EXIT } from '../exit-status.js';
import { Failure } from '../failure.js';
import { readCalmly } from '../follow.js';
import { examples } from '../help.js';
import { failureAdvice, refusalAdvice } from '../load/advice.js';
import { Progress } from '../load/progress.js';
import { eachHead, eachLine, summary } from '../load/text.js';
import { addSysOption, chooseMount } from '../mounts/choose.js';
import { Control, NoMachineThere, type Reply } from '../mounts/control.js';
import { oneOf } from '../one-of.js';
import { print } from '../output/terminal.js';

const LOOK_EVERY_MS = 100;

interface LoadOptions {
  readonly sys?: string;
  readonly kind: RequestKind;
  readonly rate?: string;
  readonly concurrency?: string;
  readonly count?: string;
  readonly duration?: string;
  readonly node?: string;
  readonly guest?: string;
  readonly adapter?: string;
  readonly domain?: string;
  readonly each?: true;
  readonly json?: true;
}

const KINDS = `
Kinds:
  rsa1024 rsa2048 rsa4096   RSA with a clear key; results are checked
  crt1024 crt2048 crt4096   the same in Chinese remainder form
  cca                       facility query to a CCA coprocessor
  ep11                      module information of an EP11 coprocessor
  rng                       4096 random bytes of a CCA coprocessor
RSA has no address: the kernel chooses the queue. Times are machine time.

Exit status: 0 all requests succeeded; 1 one failed or had a wrong answer, or
the machine refused to begin; 2 wrong words; 4 no machine. Ctrl-C begins no
more requests and waits for the last ones, a second one interrupts them
(EINTR); the summary is printed in any case.`;

export function addLoad(program: Command): void {
  const command = addSysOption(program.command('load'))
    .summary('send requests: load --kind rsa2048 --count 100')
    .description('Sends requests to the adapters, as programs with an open zcrypt device node would.')
    .requiredOption('-k, --kind <kind>', 'what to ask for', oneOf(REQUEST_KINDS))
    .option('-n, --count <number>', 'requests (default: until Ctrl-C)', positive(true))
    .option('-r, --rate <number>', 'requests a second, whatever becomes of them', positive(false))
    .option('-c, --concurrency <number>', 'programs; each sends when it is answered (default: 1)', positive(true))
    .option('--duration <time>', 'how long: 10s, 500ms, 2min', time)
    .option('--guest <name>', 'in this guest, not on the host')
    .option('--node <name>', 'device node (default: z90crypt)')
    .option('--adapter <id>', 'card, as in sysfs: 03 (cca, ep11, rng)', sysfsId(2))
    .option('--domain <id>', 'domain, as in sysfs: 001b (cca, ep11, rng)', sysfsId(4))
    .option('--each', 'a line for each request')
    .option('--json', 'a summary as JSON; with --each a JSON object a line before it')
    .addHelpText('after', KINDS);
  examples(command, [
    ['ap-sysfs load --kind rsa2048 --count 1000', 'one after the other'],
    ['ap-sysfs load -k crt4096 -c 32 --duration 10s', '32 programs for 10 s'],
    ['ap-sysfs load -k cca --rate 50 --adapter 03 --each', 'in a second terminal'],
    ['ap-sysfs load -k cca --guest web', "over the guest's own AP bus"],
    ['ap-sysfs load -k rng -n 100 --node zcrypt_1', "by a node's masks"],
  ]).action((options: LoadOptions, self: Command) => load(self, options));
}

async function load(self: Command, options: LoadOptions): Promise<void> {
  const control = new Control(chooseMount(self.optsWithGlobals().sys ?? options.sys));
  const ctrlC = new CtrlC(control);
  try {
    const job = begin(control, options);
    ctrlC.isFor(job);
    const view = await watch(control, job, options);
    print(options.json ? `${JSON.stringify(options.each ? { summary: view } : view)}\n` : summary(view));
    if (view.ok < view.started) {
      process.exitCode = EXIT.failed;
      process.stderr.write(failureAdvice(view));
    }
  } finally {
    ctrlC.forget();
  }
}

/**
 * @returns the job's number
 * @throws Failure the machine refuses to begin
 */
function begin(control: Control, options: LoadOptions): number {
  const { rc, stderr, data } = control.run('load', `run ${words(options)}`);
  if (rc === 0) return (data as { job: number }).job;
  const complaint = stderr.trim().replace(/^load: /, '');
  throw new Failure(`load: ${complaint}`, refusalAdvice(complaint));
}

/** The command line of the control file. */
function words({ kind, rate, concurrency, count, duration, guest, node, adapter, domain }: LoadOptions): string {
  const pairs = Object.entries({ rate, concurrency, count, duration, guest, node, adapter, domain });
  return [kind, ...pairs.flatMap(([key, value]) => (value === undefined ? [] : `${key}=${value}`))].join(' ');
}

/** Prints what there is to see until the job has ended. */
async function watch(control: Control, job: number, { each, json }: LoadOptions): Promise<JobView> {
  const progress = new Progress(!each && !json);
  let seen = 0;
  if (each && !json) print(eachHead());
  for (;;) {
    // The state first: whoever has ended then has all its results.
    const view = await ask<JobView>(control, `status ${job}`);
    if (each) seen = await printEach(control, job, seen, json === true);
    if (view.state === 'ended') {
      progress.end();
      return view;
    }
    progress.show(view);
    await sleep(LOOK_EVERY_MS);
  }
}

/** @returns the number of the last result that was printed */
async function printEach(control: Control, job: number, since: number, json: boolean): Promise<number> {
  let seen = since;
  for (;;) {
    const results = await ask<ResultView[]>(control, `each ${job} since=${seen}`);
    const [first] = results;
    if (!first) return seen;
    if (first.seq > seen + 1 && !json) print(`# ${first.seq - seen - 1} came too fast to be shown\n`);
    for (const result of results) print(json ? `${JSON.stringify(result)}\n` : eachLine(result));
    seen = results.at(-1)?.seq ?? seen;
  }
}

/** @throws Failure the machine has gone, and the job with it */
async function ask<T>(control: Control, line: string): Promise<T> {
  const { data, stderr } = await answered(control, line);
  if (data === undefined)
    throw new Failure(`load: ${stderr.trim()}`, { next: 'ap-sysfs trace    tells what happened' });
  return data as T;
}

async function answered(control: Control, line: string): Promise<Reply> {
  try {
    return await readCalmly(() => control.run('load', line));
  } catch (e) {
    if (!(e instanceof NoMachineThere)) throw e;
    throw new Failure(`${e.mountPoint} was unmounted, with the requests on their way`, { status: EXIT.noMachine });
  }
}

/**
 * The first one ends the job, the second one its requests. Made before the
 * job begins: a signal that came in between would end this command, and
 * leave the job behind.
 */
class CtrlC {
  readonly #control: Control;
  #job: number | undefined;
  #times = 0;

  constructor(control: Control) {
    this.#control = control;
    for (const signal of SIGNALS) process.on(signal, this.#hit);
  }

  /** To be called in the turn of the event loop in which the job begins: signals are heard after it. */
  isFor(job: number): void {
    this.#job = job;
  }

  forget(): void {
    for (const signal of SIGNALS) process.off(signal, this.#hit);
  }

  readonly #hit = (): void => {
    try {
      this.#control.run('load', `${this.#times++ === 0 ? 'stop' : 'kill'} ${this.#job}`);
    } catch {
      // The machine is going away: whoever watches the job will tell.
    }
  };
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const positive =
  (whole: boolean) =>
  (text: string): string => {
    if (!(whole ? /^\d+$/ : /^\d+(?:\.\d+)?$/).test(text) || Number(text) <= 0)
      throw new InvalidArgumentError(`It is a ${whole ? 'whole ' : ''}number above 0.`);
    return text;
  };

function time(text: string): string {
  if (!/^\d+(?:\.\d+)?(?:us|ms|s|min)$/.test(text) || Number.parseFloat(text) <= 0)
    throw new InvalidArgumentError('It is a time above 0 with its unit: 10s, 500ms, 2min.');
  return text;
}

const sysfsId =
  (digits: number) =>
  (text: string): string => {
    if (!/^(?:0x)?[0-9a-f]{1,4}$/i.test(text) || Number.parseInt(text, 16) > 0xff)
      throw new InvalidArgumentError(`It is a number as in sysfs, hexadecimal: ${'3'.padStart(digits, '0')}.`);
    return text;
  };
