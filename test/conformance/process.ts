// Process: a process under test, as functions that make its system calls, and what can be done to
// it from outside. The real Linux supplies one (test/support/linux), our kernel others
// (burrow-process.ts). A failed call rejects with a LinuxError, whose `code` names the errno.

import type { ErrnoName } from '../../src/abi/errno.ts';
import type { Op } from '../../src/lib/op.ts';
import type { SyscallName, Syscalls } from '../../src/syscalls/table.ts';

/** The system calls that concern files; terminals have tests of their own. */
export type CaseSyscallName = Exclude<SyscallName, 'isatty'>;
export type SyscallArguments<Name extends SyscallName> = Parameters<Syscalls[Name]>;
export type SyscallResult<Name extends SyscallName> =
  ReturnType<Syscalls[Name]> extends Op<infer Result> ? Result : never;

export type AsyncSyscalls = {
  readonly [Name in CaseSyscallName]: (
    ...args: SyscallArguments<Name>
  ) => Promise<SyscallResult<Name>>;
};

/** What can be done about a call that waits. */
export interface ProcessControl {
  /**
   * Whether the process waits in the call that `hasSettled` tells of, after everybody else has had
   * ample turns to end it.
   */
  isWaiting(hasSettled: () => boolean): Promise<boolean>;
  /** Ends a call that waits, as a signal with a handler does: it fails with EINTR. */
  interrupt(): Promise<void>;
}

export type ProcessCalls = AsyncSyscalls & ProcessControl;

export interface SubjectCredentials {
  readonly uid: number;
  readonly gid: number;
  readonly groups?: readonly number[];
}

/** A failed call with its arguments, for the reader of a failed case. */
export class SyscallError extends Error {
  override readonly name = 'SyscallError';
  readonly code: ErrnoName;

  constructor(call: string, code: ErrnoName) {
    super(`${call}: ${code}`);
    this.code = code;
  }
}
