/**
 * How control files take commands.
 *
 * One write is one command line (or several, where the vocabulary allows it).
 * A shell sees success or an errno; the words of the command's answer, and of
 * its failure, are to be had in two ways: a program that keeps the file open
 * for reading and writing reads its own reply behind its write, and the file
 * `error` tells what the last failed command complained of.
 */
import { KernelError } from '../../lib/errno.js';
import type { Task } from '../../lib/sync/task.js';
import type { IoContext, Store } from '../kernfs/node.js';

/** What a command printed and how it ended, as of a program. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly rc: number;
  /** Errno for a shell's write when rc is not 0; EINVAL unless given. */
  readonly error?: KernelError;
  /** The same as stdout for programs; only in a reply to `json`. */
  readonly data?: unknown;
}

export const printed = (stdout: string): Outcome => ({ stdout, stderr: '', rc: 0 });

/** Remembers the words of the last failure. */
export class LastError {
  text = '';
}

/**
 * A store that runs a command. Written with the word `json` in front, the write
 * always succeeds and the reply is one JSON object {stdout, stderr, rc, data?}: that
 * is for programs which stand for a command of the same vocabulary.
 */
export function commandStore(last: LastError, run: (line: string, task: Task) => Outcome | Promise<Outcome>): Store {
  return async (text: string, ctx: IoContext) => {
    const line = text.replace(/[\n\0]+$/, '');
    const json = /^json\s+/.exec(line);
    if (json) {
      const outcome = await settled(run, line.slice(json[0].length), ctx.task);
      const { stdout, stderr, rc, data } = outcome;
      ctx.reply?.(`${JSON.stringify({ stdout, stderr, rc, data })}\n`);
      return;
    }
    if (line.trim() === '') {
      last.text = 'an empty line is no command\n';
      throw new KernelError('EINVAL', last.text.trim());
    }
    const outcome = await settled(run, line, ctx.task);
    ctx.reply?.(outcome.stdout + outcome.stderr);
    if (outcome.rc === 0) return;
    last.text = outcome.stderr || outcome.stdout;
    throw outcome.error ?? new KernelError('EINVAL', outcome.stderr.trim());
  };
}

async function settled(
  run: (line: string, task: Task) => Outcome | Promise<Outcome>,
  line: string,
  task: Task,
): Promise<Outcome> {
  try {
    return await run(line, task);
  } catch (e) {
    if (!(e instanceof KernelError)) throw e;
    const detail = e.message.startsWith(`${e.errno}: `) ? e.message.slice(e.errno.length + 2) : e.message;
    return { stdout: '', stderr: `${detail}\n`, rc: 1, error: e };
  }
}
