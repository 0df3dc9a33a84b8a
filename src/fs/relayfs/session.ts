// Session: one client at the holder: its messages, its calls under way, and how what it had at the
// holder before is had again.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { LOCK_SH, O_CREAT, O_EXCL, O_TMPFILE, O_TRUNC, RENAME_WHITEOUT } from '../../abi/fcntl.ts';
import { ROOT_CREDENTIALS } from '../../auth/credentials.ts';
import { type Op, runAsync } from '../../lib/op.ts';
import type { Dentry } from '../../vfs/dentry.ts';
import type { ExportedFilesystem, InodeHint } from '../../vfs/exported.ts';
import type { FileDescription } from '../../vfs/file-description.ts';
import type { Link } from './link.ts';
import {
  type Attachment,
  type CallArguments,
  type Change,
  type ClientMessage,
  type HolderMessage,
  isChanging,
  type Losses,
  type OpenedFile,
  type Reply,
  type Stamp,
  wasStopped,
  type WireFile,
} from './messages.ts';
import { RelayedPath, wireCredentials } from './relayed-path.ts';
import { ServedCalls, type ServedMounts } from './served-calls.ts';
import { type MovedDentries, ServedState } from './served-state.ts';
import { ServedStatus } from './served-status.ts';

/** What all clients share at the holder. */
export interface SessionHost {
  readonly filesystem: ExportedFilesystem;
  readonly mounts: ServedMounts;
  readonly moved: MovedDentries;
  readonly epoch: number;
  /** A change was made, at this moment. The reply is kept until the client has it. */
  changed(session: Session, tag: number, value: unknown): Stamp;
  /** Replies of changes have arrived. */
  received(session: Session, tags: readonly number[]): void;
  /** The reply to a change that is committed though the client didn't get it. */
  replyOf(session: Session, tag: number): { readonly value: unknown } | undefined;
  /** Is a change that was made then among those that are committed, or made here? */
  isMade(stamp: Stamp): boolean;
  /** A client has told all it has. */
  attached(session: Session): void;
}

type Method = (...args: readonly unknown[]) => Op<unknown>;

export class Session {
  readonly clientId: string;
  readonly #host: SessionHost;
  readonly #link: Link<ClientMessage, HolderMessage>;
  readonly #state: ServedState;
  readonly #calls: ServedCalls;
  readonly #status: ServedStatus;
  /** What stops a call under way, by tag. */
  readonly #interrupts = new Map<number, (reason: Error) => void>();
  #attachment: Attachment | undefined;
  readonly #changes: Change[] = [];
  /** Opened by calls that have not been answered yet: the client doesn't know of them. */
  readonly #newFiles = new Set<number>();
  #isOpen = true;

  constructor(host: SessionHost, clientId: string, link: Link<ClientMessage, HolderMessage>) {
    this.clientId = clientId;
    this.#host = host;
    this.#link = link;
    const tell = (message: HolderMessage): void => {
      this.tell(message);
    };
    this.#state = new ServedState(host.filesystem, tell, host.moved);
    this.#status = new ServedStatus(host.filesystem, tell);
    this.#calls = new ServedCalls(this.#state, host.mounts, this.#status);
    link.onMessage = (message) => {
      this.#receive(message);
    };
  }

  tell(message: HolderMessage): void {
    if (this.#isOpen) this.#link.post(message);
  }

  /** The filesystem's status may have changed. */
  tellStatus(): void {
    this.#status.tellIfChanged();
  }

  #receive(message: ClientMessage): void {
    if (!this.#isOpen) return;
    switch (message.type) {
      case 'attach':
        this.#attachment = message.attachment;
        for (const each of message.attachment.handles) {
          this.#state.expectHandle(each.handle, each, each.mentions);
        }
        return;
      case 'redo':
        this.#changes.push(message.change);
        for (const each of message.change.handles) this.#state.expectHandle(each.handle, each);
        return;
      case 'redone':
        this.#host.attached(this);
        return;
      case 'call':
        this.#host.received(this, message.received);
        this.#start(message.tag, this.#serve(message));
        return;
      case 'cancel':
        this.#interrupts.get(message.tag)?.(linuxerr.EINTR);
        return;
      case 'post':
        this.#start(-1, this.#done(this.#method(message.name)(...message.args)));
    }
  }

  /** A bug is a rejection that nobody handles. */
  #start(tag: number, op: Op<void>): void {
    void runAsync(op, {
      subscribe: (onInterrupt) => {
        this.#interrupts.set(tag, onInterrupt);
        return () => this.#interrupts.delete(tag);
      },
    });
  }

  #method(name: string): Method {
    const method = (this.#calls as unknown as Record<string, Method | undefined>)[name];
    if (method === undefined) throw new Error(`a client asks for ${name}, which there is not`);
    return (...args) => method.apply(this.#calls, [...args]);
  }

  /** Nobody is told what came of it. */
  *#done(op: Op<unknown>): Op<void> {
    try {
      yield* op;
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
    }
  }

