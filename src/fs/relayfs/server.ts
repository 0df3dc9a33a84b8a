// RelayServer: the filesystem of the tab that holds a store, for the other tabs.
//
// Every change a client makes has a stamp. A commit keeps, beside the state itself, the number of
// the last change in it (for each epoch: each holder is one), and the replies to changes that their
// clients may not have got. So the next holder knows of each change whether it is there:
// ARCHITECTURE.md has the argument. It serves once every client that was there has told what it
// has, or is gone.

import { LinuxError } from '../../abi/errno.ts';
import { type Op, runAsync } from '../../lib/op.ts';
import { decodeUtf8, encodeUtf8 } from '../../lib/text.ts';
import type { Dentry } from '../../vfs/dentry.ts';
import type { ExportedFilesystem, Notes } from '../../vfs/exported.ts';
import type { Link } from './link.ts';
import type { Change, ClientMessage, HolderMessage, OpenedFile, Stamp } from './messages.ts';
import { ServedMounts } from './served-calls.ts';
import type { ServedState } from './served-state.ts';
import { Session, type SessionHost } from './session.ts';

export interface RelayServerOptions {
  readonly filesystem: ExportedFilesystem;
  /** A fraction of 1 that no other holder has. */
  readonly random: number;
  /** Clients that were there before: they are waited for. */
  readonly expected: Iterable<string>;
}

/** An epoch counts in its upper digits; the lower ones are random, so that no two are the same. */
const EPOCH_UNIT = 2 ** 20;
/** Epochs of which it is kept how far they got. */
const EPOCHS_MAX = 128;

const EPOCHS_NOTE = 'epochs';
const REPLY_NOTE = 'reply ';

/** An epoch, and the number of its last change that is committed. */
type EpochEnd = readonly [epoch: number, number: number];

export class RelayServer implements SessionHost {
  readonly filesystem: ExportedFilesystem;
  readonly mounts: ServedMounts;
  readonly moved = new Map<Dentry, Set<ServedState>>();
  readonly #random: number;
  #epoch = 0;
  #epochs: readonly EpochEnd[];
  #lastNumber = 0;
  #committing = 0;
  /** Clients that are waited for. */
  readonly #expected: Set<string>;
  readonly #sessions = new Map<string, Session>();
  /** Have told all they have, and wait for the others. */
  #waiting: Session[] = [];
  #isStopped = false;
  /** One recovery runs after the other. */
  #recovered: Promise<void> = Promise.resolve();
  /** Notes on replies: those that clients have not got yet, as far as is known. */
  readonly #replies: Map<string, Uint8Array>;
  /** Those in the store, or on their way there. */
  readonly #noted: Set<string>;

  /** Errors: EIO of the store. */
  static *start(options: RelayServerOptions): Op<RelayServer> {
    return new RelayServer(options, yield* options.filesystem.readNotes());
  }

  private constructor({ filesystem, random, expected }: RelayServerOptions, notes: Notes) {
    this.filesystem = filesystem;
    this.mounts = new ServedMounts(filesystem);
    this.#random = Math.floor(random * EPOCH_UNIT);
    this.#expected = new Set(expected);
    const epochs = notes.get(EPOCHS_NOTE);
    this.#epochs = epochs === undefined ? [] : (parse(epochs) as EpochEnd[]);
    const replies = [...notes].filter(([key]) => key.startsWith(REPLY_NOTE));
    this.#replies = new Map(replies as [string, Uint8Array][]);
    this.#noted = new Set(this.#replies.keys());
  }

  /** 0 until it is known: what clients have seen counts. */
  get epoch(): number {
    return this.#epoch;
  }

  /** A client begins to talk. What it was before is forgotten. */
  connect(clientId: string, link: Link<ClientMessage, HolderMessage>): void {
    this.#drop(clientId);
    this.#sessions.set(clientId, new Session(this, clientId, link));
  }

