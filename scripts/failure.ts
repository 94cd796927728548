/**
 * How a command gives up: what went wrong, what to do next, an exit status.
 */
import { EXIT } from './exit-status.js';

export interface FailureOptions {
  /** Exit status; 1 unless given. */
  readonly status?: number;
  /** What to do now: a command to type, with what it does. */
  readonly next?: string;
  /** Said as it stands, without the program's name in front: words of another program that scripts know. */
  readonly verbatim?: boolean;
}

export class Failure extends Error {
  readonly status: number;
  readonly next: string | undefined;
  readonly verbatim: boolean;

  constructor(text: string, { status = EXIT.failed, next, verbatim = false }: FailureOptions = {}) {
    super(text);
    this.name = 'Failure';
    this.status = status;
    this.next = next;
    this.verbatim = verbatim;
  }

  /** As it goes to stderr: the complaint, then what to do. */
  get report(): string {
    const first = this.verbatim ? this.message : `ap-sysfs: ${this.message}`;
    const then = this.next === undefined ? '' : `\n${this.next.replace(/^/gm, '  ')}`;
    return `${first}${then}\n`;
  }
}
