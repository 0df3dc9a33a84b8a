// What the kernel's answer to a call is to the page: a value, or an error to be thrown.

import { FsError, KernelError } from './fs-error.ts';
import type { Failure, Outcome } from './protocol.ts';

/** Errors: an FsError with the given call and paths, or a KernelError. */
export function valueOf<T>(outcome: Outcome<T>, syscall: string, path?: string, dest?: string): T {
  if (outcome.failure === undefined) return outcome.value;
  throw errorOf(outcome.failure, syscall, path, dest);
}

function errorOf(failure: Failure, syscall: string, path?: string, dest?: string): Error {
  return failure.kind === 'errno'
    ? new FsError(failure.code, syscall, path, dest, failure.detail)
    : new KernelError(failure.message, failure.reason);
}
