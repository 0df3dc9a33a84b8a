// ArchiveError: what is wrong with an archive, and at which entry. The kernel's errors get the
// entry they happened at.

import { type ErrnoName, LinuxError } from '../abi/errno.ts';

export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
  readonly code: ErrnoName;

  /** `message`: what an error of the page says behind the path. */
  constructor(code: ErrnoName, message: string) {
    super(message);
    this.code = code;
  }
}

/** An archive that is not as its format asks for. */
export function damaged(message: string): ArchiveError {
  return new ArchiveError('EINVAL', message);
}

/** An entry's name in a message; what could garble a terminal is escaped. */
export function quote(path: string): string {
  const name = path === '' ? '.' : path;
  return `'${JSON.stringify(name).slice(1, -1).replace(/\\"/g, '"')}'`;
}

/** `error`, or, if it is the kernel's, one that also says at which entry it happened. */
export function atEntry(error: unknown, path: string): unknown {
  return error instanceof LinuxError ? new ArchiveError(error.code, `at ${quote(path)}`) : error;
}
