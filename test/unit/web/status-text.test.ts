// What the status bar and progress lines say.

import { describe, expect, test } from 'vitest';
import type { CommitState, MirrorState } from '../../../src/index.ts';
import { progressLine } from '../../../web/install/progress-text.ts';
import { formatBytes, fractionOf } from '../../../web/ui/format.ts';
import {
  describeCommit,
  describeIsolation,
  describePersistence,
  describeStorage,
  joinCommits,
} from '../../../web/ui/status-text.ts';

const SAVED: CommitState = {
  health: 'good',
  dirtyBytes: 0,
  committing: false,
  commits: 1,
  lastCommit: 1000,
  error: null,
  mirror: null,
};

test.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [999, '999 bytes'],
  [1000, '1.0 kB'],
  [9949, '9.9 kB'],
  [9960, '10 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [3_200_000, '3.2 MB'],
  [26_267_204, '26 MB'],
  [5e12, '5.0 TB'],
])('%d bytes are %j', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test('a fraction lies between 0 and 1', () => {
  expect([fractionOf(1, 2), fractionOf(3, 2), fractionOf(-1, 2), fractionOf(0, 0)]).toEqual([
    0.5, 1, 0, 1,
  ]);
});

describe('the last commit', () => {
  test.each<[string, Partial<CommitState>, string]>([
    ['saved', {}, 'good'],
    ['saving…', { committing: true, dirtyBytes: 5 }, 'busy'],
    ['3.2 MB not yet saved', { dirtyBytes: 3_200_000 }, 'busy'],
    ['not saved: storage full', { health: 'full', error: 'full', dirtyBytes: 1 }, 'bad'],
    ['saved, storage full', { health: 'full', error: 'full' }, 'bad'],
    ['not saved: the storage fails, read-only', { health: 'read-only', error: 'x' }, 'bad'],
    ['not saved: the storage is gone', { health: 'lost', error: 'gone' }, 'bad'],
  ])('%s', (text, change, tone) => {
    const status = describeCommit({ ...SAVED, ...change });
    expect([status.text, status.tone]).toEqual([text, tone]);
  });

  test('is missing if nothing is kept', () => {
    expect(describeCommit(joinCommits([])).tone).toBe('bad');
  });

  test('of several filesystems is their sum', () => {
    const changes = { dirtyBytes: 7, commits: 2, lastCommit: 2000 };
    const other: CommitState = { ...SAVED, ...changes, health: 'full', error: 'full' };
    expect(joinCommits([SAVED, other])).toEqual({ ...other, commits: 3 });
    expect(joinCommits([{ ...SAVED, lastCommit: null }])?.lastCommit).toBeNull();
  });
});

test('storage is told in bytes', () => {
  const statfs = {
    type: 0,
    bsize: 4096,
    blocks: 1000,
    bfree: 750,
    bavail: 500,
    files: 0,
    ffree: 0,
  };
  const silent = { persisted: null, usedBytes: null, quotaBytes: null };
  const { text, title } = describeStorage(statfs, silent, null);
  expect(text).toBe('1.0 MB used, 2.0 MB available');
  expect(title).toContain('doesn’t tell');
  const told = { persisted: true, usedBytes: 5_000_000, quotaBytes: 9_000_000 };
  expect(describeStorage(statfs, told, null).title).toContain('counts 5.0 MB of 9.0 MB');
  const whole: MirrorState = {
    leader: 'OPFS',
    follower: 'IndexedDB',
    state: 'whole',
    behindBytes: 0,
    copiedBytes: 0,
    reason: null,
  };
  const degraded = { ...whole, state: 'degraded', reason: 'IndexedDB failed: EIO' } as const;
  const resilvering = { ...whole, state: 'resilvering', copiedBytes: 5_000_000 } as const;
  const titles = [null, whole, resilvering, degraded].map((mirror) =>
    describeStorage(statfs, silent, mirror).title.replace(/.* uses\. /, ''),
  );
  expect(titles).toEqual([
    'Kept in IndexedDB alone.',
    'Kept twice: in OPFS and in IndexedDB.',
    'Kept in OPFS; the copy in IndexedDB is being made anew (5.0 MB).',
    'Kept in OPFS; the copy in IndexedDB is not up to date: IndexedDB failed: EIO.',
  ]);
  const commits = [whole, degraded].map((mirror) => ({ ...SAVED, mirror }));
  expect(joinCommits(commits)?.mirror).toBe(degraded);
});

test('what the browser keeps is said, and what to do if it may not', () => {
  expect(describePersistence(true).text).toBe('persistent');
  expect(describePersistence(false)).toMatchObject({ text: 'may be evicted' });
  expect(describePersistence(false).title).toContain('download what matters');
  expect(describePersistence(null).text).toBe('persistence unknown');
});

test('isolation says why it is inline', () => {
  expect(describeIsolation('worker', true).text).toBe('threads');
  expect(describeIsolation('inline', true).title).toContain('asked for');
  expect(describeIsolation('inline', false).title).toContain('not cross-origin isolated');
});

test('a progress line never wraps', () => {
  const long = progressLine('python', 13_000_000, 26_000_000, 80);
  expect(long).toBe('python  ████████████░░░░░░░░░░░░  50%  13 MB of 26 MB');
  expect(progressLine('python', 1, 2, 20)).toBe('python  50%');
  expect(progressLine('python', 1, 2, 5)).toBe('pyth');
});