  *#serve(call: { tag: number; name: Change['name']; args: readonly unknown[] }): Op<void> {
    this.#reply(yield* this.#make(call));
  }

  #reply(reply: Reply): void {
    this.#state.tellReadiness();
    this.tellStatus();
    this.tell(reply);
  }

  /** Makes a call. From its change to its stamp nothing waits. */
  *#make({
    tag,
    name,
    args,
  }: {
    readonly tag: number;
    readonly name: Change['name'];
    readonly args: readonly unknown[];
  }): Op<Reply> {
    try {
      const value = yield* this.#method(name)(...args);
      const isChange = isChanging(name, args) && !wasStopped(value);
      if (!isChange) return replyTo(tag, { value });
      const madeIno = this.#madeIno(name, args, value);
      return replyTo(tag, { value, stamp: this.#host.changed(this, tag, value), madeIno });
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      return replyTo(tag, { errno: error.errno });
    }
  }

  // Another holder's client.

  get lastEpoch(): number {
    return this.#attachment?.epoch ?? 0;
  }

  get inodesBelow(): number {
    return this.#attachment?.inodesBelow ?? 0;
  }

  /** What may have to be made again, in the order in which the client asked for it. */
  takeChanges(): Change[] {
    return this.#changes.splice(0);
  }

  /**
   * Makes a change again, unless it is there. Tells the client. False: it was made before and now
   * fails, as something it needs is not there.
   */
  *redo(change: Change, isLastTry: boolean): Op<boolean> {
    const { tag, stamp, name, args } = change;
    if (name === 'open' && stamp === undefined) this.#newFiles.add(args[1] as number);
    const here = { epoch: this.#host.epoch, number: 0 };
    if (stamp !== undefined && this.#host.isMade(stamp)) {
      this.#reply(replyTo(tag, { stamp: here }));
      return true;
    }
    const recorded = this.#host.replyOf(this, tag);
    if (recorded !== undefined) {
      const value =
        name === 'open' ? yield* this.#reopened(change, recorded.value) : recorded.value;
      if (value !== undefined) {
        this.#reply(replyTo(tag, { value, stamp: here }));
        return true;
      }
    }
    // They may have been elsewhere then.
    for (const each of change.handles) this.#state.expectHandle(each.handle, each);
    const { file } = change;
    const isFileMissing = file !== undefined && !this.#state.hasFile(file.file);
    if (isFileMissing) yield* this.#reopen(file);
    yield* this.#presetInode(change.madeIno);
    const reply = yield* this.#make({ tag, name, args });
    this.#host.filesystem.presetInode = undefined;
    if (reply.errno !== 0 && stamp !== undefined && !isLastTry) return false;
    this.#reply(reply);
    return true;
  }

  /** What a change makes has the number that programs have seen, unless something has that. */
  *#presetInode(ino: number): Op<void> {
    if (ino === 0) return;
    const { filesystem } = this.#host;
    const found = yield* filesystem.findInode({ ino, path: '' });
    if (found === undefined) filesystem.presetInode = ino;
    else found.decRef();
  }

  /** The number of the inode that a change has just made, 0 if it made none. */
  #madeIno(name: Change['name'], args: readonly unknown[], value: unknown): number {
    const { lastInode } = this.#host.filesystem;
    switch (name) {
      case 'mkdir':
      case 'mknod':
      case 'symlink':
        return lastInode;
      case 'rename':
        return ((args as CallArguments<'rename'>)[2] & RENAME_WHITEOUT) !== 0 ? lastInode : 0;
      case 'open': {
        const opened = (value as { readonly value: OpenedFile }).value;
        return opened.at[0]?.ino === lastInode ? lastInode : 0;
      }
      default:
        return 0;
    }
  }

  /**
   * The reply to an open() that made its file: opens that. Undefined if it is gone: a file without
   * a name that nobody knows.
   */
  *#reopened(change: Change, recorded: unknown): Op<unknown> {
    const [at, file, options] = change.args as CallArguments<'open'>;
    const { ino } = recorded as { ino: number };
    const start = yield* this.#state.dentry(at.start);
    const path = [pathOf(start), at.path].filter((part) => part !== '').join('/');
    const { flags } = options;
    const { creds, mount } = at;
    const wire: WireFile = { ino, path, file, flags, creds, mount, kind: 'regular' };
    if (!(yield* this.#reopen(wire))) return undefined;
    const served = this.#state.file(file).file;
    const opened: OpenedFile = {
      at: this.#state.chain(served.vd.dentry),
      kind: 'regular',
      readiness: 0,
    };
    return { value: opened };
  }

  /** False if it is not there any more, or is a stream: what was in that is gone. */
  *#reopen({ file: id, flags, creds, mount: bits, kind, ...hint }: WireFile): Op<boolean> {
    if (kind === 'stream') return false;
    const dentry = yield* this.#host.filesystem.findInode(hint);
    if (dentry === undefined) return false;
    try {
      const again = flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_TMPFILE);
      const options = { flags: again, mode: 0, umask: 0 };
      const opening = { dentry, bits, options };
      const file = yield* this.#openAgain(opening, creds);
      this.#state.addFile(id, file, kind);
      return true;
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      return false;
    } finally {
      dentry.decRef();
    }
  }

  /** It was open: who may open it by now doesn't matter. */
  *#openAgain(
    opening: {
      readonly dentry: Dentry;
      readonly bits: number;
      readonly options: { readonly flags: number; readonly mode: number; readonly umask: number };
    },
    creds: WireFile['creds'],
  ): Op<FileDescription> {
    const { dentry, bits, options } = opening;
    const { filesystem, mounts } = this.#host;
    const pathAs = (who: WireFile['creds']): RelayedPath =>
      new RelayedPath(
        {
          creds: who,
          mount: bits,
          start: 0,
          path: '',
          mustBeDir: false,
          followsFinalSymlink: true,
        },
        { mount: mounts.get(bits), start: dentry, isMountPoint: () => false },
      );
    try {
      return yield* filesystem.openAt(pathAs(creds), options);
    } catch (error) {
      if (error !== linuxerr.EACCES && error !== linuxerr.EPERM) throw error;
      return yield* filesystem.openAt(pathAs(wireCredentials(ROOT_CREDENTIALS)), options);
    }
  }

  /** Everything else the client had, after the changes. Tells it what is lost. */
  *restore(): Op<void> {
    const attachment = this.#attachment;
    this.#attachment = undefined;
    const losses =
      attachment === undefined ? { handles: [], files: [] } : yield* this.#restoreAll(attachment);
    this.tellStatus();
    this.tell({ type: 'attached', epoch: this.#host.epoch, losses });
  }

  *#restoreAll(attachment: Attachment): Op<Losses> {
    const handles: number[] = [];
    for (const each of attachment.handles) {
      const { handle, mentions } = each;
      this.#state.expectHandle(handle, each, mentions);
      if (!(yield* this.#isThere(this.#state.dentry(handle)))) handles.push(handle);
    }
    this.#state.dropUnmentioned();
    const files: number[] = [];
    const expected = new Set(attachment.files.map(({ file }) => file));
    for (const file of this.#newFiles) expected.add(file);
    this.#newFiles.clear();
    for (const file of attachment.files) {
      const isOpen = this.#state.hasFile(file.file) || (yield* this.#reopen(file));
      if (!isOpen) files.push(file.file);
    }
    this.#state.closeFilesExcept(expected);
    const lost = new Set(files);
    for (const file of yield* this.#restoreLocks(attachment)) lost.add(file);
    for (const [handle, count] of attachment.mountPoints) {
      for (let i = 0; i < count; i++) yield* this.#done(this.#calls.countMount(handle, 1));
    }
    for (const hint of attachment.watches) yield* this.#watchAgain(hint);
    return { handles, files: [...lost] };
  }

  *#watchAgain(hint: InodeHint): Op<void> {
    const dentry = yield* this.#host.filesystem.findInode(hint);
    if (dentry === undefined) {
      this.tell({ type: 'unwatched', ino: hint.ino });
      return;
    }
    this.#state.watch(dentry);
    dentry.decRef();
  }

  /** Whoever had locks has them before anybody asks for one. Returns the files of those lost. */
  *#restoreLocks({ flocks, ranges }: Attachment): Op<number[]> {
    const lost: number[] = [];
    for (const { file, operation } of flocks) {
      const isThere = yield* this.#isThere(this.#calls.flock(file, operation || LOCK_SH, true));
      if (!isThere) lost.push(file);
    }
    for (const { file, owner, ranges: each } of ranges) {
      for (const range of each) {
        const isThere = yield* this.#isThere(this.#calls.setLock(file, owner, range, false));
        if (!isThere) lost.push(file);
      }
    }
    return lost;
  }

  *#isThere(op: Op<unknown>): Op<boolean> {
    try {
      yield* op;
      return true;
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      return false;
    }
  }

  /** The client is gone, or there is another holder. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const interrupt of [...this.#interrupts.values()]) interrupt(linuxerr.EINTR);
    this.#state.close();
    this.#link.close();
  }
}

function replyTo(
  tag: number,
  {
    value,
    errno = 0,
    stamp,
    madeIno = 0,
  }: {
    readonly value?: unknown;
    readonly errno?: number;
    readonly stamp?: Stamp;
    readonly madeIno?: number;
  },
): Reply {
  return { type: 'reply', tag, value, errno, stamp, madeIno };
}

/** From the filesystem's root, without a slash in front. */
function pathOf(dentry: Dentry): string {
  const names: string[] = [];
  for (let at = dentry.place; at !== undefined; at = at.parent.place) names.unshift(at.name);
  return names.join('/');
}
