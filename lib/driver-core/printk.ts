/**
 * The kernel log.
 *
 * Mirrors kernel/printk and lib/ratelimit.c as far as dmesg shows it: a bounded
 * ring of lines with level and machine time. spec/attributes.md J.
 */
import type { Clock, Nanoseconds } from '../ports.js';

export const LOGLEVEL = { err: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const;
export type LogLevel = keyof typeof LOGLEVEL;

export interface LogLine {
  readonly sequence: number;
  readonly level: number;
  readonly time: Nanoseconds;
  readonly text: string;
}

const RING = 4096;

export class KernelLog {
  readonly #clock: Clock;
  readonly #lines: LogLine[] = [];
  readonly #listeners = new Set<(line: LogLine) => void>();
  /** A line without a newline at its end waits for the next one before readers see it. */
  #held: LogLine | undefined;
  #sequence = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  print(level: LogLevel, text: string): void {
    this.#flush();
    this.#publish({ sequence: this.#sequence++, level: LOGLEVEL[level], time: this.#clock.now(), text });
  }

  /** A message that forgets its newline: readable only once another message follows. */
  printWithoutNewline(level: LogLevel, text: string): void {
    this.#flush();
    this.#held = { sequence: this.#sequence++, level: LOGLEVEL[level], time: this.#clock.now(), text };
  }

  /** The lines now in the ring, oldest first. */
  lines(): readonly LogLine[] {
    return this.#lines;
  }

  clear(): void {
    this.#lines.length = 0;
  }

  subscribe(listener: (line: LogLine) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #flush(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held) this.#publish(held);
  }

  #publish(line: LogLine): void {
    this.#lines.push(line);
    if (this.#lines.length > RING) this.#lines.splice(0, this.#lines.length - RING);
    for (const listener of this.#listeners) listener(line);
  }
}

/** `printk_ratelimited`: at most `burst` in `interval`; tells how many were left out when the next passes. */
export class RateLimit {
  #begin: Nanoseconds | undefined;
  #printed = 0;
  #missed = 0;

  constructor(
    readonly clock: Clock,
    readonly interval: Nanoseconds = 5_000_000_000,
    readonly burst = 10,
  ) {}

  /** True if the message may be printed; `suppressed` of those before it were not. */
  pass(): { print: boolean; suppressed: number } {
    const now = this.clock.now();
    let suppressed = 0;
    if (this.#begin === undefined || now > this.#begin + this.interval) {
      if (this.#begin !== undefined) suppressed = this.#missed;
      this.#begin = now;
      this.#printed = 0;
      this.#missed = 0;
    }
    if (this.#printed < this.burst) {
      this.#printed++;
      return { print: true, suppressed };
    }
    this.#missed++;
    return { print: false, suppressed };
  }
}
