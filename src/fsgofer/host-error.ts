// Errors of the host's system calls as ours: without the host's paths, which Node puts into its
// errors' messages. On Linux by their numbers, since libuv has no code for many (ESTALE, EDQUOT:
// "Unknown system error -122"); elsewhere by their codes, since other kernels have other numbers.

import { platform } from 'node:os';
import { errorFromErrno, type ErrnoName, type LinuxError, linuxerr } from '../abi/errno.ts';

const HAS_LINUX_NUMBERS = platform() === 'linux';

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
export function fromHostError(error: Error, hasLinuxNumbers = HAS_LINUX_NUMBERS): Error {
  const { code, errno, syscall } = error as Readonly<Record<string, unknown>> & Error;
  if (typeof code !== 'string' || typeof syscall !== 'string') return error;
  if (hasLinuxNumbers && typeof errno === 'number') return errorFromErrno(-errno);
  return errorOfCode(code);
}

/** EIO for one that Linux doesn't have. */
function errorOfCode(code: string): LinuxError {
  const name = SYNONYMS[code] ?? code;
  return Object.hasOwn(linuxerr, name) ? linuxerr[name as ErrnoName] : linuxerr.EIO;
}
