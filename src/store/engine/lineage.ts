// The lineage of a state: the sessions that made its commits, and the checksums of the states
// before it. Two copies that were found apart are compared by it: is one what the other was before?
//
// A session is the time from one opening to the next. Only one tab has a store open, so within a
// session the commits are a line; a copy that missed some of them and was then written without the
// other has a session that the other doesn't know.

/** Sessions and checksums that are kept. */
const LENGTH_MAX = 64;

export interface Session {
  /** Random, 48 bits. */
  readonly id: number;
  /** Generation of its first commit. */
  readonly from: number;
}

export interface Lineage {
  /** In order. The last one made the last commit. */
  readonly sessions: readonly Session[];
  /** Checksums of the root blocks of the commits before, the last one at the end. */
  readonly recent: readonly number[];
}

export const EMPTY_LINEAGE: Lineage = { sessions: [], recent: [] };

/** The lineage of the next commit, which is of this session. */
export function nextLineage(
  { sessions, recent }: Lineage,
  next: {
    readonly session: number;
    readonly generation: number;
    /** Of the root block that this is the lineage of; undefined if nothing was committed yet. */
    readonly checksum: number | undefined;
  },
): Lineage {
  const { session, generation, checksum } = next;
  const isSame = sessions.at(-1)?.id === session;
  return {
    sessions: isSame
      ? sessions
      : [...sessions, { id: session, from: generation }].slice(-LENGTH_MAX),
    recent: checksum === undefined ? recent : [...recent, checksum].slice(-LENGTH_MAX),
  };
}

/** A state that was found on a medium. */
export interface FoundState {
  readonly generation: number;
  readonly lineage: Lineage;
  /** Of its root block. */
  readonly checksum: number;
}

/**
 * What `a` is to `b`:
 *  - 'same';
 *  - 'recent': what `b` was a few commits ago;
 *  - 'older': what `b` was once, or what a commit left that failed: all that was ever reported as
 *    committed in `a` is in `b`;
 *  - 'newer': the other way round, recently or not;
 *  - 'apart': each has commits that the other lacks.
 */
export type Kinship = 'same' | 'recent' | 'older' | 'newer' | 'apart';

export function kinship(a: FoundState, b: FoundState): Kinship {
  if (a.generation === b.generation && a.checksum === b.checksum) return 'same';
  if (isRecent(a, b)) return 'recent';
  const [isOlder, isNewer] = [isBefore(a, b), isBefore(b, a)];
  if (isOlder === isNewer) return 'apart';
  return isOlder ? 'older' : 'newer';
}

function isRecent(a: FoundState, b: FoundState): boolean {
  const { recent } = b.lineage;
  return recent[recent.length - (b.generation - a.generation)] === a.checksum;
}

/** Was the last commit of `a` made, before that of `b`, by a session that `b` goes on from? */
function isBefore(a: FoundState, b: FoundState): boolean {
  if (a.generation > b.generation || a.generation === 0) return a.generation === 0;
  const last = a.lineage.sessions.at(-1);
  const { sessions } = b.lineage;
  const index = sessions.findIndex(({ id, from }) => id === last?.id && from === last.from);
  if (index < 0) return false;
  const next = sessions[index + 1];
  return next === undefined || a.generation < next.from;
}
