/**
 * What the world must give the model: time, randomness, arithmetic, a trace.
 *
 * lib has no wall clock, no timers, no Math.random and no node: import of its
 * own; everything of that kind comes in here, so that the same seed and the
 * same inputs give the same trace.
 */

/** Nanoseconds. Differences and durations are plain numbers (exact up to 104 days). */
export type Nanoseconds = number;

export const USEC: Nanoseconds = 1_000;
export const MSEC: Nanoseconds = 1_000_000;
export const SEC: Nanoseconds = 1_000_000_000;

/** A pending one-shot timer. */
export interface Timer {
  /** When it fires, in machine time. */
  readonly expires: Nanoseconds;
  readonly pending: boolean;
  /** Stops it; true if it had been pending. */
  cancel(): boolean;
}

export interface TimerOptions {
  /**
   * A timer nobody waits for in the foreground (the 30 s bus scan, the retry of
   * the hardware RNG): `settle` does not wait for it and an `auto` clock does not jump to it.
   */
  readonly background?: boolean;
  /** Shown in the trace and by the control file `clock`. */
  readonly name?: string;
}

/** Machine time: starts at 0 when the machine is made. */
export interface Clock {
  now(): Nanoseconds;
  after(delay: Nanoseconds, fire: () => void, options?: TimerOptions): Timer;
}

/** A seeded source of bytes. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** An integer in [0, bound). */
  below(bound: number): number;
}

/** Arithmetic that adapters do in silicon. Big endian, as long as the modulus. */
export interface CryptoPort {
  /** base^exponent mod modulus. */
  modExp(base: Uint8Array, exponent: Uint8Array, modulus: Uint8Array): Uint8Array;
}

/**
 * One line of the machine's story. `kind` is dotted: "ap.instr", "lock.take", "uevent", ...
 * It never changes, but its words may be made only when somebody reads them:
 * of a full machine's half a million events hardly any is ever read.
 */
export interface TraceEvent {
  readonly kind: string;
  readonly text: string;
  /** Details for filters; small plain values only. */
  readonly data?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

export interface Trace {
  /** False when nobody listens: callers on hot paths skip building the event. */
  readonly enabled: boolean;
  emit(event: TraceEvent): void;
}

/** Everything a world needs from outside. */
export interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: CryptoPort;
  readonly trace: Trace;
}
