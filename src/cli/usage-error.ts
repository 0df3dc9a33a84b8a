// UsageError: what whoever wrote the command line has to change. One line, and exit code 2.

export class UsageError extends Error {
  override readonly name = 'UsageError';

  /** In one line, whatever is in a path; not as JSON, which would double Windows' backslashes. */
  print(): string {
    const escape = (character: string): string => JSON.stringify(character).slice(1, -1);
    return this.message.replace(/\p{Cc}/gu, escape);
  }
}

/** `option` with a `value` that isn't one of those that are `allowed`. */
export function wrongValue(option: string, value: string, allowed: string): UsageError {
  return new UsageError(`${option} "${value}": ${allowed}`);
}
