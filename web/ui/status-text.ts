// What the status bar says, from the state it shows.

import type { CheckResult, CommitState, Isolation, StatFs } from '../../src/index.ts';
import { formatBytes } from './format.ts';

export interface StatusText {
  readonly text: string;
  readonly title: string;
  readonly tone: 'plain' | 'busy' | 'good' | 'bad';
}

export function describeIsolation(isolation: Isolation, isPageIsolated: boolean): StatusText {
  if (isolation === 'worker') {
    return {
      text: 'threads',
      title:
        'Every program runs in a worker of its own and waits for system calls with ' +
        'Atomics.wait. The page is cross-origin isolated, which this needs.',
      tone: 'good',
    };
  }
  const reason = isPageIsolated
    ? 'This was asked for (?isolation=inline).'
    : 'The page is not cross-origin isolated, so threads can’t share memory.';
  return {
    text: 'inline',
    title:
      'Programs run inside the kernel’s worker; what must wait is suspended with JavaScript ' +
      `Promise Integration. ${reason}`,
    tone: 'plain',
  };
}

/** The state of the last commit; null if no mounted filesystem keeps anything. */
export function describeCommit(commit: CommitState | null): StatusText {
  if (commit === null) {
    const title = 'No filesystem here keeps anything: it is all gone after a reload.';
    return { text: 'not kept', title, tone: 'bad' };
  }
  if (commit.error !== null) {
    const title = `The last commit failed. What was saved before is still there. ${commit.error}`;
    return { text: `not saved: ${commit.error}`, title, tone: 'bad' };
  }
  const when =
    commit.lastCommit === null
      ? 'Nothing had to be committed yet.'
      : `Last commit at ${new Date(commit.lastCommit).toLocaleTimeString()}, ` +
        `number ${String(commit.commits)} since the page was opened.`;
  if (commit.committing) return { text: 'saving…', title: when, tone: 'busy' };
  if (commit.dirtyBytes > 0) {
    return { text: `${formatBytes(commit.dirtyBytes)} not yet saved`, title: when, tone: 'busy' };
  }
  return { text: 'saved', title: when, tone: 'good' };
}

/** Adds up the states of several filesystems. */
export function joinCommits(commits: readonly CommitState[]): CommitState | null {
  const [first, ...rest] = commits;
  if (first === undefined) return null;
  return rest.reduce(
    (sum, commit) => ({
      dirtyBytes: sum.dirtyBytes + commit.dirtyBytes,
      committing: sum.committing || commit.committing,
      commits: sum.commits + commit.commits,
      lastCommit: Math.max(sum.lastCommit ?? 0, commit.lastCommit ?? 0) || null,
      error: sum.error ?? commit.error,
    }),
    first,
  );
}

/** What a check has found, in a sentence. */
export function describeCheck({ problems, files, directories }: CheckResult): string {
  const what = `${String(files)} files and ${String(directories)} folders`;
  if (problems.length === 0) return `All is well with ${what}.`;
  const count = problems.length === 1 ? 'One thing is' : `${String(problems.length)} things are`;
  return `${count} wrong; ${what} were found.`;
}

/** Used and available space, from the filesystem and what the browser says of the whole origin. */
export function describeStorage(statfs: StatFs, estimate: StorageEstimate): StatusText {
  const used = (statfs.blocks - statfs.bfree) * statfs.bsize;
  const available = statfs.bavail * statfs.bsize;
  const { usage = 0, quota = 0 } = estimate;
  return {
    text: `${formatBytes(used)} used, ${formatBytes(available)} available`,
    title:
      `The filesystem: ${formatBytes(used)} used, ${formatBytes(available)} available. ` +
      `The browser counts ${formatBytes(usage)} of ${formatBytes(quota)} for this origin.`,
    tone: available === 0 ? 'bad' : 'plain',
  };
}

export function describePersistence(isPersisted: boolean): StatusText {
  if (isPersisted) {
    const title = 'The browser keeps this origin’s data until you delete it yourself.';
    return { text: 'persistent', title, tone: 'good' };
  }
  return {
    text: 'best-effort',
    title:
      'The browser may delete this origin’s data when it runs out of space. ' +
      'Click to ask it to keep them.',
    tone: 'plain',
  };
}
