// Failures in words, as a shell prints them.

/** A command line that can't be carried out; the message is for the user. */
export class ShellError extends Error {
  override readonly name = 'ShellError';
}

/** The code of a filesystem error ('ENOENT'), or ''. */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

/**
 * null for a failure of the filesystem, as when there is no such file. Anything else is thrown on:
 * a kernel that has stopped says nothing about files.
 */
export function nullIfFsError(error: unknown): null {
  if (errorCode(error) === '') throw error;
  return null;
}

/** What went wrong, without the system call and paths that a filesystem error's message carries. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = errorCode(error);
  const sentence = code === '' ? null : /^E[A-Z0-9]+: ([^,]+)/.exec(error.message);
  return sentence?.[1] ?? error.message;
}
