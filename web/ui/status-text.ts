// What the status bar says, from the state it shows.

import type {
  CheckResult,
  CommitState,
  Isolation,
  MirrorState,
  StatFs,
  StorageInfo,
} from '../../src/index.ts';
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
  if (commit.health !== 'good') {
    const title = `What was saved before is still there. ${commit.error ?? ''}`.trim();
    return { text: describeTrouble(commit), title, tone: 'bad' };
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

function describeTrouble({ health, dirtyBytes }: CommitState): string {
  if (health === 'lost') return 'not saved: the storage is gone';
  if (health === 'read-only') return 'not saved: the storage fails, read-only';
  return dirtyBytes > 0 ? 'not saved: storage full' : 'saved, storage full';
}

/** From good to bad. */
const HEALTHS = ['good', 'full', 'read-only', 'lost'] as const;

function worse(a: CommitState, b: CommitState): CommitState {
  return HEALTHS.indexOf(b.health) > HEALTHS.indexOf(a.health) ? b : a;
}

/** Adds up the states of several filesystems. */
export function joinCommits(commits: readonly CommitState[]): CommitState | null {
  const [first, ...rest] = commits;
  if (first === undefined) return null;
  return rest.reduce(
    (sum, commit) => ({
      health: worse(sum, commit).health,
      dirtyBytes: sum.dirtyBytes + commit.dirtyBytes,
      committing: sum.committing || commit.committing,
      commits: sum.commits + commit.commits,
      lastCommit: Math.max(sum.lastCommit ?? 0, commit.lastCommit ?? 0) || null,
      error: worse(sum, commit).error,
      mirror: worseMirror(sum.mirror, commit.mirror),
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

/** Of two mirrors the one that is to be told of. */
function worseMirror(a: MirrorState | null, b: MirrorState | null): MirrorState | null {
  if (a === null || b === null) return a ?? b;
  return a.state === 'whole' ? b : a;
}

/** Where the files are kept. */
function describeMirror(mirror: MirrorState | null): string {
  if (mirror === null) return 'Kept in IndexedDB alone.';
  const { leader, follower, state, copiedBytes, reason } = mirror;
  if (state === 'whole') return `Kept twice: in ${leader} and in ${follower}.`;
  const what = `Kept in ${leader}; the copy in ${follower}`;
  if (state === 'resilvering') return `${what} is being made anew (${formatBytes(copiedBytes)}).`;
  return `${what} is not up to date: ${reason ?? 'it failed'}.`;
}

/**
 * Used and available space, from the filesystem and what the browser says of the whole origin, and
 * where it is kept.
 */
export function describeStorage(
  statfs: StatFs,
  storage: StorageInfo,
  mirror: MirrorState | null,
): StatusText {
  const used = (statfs.blocks - statfs.bfree) * statfs.bsize;
  const available = statfs.bavail * statfs.bsize;
  const { usedBytes, quotaBytes } = storage;
  const site =
    usedBytes === null || quotaBytes === null
      ? 'The browser doesn’t tell what this site uses.'
      : `The browser counts ${formatBytes(usedBytes)} of ${formatBytes(quotaBytes)} for this site.`;
  return {
    text: `${formatBytes(used)} used, ${formatBytes(available)} available`,
    title:
      `The filesystem: ${formatBytes(used)} used, ${formatBytes(available)} available. ` +
      `${site} ${describeMirror(mirror)}`,
    tone: available === 0 || mirror?.state === 'degraded' ? 'bad' : 'plain',
  };
}

export function describePersistence(isPersisted: boolean | null): StatusText {
  if (isPersisted === true) {
    const title = 'The browser keeps this site’s data until you delete it yourself.';
    return { text: 'persistent', title, tone: 'good' };
  }
  const advice = 'Bookmark the page and click here to ask it to keep them; download what matters.';
  if (isPersisted === null) {
    const title = `The browser doesn’t tell whether it keeps this site’s data. ${advice}`;
    return { text: 'persistence unknown', title, tone: 'plain' };
  }
  const title = `The browser may delete this site’s data when it runs out of space. ${advice}`;
  return { text: 'may be evicted', title, tone: 'plain' };
}
