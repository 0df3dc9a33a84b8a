// RelayClient: calls on the filesystem of the tab that holds the store, whichever that is at the
// time.
//
// A call waits until it is answered, if need be by the next holder. A change is remembered until
// it is known to be committed: a holder that goes takes with it what it had not committed, and then
// the next one is asked to make it again.

import { errorFromErrno, linuxerr } from '../../abi/errno.ts';
import { type Op, type Wait, WaitQueue } from '../../lib/op.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Link } from './link.ts';
import type { RelayDentry } from './relay-dentry.ts';
import {
  type Attachment,
  type CallArguments,
  type CallName,
  type CallResult,
  type Chain,
  type Change,
  type ClientMessage,
  type HolderMessage,
  isChanging,
  type Losses,
  mentionedIn,
  type PostArguments,
  type PostName,
  type Reply,
  type Stamp,
  type WireFile,
  type WireHandle,
  type WirePath,
  type WireRenameSource,
} from './messages.ts';
import { Silence } from './silence.ts';

/** What a client has at the holder, and who is told what that tells unasked. */
export interface RelayUser {
  /** A reply mentions a dentry: it is held until release(). In the order of the messages. */
  adopt(chain: Chain): RelayDentry;
  attachment(): Omit<Attachment, 'epoch'>;
  handle(handle: number): WireHandle | undefined;
  file(file: number): WireFile | undefined;
  /** Events, moved dentries and the like. */
  receive(message: HolderMessage): void;
  /** A holder has all that this tab had, but for the losses. */
  attached(losses: Losses): void;
  /** A change that had been made, and was reported as such, could not be made again. */
  changeLost(name: CallName): void;
  /** The holder has committed. */
  committed(): void;
}

/** What a change without data counts as: about what it takes in the store. */
const CHANGE_BYTES = 128;

class Request {
  readonly tag: number;
  readonly name: CallName;
  readonly args: readonly unknown[];
  readonly isChange: boolean;
  readonly answered = new WaitQueue();
  isSent = false;
  reply: Reply | undefined;
  /** What the reply mentions, held for whoever waits for it. */
  dentry: RelayDentry | undefined;
  isAbandoned = false;
  stamp: Stamp | undefined;
  madeIno = 0;
  handles: readonly WireHandle[] = [];
  file: WireFile | undefined;

  constructor(tag: number, name: CallName, args: readonly unknown[]) {
    this.tag = tag;
    this.name = name;
    this.args = args;
    this.isChange = isChanging(name, args);
  }

  get change(): Change {
    const { tag, name, args, stamp, madeIno, handles, file } = this;
    return { tag, name, args, stamp, madeIno, handles, file };
  }
}

export class RelayClient {
  readonly #user: RelayUser;
  #link: Link<HolderMessage, ClientMessage> | undefined;
  #isAttached = false;
  readonly #holderChanged = new WaitQueue();
  #epoch = 0;
  #lastTag = 0;
  /** Not answered yet, in their order. */
  readonly #requests = new Map<number, Request>();
  /** Changes that were made and may not be committed, in their order. */
  readonly #made = new Map<number, Request>();
  #received: number[] = [];
  #hasFailed = false;
  readonly #silence: Silence;

