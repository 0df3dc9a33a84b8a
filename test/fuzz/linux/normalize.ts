// What both sides must agree on, as text: numbers that belong to a system are told by the order
// they appear in, times by the ticks they lie between.

import { allLinuxErrors } from '../../../src/abi/errno.ts';
import { O_LARGEFILE } from '../../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFIFO, S_IFMT } from '../../../src/abi/stat.ts';
import { decodeUtf8 } from '../../../src/lib/text.ts';
import { SYSCALLS, type DirentRecord, type Flock } from '../../../src/syscalls/table.ts';
import { decodeInotifyEvents } from '../../conformance/inotify-events.ts';
import { Numbering } from '../../conformance/numbering.ts';
import type { Outcome, SideResult, Step, TreeEntry } from './step.ts';

export interface Leniency {
  /**
   * Access times. relatime compares stamps that may lie within one tick: unless every step is
   * followed by a tick, it is a matter of luck on Linux.
   */
  readonly atime: boolean;
}

/** What the descriptor of a step is open on, as far as it makes a difference. */
export interface StepTarget {
  readonly inotify: boolean;
  readonly directory: boolean;
}

type StatRecord = Readonly<Record<string, unknown>>;

/** Seconds after the last tick in which a stamp still is one of this history's. */
const HISTORY_SECONDS_MAX = 600;

/** The outcomes of one side as text. */
export class Normalizer {
  readonly #side: SideResult;
  readonly #leniency: Leniency;
  readonly #inos = new Numbering();
  readonly #otherInos = new Numbering();
  readonly #cookies = new Numbering();

  constructor(side: SideResult, leniency: Leniency) {
    this.#side = side;
    this.#leniency = leniency;
  }

  step({ call }: Step, outcome: Outcome, on: StepTarget): string {
    if ('errno' in outcome) return errnoName(outcome.errno);
    const { value } = outcome;
    if (call === 'tick' || SYSCALLS[call].result === 'void') return 'done';
    switch (call) {
      case 'fstat':
      case 'fstatat':
      case 'statx':
        return JSON.stringify(this.#stat(value as StatRecord));
      case 'lseek':
        return on.directory ? 'done' : JSON.stringify(value);
      case 'getdents':
        return this.#listing(value as DirentRecord[]);
      case 'getfl':
        // Says that a program is of 64 bits, and ours is none.
        return String((value as number) & ~O_LARGEFILE);
      case 'getlk':
        return this.#lock(value as Flock);
      case 'listxattr':
      case 'flistxattr':
        return this.#names(value as [number, string]);
      case 'read':
        return on.inotify ? this.#events(value as [number, unknown]) : JSON.stringify(value);
      default:
        return JSON.stringify(value);
    }
  }

  tree(): string[] {
    return this.#side.tree.map(([path, stat, contents, xattrs]: TreeEntry) =>
      [path, JSON.stringify(this.#stat(stat)), contents, JSON.stringify(xattrs)].join(' '),
    );
  }

  #stat(stat: StatRecord): Record<string, unknown> {
    const mode = stat['mode'] as number;
    const type = mode & S_IFMT;
    // All files of no type are one to Linux: whose they are, and when they changed, says nothing.
    if (type === 0) return { mode: mode.toString(8) };
    const { nlink, uid, gid, rdev, size, blocks, blksize } = stat;
    const shown: Record<string, unknown> = {
      ino: this.#ino(stat['ino'] as number, stat['dev']),
      mode: mode.toString(8),
      nlink,
      owner: `${String(uid)}:${String(gid)}`,
      rdev,
      size,
      blocks,
      blksize,
      mtime: this.#time(stat['mtime']),
      ctime: this.#time(stat['ctime']),
    };
    if (!this.#leniency.atime) shown['atime'] = this.#time(stat['atime']);
    // A pipe that never had a name has no time of birth.
    if (type !== S_IFIFO) shown['btime'] = this.#time(stat['btime']);
    // The directory that the tree hangs in is made before the history begins.
    if (type === S_IFDIR && shown['btime'] === 0) delete shown['btime'];
    return shown;
  }

  /** A file without a name is called by its number. */
  #name(name: string): string {
    return name.startsWith('#') ? `#${this.#inos.of(Number(name.slice(1)))}` : name;
  }

  /** Pipes are in a filesystem of their own. */
  #ino(ino: number, dev: unknown): number {
    const isOfTree = dev === this.#side.tree[0]?.[1]['dev'];
    return isOfTree ? this.#inos.of(ino) : this.#otherInos.of(ino);
  }

  /** The number of the tick before it; a time that somebody has set, as it is. */
  #time(value: unknown): number | string {
    const [sec, nsec] = Array.isArray(value)
      ? (value as [number, number])
      : [(value as { sec: number }).sec, (value as { nsec: number }).nsec];
    const { ticks } = this.#side;
    const first = ticks[0]?.[0] ?? 0;
    if (sec < first - HISTORY_SECONDS_MAX || sec > first + HISTORY_SECONDS_MAX) {
      return `${sec}.${nsec}`;
    }
    const after = ticks.findIndex(([s, n]) => sec < s || (sec === s && nsec <= n));
    return after < 0 ? ticks.length : after;
  }

  /** The order of listings is a filesystem's own. */
  #listing(entries: DirentRecord[]): string {
    const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
    return sorted.map(({ name, type, ino }) => `${name}:${type}:${this.#inos.of(ino)}`).join(' ');
  }

  #lock(lock: Flock): string {
    const who = lock.pid <= 0 ? lock.pid : this.#side.pids.indexOf(lock.pid);
    return JSON.stringify([lock.type, lock.whence, lock.start, lock.length, who]);
  }

  #names([size, base64]: [number, string]): string {
    const names = decodeUtf8(Buffer.from(base64, 'base64')).split('\0').slice(0, -1);
    return `${size} ${names.sort().join(' ')}`;
  }

  #events([size, shown]: [number, unknown]): string {
    if (typeof shown !== 'string') return `${size}`;
    const events = decodeInotifyEvents(new Uint8Array(Buffer.from(shown, 'base64')));
    return events
      .map(({ wd, mask, cookie, name }) => {
        const shownCookie = cookie === 0 ? '' : `#${this.#cookies.of(cookie)}`;
        return `${wd}:${mask.toString(16)}:${this.#name(name)}${shownCookie}`;
      })
      .join(' ');
  }
}

function errnoName(errno: number): string {
  return allLinuxErrors.find((error) => error.errno === errno)?.code ?? `errno ${errno}`;
}