  #drop(clientId: string): void {
    const session = this.#sessions.get(clientId);
    this.#sessions.delete(clientId);
    this.#waiting = this.#waiting.filter((each) => each !== session);
    session?.close();
  }

  /** A client is gone: its files are closed and its locks released. */
  disconnect(clientId: string): void {
    this.#drop(clientId);
    this.#expected.delete(clientId);
    for (const key of this.#replies.keys()) {
      if (key.startsWith(replyNote(clientId, ''))) this.#replies.delete(key);
    }
    this.#recoverIfComplete();
  }

  /** Those that have not come by now are not waited for any longer. */
  stopWaiting(): void {
    this.#expected.clear();
    this.#recoverIfComplete();
  }

  attached(session: Session): void {
    this.#expected.delete(session.clientId);
    this.#waiting.push(session);
    this.#recoverIfComplete();
  }

  #recoverIfComplete(): void {
    if (this.#expected.size > 0) return;
    const sessions = this.#waiting.splice(0);
    if (sessions.length === 0 && this.#epoch !== 0) return;
    const recovered = this.#recovered.then(() => runAsync(this.#recover(sessions)));
    this.#recovered = recovered.catch((error: unknown) => {
      // A store that can't be read answers EIO to whatever comes next, too.
      if (!(error instanceof LinuxError)) throw error;
    });
  }

  #beginEpoch(sessions: readonly Session[]): void {
    if (this.#epoch !== 0) return;
    const known = [...sessions.map((each) => each.lastEpoch), ...this.#epochs.map(([id]) => id)];
    const last = Math.max(0, ...known);
    this.#epoch = (Math.floor(last / EPOCH_UNIT) + 1) * EPOCH_UNIT + this.#random;
  }

  /** Makes the state what it was for these clients, as far as it can be had. */
  *#recover(sessions: readonly Session[]): Op<void> {
    const isFirst = this.#epoch === 0;
    this.#beginEpoch(sessions);
    const changes = sessions.flatMap((session) => withSession(session, session.takeChanges()));
    const inodesBelow = Math.max(0, ...sessions.map((each) => each.inodesBelow));
    this.filesystem.skipInodes(inodesBelow);
    const failed: typeof changes = [];
    for (const each of changes.toSorted(inOrder)) {
      if (this.#isStopped) return;
      if (!(yield* each.session.redo(each.change, false))) failed.push(each);
    }
    // What they need may have been among those that had not been answered.
    for (const { session, change } of failed) yield* session.redo(change, true);
    for (const session of sessions) {
      if (this.#isStopped) return;
      yield* session.restore();
    }
    if (isFirst && !this.#isStopped) yield* this.filesystem.removeOrphans();
  }

  // Of sessions.

  changed({ clientId }: Session, tag: number, value: unknown): Stamp {
    this.#lastNumber++;
    const reply = JSON.stringify({ value: toKeep(value) });
    this.#replies.set(replyNote(clientId, tag), encodeUtf8(reply));
    return { epoch: this.#epoch, number: this.#lastNumber };
  }

  received({ clientId }: Session, tags: readonly number[]): void {
    for (const tag of tags) this.#replies.delete(replyNote(clientId, tag));
  }

  replyOf({ clientId }: Session, tag: number): { readonly value: unknown } | undefined {
    const key = replyNote(clientId, tag);
    const bytes = this.#replies.get(key);
    return bytes === undefined ? undefined : (parse(bytes) as { readonly value: unknown });
  }

  isMade({ epoch, number }: Stamp): boolean {
    if (epoch === this.#epoch) return true;
    return this.#epochs.some(([id, end]) => id === epoch && number <= end);
  }

  // Of commits.

  committing(): Notes {
    this.#committing = this.#lastNumber;
    const notes = new Map<string, Uint8Array | undefined>();
    for (const key of this.#noted) {
      if (!this.#replies.has(key)) notes.set(key, undefined);
    }
    for (const [key, bytes] of this.#replies) if (!this.#noted.has(key)) notes.set(key, bytes);
    for (const [key, bytes] of notes) {
      if (bytes === undefined) this.#noted.delete(key);
      else this.#noted.add(key);
    }
    if (this.#epoch === 0) return notes;
    const epochs: EpochEnd[] = [...this.#epochs, [this.#epoch, this.#committing]];
    notes.set(EPOCHS_NOTE, encodeUtf8(JSON.stringify(epochs.slice(-EPOCHS_MAX))));
    return notes;
  }

  committed(): void {
    const stamp = { epoch: this.#epoch, number: this.#committing };
    for (const session of this.#sessions.values()) session.tell({ type: 'committed', stamp });
  }

  /** A commit has ended, well or badly. */
  ended(): void {
    for (const session of this.#sessions.values()) session.tellStatus();
  }

  /** Nothing is served any more; what was changed has yet to be committed with its notes. */
  stop(): void {
    this.#isStopped = true;
    for (const clientId of [...this.#sessions.keys()]) this.#drop(clientId);
    this.mounts.close();
  }
}

function withSession(
  session: Session,
  changes: readonly Change[],
): { session: Session; change: Change }[] {
  return changes.map((change) => ({ session, change }));
}

/**
 * Answered changes in the order in which they were made; what a holder had made again before it
 * died comes before what it had not got to. Those that were not answered come last.
 */
function inOrder(
  { change: { stamp: a } }: { readonly change: Change },
  { change: { stamp: b } }: { readonly change: Change },
): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return b.epoch - a.epoch || a.number - b.number;
}

function replyNote(clientId: string, tag: number | ''): string {
  return `${REPLY_NOTE}${clientId} ${tag}`;
}

/** What of a reply has to be kept: of an open file, how to find it. */
function toKeep(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('value' in value)) return value;
  const opened = value.value as OpenedFile | undefined;
  return opened === undefined ? {} : { ino: opened.at[0]?.ino };
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(decodeUtf8(bytes));
}
