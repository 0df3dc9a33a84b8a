// Who is told of a commit that failed, and how often. Linux: lib/errseq.c.

import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { ErrorSequence } from '../../../src/fs/shared/error-sequence.ts';

test('everyone who was there is told once', () => {
  const errors = new ErrorSequence();
  const [first, second] = [errors.sample(), errors.sample()];
  errors.add(linuxerr.EIO);
  const told = errors.checkAndAdvance(first);
  expect(told.error).toBe(linuxerr.EIO);
  expect(errors.checkAndAdvance(told.at).error).toBeUndefined();
  expect(errors.checkAndAdvance(second).error).toBe(linuxerr.EIO);
});

test('who comes later hears only of what nobody has heard of', () => {
  const errors = new ErrorSequence();
  errors.add(linuxerr.ENOSPC);
  const early = errors.sample();
  expect(errors.checkAndAdvance(early).error).toBe(linuxerr.ENOSPC);
  expect(errors.checkAndAdvance(errors.sample()).error).toBeUndefined();
  errors.add(linuxerr.EIO);
  errors.add(linuxerr.ENOSPC);
  // Both are one, and the last one counts.
  const told = errors.checkAndAdvance(errors.sample());
  expect(told.error).toBe(linuxerr.ENOSPC);
  expect(errors.checkAndAdvance(told.at).error).toBeUndefined();
});
