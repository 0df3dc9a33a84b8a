// Errors of the host's system calls as ours: by their codes, and without the host's paths, which
// Node puts into its errors' messages.

import { type ErrnoName, type LinuxError, linuxerr } from '../abi/errno.ts';

/** Codes that Node or another kernel has under another name. */
const SYNONYMS: Readonly<Record<string, ErrnoName>> = {
  ENOTSUP: 'EOPNOTSUPP',
  EWOULDBLOCK: 'EAGAIN',
  ENOATTR: 'ENODATA',
};

/**
 * The Linux error of an error that a call of node:fs gave. What is no system call's error is a bug,
 * and is passed on as it is.
 */
export function fromHostError(error: Error): Error {
  const { code, syscall } = error as { readonly code?: unknown; readonly syscall?: unknown };
  if (typeof code !== 'string' || typeof syscall !== 'string') return error;
  return errorOfCode(code);
}

/** EIO for one that Linux doesn't have. */
function errorOfCode(code: string): LinuxError {
  const name = SYNONYMS[code] ?? code;
  return Object.hasOwn(linuxerr, name) ? linuxerr[name as ErrnoName] : linuxerr.EIO;
}
