/**
 * How far a job is: one line of a terminal, written again and again.
 */
import type { JobView } from '../../fs-tree/control/load-jobs.js';
import { colour, terminalWidth } from '../output/terminal.js';
import { microseconds } from './text.js';

/** Time without a new answer after which the line says why, in looks. */
const STANDS = 20;

export class Progress {
  readonly #wanted: boolean;
  #drawn = false;
  #ended = -1;
  #standing = 0;

  /** @param wanted whether the caller would like one; there is none without a terminal */
  constructor(wanted: boolean) {
    this.#wanted = wanted && process.stdout.isTTY === true && process.stderr.isTTY === true;
  }

  show(view: JobView): void {
    if (!this.#wanted) return;
    const ended = view.started - view.inFlight;
    this.#standing = ended === this.#ended ? this.#standing + 1 : 0;
    this.#ended = ended;
    const line = this.#line(view, ended).slice(0, terminalWidth() - 1);
    process.stderr.write(`\r\x1b[K${colour.dim(line)}`);
    this.#drawn = true;
  }

  /** Takes the line away. */
  end(): void {
    if (this.#drawn) process.stderr.write('\r\x1b[K');
  }

  #line(view: JobView, ended: number): string {
    const { kind, state, count, failed, wrong, retries, inFlight, perSecond, latencyUs, clock } = view;
    return [
      `${kind} ${ended}${count === null ? '' : ` of ${count}`}`,
      ...(failed > 0 ? [`failed ${failed}`] : []),
      ...(wrong > 0 ? [`wrong ${wrong}`] : []),
      ...(retries > 0 ? [`retries ${retries}`] : []),
      `in flight ${inFlight}`,
      ...(perSecond === null ? [] : [`${Math.round(perSecond)}/s`]),
      ...(latencyUs ? [`p50 ${microseconds(latencyUs.p50)}`] : []),
      ...(state === 'ending' ? ['waits for the last answers (Ctrl-C: not)'] : []),
      ...(this.#standing >= STANDS && clock === 'manual' ? ['the clock is manual: advance it'] : []),
    ].join(' · ');
  }
}