  constructor(user: RelayUser, clock: Clock) {
    this.#user = user;
    this.#silence = new Silence({
      clock,
      isWaiting: () => this.#isAttached && this.#requests.size > 0,
      ask: () => {
        this.post('askStatus');
      },
      onChanged: () => {
        this.#holderChanged.wakeAll();
      },
    });
  }

  /** Is there a holder that knows this tab? */
  get isAttached(): boolean {
    return this.#isAttached;
  }

  /** Does the holder answer nothing, though somebody waits for it? */
  get isSilent(): boolean {
    return this.#silence.isSilent;
  }

  /** Woken when there is a holder or none, and when it falls silent or speaks again. */
  get holderChanged(): Wait {
    return this.#holderChanged;
  }

  /** Changes that a commit has yet to take. */
  get uncommittedCount(): number {
    return this.#made.size;
  }

  /** About as many bytes, for a user interface. */
  get uncommittedBytes(): number {
    let bytes = 0;
    for (const { args } of this.#made.values()) {
      const [, data] = args;
      bytes += data instanceof Uint8Array ? data.length : CHANGE_BYTES;
    }
    return bytes;
  }

  /** No inode that a change has made has this number or a higher one. */
  get inodesBelow(): number {
    const inos = [...this.#made.values()].map(({ madeIno }) => madeIno + 1);
    return Math.max(0, ...inos);
  }

  // Calls.

  /** As callForDentry, of calls whose replies mention none. */
  *call<Name extends CallName>(name: Name, ...args: CallArguments<Name>): Op<CallResult<Name>> {
    return (yield* this.callForDentry(name, ...args)).value;
  }

  /**
   * A call. The caller gets a reference on the dentry, if the reply mentions one.
   *
   * Errors: those of the call; what interrupts it, unless it was made by then. A second
   * interruption ends it in any case.
   */
  *callForDentry<Name extends CallName>(
    name: Name,
    ...args: CallArguments<Name>
  ): Op<{ readonly value: CallResult<Name>; readonly dentry: RelayDentry | undefined }> {
    if (this.#hasFailed) throw linuxerr.EIO;
    const request = new Request(++this.#lastTag, name, args);
    this.#requests.set(request.tag, request);
    if (request.isChange) this.#noteReferences(request);
    this.#transmit(request);
    const interruption = yield* this.#answer(request);
    const { value, errno } = assertDefined(request.reply);
    const { dentry } = request;
    if (errno !== 0) throw errorFromErrno(errno);
    if (interruption !== undefined && name === 'open') {
      // Whoever wanted it open may be gone.
      this.post('closeFile', args[1] as number);
      dentry?.decRef();
      throw interruption;
    }
    return { value: value as CallResult<Name>, dentry };
  }

  /** Waits for the reply. Returns what came in between. */
  *#answer(request: Request): Op<Error | undefined> {
    let interruption: Error | undefined;
    while (request.reply === undefined) {
      try {
        yield request.answered;
      } catch (error) {
        if (interruption !== undefined || !this.#isAttached) {
          this.#abandon(request);
          throw error;
        }
        interruption = error as Error;
        this.#link?.post({ type: 'cancel', tag: request.tag });
      }
    }
    return interruption;
  }

  /** A change that may be under way is made to its end: nobody may find it made half. */
  #abandon(request: Request): void {
    request.isAbandoned = true;
    if (!request.isChange || !request.isSent) this.#requests.delete(request.tag);
  }

  /** What the arguments of a change refer to, as it is now. */
  #noteReferences(request: Request): void {
    const [first, second] = request.args;
    if (typeof first === 'number') {
      request.file = this.#user.file(first);
      return;
    }
    const handles: (number | undefined)[] = [(first as WirePath).start];
    if (request.name === 'link') handles.push(second as number | undefined);
    if (request.name === 'rename') handles.push((second as WireRenameSource).parent);
    request.handles = handles.flatMap((handle) => {
      const found = handle === undefined ? undefined : this.#user.handle(handle);
      return found === undefined ? [] : [found];
    });
  }

  #transmit(request: Request): void {
    if (!this.#isAttached) return;
    const { tag, name, args } = request;
    request.isSent = true;
    this.#silence.begin();
    const received = this.#received;
    this.#received = [];
    this.#link?.post({ type: 'call', tag, name, args, received });
  }

  /** What needs no reply. A new holder is told by the attachment. */
  post<Name extends PostName>(name: Name, ...args: PostArguments<Name>): void {
    if (this.#isAttached) this.#link?.post({ type: 'post', name, args });
  }

  // Holders.

  /** There is a holder: tells it all this tab has. */
  attach(link: Link<HolderMessage, ClientMessage>): void {
    this.detach();
    this.#link = link;
    link.onMessage = (message) => {
      if (this.#link === link) this.#receive(message);
    };
    link.post({ type: 'attach', attachment: { ...this.#user.attachment(), epoch: this.#epoch } });
    for (const { change } of this.#made.values()) link.post({ type: 'redo', change });
    for (const request of this.#requests.values()) {
      const { isChange, isSent, change } = request;
      if (isChange && isSent) link.post({ type: 'redo', change });
    }
    link.post({ type: 'redone' });
  }

  /** There will be no holder any more: everything fails with EIO. */
  fail(): void {
    this.detach();
    this.#hasFailed = true;
    for (const { tag } of [...this.#requests.values()]) {
      const errno = linuxerr.EIO.errno;
      const stamp = undefined;
      this.#replied({ type: 'reply', tag, value: undefined, errno, stamp, madeIno: 0 });
    }
  }

  /** The holder is gone. */
  detach(): void {
    this.#isAttached = false;
    this.#silence.end();
    this.#link?.close();
    this.#link = undefined;
    this.#holderChanged.wakeAll();
  }

  #receive(message: HolderMessage): void {
    this.#silence.heard();
    switch (message.type) {
      case 'reply':
        this.#replied(message);
        return;
      case 'attached':
        this.#isAttached = true;
        this.#epoch = message.epoch;
        this.#user.attached(message.losses);
        for (const request of [...this.#requests.values()]) {
          if (!request.isChange || !request.isSent) this.#transmit(request);
        }
        this.#holderChanged.wakeAll();
        return;
      case 'committed':
        this.#committed(message.stamp);
        return;
      default:
        this.#user.receive(message);
    }
  }

  #replied(reply: Reply): void {
    const { tag, stamp, errno, madeIno } = reply;
    const request = this.#requests.get(tag) ?? this.#made.get(tag);
    if (request === undefined) return;
    const chain = mentionedIn(request.name, reply.value);
    const dentry = chain === undefined ? undefined : this.#user.adopt(chain);
    const isRedone = !this.#requests.delete(tag);
    this.#made.delete(tag);
    if (request.isChange) this.#received.push(tag);
    if (isRedone && errno !== 0) this.#user.changeLost(request.name);
    if (stamp !== undefined && stamp.number > 0) {
      request.stamp = stamp;
      if (!isRedone || madeIno > 0) request.madeIno = madeIno;
      this.#made.set(tag, request);
    }
    if (isRedone || request.isAbandoned) {
      dentry?.decRef();
      return;
    }
    request.reply = reply;
    request.dentry = dentry;
    request.answered.wakeAll();
  }

  #committed({ epoch, number }: Stamp): void {
    this.#user.committed();
    for (const [tag, { stamp }] of this.#made) {
      if (stamp?.epoch === epoch && stamp.number <= number) this.#made.delete(tag);
    }
  }
}
