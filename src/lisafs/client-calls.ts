// ClientCalls: the requests of a client, in order, whatever link there is. Those under way are kept
// until they are answered, and sent again with their tags when a session goes on by another link.
//
// Urgent ones are made so that the others can go on: they pass those that wait.

import { errorFromErrno, LinuxError, linuxerr } from '../abi/errno.ts';
import { assert, assertDefined } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { type Wait, WaitQueue } from '../lib/op.ts';
import { WireError, WireWriter } from '../lib/wire-buffer.ts';
import { KeptReplies } from './client-kept.ts';
import type { ClientLink, LinkUser } from './client-link.ts';
import { ClientRequest } from './client-request.ts';
import {
  encodeRequest,
  type Frame,
  nextTag,
  PROVISIONAL_PAYLOAD_SIZE_MAX,
  PUSHED,
} from './frame.ts';
import { MESSAGES, type MessageName, messageNameOf, messageRow } from './messages.ts';
import type { RequestOf } from './messages.ts';

/** When nothing else happens, a server is told after this what has come. */
const ACK_DELAY_MS = 1000;

export type PushedName = 'Event' | 'Overflow' | 'Invalidate' | 'Drain';

/** Name and values of a message that was pushed. */
export type Push = { [Name in PushedName]: [name: Name, values: RequestOf<Name>] }[PushedName];

export interface ClientCallsOptions {
  readonly clock: Clock;
  readonly onPush: (...push: Push) => void;
  /** Something is awaited, where nothing was. */
  readonly onAwaiting: () => void;
  readonly onLinkGone: () => void;
}

/** What the replies are that a client has. */
export type Seen = RequestOf<'Ack'>;

export class ClientCalls implements LinkUser {
  readonly #options: ClientCallsOptions;
  #link: ClientLink | undefined;
  #inFlightMax = 1;
  /** Most bytes of a request's payload. */
  #payloadMax = PROVISIONAL_PAYLOAD_SIZE_MAX;
  /** MIDs the server knows; undefined until it has said so. */
  #served: ReadonlySet<number> | undefined;
  /** Ordinary requests wait, as nobody knows yet what their FDs are now. */
  #isHeld = true;
  /** Under way in this session, by tag, in the order of sending. */
  readonly #sent = new Map<number, ClientRequest>();
  #lastTag = 0;
  /** Those of them that are still to be sent by the link there is now. */
  #resending: ClientRequest[] = [];
  readonly #urgent: ClientRequest[] = [];
  readonly #queue: ClientRequest[] = [];
  /** Locks that would wait, when enough do: what gives them up must get through. */
  readonly #parked: ClientRequest[] = [];
  /** Sent in a session that is lost: perhaps they were done. */
  #unsure: ClientRequest[] = [];
  /** Tags of this session that nobody waits for any more; true for a lock that waits. */
  readonly #givenUp = new Map<number, boolean>();
  #kept = new KeptReplies();
  #cancelAck: (() => void) | undefined;
  #cancelDrained: (() => void) | undefined;
  readonly #idle = new WaitQueue();
  requestCount = 0;

  constructor(options: ClientCallsOptions) {
    this.#options = options;
  }

  get payloadMax(): number {
    return this.#payloadMax;
  }

  get hasLink(): boolean {
    return this.#link !== undefined;
  }

  get isAwaiting(): boolean {
    return this.#sent.size > 0;
  }

