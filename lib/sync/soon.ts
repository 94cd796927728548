/**
 * Something that is there at once, or a little later.
 *
 * An intercepted instruction of a guest stalls its virtual CPU until the host
 * has answered; all others answer at once. What runs between two instructions
 * goes on without a break where nothing stalled. So do most reads of attributes:
 * few of them wait for a lock, and then only if somebody holds it.
 */
export type Soon<T> = T | Promise<T>;

/** Goes on with a value: now if it is there. */
export function after<T, R>(value: Soon<T>, next: (value: T) => Soon<R>): Soon<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** `body`, and `end` when it has ended, however it does: try and finally. */
export function ending<T>(body: () => Soon<T>, end: () => void): Soon<T> {
  let value: Soon<T>;
  try {
    value = body();
  } catch (e) {
    end();
    throw e;
  }
  if (value instanceof Promise) return value.finally(end);
  end();
  return value;
}
