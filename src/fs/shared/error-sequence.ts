// ErrorSequence: tells everyone who has a file open once that writing it back has failed.
// Linux: lib/errseq.c; Documentation/core-api/errseq.rst.
//
// Whoever opens a file samples the sequence. At its next fsync the error is reported if there was
// one since. One that nobody has heard of yet is also reported to those who open the file later.

import type { LinuxError } from '../../abi/errno.ts';

export class ErrorSequence {
  #last: { readonly number: number; readonly error: LinuxError } | undefined;
  /** Has anybody been told of the last one? */
  #isSeen = false;

  /** Writing back has failed. Linux: errseq_set(). */
  add(error: LinuxError): void {
    const number = this.#last?.number ?? 0;
    // Errors that come before anybody has asked are one.
    const isNew = this.#last === undefined || this.#isSeen;
    this.#last = { number: isNew ? number + 1 : number, error };
    this.#isSeen = false;
  }

  /** From where on errors are news to somebody who comes now. Linux: errseq_sample(). */
  sample(): number {
    const number = this.#last?.number ?? 0;
    return this.#isSeen || number === 0 ? number : number - 1;
  }

  /** The error since `sample`, if any, and the sample from here on. */
  checkAndAdvance(sample: number): { readonly error: LinuxError | undefined; readonly at: number } {
    const last = this.#last;
    if (last === undefined || last.number <= sample) return { error: undefined, at: sample };
    this.#isSeen = true;
    return { error: last.error, at: last.number };
  }
}