  /** Nobody waits for anything, but for locks, which may be forever. */
  get isIdle(): boolean {
    const pending = [...this.#unsure, ...this.#queue, ...this.#sent.values()];
    return pending.every(({ isWaitingLock, kind }) => {
      return isWaitingLock || kind !== 'call';
    });
  }

  /** Woken when it may have become idle. */
  get idle(): Wait {
    return this.#idle;
  }

  supports(name: MessageName): boolean {
    return this.#served === undefined || this.#served.has(messageRow(name).mid);
  }

  /** For the server: which replies have come, of this session's. */
  get seen(): Seen {
    return { lastTag: this.#lastTag, awaited: [...this.#sent.keys()] };
  }

  /** What Mount has said of the server. */
  onMounted({ payloadMax, mids }: { payloadMax: number; mids: readonly number[] }): void {
    this.#payloadMax = payloadMax;
    this.#served = new Set(mids);
  }

  /** Sends it as soon as its turn comes. */
  add(request: ClientRequest): void {
    const error = this.#encode(request);
    if (error !== undefined) {
      request.settle(error);
      return;
    }
    (request.kind === 'urgent' ? this.#urgent : this.#queue).push(request);
    this.#pump();
  }

  /** Gives up a lock that waits: it fails with EINTR, unless it has just been granted. */
  cancelLock(request: ClientRequest): void {
    if (request.isSettled) return;
    for (const queue of [this.#queue, this.#parked]) {
      const index = queue.indexOf(request);
      if (index < 0) continue;
      queue.splice(index, 1);
      request.settle(linuxerr.EINTR);
      return;
    }
    const { tag } = request;
    if (this.#sent.get(tag) === request) {
      this.add(new ClientRequest('CancelLock', { tag }, 'close'));
    }
  }

  /** Sends Ping at once, if there is room for it. */
  probe(request: ClientRequest): boolean {
    const link = this.#link;
    if (link === undefined || !this.supports(request.name)) return false;
    if (this.#sent.size >= this.#inFlightMax) return false;
    if (this.#encode(request) !== undefined) return false;
    this.#send(link, request);
    return true;
  }

  // ---- Links and sessions ----

  /**
   * There is a link. What was under way in the session that goes on is sent again.
   */
  attach(link: ClientLink, { inFlightMax }: { readonly inFlightMax: number }): void {
    assert(this.#link === undefined, 'a client has two links');
    this.#link = link;
    this.#inFlightMax = link.headerVersion === 1 ? 1 : inFlightMax;
    // Session has told.
    this.#kept.onAcknowledged();
    this.#resending = [...this.#sent.values()];
    if (this.#sent.size > 0) this.#options.onAwaiting();
    this.#cancelLocks();
    link.use(this);
    this.#pump();
  }

  /** Nobody would know that they are held. */
  #cancelLocks(): void {
    for (const [tag, isWaitingLock] of this.#givenUp) {
      if (!isWaitingLock) continue;
      this.#givenUp.set(tag, false);
      this.#queue.unshift(new ClientRequest('CancelLock', { tag }, 'close'));
    }
  }

  onGone(): void {
    this.#link = undefined;
    this.#resending = [];
    this.#cancelDrained?.();
    this.#cancelDrained = undefined;
    this.#stopAck();
    for (const [tag, request] of this.#sent) {
      if (request.kind !== 'probe') continue;
      this.#sent.delete(tag);
      this.#givenUp.set(tag, false);
      request.settle(linuxerr.EIO);
    }
    this.#options.onLinkGone();
  }

  /** Nothing of the session is there any more. Ordinary requests wait until release(). */
  loseSession(): void {
    this.#isHeld = true;
    this.#lastTag = 0;
    this.#givenUp.clear();
    this.#kept = new KeptReplies();
    const sent = [...this.#sent.values()];
    this.#sent.clear();
    const urgent = [...sent.filter(({ kind }) => kind === 'urgent'), ...this.#urgent.splice(0)];
    this.#unsure.push(...sent.filter(({ kind }) => kind === 'call'));
    const queue = [...this.#queue.splice(0), ...this.#parked.splice(0)];
    this.#queue.push(...queue.filter(({ kind }) => kind === 'call'));
    for (const request of [...this.#unsure, ...this.#queue]) request.onSessionLost();
    for (const request of urgent) request.settle(linuxerr.EIO);
  }

  /**
   * FDs are what they were again. What may be done twice is sent again; nobody knows whether the
   * others were done.
   */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    // Those that came meanwhile say what FDs were then.
    for (const request of this.#queue) request.onSessionLost();
    const unsure = this.#unsure;
    this.#unsure = [];
    this.#queue.unshift(...unsure.filter(({ isRepeatable }) => isRepeatable));
    for (const request of unsure) if (!request.isRepeatable) request.settle(linuxerr.EIO);
    this.#pump();
  }

  /** All that wait are told that there is no link. Closes are still sent when there is one. */
  failAll(): void {
    const failed = [...this.#unsure.splice(0), ...this.#urgent.splice(0)];
    for (const [tag, request] of this.#sent) {
      if (request.kind === 'close') continue;
      this.#sent.delete(tag);
      this.#kept.onGivenUp(request);
      this.#givenUp.set(tag, request.isWaitingLock);
      failed.push(request);
    }
    const queue = [...this.#queue.splice(0), ...this.#parked.splice(0)];
    this.#queue.push(...queue.filter(({ kind }) => kind === 'close'));
    failed.push(...queue.filter(({ kind }) => kind !== 'close'));
    for (const request of failed) request.settle(linuxerr.EIO);
    this.#idle.wakeAll();
  }

  // ---- Sending ----

  /** Returns why it can't be sent. */
  #encode(request: ClientRequest): LinuxError | undefined {
    try {
      if (!this.supports(request.name)) return linuxerr.EOPNOTSUPP;
      const headerVersion = this.#link?.headerVersion ?? 2;
      request.encode({ headerVersion, payloadMax: this.#payloadMax });
      const mayWait = this.#link === undefined || this.#lockMax > 0;
      return request.isWaitingLock && !mayWait ? linuxerr.EOPNOTSUPP : undefined;
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      return error;
    }
  }

  /** Requests at a time, with one left for Ping. */
  get #callMax(): number {
    return Math.max(1, this.#inFlightMax - 1);
  }

  /** Locks that wait at a time. */
  get #lockMax(): number {
    return Math.floor(this.#callMax / 2);
  }

  #pump(): void {
    for (;;) {
      const link = this.#link;
      if (link === undefined || link.isGone) return;
      if (link.isCongested) {
        this.#pumpWhenDrained(link);
        return;
      }
      if (!this.#sendAgain(link) && !this.#sendNext(link)) return;
    }
  }

  /** False if there is nothing to be sent again. */
  #sendAgain(link: ClientLink): boolean {
    const request = this.#resending.shift();
    if (request === undefined) return false;
    // It may have been answered meanwhile.
    if (this.#sent.get(request.tag) === request) link.send(request.frame());
    return true;
  }

  /** False if nothing can be sent at the moment. */
  #sendNext(link: ClientLink): boolean {
    const queue = this.#nextQueue();
    const request = queue?.[0];
    if (queue === undefined || request === undefined) return false;
    if (this.#sent.size >= this.#callMax) return false;
    const error = this.#encode(request);
    if (error !== undefined) {
      queue.shift();
      request.settle(error);
    } else if (this.#isToPark(request)) {
      queue.shift();
      this.#parked.push(request);
    } else {
      if (!this.#hasRoomFor(link, request)) return false;
      queue.shift();
      this.#send(link, request);
    }
    return true;
  }

  #nextQueue(): ClientRequest[] | undefined {
    if (this.#urgent.length > 0) return this.#urgent;
    return this.#isHeld ? undefined : this.#queue;
  }

  #isToPark({ isWaitingLock }: ClientRequest): boolean {
    if (!isWaitingLock) return false;
    let lockCount = 0;
    for (const request of this.#sent.values()) if (request.isWaitingLock) lockCount++;
    return lockCount >= this.#lockMax;
  }

  /** The server keeps replies that must not be lost, and not any number of bytes of them. */
  #hasRoomFor(link: ClientLink, request: ClientRequest): boolean {
    if (link.headerVersion === 1 || this.#kept.hasRoomFor(request)) return true;
    if (!this.#kept.hasAnswered) return false;
    this.#acknowledge(link);
    return this.#kept.hasRoomFor(request);
  }

  #pumpWhenDrained(link: ClientLink): void {
    this.#cancelDrained ??= link.drained.subscribe(() => {
      this.#cancelDrained = undefined;
      this.#pump();
    });
  }

  #send(link: ClientLink, request: ClientRequest): void {
    request.tag = this.#newTag();
    const wasAwaiting = this.isAwaiting;
    this.#sent.set(request.tag, request);
    this.#kept.onSent(request);
    this.requestCount++;
    link.send(request.frame());
    if (!wasAwaiting) this.#options.onAwaiting();
  }

  /** One that nobody uses: some requests are under way for very long. */
  #newTag(): number {
    do this.#lastTag = nextTag(this.#lastTag);
    while (this.#sent.has(this.#lastTag) || this.#givenUp.has(this.#lastTag));
    return this.#lastTag;
  }

  // ---- What comes ----

  onFrame(frame: Frame): void {
    const link = assertDefined(this.#link, 'a frame came by no link');
    if (link.headerVersion === 2 && frame.tag === PUSHED) {
      this.#onPushed(link, frame);
      return;
    }
    const [first] = this.#sent.keys();
    const tag = link.headerVersion === 1 ? first : frame.tag;
    const request = tag === undefined ? undefined : this.#sent.get(tag);
    if (request === undefined) {
      if (tag === undefined || !this.#givenUp.delete(tag)) {
        link.fail('the server answered what it was not asked');
      }
      return;
    }
    this.#sent.delete(request.tag);
    this.#kept.onAnswered(request);
    this.#answer(link, request, frame);
    this.#acknowledgeSoon();
    const parked = request.isWaitingLock ? this.#parked.shift() : undefined;
    if (parked !== undefined) this.#queue.unshift(parked);
    this.#pump();
    this.#idle.wakeAll();
  }

  #answer(link: ClientLink, request: ClientRequest, { mid, payload }: Frame): void {
    try {
      if (mid === MESSAGES.Error.mid) {
        const { errno } = MESSAGES.Error.response.decode(payload);
        const error = errorFromErrno(errno);
        request.settle(error === linuxerr.EREMOTEIO ? linuxerr.EIO : error);
        return;
      }
      if (mid === request.mid) {
        const { response } = messageRow(request.name);
        request.settle(undefined, assertDefined(response).decode(payload));
        return;
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
    link.fail(`the server answered ${request.name} with something else`);
    request.settle(linuxerr.EIO);
  }

  #onPushed(link: ClientLink, { mid, payload }: Frame): void {
    const name = messageNameOf(mid);
    const row = name === undefined ? undefined : messageRow(name);
    if (row?.sender !== 'server' || row.request === undefined) {
      link.fail('the server pushed what is no message of its own');
      return;
    }
    let push: Push;
    try {
      push = [name, row.request.decode(payload)] as unknown as Push;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      link.fail(`the server pushed something else than ${String(name)}`);
      return;
    }
    this.#options.onPush(...push);
  }

  #acknowledgeSoon(): void {
    const link = this.#link;
    if (link === undefined || link.headerVersion === 1 || !this.#kept.hasAnswered) return;
    if (this.#kept.isAckDue) {
      this.#acknowledge(link);
      return;
    }
    this.#cancelAck ??= this.#options.clock.setTimer(ACK_DELAY_MS, () => {
      this.#cancelAck = undefined;
      if (this.#link === link && this.#kept.hasAnswered) this.#acknowledge(link);
    });
  }

  #acknowledge(link: ClientLink): void {
    this.#stopAck();
    this.#kept.onAcknowledged();
    // It is not answered, but it has a tag as all have.
    const tag = this.#newTag();
    const options = { headerVersion: 2, tag, payloadMax: this.#payloadMax } as const;
    link.send(encodeRequest(new WireWriter(), options, 'Ack', this.seen));
  }

  #stopAck(): void {
    this.#cancelAck?.();
    this.#cancelAck = undefined;
  }
}
