/**
 * Whole programs of the recordings, run to their end (traces/README.md):
 *   cryptoload [-d DEV] [-b BITS] [-c] [-n COUNT] [-p PROCS]
 *   zcdev DEV status|statusmask|perdev|..|errors
 *   zcdev DEV cca CARD DOM [FUNCID]      zcdev DEV ep11 CARD DOM
 * What they print and their exit status are the reply.
 */
import { type Errno, isKernelError, KernelError } from '../../lib/errno.js';
import type { Kernel } from '../../lib/kernel.js';
import type { Task } from '../../lib/sync/task.js';
import { strerror } from '../../lib/vmm/strerror.js';
import type { Program } from '../../lib/zcrypt/program/program.js';
import { rsaWork } from '../../lib/zcrypt/program/rsa-work.js';
import { noMore, oneOff } from './load-words.js';
import type { Outcome } from './verbs.js';
import { statisticText, wrongCalls } from './zcrypt-calls.js';

interface CryptoloadOptions {
  readonly device: string;
  readonly bits: number;
  readonly crt: boolean;
  readonly count: number;
  readonly processes: number;
}

const exited = (stdout: string, error?: Errno): Outcome => ({
  stdout,
  stderr: '',
  rc: error === undefined ? 0 : 1,
  ...(error !== undefined && { error: new KernelError(error, stdout.trimEnd()) }),
});

/** Opens nodes for as many processes; the outcome when that fails. */
async function opened(kernel: Kernel, comm: string, device: string, count: number): Promise<Program[] | Outcome> {
  const programs: Program[] = [];
  try {
    for (let n = 0; n < count; n++) programs.push(await kernel.zcrypt.start(comm, device));
    return programs;
  } catch (e) {
    for (const program of programs) program.close();
    if (!isKernelError(e)) throw e;
    return exited(`open ${device}: ${strerror(e.errno)} (${e.errno})\n`, e.errno);
  }
}

/** A signal for the one who waits reaches the programs. */
async function interruptible<T>(task: Task, programs: readonly Program[], run: () => Promise<T>): Promise<T> {
  const signal = (): void => {
    for (const program of programs) program.signal();
  };
  task.signal?.addEventListener('abort', signal, { once: true });
  try {
    return await run();
  } finally {
    task.signal?.removeEventListener('abort', signal);
    for (const program of programs) program.close();
  }
}

export async function cryptoload(kernel: Kernel, words: readonly string[], task: Task): Promise<Outcome> {
  const { device, bits, crt, count, processes } = cryptoloadOptions(words);
  const programs = await opened(kernel, 'cryptoload', device, processes);
  if (!Array.isArray(programs)) return programs;
  const makeWork = rsaWork(kernel.core.ports.crypto, crt ? 'crt' : 'me', bits);
  const lines: string[] = [];
  let error: Errno | undefined;
  const process = async (program: Program): Promise<void> => {
    const work = makeWork();
    for (let n = 0; n < count && !task.signalPending; n++) {
      const { result } = await program.send(work);
      if (result === 'ok') lines.push(`${crt ? 'crt' : 'mex'} #${n} rc=0 ok\n`);
      else if (result === 'wrong') lines.push(`${crt ? 'crt' : 'mex'} #${n} rc=0 WRONG RESULT\n`);
      else lines.push(`${crt ? 'crt' : 'mex'} #${n} errno=${result} (${strerror(result)})\n`);
      if (result !== 'ok') error ??= result === 'wrong' ? 'EIO' : result;
    }
  };
  await interruptible(task, programs, () => Promise.all(programs.map(process)));
  return exited(lines.join(''), error);
}

/** @throws EINVAL */
function cryptoloadOptions(words: readonly string[]): CryptoloadOptions {
  const values = new Map([
    ['d', '/dev/z90crypt'],
    ['b', '1024'],
    ['n', '1'],
    ['p', '1'],
  ]);
  let crt = false;
  for (let at = 0; at < words.length; at++) {
    const [, flag, rest = ''] = /^-([dbnp])(.*)$/.exec(words[at] ?? '') ?? [];
    if (flag !== undefined) values.set(flag, rest || (words[++at] ?? ''));
    else if (words[at] === '-c') crt = true;
    else if (/^-[sS]$/.test(words[at] ?? ''))
      throw new KernelError('EINVAL', 'cryptoload: -s, -S: no process is here to take signals; see request and signal');
    else throw new KernelError('EINVAL', `cryptoload: "${words[at]}" is not one of -d, -b, -c, -n, -p`);
  }
  const number = (flag: string, most: number): number => {
    const value = Number(values.get(flag));
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new KernelError('EINVAL', `cryptoload: -${flag}: ${values.get(flag)} is not 1 to ${most}`);
    return value;
  };
  const bits = number('b', 4096);
  if (bits % 16 !== 0) throw new KernelError('EINVAL', `cryptoload: ${bits} bits`);
  return {
    device: values.get('d') ?? '',
    bits,
    crt,
    count: number('n', 1_000_000),
    processes: number('p', 1024),
  };
}

export async function zcdev(kernel: Kernel, words: readonly string[], task: Task): Promise<Outcome> {
  const [device, what, ...rest] = words;
  if (device === undefined || what === undefined)
    throw new KernelError('EINVAL', 'zcdev: DEV and what to ask it for are missing');
  if (what !== 'cca' && what !== 'ep11') noMore(`zcdev: ${what}`, rest);
  const programs = await opened(kernel, 'zcdev', device, 1);
  if (!Array.isArray(programs)) return programs;
  const [program] = programs as [Program];
  return interruptible(task, programs, async () => {
    try {
      if (what === 'errors') return exited(await wrongCalls(program.file, program.task));
      if (what !== 'cca' && what !== 'ep11') return exited(statisticText(program.file, what));
    } catch (e) {
      if (!isKernelError(e, 'EPERM')) throw e;
      return exited(`ioctl: ${e.errno}\n`, e.errno);
    }
    const { work, said } = oneOff(kernel.core.ports.crypto, [what, ...rest]);
    const { result } = await program.send(work);
    if (result === 'ok' || result === 'wrong') return exited(said(), result === 'wrong' ? 'EIO' : undefined);
    return exited(`ioctl: ${result}\n`, result);
  });
}
