// GoferError: a gofer can't be mounted.

import { type LinuxError, linuxerr } from '../../abi/errno.ts';

/** The message says what is wrong, and what would be right. */
export class GoferError extends Error {
  override readonly name = 'GoferError';
  /** What a system call says of it. */
  readonly error: LinuxError;

  constructor(message: string, error: LinuxError = linuxerr.EINVAL) {
    super(message);
    this.error = error;
  }
}

/** A source as it may be shown. */
export function withoutToken(source: string): string {
  return source.replace(/#.*$/s, '');
}
