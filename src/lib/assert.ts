// Assertions. A failed one is a bug of ours, never a user's mistake: it is not caught anywhere
// and stops the kernel worker loudly. Mistakes of users are LinuxErrors (abi/errno.ts).

/** A broken invariant: a bug in Burrow. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export function assert(condition: boolean, message = 'invariant violated'): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Asserts that a value known to be there is there. */
export function assertDefined<T>(value: T | undefined | null, message = 'value missing'): T {
  if (value === undefined || value === null) throw new InvariantError(message);
  return value;
}
